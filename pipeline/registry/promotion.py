"""The decision about the champions of a registry, and its application there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from pipeline.base.context import RunContext
from pipeline.base.errors import OvertakenError
from pipeline.base.names import METRIC_TITLES, SERVED, Family, registered_name
from pipeline.base.policies import PromotionPolicy
from pipeline.gate import trial
from pipeline.gate.comparison import Comparison
from pipeline.gate.decision import Verdict, challenger, decide
from pipeline.gate.examiner import Examiner
from pipeline.registry import provenance
from pipeline.registry.client import Registry
from pipeline.registry.history import Promotion
from pipeline.registry.version import VERDICT, Version
from pipeline.training.trained_model import TrainedModel

# By the name of the registered model.
Champions = Mapping[str, Version | None]
Versions = Mapping[Family, Version]
Models = Mapping[Family, TrainedModel]
# Times that others may be faster before a promoter gives up.
DECISIONS: Final = 10
# The tags that a person looks for first, in words.
SHOWN: Final = {
    "family": "family",
    "roc_auc": METRIC_TITLES["roc_auc"],
    "threshold": "threshold",
    "git_commit": "commit",
}


@dataclass(frozen=True)
class Decision:
    """The verdict on every family, and on the challenger of the model that is served.

    ``seconds`` is how long it took.
    """

    families: Mapping[Family, Verdict]
    winner: Family
    served: Verdict
    seconds: float


@dataclass(frozen=True)
class Gate:
    """The challengers, and the registry whose champions they are compared with."""

    models: Models
    registry: Registry
    examiner: Examiner
    policy: PromotionPolicy

    @property
    def names(self) -> tuple[str, ...]:
        """Return the registered models that are decided about."""
        return (*map(registered_name, self.models), SERVED)

    def decide(self, champions: Champions) -> Decision:
        """Return the verdicts against these champions."""
        started = perf_counter()
        evaluations = {family: model.evaluation for family, model in self.models.items()}
        served = {family: self._compare(family, champions[SERVED]) for family in self.models}
        winner = challenger(evaluations, served, self.policy)
        families = {
            family: self._verdict(family, self._compare(family, champions[registered_name(family)]))
            for family in self.models
        }
        verdict = self._verdict(winner, served[winner])
        return Decision(families, winner, verdict, perf_counter() - started)

    def _compare(self, family: Family, champion: Version | None) -> Comparison | None:
        return self.examiner.challenge(self.models[family], self.registry.incumbent(champion))

    def _verdict(self, family: Family, comparison: Comparison | None) -> Verdict:
        return decide(self.models[family].evaluation, comparison, self.policy)


def unchanged(models: Models, registry: Registry) -> dict[Family, Version]:
    """Return the newest version of each family that needs no new one."""
    newest = {family: registry.newest(registered_name(family)) for family in models}
    return {
        family: version
        for family, version in newest.items()
        if version is not None and _is_enough(version, models[family], registry)
    }


def _is_enough(version: Version, model: TrainedModel, registry: Registry) -> bool:
    """Say whether a version has this model, or differs in the libraries alone and still works."""
    if version.holds(model.files()):
        return True
    stored = registry.incumbent(version)
    return bool(
        stored
        and stored.model
        and stored.model.parameters.exam == model.parameters.exam
        and stored.model.other_libraries(model)
        and stored.model.same_recipe(model)
        and stored.model.threshold_rule == model.threshold_rule
        and not trial.problem(stored)
    )


def rehearse(gate: Gate) -> Decision:
    """Decide about the champions by the history, and move nothing."""
    return gate.decide({name: gate.registry.find_champion(name) for name in gate.names})


def promote(
    gate: Gate, versions: Versions, context: RunContext, say: Callable[[str], None]
) -> Decision:
    """Decide about the published ``versions`` and apply it, as often as others move the alias.

    A promotion that an earlier promoter left unfinished is finished first.

    Raises:
        OvertakenError: others were faster every time.

    """
    for left in reversed(range(DECISIONS)):
        champions = {name: gate.registry.settle(name) for name in gate.names}
        decision = gate.decide(champions)
        try:
            _apply(versions, decision, champions, gate.registry, context)
        except OvertakenError as error:
            if not left:
                raise
            say(f"once more     {error}")
        else:
            break
    return decision


def _apply(
    versions: Versions,
    decision: Decision,
    champions: Champions,
    registry: Registry,
    context: RunContext,
) -> None:
    for family, verdict in decision.families.items():
        version = versions[family]
        # A repeated job finds its own version: the first verdict is the one that counts.
        if not _gate_tags(verdict).keys() <= version.tags.keys():
            registry.describe(version, page(version, verdict.title))
            registry.tag(version, _gate_tags(verdict))
        if verdict.moves_alias:
            promotion = provenance.promotion(context, "promoted", verdict.reason)
            registry.promote(version, promotion, over=champions[version.model_name])
    if decision.served.moves_alias:
        verdict = decision.served
        promotion = provenance.promotion(context, "promoted", verdict.reason)
        serve(
            versions[decision.winner],
            promotion,
            registry,
            over=champions[SERVED],
            tags=_gate_tags(verdict),
            description=verdict.title,
        )


def serve(  # noqa: PLR0913
    version: Version,
    promotion: Promotion,
    registry: Registry,
    *,
    over: Version | None,
    tags: Mapping[str, str],
    description: str,
) -> Version:
    """Copy ``version`` into the served model with ``tags``, and make it champion there."""
    registry.ensure_registered(SERVED, "The model that is served; its versions are its champions")
    promoted = {
        "promoted_from": version.title,
        "promoted_by": promotion.by,
        "promoted_at": promotion.at,
    }
    text = page(version, description)
    copied = registry.copy(version, SERVED, {**tags, **promoted}, text)
    registry.promote(copied, promotion, over=over)
    return copied


def page(version: Version, reason: str) -> str:
    """Return what MLflow's page of a version says first, in Markdown.

    The page has no metrics, and its tags stand in the order of their names.
    """
    known = {name: version.tags[name] for name in SHOWN if name in version.tags}
    return f"{reason}\n\n{', '.join(f'{SHOWN[name]} {text}' for name, text in known.items())}"


def _gate_tags(verdict: Verdict) -> dict[str, str]:
    return {
        "gate_outcome": verdict.outcome,
        "gate_reason": verdict.reason,
        VERDICT: verdict.model_dump_json(),
    }
