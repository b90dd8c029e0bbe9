"""The model report: a challenger beside the live champion, as one value and as what pages show.

Nothing here decides: the verdict is the gate's, and the report says what stands behind it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple

import pandas as pd
from pydantic import Field

from pipeline.base.names import FAMILIES, LOWER_IS_BETTER, METRIC_TITLES, Family, Metric
from pipeline.base.pages import NONE, render
from pipeline.base.policies import EvaluationPlan, PromotionPolicy
from pipeline.base.records import Commit, Digest, Estimate, Identifier, Record
from pipeline.evaluation.metrics import Evaluation, Group, GroupDifference
from pipeline.gate import decision
from pipeline.gate.decision import Comparison, Outcome, Status, Verdict
from pipeline.gate.examiner import Examiner, Incumbent
from pipeline.table.contract import EXTERNAL
from pipeline.training.families import FAMILY_TITLES
from pipeline.training.trained_model import TrainedModel

HEADLINES: Final[Mapping[Outcome, str]] = {
    Outcome.PROMOTE: "Promote",
    Outcome.KEEP: "Keep the champion",
    Outcome.REFUSE: "Refuse",
}
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
# What to aim for, where more is not better.
AIMS: Final[Mapping[Metric, str]] = {
    **dict.fromkeys(LOWER_IS_BETTER, "less is better"),
    "calibration_slope": "1 is right",
    "calibration_intercept": "0 is right",
}
# How a champion is called that no registry could be asked for.
UNKNOWN: Final = "the live champion"
HOSPITAL_TITLES: Final = {hospital.name: hospital.title for hospital in EXTERNAL}


class Standing(NamedTuple):
    """Who is champion. ``problem`` says why nobody is; ``known`` is False when nobody could ask."""

    champion: Incumbent | None
    problem: str = ""
    known: bool = True


class Champion(Record):
    """The champion as the report shows it.

    Without ``evaluation`` there is none to put beside the challenger, and ``problem`` says why.
    """

    title: str = ""
    evaluation: Evaluation | None = None
    problem: str = ""
    known: bool = True

    @property
    def sentence(self) -> str:
        """Say who is champion, or why the report shows none."""
        if self.evaluation:
            return f"{self.title} ({FAMILY_TITLES[self.evaluation.family]})"
        if not self.known:
            return f"not known: {self.problem}"
        if self.title:
            return f"{self.title}, which cannot be compared: {self.problem}"
        return f"none, because {self.problem}"


class Source(Record):
    """What the challenger was made from.

    ``modified`` says that the work tree differs from its commit; ``trained`` are the families that
    were trained for this report.
    """

    commit: Commit
    modified: bool
    trained: Annotated[tuple[Family, ...], Field(max_length=len(FAMILIES))]


class Origin(Record):
    """Where a model comes from: the commit of its code, and the sha256 of its data and its file."""

    commit: Commit
    data_digest: Digest
    model_digest: Digest


class Lineage(Record):
    """Where both models come from; ``changed`` names the parameters in which they differ."""

    challenger: Origin
    champion: Origin | None
    changed: Annotated[tuple[Identifier, ...], Field(max_length=20)]


class ModelReport(Record):
    """Everything that the report shows. Each family challenges the same champion."""

    evaluations: dict[Family, Evaluation]
    comparisons: dict[Family, Comparison | None]
    champion: Champion
    lineage: Lineage
    source: Source
    plan: EvaluationPlan
    policy: PromotionPolicy

    @property
    def winner(self) -> Family:
        """Return the best family."""
        return decision.best_family(self.evaluations, self.policy)

    @property
    def challenger(self) -> Evaluation:
        """Return what is known of the best family."""
        return self.evaluations[self.winner]

    @property
    def comparison(self) -> Comparison | None:
        """Return the best family's comparison; None when nobody is champion."""
        return self.comparisons[self.winner]

    @property
    def verdict(self) -> Verdict:
        """Return the verdict on the best family: the one that counts."""
        return self.verdict_on(self.winner)

    def verdict_on(self, family: Family) -> Verdict:
        """Return the verdict on a family as the challenger."""
        return decision.decide(self.evaluations[family], self.comparisons[family], self.policy)

    @property
    def challenger_title(self) -> str:
        """Return how figures name the challenger."""
        return f"Challenger: {FAMILY_TITLES[self.winner]}"

    @property
    def champion_title(self) -> str:
        """Return how figures name the champion, or nothing when there is none to show."""
        found = self.champion.evaluation
        return f"Champion: {FAMILY_TITLES[found.family]}" if found else ""

    @property
    def undecided(self) -> bool:
        """Say whether only the champion, whom nobody could ask for, keeps this from a verdict."""
        return not self.champion.known and not self.verdict.checks_with(Status.FAILED)

    @property
    def headline(self) -> str:
        """Return the verdict in a few words."""
        return "No verdict" if self.undecided else HEADLINES[self.verdict.outcome]

    @property
    def reason(self) -> str:
        """Return the verdict's reason, less what is said about the champion anyway."""
        return self.verdict.reason.removesuffix(f": {self.champion.problem}")


