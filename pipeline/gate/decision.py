"""The gate decides whether a challenger becomes the champion, from values alone: it reads nothing.

The verdict carries every check with its limit, the actual figure, its interval and the reason.
Every view of the decision (terminal, Markdown, HTML, tags, exit code) renders this one value.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from pipeline.base.names import (
    LOWER_IS_BETTER,
    METRIC_TITLES,
    Family,
    Metric,
)
from pipeline.base.policies import GateMode, PromotionPolicy
from pipeline.base.records import Estimate, Record
from pipeline.evaluation.metrics import Evaluation, Group, GroupDifference


class Outcome(StrEnum):
    """The alias moves, it stays, or the challenger is not fit to hold it."""

    PROMOTE = "promote"
    KEEP = "keep"
    REFUSE = "refuse"


class Status(StrEnum):
    """The result of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_JUDGED = "not judged"


class Check(Record):
    """One check: its limit, the actual figure, and in words why it ended as it did."""

    name: str
    limit: str
    actual: str
    interval: str = ""
    status: Status
    reason: str


class Verdict(Record):
    """The decision, its reason in one sentence, the checks behind it, and the gate's mode."""

    outcome: Outcome
    reason: str
    checks: tuple[Check, ...]
    mode: GateMode

    @property
    def title(self) -> str:
        """Return the verdict in one sentence."""
        return f"{self.outcome}: {self.reason}"

    @property
    def moves_alias(self) -> bool:
        """Say whether the alias is to be moved: a gate that only reports moves nothing."""
        return self.outcome is Outcome.PROMOTE and self.mode != "report-only"

    def checks_with(self, status: Status) -> list[Check]:
        """Return the checks that ended with ``status``."""
        return [check for check in self.checks if check.status is status]


class Comparison(Record):
    """Challenger minus champion in the same folds.

    ``problem`` says why the champion could not be evaluated, and the differences are then empty.
    ``identical`` says that both are the same model, byte for byte; ``same_data`` that both were
    fitted to the same data.
    """

    champion: str
    problem: str = ""
    identical: bool = False
    same_data: bool = True
    differences: dict[Metric, Estimate] = Field(default_factory=dict)
    slices: tuple[GroupDifference, ...] = ()
    external: tuple[GroupDifference, ...] = ()


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
        return _verdict(Outcome.REFUSE, reason, absolute, policy)
    if comparison.identical:
        reason = f"the same model as {champion}, byte for byte"
        return _verdict(Outcome.KEEP, reason, absolute, policy)
    checks = (*absolute, *relative_checks(comparison, policy))
    if failed := _failures(checks):
        return _verdict(Outcome.KEEP, f"{champion} stays: {failed}", checks, policy)
    better = "better than" if comparison.same_data else "as good on today's data as"
    return _verdict(Outcome.PROMOTE, f"{better} {champion} on equal folds", checks, policy)


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


def absolute_checks(evaluation: Evaluation, policy: PromotionPolicy) -> Iterator[Check]:
    """Yield the checks that need no champion."""
    metrics, slope = evaluation.metrics, policy.calibration_slope
    yield _within("ROC-AUC", metrics.get("roc_auc"), low=policy.minimum_roc_auc)
    yield _within("Brier score", metrics.get("brier"), high=policy.maximum_brier)
    yield _within("Log loss", metrics.get("log_loss"), high=policy.maximum_log_loss)
    error = metrics.get("calibration_error")
    yield _within("Calibration error", error, high=policy.maximum_calibration_error)
    line = metrics.get("calibration_slope")
    yield _within("Calibration slope", line, low=slope.low, high=slope.high)
    for group in evaluation.slices:
        yield _slice(group, policy)
    external = {group.name: group.roc_auc for group in evaluation.external}
    for cohort, limit in policy.external_minimum_roc_auc.items():
        yield _within(f"ROC-AUC at {cohort}", external.get(cohort), low=limit)
    for name, difference in evaluation.behaviour.differences.items():
        yield _at_most(f"Same answer: {name}", difference, policy.behaviour_tolerance)
    yield from _leak_alarm(evaluation, policy)


def relative_checks(comparison: Comparison, policy: PromotionPolicy) -> Iterator[Check]:
    """Yield the checks against the champion."""
    if comparison.same_data:
        yield _better(policy.metric, comparison.differences[policy.metric])
    for metric, margin in policy.margins.items():
        if metric != policy.metric or not comparison.same_data:
            yield _not_worse(metric, comparison.differences[metric], margin)
    for group in comparison.slices:
        yield _slice_not_worse(group, policy)


