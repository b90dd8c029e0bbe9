"""The gate decides whether a challenger becomes the champion, from values alone: it reads nothing.

The verdict carries every check with its limit, the actual figure, its interval and the reason.
Every view of the decision (terminal, Markdown, HTML, tags, exit code) renders this one value.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from pipeline.base.names import Family
from pipeline.base.policies import GateMode, PromotionPolicy
from pipeline.base.records import Estimate, Record
from pipeline.evaluation.metrics import Evaluation
from pipeline.gate.checks import Check, Status, absolute_checks, relative_checks
from pipeline.gate.comparison import Comparison

# The next step where the gate cannot compare.
WAY_OUT: Final = (
    "repair the champion (`make doctor`), or replace it by your own decision: "
    "`.venv/bin/python -m pipeline.registry promote --version NAME/N --reason TEXT`"
)


class Outcome(StrEnum):
    """The alias moves, it stays, or the challenger is not fit to hold it."""

    PROMOTE = "promote"
    KEEP = "keep"
    REFUSE = "refuse"


class Verdict(Record):
    """The decision, its reason in one sentence, the checks behind it, and the gate's mode.

    ``way_out`` says what a person can do where the gate cannot compare.
    """

    outcome: Outcome
    reason: str
    checks: tuple[Check, ...]
    mode: GateMode
    way_out: str = ""

    @property
    def title(self) -> str:
        """Return the verdict in one sentence."""
        return f"{self.outcome}: {self.reason}"

    @property
    def moves_alias(self) -> bool:
        """Say whether the alias is to be moved: a gate that only reports moves nothing."""
        return self.outcome is Outcome.PROMOTE and self.mode != "report-only"

    @property
    def stays(self) -> str:
        """Return why the alias stays, or nothing where it is to be moved."""
        return "" if self.moves_alias else self.reason

    def checks_with(self, status: Status) -> list[Check]:
        """Return the checks that ended with ``status``."""
        return [check for check in self.checks if check.status is status]


def decide(
    evaluation: Evaluation, comparison: Comparison | None, policy: PromotionPolicy
) -> Verdict:
    """Decide about one challenger; ``comparison`` is None when there is no champion."""
    if policy.mode == "disabled":
        return _verdict(Outcome.PROMOTE, "the gate is disabled: nothing was checked", (), policy)
    absolute = tuple(absolute_checks(evaluation, policy))
    if failed := _failures(absolute):
        return _verdict(Outcome.REFUSE, failed, absolute, policy)
    if comparison is None:
        reason = "the first champion: every absolute check passed"
        return _verdict(Outcome.PROMOTE, reason, absolute, policy)
    return _against_champion(absolute, comparison, policy)


def _against_champion(
    absolute: tuple[Check, ...], comparison: Comparison, policy: PromotionPolicy
) -> Verdict:
    champion = comparison.champion
    if problem := comparison.problem or _not_a_number(comparison, policy):
        reason = f"{champion} cannot be compared: {problem}"
        kept = _verdict(Outcome.KEEP, reason, absolute, policy)
        return kept.model_copy(update={"way_out": WAY_OUT})
    if comparison.identical:
        reason = f"the same model as {champion}, byte for byte"
        return _verdict(Outcome.KEEP, reason, absolute, policy)
    if comparison.other_libraries:
        reason = f"{champion} is the same recipe, fitted to the same data by other libraries"
        return _verdict(Outcome.KEEP, reason, absolute, policy)
    checks = (*absolute, *relative_checks(comparison, policy))
    if failed := _failures(checks):
        return _verdict(Outcome.KEEP, f"{champion} stays: {failed}", checks, policy)
    if comparison.other_threshold:
        reason = f"{champion} with another threshold: {comparison.decisions}"
        return _verdict(Outcome.PROMOTE, reason, checks, policy)
    better = "better than" if comparison.must_be_better else "no worse on today's data than"
    silent = f", which gives no answers any more: {comparison.silence}" * bool(comparison.silence)
    reason = f"{better} {champion} on equal folds{silent}"
    return _verdict(Outcome.PROMOTE, reason, checks, policy)


def best_family(evaluations: Mapping[Family, Evaluation], policy: PromotionPolicy) -> Family:
    """Return the family with the best mean of the policy's metric among those fit to serve.

    When none is fit, the best of all: its verdict then names the checks that it fails.
    """
    fit = [
        family
        for family, evaluation in evaluations.items()
        if not _failures(list(absolute_checks(evaluation, policy)))
    ]

    def rank(family: Family) -> tuple[float, str]:
        estimate = evaluations[family].metrics.get(policy.metric)
        if estimate is None or not math.isfinite(estimate.mean):
            return -math.inf, family
        return estimate.mean, family

    return max(fit or list(evaluations), key=rank)


def challenger(
    evaluations: Mapping[Family, Evaluation],
    comparisons: Mapping[Family, Comparison | None],
    policy: PromotionPolicy,
) -> Family:
    """Return the family that stands against the champion: the best one.

    Where the best one does not take its place, the champion's own recipe may: on other rows, or
    with another threshold.
    """
    best = best_family(evaluations, policy)
    own = [family for family, found in comparisons.items() if found and found.same_recipe]
    for family in (best, *own):
        verdict = decide(evaluations[family], comparisons[family], policy)
        if verdict.outcome is Outcome.PROMOTE:
            return family
    return best


def _not_a_number(comparison: Comparison, policy: PromotionPolicy) -> str:
    """Name the differences that the policy asks for and that are missing or not a number."""
    if comparison.identical or comparison.other_libraries:
        return ""
    needed = dict.fromkeys([policy.metric, *policy.margins])
    differences = {name: comparison.differences.get(name) for name in needed}
    broken = [
        name
        for name, difference in differences.items()
        if difference is None or not _is_number(difference)
    ]
    return f"no difference in {', '.join(broken)}" if broken else ""


def _is_number(estimate: Estimate) -> bool:
    return all(map(math.isfinite, (estimate.mean, estimate.low, estimate.high)))


def _failures(checks: Sequence[Check]) -> str:
    """Return the failed checks in words, or nothing."""
    failed = [check for check in checks if check.status is Status.FAILED]
    return "; ".join(f"{check.name}: {check.reason}" for check in failed)


def _verdict(
    outcome: Outcome, reason: str, checks: Sequence[Check], policy: PromotionPolicy
) -> Verdict:
    return Verdict(outcome=outcome, reason=reason, checks=tuple(checks), mode=policy.mode)
