"""The model report as one value: a challenger beside the live champion.

Nothing here decides: the verdict is the gate's, and the report says what stands behind it.
"""

from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

import pandas as pd
from pydantic import Field

from pipeline.base.names import FAMILIES, Family
from pipeline.base.policies import EvaluationPlan, Probability, PromotionPolicy
from pipeline.base.records import Commit, Digest, Record
from pipeline.evaluation.metrics import Evaluation
from pipeline.gate import decision
from pipeline.gate.checks import Status
from pipeline.gate.comparison import Comparison
from pipeline.gate.decision import Outcome, Verdict
from pipeline.gate.examiner import Examiner, Incumbent
from pipeline.training import recipe_changes
from pipeline.training.families import FAMILY_TITLES
from pipeline.training.recipe_changes import Change, Changes
from pipeline.training.trained_model import SILENT, TrainedModel

HEADLINES: Final[Mapping[Outcome, str]] = {
    Outcome.PROMOTE: "Promote",
    Outcome.KEEP: "Keep the champion",
    Outcome.REFUSE: "Refuse",
}
# How a champion is called that no registry could be asked for.
UNKNOWN: Final = "the live champion"


class Refit(Record):
    """A family's champion that other libraries had fitted: its recipe fitted again by today's.

    ``difference`` is the greatest one between the answers of both, in probability, on ``rows``
    patients; None where one of them gives no answers.
    """

    family: Family
    rows: Annotated[int, Field(ge=0, le=10_000_000)]
    difference: Probability | None

    @property
    def line(self) -> str:
        """Return what was found, in a line."""
        title = FAMILY_TITLES[self.family]
        if self.difference is None:
            return f"{title}: it cannot be fitted again, or gives no answers any more"
        return f"{title}: at most {self.difference:.1e} apart on {self.rows} patients"


Refits = Annotated[tuple[Refit, ...], Field(max_length=len(FAMILIES))]


class Standing(NamedTuple):
    """The live champion. ``problem`` says why there is none; ``known``, whether that was asked.

    ``changes`` are those since the newest registered version of each family; None without any.
    ``refits`` are those of the families' champions.
    """

    champion: Incumbent | None
    problem: str = ""
    known: bool = True
    changes: tuple[Change, ...] | None = None
    refits: tuple[Refit, ...] = ()


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
            verb = "asked" if self.problem.startswith(SILENT) else "compared"
            return f"{self.title}, which cannot be {verb}: {self.problem}"
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
    """Where both models come from, and what changed from the champion's recipe."""

    challenger: Origin
    champion: Origin | None
    changed: Changes


class ModelReport(Record):
    """Everything that the report shows. Each family challenges the same champion.

    ``changes`` and ``refits`` are those of `Standing`.
    """

    changes: Changes | None
    refits: Refits = ()
    evaluations: dict[Family, Evaluation]
    comparisons: dict[Family, Comparison | None]
    champion: Champion
    lineage: Lineage
    source: Source
    plan: EvaluationPlan
    policy: PromotionPolicy

    @property
    def winner(self) -> Family:
        """Return the family that challenges the champion."""
        return decision.challenger(self.evaluations, self.comparisons, self.policy)

    @property
    def is_best(self) -> bool:
        """Say whether the challenger is the best family; else it is the champion's own recipe."""
        return self.winner == decision.best_family(self.evaluations, self.policy)

    @property
    def challenger(self) -> Evaluation:
        """Return what is known of the best family."""
        return self.evaluations[self.winner]

    @property
    def comparison(self) -> Comparison | None:
        """Return the best family's comparison; None without a champion."""
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
        evaluation = self.champion.evaluation
        return f"Champion: {FAMILY_TITLES[evaluation.family]}" if evaluation else ""

    @property
    def undecided(self) -> bool:
        """Say whether only the unknown champion keeps this from a verdict."""
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
    winner = decision.challenger(evaluations, comparisons, policy)
    return ModelReport(
        changes=standing.changes,
        refits=standing.refits,
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
    problem = comparison.problem or comparison.silence
    if champion.model is None or problem:
        return Champion(title=champion.title, problem=problem, known=standing.known)
    evaluation = examiner.evaluate(champion.model, champion.title)
    return Champion(title=champion.title, evaluation=evaluation)


def _lineage(challenger: TrainedModel, champion: Incumbent | None, commit: str) -> Lineage:
    theirs = champion.model if champion else None
    return Lineage(
        challenger=_origin(challenger, commit),
        champion=_origin(theirs, champion.commit) if champion and theirs else None,
        changed=recipe_changes.changes(theirs, challenger) if theirs else (),
    )


def _origin(model: TrainedModel, commit: str) -> Origin:
    digest = model.parameters.data_digest
    return Origin(commit=commit, data_digest=digest, model_digest=model.digest)


def predictions(
    report: ModelReport,
    models: Mapping[Family, TrainedModel],
    standing: Standing,
    examiner: Examiner,
) -> dict[str, pd.DataFrame]:
    """Return the predictions to draw, by title and the challenger's first.

    A champion that has the recipe of the challenger is drawn once.
    """
    challenger = models[report.winner]
    drawn = {report.challenger_title: challenger.predictions}
    champion = standing.champion.model if standing.champion else None
    if champion and report.champion.evaluation and champion.recipe != challenger.recipe:
        drawn[report.champion_title] = examiner.examine(champion, report.champion.title)
    return drawn