def build(
    models: Mapping[Family, TrainedModel],
    standing: Standing,
    examiner: Examiner,
    policy: PromotionPolicy,
    source: Source,
) -> ModelReport:
    """Hold every family against the champion, and tell what there is to tell of the best."""
    champion = standing.champion
    evaluations = {family: model.evaluation for family, model in models.items()}
    comparisons = {family: examiner.challenge(model, champion) for family, model in models.items()}
    winner = decision.best_family(evaluations, policy)
    return ModelReport(
        evaluations=evaluations,
        comparisons=comparisons,
        champion=_champion(standing, comparisons[winner], examiner),
        lineage=_lineage(models[winner], champion, source.commit),
        source=source,
        plan=examiner.plan.evaluation,
        policy=policy,
    )


def _champion(standing: Standing, comparison: Comparison | None, examiner: Examiner) -> Champion:
    champion = standing.champion
    if champion is None or comparison is None:
        return Champion(problem=standing.problem)
    if champion.model is None or comparison.problem:
        problem = comparison.problem
        return Champion(title=champion.title, problem=problem, known=standing.known)
    evaluation = examiner.evaluate(champion.model, champion.title)
    return Champion(title=champion.title, evaluation=evaluation)


def _lineage(challenger: TrainedModel, champion: Incumbent | None, commit: str) -> Lineage:
    theirs = champion.model if champion else None
    return Lineage(
        challenger=_origin(challenger, commit),
        champion=_origin(theirs, champion.commit) if champion and theirs else None,
        changed=tuple(challenger.parameters.differing(theirs.parameters)) if theirs else (),
    )


def _origin(model: TrainedModel, commit: str) -> Origin:
    digest = model.parameters.data_digest
    return Origin(commit=commit, data_digest=digest, model_digest=model.digest)


def answers(
    report: ModelReport,
    models: Mapping[Family, TrainedModel],
    standing: Standing,
    examiner: Examiner,
) -> dict[str, pd.DataFrame]:
    """Return the answers to draw, by title and the challenger's first.

    A champion that is the same model as the challenger is drawn once.
    """
    challenger = models[report.winner]
    drawn = {report.challenger_title: challenger.predictions}
    champion = standing.champion.model if standing.champion else None
    if champion and report.champion.evaluation and champion.digest != challenger.digest:
        drawn[report.champion_title] = examiner.examine(champion, report.champion.title)
    return drawn


class Pair(Record):
    """A figure of both models and challenger minus champion, as far as each is known."""

    challenger: Estimate | None
    champion: Estimate | None
    difference: Estimate | None


class MetricRow(Pair):
    """A metric. ``aim`` says what is good where more is not; ``reading`` who is plainly better."""

    title: str
    aim: str
    reading: str


class GroupRow(Record):
    """How both models do among some patients.

    ``limit`` is the AUC that the gate asks for there; ``few`` says why the patients are too few to
    judge by, or nothing.
    """

    title: str
    rows: int
    positives: int
    roc_auc: Pair
    brier: Pair
    limit: float | None
    few: str


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


