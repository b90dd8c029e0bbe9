"""The rows of the model report's tables about some of the patients."""

from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.base.records import Estimate, Record
from pipeline.evaluation.groups import Group
from pipeline.gate import checks
from pipeline.report.model_report import ModelReport
from pipeline.table.contract import EXTERNAL

COHORT_TITLES: Final = {cohort.name: cohort.title for cohort in EXTERNAL}
CALIBRATION: Final = "Calibration (0 is right)"


class Pair(Record):
    """A figure of both models and challenger minus champion, as far as each is known."""

    challenger: Estimate | None
    champion: Estimate | None
    difference: Estimate | None


class GroupRow(Record):
    """How both models do among some patients.

    ``limit`` is the AUC that the gate asks for there; ``few`` says why the patients are too few to
    judge by, or nothing.
    """

    title: str
    rows: int
    positives: int
    roc_auc: Pair
    others: dict[str, Pair]
    limit: float | None
    few: str


def slice_rows(report: ModelReport) -> list[GroupRow]:
    """Return a row for each slice of the patients."""
    lowest = report.policy.slices.minimum_roc_auc
    limits = dict.fromkeys((group.name for group in report.challenger.slices), lowest)
    others = {"Sensitivity": "sensitivity", CALIBRATION: "calibration"}
    return _rows(report, "slices", limits, others)


def cohort_rows(report: ModelReport) -> list[GroupRow]:
    """Return a row for each cohort that no model is trained on."""
    limits = {str(name): limit for name, limit in report.policy.external_minimum_roc_auc.items()}
    others = {"Brier score": "brier", CALIBRATION: "calibration"}
    return _rows(report, "external", limits, others)


def _rows(
    report: ModelReport, part: str, limits: Mapping[str, float], others: Mapping[str, str]
) -> list[GroupRow]:
    challenger: Sequence[Group] = getattr(report.challenger, part)
    # A champion that is not known, or not compared, has no groups.
    champion = {group.name: group for group in getattr(report.champion.evaluation, part, ())}
    differences = {group.name: group for group in getattr(report.comparison, part, ())}

    def pair(figure: str, group: Group) -> Pair:
        return Pair(
            challenger=getattr(group, figure),
            champion=getattr(champion.get(group.name), figure, None),
            difference=getattr(differences.get(group.name), figure, None),
        )

    return [
        GroupRow(
            title=COHORT_TITLES.get(group.name, group.name),
            rows=group.rows,
            positives=group.positives,
            roc_auc=pair("roc_auc", group),
            others={title: pair(figure, group) for title, figure in others.items()},
            limit=limits.get(group.name),
            few=checks.too_small(group, report.policy),
        )
        for group in challenger
    ]
