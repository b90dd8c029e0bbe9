"""The rows of the model report's tables, and the report as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.base.names import LOWER_IS_BETTER, METRIC_TITLES, Metric
from pipeline.base.pages import NONE, render
from pipeline.base.records import Estimate, Record
from pipeline.gate import checks
from pipeline.gate.checks import Check, Status
from pipeline.gate.comparison import Comparison
from pipeline.gate.decision import Verdict
from pipeline.report.group_rows import Pair, cohort_rows, slice_rows
from pipeline.report.model_report import ModelReport
from pipeline.table import wording
from pipeline.training import recipe_changes
from pipeline.training.families import FAMILY_TITLES

MODES: Final = {
    "enabled": "experiment tracking moves the champion alias by its verdict",
    "report-only": "the alias stays, whatever the verdict",
    "disabled": "nothing is checked, and the best family is promoted",
}
RANKING: Final[tuple[Metric, ...]] = (
    *("roc_auc", "pr_auc", "log_loss", "brier"),
    *("calibration_error", "calibration_slope", "calibration_intercept"),
)
DECIDING: Final[tuple[Metric, ...]] = (
    *("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1"),
)
# The aim of each metric of which more is not better.
AIMS: Final[Mapping[Metric, str]] = {
    **dict.fromkeys(LOWER_IS_BETTER, "less is better"),
    "calibration_slope": "1 is right",
    "calibration_intercept": "0 is right",
}
# The checks that a report begins with, where there are so many.
LEADING: Final = 5


class MetricRow(Pair):
    """A metric. ``aim`` says what is good where more is not; ``reading`` who is plainly better."""

    title: str
    aim: str
    reading: str


class FamilyRow(Record):
    """How a family would fare as the challenger."""

    title: str
    roc_auc: Estimate | None
    brier: Estimate | None
    difference: Estimate | None
    verdict: Verdict


class ObservedRow(Record):
    """Something observed of both models, among some patients or all; the champion's if known."""

    title: str
    patients: int | None = None
    challenger: float
    champion: float | None


def change_lines(report: ModelReport) -> list[str]:
    """Return what changed in the recipes, line by line."""
    if report.changes is None:
        unanswered = "not known, as the registry gave no answer"
        return ["no registered version to compare with" if report.champion.known else unanswered]
    nothing = "nothing since the newest registered version of each family"
    return [recipe_changes.words(change) for change in report.changes] or [nothing]


def leading_checks(report: ModelReport) -> list[Check]:
    """Return the checks that a reviewer looks at first: those that failed, then the deciding ones.

    The deciding ones are the ranking metric against the champion, or what another threshold decides
    otherwise, or without a champion the floor; log loss, Brier score and calibration error; and the
    patients with the least above their floor.
    """
    checks = {check.name: check for check in report.verdict.checks}
    title = METRIC_TITLES[report.policy.metric]
    ranking = (f"{title} better", f"{title} not worse", "Decisions", METRIC_TITLES["roc_auc"])
    chosen = [
        *(check.name for check in report.verdict.checks_with(Status.FAILED)),
        *[name for name in ranking if name in checks][:1],
        *(METRIC_TITLES[metric] for metric in ("log_loss", "brier", "calibration_error")),
        *_weakest(report),
    ]
    return [checks[name] for name in dict.fromkeys(chosen) if name in checks][:LEADING]


def _weakest(report: ModelReport) -> list[str]:
    """Return the checks of single groups of patients, the least above its floor first."""
    lowest = report.policy.slices.minimum_roc_auc
    margins = {
        f"ROC-AUC, {group.name}": group.roc_auc.mean - lowest
        for group in report.challenger.slices
        if not checks.too_small(group, report.policy)
    }
    floors = report.policy.external_minimum_roc_auc
    margins |= {
        f"ROC-AUC at {group.name}": group.roc_auc.mean - floors[group.name]
        for group in report.challenger.external
        if group.name in floors
    }
    return sorted(margins, key=lambda name: margins[name])