def _reading(metric: Metric, found: Estimate | None) -> str:
    """Say better or worse where the whole interval is on one side of zero."""
    if found is None or not (found.low > 0 or found.high < 0):
        return ""
    return "better" if (found.mean > 0) != (metric in LOWER_IS_BETTER) else "worse"


def slice_rows(report: ModelReport) -> list[GroupRow]:
    """Return a row for each sex and age band."""
    champion = report.champion.evaluation.slices if report.champion.evaluation else ()
    differences = report.comparison.slices if report.comparison else ()
    limits = {
        group.name: report.policy.slices.minimum_roc_auc for group in report.challenger.slices
    }
    return _group_rows(report, report.challenger.slices, champion, differences, limits)


def hospital_rows(report: ModelReport) -> list[GroupRow]:
    """Return a row for each hospital that no model is trained on."""
    champion = report.champion.evaluation.external if report.champion.evaluation else ()
    differences = report.comparison.external if report.comparison else ()
    limits = {str(name): limit for name, limit in report.policy.external_minimum_roc_auc.items()}
    return _group_rows(report, report.challenger.external, champion, differences, limits)


def _group_rows(
    report: ModelReport,
    challenger: Sequence[Group],
    champion: Sequence[Group],
    differences: Sequence[GroupDifference],
    limits: Mapping[str, float],
) -> list[GroupRow]:
    theirs = {group.name: group for group in champion}
    gaps = {gap.name: gap for gap in differences}
    return [
        GroupRow(
            title=HOSPITAL_TITLES.get(group.name, group.name),
            rows=group.rows,
            positives=group.positives,
            roc_auc=_pair("roc_auc", group, theirs.get(group.name), gaps.get(group.name)),
            brier=_pair("brier", group, theirs.get(group.name), gaps.get(group.name)),
            limit=limits.get(group.name),
            few=decision.too_small(group, report.policy),
        )
        for group in challenger
    ]


def _pair(
    figure: str, challenger: Group, champion: Group | None, difference: GroupDifference | None
) -> Pair:
    return Pair(
        challenger=getattr(challenger, figure),
        champion=getattr(champion, figure, None),
        difference=getattr(difference, figure, None),
    )


def family_rows(report: ModelReport) -> list[FamilyRow]:
    """Return a row for each family."""
    return [
        FamilyRow(
            title=FAMILY_TITLES[family],
            roc_auc=found.metrics.get("roc_auc"),
            brier=found.metrics.get("brier"),
            difference=_difference(report.comparisons[family], report.policy.metric),
            verdict=report.verdict_on(family),
        )
        for family, found in report.evaluations.items()
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


def values(report: ModelReport) -> dict[str, Any]:
    """Return what the templates of the report ask for, but for the figures."""
    verdict = report.verdict
    return {
        "report": report,
        "verdict": verdict,
        "challenger": report.challenger,
        "champion": report.champion.evaluation,
        "whom": " of the challenger and the champion" if report.champion.evaluation else "",
        "failed": verdict.checks_with(Status.FAILED),
        "unjudged": verdict.checks_with(Status.NOT_JUDGED),
        "passed": verdict.checks_with(Status.PASSED),
        "mode": MODES[verdict.mode],
        "ranking": metric_rows(report, RANKING),
        "ranked": metric_rows(report, [report.policy.metric])[0],
        "deciding": metric_rows(report, DECIDING),
        "slices": slice_rows(report),
        "hospitals": hospital_rows(report),
        "families": family_rows(report),
        "harmless": harmless_rows(report),
        "directions": direction_rows(report),
        "family_titles": FAMILY_TITLES,
        "metric_title": METRIC_TITLES[report.policy.metric],
        "policy": report.policy,
        "plan": report.plan,
        "origins": origin_rows(report),
        "lineage": report.lineage,
        "trained": [FAMILY_TITLES[family] for family in report.source.trained],
    }


def markdown(report: ModelReport) -> str:
    """Return the report as Markdown, for a file, the page of a run, or a comment."""
    return render("model-report.md.j2", **values(report))
