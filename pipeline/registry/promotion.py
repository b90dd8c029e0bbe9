"""The decision about the champions of a registry, and its application there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from pipeline.base.context import RunContext
from pipeline.base.errors import OvertakenError
from pipeline.base.names import SERVED, Family, registered_name
from pipeline.base.policies import PromotionPolicy
from pipeline.gate.decision import Verdict, best_family, decide
from pipeline.gate.examiner import Examiner
from pipeline.registry import provenance
from pipeline.registry.client import Registry
from pipeline.registry.history import CHAMPION
from pipeline.registry.version import Version
from pipeline.training.trained_model import TrainedModel

# By the name of the registered model.
Champions = Mapping[str, Version | None]
Versions = Mapping[Family, Version]
# Times that others may be faster before a promoter gives up.
DECISIONS: Final = 10


@dataclass(frozen=True)
class Decision:
    """The verdict on every family, and on the best family as the model that is served.

    ``seconds`` is how long it took.
    """

    families: Mapping[Family, Verdict]
    winner: Family
    served: Verdict
    seconds: float


@dataclass(frozen=True)
class Gate:
    """The challengers, and the registry whose champions they are compared with."""

    models: Mapping[Family, TrainedModel]
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
        winner = best_family(evaluations, self.policy)
        families = {
            family: self._verdict(family, champions[registered_name(family)])
            for family in self.models
        }
        served = self._verdict(winner, champions[SERVED])
        return Decision(families, winner, served, perf_counter() - started)

    def _verdict(self, family: Family, champion: Version | None) -> Verdict:
        model = self.models[family]
        comparison = self.examiner.challenge(model, self.registry.incumbent(champion))
        return decide(model.evaluation, comparison, self.policy)


def rehearse(gate: Gate) -> Decision:
    """Decide about the champions as they stand, and move nothing."""
    return gate.decide({name: gate.registry.find_alias(name, CHAMPION) for name in gate.names})


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
            registry.describe(version, verdict.title)
            registry.tag(version, _gate_tags(verdict))
        if verdict.moves_alias:
            promotion = provenance.promotion(context, "promoted", verdict.reason)
            registry.promote(version, promotion, over=champions[version.model_name])
    if decision.served.moves_alias:
        winner = versions[decision.winner]
        _promote(winner, decision.served, champions[SERVED], registry, context)


def _promote(
    version: Version,
    verdict: Verdict,
    champion: Version | None,
    registry: Registry,
    context: RunContext,
) -> None:
    """Copy ``version`` into the served model, say why, and make it champion there."""
    registry.ensure_registered(SERVED, "The model that is served; its versions are its champions")
    promotion = provenance.promotion(context, "promoted", verdict.reason)
    promoted = {
        "promoted_from": version.title,
        "promoted_by": promotion.by,
        "promoted_at": promotion.at,
    }
    copied = registry.copy(version, SERVED, {**_gate_tags(verdict), **promoted}, verdict.title)
    registry.promote(copied, promotion, over=champion)


def _gate_tags(verdict: Verdict) -> dict[str, str]:
    return {
        "gate_outcome": verdict.outcome,
        "gate_reason": verdict.reason,
        "gate_verdict": verdict.model_dump_json(),
    }
