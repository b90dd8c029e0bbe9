"""Task 2: from the checked tables to four fitted and examined model families."""

from collections.abc import Collection, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import pandas as pd
from sklearn.pipeline import Pipeline

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


class Data(NamedTuple):
    """The checked tables of task 1, and the digest of the files they stand in."""

    training: pd.DataFrame
    external: pd.DataFrame
    digest: str


class Training(NamedTuple):
    """What fitting a family gives: its answers in the exam, the fitted pipeline, its threshold."""

    answers: pd.DataFrame
    fitted: Pipeline
    threshold: float


def run(settings: Settings) -> float:
    """Train, examine and convert the four families; write ``models/`` and their figures.

    Returns:
        The seconds spent on fitting.

    """
    data = _data()
    started = perf_counter()
    trainings = {family: _train(family, data.training, settings) for family in FAMILIES}
    ablations = [
        _ablate(family, feature, trainings[family].answers, data.training, settings)
        for feature in ENGINEERED
        for family in FAMILIES
    ]
    seconds = perf_counter() - started

    models = {f: _describe(f, trained, data, settings) for f, trained in trainings.items()}
    figures = _figures(models, settings.evaluation.calibration_bins)
    pages = _pages(models, ablations, figures, settings)
    artifacts.write_folder(artifacts.MODELS, _files(models, ablations))
    artifacts.write_folder(artifacts.MODEL_FIGURES, figures)
    for name, text in pages.items():
        artifacts.write_file(artifacts.REPORTS / name, text.encode())
    _show(models)
    return seconds


def _data() -> Data:
    files = artifacts.read_folder(artifacts.PROCESSED, made_by="data_acquisition_eda")
    return Data(
        training=schema.check_training(read_table(files["training.parquet"])),
        external=schema.check_external(read_table(files["external.parquet"])),
        digest=manifest.folder_digest(manifest.digests(files)),
    )


def _build(family: Family, settings: Settings, without: Collection[str] = ()) -> Pipeline:
    models, recipe = settings.models, settings.features
    return modeling.build(family, models, recipe, settings.model_seed, without)


def _train(family: Family, training: pd.DataFrame, settings: Settings) -> Training:
    model, plan = _build(family, settings), settings.evaluation
    watch = cli.watch(FAMILY_TITLES[family])
    return Training(
        answers=exam.sit(model, training, plan, settings.workers, watch),
        fitted=exam.fit(model, training),
        threshold=exam.choose_threshold(model, training, plan),
    )


def _describe(family: Family, trained: Training, data: Data, settings: Settings) -> TrainedModel:
    plan, bands = settings.evaluation, settings.features.age_bands
    abroad = exam.probability(trained.fitted, data.external)
    return TrainedModel(
        pipeline=trained.fitted,
        skops=persistence.dump(trained.fitted),
        onnx=conversion.convert(trained.fitted),
        answers=trained.answers,
        parameters=Parameters(
            data_digest=data.digest,
            seed=settings.model_seed,
            hyperparameters=getattr(settings.models, family).model_dump(),
            features=settings.features,
            exam=plan,
        ),
        evaluation=Evaluation(
            family=family,
            threshold=trained.threshold,
            metrics=evaluation.summarise(trained.answers, plan),
            external=evaluation.by_hospital(abroad, data.external, plan),
            slices=evaluation.by_slice(trained.answers, data.training, bands, plan),
        ),
    )


def _ablate(
    family: Family,
    feature: str,
    answers: pd.DataFrame,
    training: pd.DataFrame,
    settings: Settings,
) -> Ablation:
    """Sit a shorter exam without ``feature``; its folds are the first of the long one."""
    repeats = min(settings.ablation_repeats, settings.evaluation.repeats)
    shorter = {"repeats": repeats, "threshold_folds": None}
    plan = settings.evaluation.model_copy(update=shorter)
    watch = cli.watch(f"{FAMILY_TITLES[family]} without {feature}")
    model = _build(family, settings, without=[feature])
    without = exam.sit(model, training, plan, settings.workers, watch)
    complete = answers[answers["repeat"] < repeats].assign(threshold=exam.UNCHOSEN_THRESHOLD)
    differences = evaluation.paired_differences(complete, without, plan)
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


def _figures(models: Models, bins: int) -> dict[str, bytes]:
    answers = {family: model.answers for family, model in models.items()}
    summaries = {family: model.evaluation.metrics for family, model in models.items()}
    drawn = model_figures(answers, summaries, bins)
    return {name: figure_bytes(figure) for name, figure in drawn.items()}


def _pages(
    models: Models, ablations: Sequence[Ablation], figures: Files, settings: Settings
) -> dict[str, str]:
    found = [model.evaluation for model in models.values()]
    values: dict[str, Any] = {
        "evaluations": found,
        "titles": [FAMILY_TITLES[family] for family in models],
        "hospitals": list(zip(*(each.external for each in found), strict=True)),
        "slices": list(zip(*(each.slices for each in found), strict=True)),
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
