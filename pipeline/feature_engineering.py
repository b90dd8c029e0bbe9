"""Task 2: from the checked tables to four fitted and evaluated model families."""

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from pipeline.base import artifacts, cli, kernel
from pipeline.base.arithmetic import reproducible
from pipeline.base.config import Settings
from pipeline.base.context import RunContext
from pipeline.base.encoding import json_bytes
from pipeline.base.manifest import Files
from pipeline.base.names import FAMILIES, METRIC_TITLES, Family, Metric
from pipeline.base.pages import estimate, render
from pipeline.evaluation.metrics import Ablation
from pipeline.report import page
from pipeline.report.drawing import figure_bytes
from pipeline.report.model_figures import model_figures
from pipeline.table import wording
from pipeline.table.contract import EXTERNAL
from pipeline.training import families, fitting, workspace
from pipeline.training.families import FAMILY_TITLES
from pipeline.training.trained_model import TrainedModel

PAGES = ("model-evaluation.md", "model-evaluation.html")

Models = Mapping[Family, TrainedModel]


@reproducible()
def run(context: RunContext) -> float:
    """Train, evaluate and convert the four families; write ``models/`` and their figures.

    Returns:
        The seconds spent on fitting.

    """
    data, plan = workspace.read_data(), workspace.plan(context.settings)
    families.check(plan)
    started = perf_counter()
    workers = context.settings.workers
    fitted = fitting.fit(FAMILIES, data, plan, workers, cli.watch("Cross-validation"))
    short = fitting.shortened(plan, context.settings.ablation_repeats)
    ablations = fitting.ablate(fitted, data, short, workers, cli.watch("Ablation"))
    known = fitting.yardsticks(data, plan, workers)
    seconds = perf_counter() - started

    models = {
        family: fitting.describe(family, fitted[family], data, plan, known) for family in FAMILIES
    }
    figures = _figures(models, context.settings.evaluation.calibration_bins)
    pages = _pages(models, ablations, figures, context.settings)
    artifacts.write_folder(artifacts.MODELS, _files(models, ablations))
    artifacts.write_folder(artifacts.MODEL_FIGURES, figures)
    for name, text in pages.items():
        artifacts.write_file(artifacts.REPORTS / name, text.encode())
    _show(models)
    return seconds


def _files(models: Models, ablations: Sequence[Ablation]) -> dict[str, bytes]:
    table = {"ablations": [ablation.model_dump(mode="json") for ablation in ablations]}
    return {
        "ablation.json": json_bytes(table),
        **{
            f"{family}/{name}": content
            for family, model in models.items()
            for name, content in model.files().items()
        },
    }


def _figures(models: Models, bins: int) -> dict[str, bytes]:
    predictions = {family: model.predictions for family, model in models.items()}
    summaries = {family: model.evaluation.metrics for family, model in models.items()}
    drawn = model_figures(predictions, summaries, bins)
    return {name: figure_bytes(figure) for name, figure in drawn.items()}


def _pages(
    models: Models, ablations: Sequence[Ablation], figures: Files, settings: Settings
) -> dict[str, str]:
    evaluations = [model.evaluation for model in models.values()]
    values: dict[str, Any] = {
        "evaluations": evaluations,
        "titles": [FAMILY_TITLES[family] for family in models],
        "words": wording,
        "external": list(zip(*(evaluation.external for evaluation in evaluations), strict=True)),
        "slices": list(zip(*(evaluation.slices for evaluation in evaluations), strict=True)),
        "incomplete": list(zip(*(found.incomplete for found in evaluations), strict=True)),
        "ablations": ablations,
        "ablation_repeats": min(settings.ablation_repeats, settings.evaluation.repeats),
        "data_digest": next(iter(models.values())).parameters.data_digest,
        "plan": settings.evaluation,
        "threshold": settings.threshold,
        "metric_titles": METRIC_TITLES,
        "family_titles": FAMILY_TITLES,
        "cohort_titles": {cohort.name: cohort.title for cohort in EXTERNAL},
    }
    markdown = render(f"{PAGES[0]}.j2", **values)
    return dict(zip(PAGES, (markdown, page.html(markdown, figures)), strict=True))


def _show(models: Models) -> None:
    shown: tuple[Metric, ...] = ("roc_auc", "brier", "log_loss")
    rows = (
        (
            FAMILY_TITLES[family],
            *(estimate(model.evaluation.metrics[metric]) for metric in shown),
            f"{model.evaluation.threshold:.3f}",
        )
        for family, model in models.items()
    )
    columns = ("family", *(METRIC_TITLES[metric] for metric in shown), "threshold")
    cli.show_table("Cross-validation: mean and corrected standard error", columns, rows)
    cli.fact("kernel", f"{kernel.describe(kernel.machine(), kernel.flags())}")
    cli.fact("models", f"{artifacts.MODELS}/")
    cli.fact("figures", f"{artifacts.MODEL_FIGURES}/")
    cli.fact("report", f"{artifacts.REPORTS / PAGES[-1]}")


def main() -> None:
    """Train and evaluate four model families on `data/processed/`.

    Writes `models/<family>/` (skops, ONNX, metrics, parameters, predictions), `figures/models/` and
    `reports/model-evaluation.*`. The same commit, data and lock give the same bytes.

    Exit codes: 0 done; 1 something is wrong; 2 a setting does not exist.

    Examples:
    - `python -m pipeline.feature_engineering`
    - `PIPELINE__EVALUATION__REPEATS=2 python -m pipeline.feature_engineering` is a quick look

    """
    run(RunContext.read())


if __name__ == "__main__":
    cli.run(main)
