"""Compare the work tree's models with the live champion, and write the model report.

Reads the registry and changes nothing in it.
"""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.base import artifacts, cli
from pipeline.base.arithmetic import reproducible
from pipeline.base.context import RunContext
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import (
    ArtifactError,
    NotPromotedError,
    RegistryError,
    RegistryUnavailableError,
)
from pipeline.base.manifest import Files
from pipeline.base.names import FAMILIES, SERVED, Family, registered_name
from pipeline.base.pages import difference, estimate
from pipeline.base.registry_settings import RegistrySettings
from pipeline.gate.examiner import Examiner, Incumbent
from pipeline.registry import mlflow_calls
from pipeline.registry.client import Registry, connect
from pipeline.registry.version import Version
from pipeline.report import model_report, page, report_record
from pipeline.report.comparison_figures import comparison_figures
from pipeline.report.drawing import figure_bytes
from pipeline.report.model_report import UNKNOWN, ModelReport, Refit, Source, Standing
from pipeline.report.report_record import PROBLEMS
from pipeline.report.rows import RANKING, change_lines, markdown, metric_rows
from pipeline.training import families, fitting, recipe_changes, workspace
from pipeline.training.families import FAMILY_TITLES
from pipeline.training.fitting import Data
from pipeline.training.plan import TrainingPlan
from pipeline.training.recipe_changes import Change
from pipeline.training.trained_model import TrainedModel

MARKDOWN, PAGE = "model-report.md", "model-report.html"


@reproducible()
def run(context: RunContext, *, require_promotion: bool = False) -> None:
    """Hold the best family against the live champion and write ``reports/model-report.*``.

    Raises:
        NotPromotedError: ``require_promotion`` is set and the verdict moves no alias.

    """
    settings, data, tree = context.settings, workspace.read_data(), context.tree
    plan, workers = workspace.plan(settings), settings.workers
    kept = _current_models(plan, data)
    trained = tuple(family for family in FAMILIES if family not in kept)
    known = kept | _train(trained, data, plan, workers)
    models = {family: known[family] for family in FAMILIES}
    examiner = Examiner(data, plan, workers, cli.watch)
    examiner.know(models.values())
    source = Source(commit=tree.commit, modified=tree.modified, trained=trained)

    standing = _standing(settings.registry, models, examiner)
    report = model_report.build(models, standing, examiner, settings.promotion, source)
    drawn = comparison_figures(report, model_report.predictions(report, models, standing, examiner))
    figures = {name: figure_bytes(figure) for name, figure in drawn.items()}
    texts = pages(report, figures)
    files = {name: text.encode() for name, text in texts.items()}
    files[report_record.FILE] = json_bytes(report_record.record(report))
    for name, content in files.items():
        artifacts.write_file(artifacts.REPORTS / name, content)
    artifacts.add_to(context.ci.step_summary, texts[MARKDOWN])
    _show(report)
    if require_promotion and not report.verdict.moves_alias:
        raise NotPromotedError(f"the champion stays: {report.verdict.reason}")


def _current_models(plan: TrainingPlan, data: Data) -> dict[Family, TrainedModel]:
    """Return those models of ``models/`` that a training today would give again."""
    try:
        models = workspace.read_models()
    except ArtifactError:
        return {}
    today = {family: fitting.parameters(family, plan, data) for family in models}
    return {f: model for f, model in models.items() if not today[f].differing(model.parameters)}


def _train(
    chosen: Sequence[Family], data: Data, plan: TrainingPlan, workers: int
) -> dict[Family, TrainedModel]:
    if not chosen:
        return {}
    families.check(plan)
    fitted = fitting.fit(chosen, data, plan, workers, cli.watch("Cross-validation"))
    known = fitting.yardsticks(data, plan, workers)
    return {f: fitting.describe(f, fitted[f], data, plan, known) for f in chosen}


def _standing(
    settings: RegistrySettings, models: Mapping[Family, TrainedModel], examiner: Examiner
) -> Standing:
    if not mlflow_calls.is_made(settings.tracking_uri):
        return Standing(None, PROBLEMS["no_registry"])
    try:
        opened = connect(settings)
        champion = opened.incumbent(opened.find_champion(SERVED))
        changes = _changes(opened, models)
        refits = tuple(_refits(opened, models, examiner))
    except (RegistryError, RegistryUnavailableError) as error:
        return Standing(Incumbent(UNKNOWN, None, str(error)), known=False)
    problem = "" if champion else PROBLEMS["no_champion"]
    return Standing(champion, problem, changes=changes, refits=refits)


def _changes(
    registry: Registry, models: Mapping[Family, TrainedModel]
) -> tuple[Change, ...] | None:
    """Return how the recipes differ from the newest registered ones; None without any."""
    newest = {family: registry.newest(registered_name(family)) for family in models}
    found = {
        family: _since(registry, version, models[family])
        for family, version in newest.items()
        if version
    }
    return recipe_changes.together(found) if found else None


def _since(registry: Registry, version: Version, model: TrainedModel) -> tuple[Change, ...]:
    if version.holds(model.files()):
        return ()
    before = registry.incumbent(version)
    return recipe_changes.changes(before.model if before else None, model)


def _refits(
    registry: Registry, models: Mapping[Family, TrainedModel], examiner: Examiner
) -> Iterator[Refit]:
    """Fit each family's champion again that other libraries had fitted to the data of today."""
    for family, model in models.items():
        incumbent = registry.incumbent(registry.find_champion(registered_name(family)))
        champion = incumbent.model if incumbent else None
        if champion and champion.other_libraries(model):
            rows, difference = examiner.refitted(champion)
            yield Refit(family=family, rows=rows, difference=difference)


def pages(report: ModelReport, figures: Files) -> dict[str, str]:
    """Return the report as Markdown and as a page, by the names of their files."""
    whole, look = markdown(report, page=True), f"verdict {report.headline.lower()}"
    return {MARKDOWN: markdown(report), PAGE: page.html(whole, figures, look, folded=True)}


def _show(report: ModelReport) -> None:
    rows = (
        (
            row.title,
            estimate(row.challenger),
            estimate(row.champion),
            f"{difference(row.difference)} {row.reading}".strip(),
        )
        for row in metric_rows(report, RANKING)
    )
    columns = ("", "challenger", "champion", "difference")
    cli.show_table("Cross-validation on equal folds", columns, rows)
    for line in change_lines(report):
        cli.fact("changed", line)
    for refit in report.refits:
        cli.fact("refitted", refit.line)
    cli.fact("challenger", f"{FAMILY_TITLES[report.winner]}")
    cli.fact("champion", f"{report.champion.sentence}")
    cli.fact("verdict", f"{report.headline.lower()}: {report.reason}")
    cli.fact("report", f"{artifacts.REPORTS / PAGE}")