def _leak_alarm(evaluation: Evaluation, policy: PromotionPolicy) -> Iterator[Check]:
    leaks = evaluation.leaks
    auc = evaluation.metrics.get("roc_auc")
    yield _within("Leak alarm: ROC-AUC", auc, high=policy.leak_roc_auc)
    yield _at_most("Leak alarm: repeated rows", leaks.repeated_rows, 0)
    name, limit = f"Leak alarm: {leaks.feature} alone", policy.leak_single_feature_roc_auc
    yield _at_most(name, leaks.feature_roc_auc, limit)


def _within(
    name: str, estimate: Estimate | None, low: float = -math.inf, high: float = math.inf
) -> Check:
    """Check a figure's mean against its limits, which are allowed themselves."""
    limits = [f">= {low:g}"] * (low > -math.inf) + [f"<= {high:g}"] * (high < math.inf)
    if estimate is None:
        return _check(name, limits, "missing", Status.FAILED, "the figure is missing")
    if not math.isfinite(estimate.mean):
        return _check(name, limits, "not a number", Status.FAILED, "the figure is not a number")
    status = Status.PASSED if low <= estimate.mean <= high else Status.FAILED
    return _check(name, limits, f"{estimate.mean:.3f}", status, interval=_interval(estimate))


def _at_most(name: str, actual: float, limit: float) -> Check:
    status = Status.PASSED if actual <= limit else Status.FAILED
    return _check(name, [f"<= {limit:g}"], f"{actual:.3g}", status)


def _slice(group: Group, policy: PromotionPolicy) -> Check:
    name = f"ROC-AUC, {group.name}"
    if few := too_small(group, policy):
        limits = [f">= {policy.slices.minimum_roc_auc:g}"]
        return _check(name, limits, f"{group.roc_auc.mean:.3f}", Status.NOT_JUDGED, few)
    return _within(name, group.roc_auc, low=policy.slices.minimum_roc_auc)


def _slice_not_worse(group: GroupDifference, policy: PromotionPolicy) -> Check:
    """Fail only a difference that is plainly worse: an interval of few patients is wide."""
    name, margin = f"Not worse, {group.name}", policy.slices.margin
    limits, difference = [f"interval reaches {-margin:+g}"], group.roc_auc
    if few := too_small(group, policy):
        return _check(name, limits, f"{difference.mean:+.3f}", Status.NOT_JUDGED, few)
    status = Status.PASSED if difference.high >= -margin else Status.FAILED
    return _check(
        name, limits, f"{difference.mean:+.3f}", status, interval=_interval(difference, "+")
    )


def too_small(group: Group | GroupDifference, policy: PromotionPolicy) -> str:
    """Say why some patients are too few to judge by, or nothing."""
    negatives = group.rows - group.positives
    fewest, needed = min(group.positives, negatives), policy.slices.minimum_of_each_outcome
    return f"{fewest} patients of one outcome, {needed} needed" if fewest < needed else ""


def _not_worse(metric: Metric, difference: Estimate, margin: float) -> Check:
    """Require that the challenger is not plausibly worse by more than the margin."""
    name, limits = f"{METRIC_TITLES[metric]} not worse", [f"worse by <= {margin:g} at most"]
    worst = difference.high if metric in LOWER_IS_BETTER else -difference.low
    status = Status.PASSED if worst <= margin else Status.FAILED
    return _check(
        name, limits, f"{difference.mean:+.3f}", status, interval=_interval(difference, "+")
    )


def _better(metric: Metric, difference: Estimate) -> Check:
    """Require the whole interval of the difference above zero: a tie keeps the champion."""
    name, limits = f"{METRIC_TITLES[metric]} better", ["interval > 0"]
    status = Status.PASSED if difference.low > 0 else Status.FAILED
    return _check(
        name, limits, f"{difference.mean:+.3f}", status, interval=_interval(difference, "+")
    )


def _not_a_number(comparison: Comparison, policy: PromotionPolicy) -> str:
    """Name the differences that the policy asks for and that are missing or not a number."""
    if comparison.identical:
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


def _interval(estimate: Estimate, sign: str = "") -> str:
    return f"[{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"


def _check(  # noqa: PLR0913
    name: str,
    limits: Sequence[str],
    actual: str,
    status: Status,
    reason: str = "",
    *,
    interval: str = "",
) -> Check:
    limit = " and ".join(limits)
    reason = reason or f"{actual} {interval}".strip() + f", limit {limit}"
    return Check(
        name=name, limit=limit, actual=actual, interval=interval, status=status, reason=reason
    )


def _failures(checks: Sequence[Check]) -> str:
    """Return the failed checks in words, or nothing."""
    failed = [check for check in checks if check.status is Status.FAILED]
    return "; ".join(f"{check.name}: {check.reason}" for check in failed)


def _verdict(
    outcome: Outcome, reason: str, checks: Sequence[Check], policy: PromotionPolicy
) -> Verdict:
    return Verdict(outcome=outcome, reason=reason, checks=tuple(checks), mode=policy.mode)