def metric_rows(report: ModelReport, metrics: Sequence[Metric]) -> list[MetricRow]:
    """Return a row for each metric, in the order given."""
    champion = report.champion.evaluation.metrics if report.champion.evaluation else {}
    differences = report.comparison.differences if report.comparison else {}
    return [
        MetricRow(
            title=METRIC_TITLES[metric],
            aim=AIMS.get(metric, ""),
            challenger=report.challenger.metrics.get(metric),
            champion=champion.get(metric),
            difference=differences.get(metric),
            reading=_reading(metric, differences.get(metric)),
        )
        for metric in metrics
    ]


def _reading(metric: Metric, difference: Estimate | None) -> str:
    """Say better or worse where the whole interval is on one side of zero."""
    if difference is None or not (difference.low > 0 or difference.high < 0):
        return ""
    return "better" if (difference.mean > 0) != (metric in LOWER_IS_BETTER) else "worse"


def family_rows(report: ModelReport) -> list[FamilyRow]:
    """Return a row for each family."""
    return [
        FamilyRow(
            title=FAMILY_TITLES[family],
            roc_auc=evaluation.metrics.get("roc_auc"),
            brier=evaluation.metrics.get("brier"),
            difference=_difference(report.comparisons[family], report.policy.metric),
            verdict=report.verdict_on(family),
        )
        for family, evaluation in report.evaluations.items()
    ]


def _difference(comparison: Comparison | None, metric: Metric) -> Estimate | None:
    return comparison.differences.get(metric) if comparison else None


def harmless_rows(report: ModelReport) -> list[ObservedRow]:
    """Return by how much each thing that must not matter changed a probability at most."""
    champion = report.champion.evaluation
    theirs = champion.behaviour.differences if champion else {}
    return [
        ObservedRow(title=name, challenger=change, champion=theirs.get(name))
        for name, change in report.challenger.behaviour.differences.items()
    ]


def direction_rows(report: ModelReport) -> list[ObservedRow]:
    """Return for how many patients each change that should not lower the risk does not."""
    champion = report.champion.evaluation
    theirs = champion.behaviour.directions if champion else ()
    holds = {direction.change: direction.holds for direction in theirs}
    return [
        ObservedRow(
            title=direction.change,
            patients=direction.patients,
            challenger=direction.holds,
            champion=holds.get(direction.change),
        )
        for direction in report.challenger.behaviour.directions
    ]


def origin_rows(report: ModelReport) -> list[tuple[str, str, str]]:
    """Return what each model was made from: its name, the challenger's and the champion's."""
    mine, theirs = report.lineage.challenger, report.lineage.champion
    changes = ", with changes" if report.source.modified else ""
    return [
        ("Commit", mine.commit + changes, theirs.commit if theirs else NONE),
        ("Data digest", mine.data_digest, theirs.data_digest if theirs else NONE),
        ("Model digest", mine.model_digest, theirs.model_digest if theirs else NONE),
    ]


def markdown(report: ModelReport, *, page: bool = False) -> str:
    """Return the report as Markdown: for a comment or a file, or all of it for a page."""
    verdict = report.verdict
    return render(
        "model-report.md.j2",
        page=page,
        report=report,
        verdict=verdict,
        challenger=report.challenger,
        champion=report.champion.evaluation,
        failed=verdict.checks_with(Status.FAILED),
        unjudged=verdict.checks_with(Status.NOT_JUDGED),
        passed=verdict.checks_with(Status.PASSED),
        changes=change_lines(report),
        leading=leading_checks(report),
        mode=MODES[verdict.mode],
        ranking=metric_rows(report, RANKING),
        deciding=metric_rows(report, DECIDING),
        slices=slice_rows(report),
        words=wording,
        external=cohort_rows(report),
        families=family_rows(report),
        harmless=harmless_rows(report),
        directions=direction_rows(report),
        family_titles=FAMILY_TITLES,
        metric_title=METRIC_TITLES[report.policy.metric],
        origins=origin_rows(report),
        differences=[recipe_changes.words(change) for change in report.lineage.changed],
        trained=[FAMILY_TITLES[family] for family in report.source.trained],
    )
