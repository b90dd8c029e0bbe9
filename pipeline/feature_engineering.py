"""Task 2: from the checked tables to four fitted and examined model families."""

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import pandas as pd

from pipeline import artifacts, cli, config
from pipeline.config import Settings
from pipeline.core import (
    conversion,
    evaluation,
    exam,
    manifest,
    modeling,
    persistence,
    report,
    schema,
)
from pipeline.core.contract import EXTERNAL
from pipeline.core.drawing import figure_bytes
from pipeline.core.encoding import json_bytes, read_table
from pipeline.core.evaluation import METRIC_TITLES, Ablation, Evaluation
from pipeline.core.features import ENGINEERED
from pipeline.core.manifest import Files
from pipeline.core.model_figures import FAMILY_TITLES, model_figures
from pipeline.core.policies import FAMILIES, Family, Metric
from pipeline.core.trained_model import Parameters, TrainedModel

PAGES = ("model-evaluation.md", "model-evaluation.html")

Models = Mapping[Family, TrainedModel]


def run(settings: Settings) -> float:
    """Train, examine and convert the four families; write ``models/`` and their figures.

    Returns:
        The seconds spent on fitting.

    """
    data = artifacts.read_folder(artifacts.PROCESSED, made_by="data_acquisition_eda")
    training = schema.check_training(read_table(data["training.parquet"]))
    external = schema.check_external(read_table(data["external.parquet"]))
    digest = manifest.folder_digest(manifest.digests(data))

    started = perf_counter()
    models = {f: _train(f, training, external, digest, settings) for f in FAMILIES}
    ablations = [_ablate(m, f, training, settings) for f in ENGINEERED for m in models.values()]
    seconds = perf_counter() - started

    answers = {family: model.answers for family, model in models.items()}
    drawn = model_figures(answers, settings.evaluation.calibration_bins)
    figures = {name: figure_bytes(figure) for name, figure in drawn.items()}
    pages = _pages(models, ablations, figures, settings)
    artifacts.write_folder(artifacts.MODELS, _files(models, ablations))
    artifacts.write_folder(artifacts.MODEL_FIGURES, figures)
    for name, text in pages.items():
        artifacts.write_file(artifacts.REPORTS / name, text.encode())
    _show(models)
    return seconds


def _train(
    family: Family,
    training: pd.DataFrame,
    external: pd.DataFrame,
    data_digest: str,
    settings: Settings,
) -> TrainedModel:
    plan = settings.evaluation
    model = modeling.build(family, settings.models, settings.features, settings.model_seed)
    answers = exam.sit(model, training, plan, settings.workers, cli.watch(FAMILY_TITLES[family]))
    fitted = exam.fit(model, training)
    return TrainedModel(
        pipeline=fitted,
        skops=persistence.dump(fitted),
        onnx=conversion.convert(fitted),
        answers=answers,
        parameters=Parameters(
            data_digest=data_digest,
            seed=settings.model_seed,
            hyperparameters=getattr(settings.models, family).model_dump(),
            features=settings.features,
            exam=plan,
        ),
        evaluation=Evaluation(
            family=family,
            threshold=exam.choose_threshold(model, training, plan),
            metrics=evaluation.summarise(answers, plan),
            external=evaluation.by_hospital(exam.probability(fitted, external), external, plan),
            slices=evaluation.by_slice(answers, training, settings.features.age_bands, plan),
        ),
    )


def _ablate(
    model: TrainedModel, feature: str, training: pd.DataFrame, settings: Settings
) -> Ablation:
    """Sit a shorter exam without ``feature``; its folds are the first of the long one."""
    family = model.evaluation.family
    repeats = min(settings.ablation_repeats, settings.evaluation.repeats)
    shorter = {"repeats": repeats, "threshold_folds": None}
    plan = settings.evaluation.model_copy(update=shorter)
    unfitted = modeling.build(
        family, settings.models, settings.features, settings.model_seed, without=[feature]
    )
    watch = cli.watch(f"{FAMILY_TITLES[family]} without {feature}")
    without = exam.sit(unfitted, training, plan, settings.workers, watch)
    complete = model.answers[model.answers["repeat"] < repeats]
    differences = evaluation.paired_differences(
        complete.assign(threshold=exam.UNCHOSEN_THRESHOLD), without, plan
    )
    return Ablation(family=family, feature=feature, differences=differences)


def _files(models: Models, ablations: Sequence[Ablation]) -> dict[str, bytes]:
    table = {"ablations": [found.model_dump(mode="json") for found in ablations]}
    return {
        "ablation.json": json_bytes(table),
        **{
            f"{family}/{name}": content
            for family, model in models.items()
            for name, content in model.files().items()
        },
    }


def _pages(
    models: Models, ablations: Sequence[Ablation], figures: Files, settings: Settings
) -> dict[str, str]:
    values: dict[str, Any] = {
        "evaluations": {family: model.evaluation for family, model in models.items()},
        "ablations": ablations,
        "ablation_repeats": min(settings.ablation_repeats, settings.evaluation.repeats),
        "data_digest": next(iter(models.values())).parameters.data_digest,
        "plan": settings.evaluation,
        "metric_titles": METRIC_TITLES,
        "family_titles": FAMILY_TITLES,
        "hospital_titles": {hospital.name: hospital.title for hospital in EXTERNAL},
        "figures": figures,
    }
    return {name: report.render(f"{name}.j2", **values) for name in PAGES}


def _show(models: Models) -> None:
    shown: tuple[Metric, ...] = ("roc_auc", "brier", "log_loss")
    rows = (
        (
            FAMILY_TITLES[family],
            *(report.estimate(model.evaluation.metrics[metric]) for metric in shown),
            f"{model.evaluation.threshold:.3f}",
        )
        for family, model in models.items()
    )
    columns = ("family", *(METRIC_TITLES[metric] for metric in shown), "threshold")
    cli.show_table("Cross-validation: mean and corrected standard error", columns, rows)
    cli.say(f"models        {artifacts.MODELS}/")
    cli.say(f"figures       {artifacts.MODEL_FIGURES}/")
    cli.say(f"report        {artifacts.REPORTS / PAGES[-1]}")


def main() -> None:
    """Train and examine four model families on `data/processed/`.

    Writes `models/<family>/` (skops, ONNX, metrics, parameters, answers), `figures/models/` and
    `reports/model-evaluation.*`. The same commit, data and lock give the same bytes.

    Examples:
        python -m pipeline.feature_engineering

        HEART_DISEASE_EVALUATION__REPEATS=2 python -m pipeline.feature_engineering
    """
    run(config.load())


if __name__ == "__main__":
    cli.run(main)
