"""The checks that a challenger has to pass: each a limit, the actual figure and the reason."""

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum

from pipeline.base.names import LOWER_IS_BETTER, METRIC_TITLES, Metric
from pipeline.base.policies import IncompletePolicy, OnnxPolicy, PromotionPolicy
from pipeline.base.records import Estimate, Record
from pipeline.evaluation.behaviour import Conversion
from pipeline.evaluation.groups import Group, GroupDifference
from pipeline.evaluation.incomplete import Incomplete
from pipeline.evaluation.leaks import Leaks
from pipeline.evaluation.metrics import Evaluation
from pipeline.gate.comparison import Comparison


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
    yield _within("Sensitivity", metrics.get("sensitivity"), low=policy.minimum_sensitivity)
    yield _within("Specificity", metrics.get("specificity"), low=policy.minimum_specificity)
    for group in evaluation.slices:
        yield _slice(group, policy)
        if group.calibration and not too_small(group, policy):
            yield _calibrated(f"Calibration, {group.name}", group.calibration, policy)
    for patients in evaluation.incomplete:
        yield from _answers_without(patients, policy.fields_left_out)
    yield from _external(evaluation, policy)
    for name, difference in evaluation.behaviour.differences.items():
        yield _at_most(f"Same answer: {name}", difference, policy.behaviour_tolerance)
    for change in evaluation.behaviour.directions:
        yield _at_least(f"No lower risk: {change.change}", change.holds, policy.minimum_direction)
    if evaluation.conversion:
        yield from _ships(evaluation.conversion, policy.onnx)
    yield from _leak_alarm(evaluation.leaks, evaluation.metrics.get("roc_auc"), policy)


def relative_checks(comparison: Comparison, policy: PromotionPolicy) -> Iterator[Check]:
    """Yield the checks against the champion."""
    if comparison.other_threshold:
        yield _decides_otherwise(comparison)
        return
    better = comparison.must_be_better
    if better:
        yield _better(policy.metric, comparison.differences[policy.metric])
    for metric, margin in policy.margins.items():
        if metric != policy.metric or not better:
            yield _not_worse(metric, comparison.differences[metric], margin)
    for group in comparison.slices:
        name, margin = f"Not worse, {group.name}", policy.slices.margin
        yield _group_not_worse(name, group, group.roc_auc, margin, policy)
        if group.sensitivity:
            name = f"Sensitivity not worse, {group.name}"
            yield _group_not_worse(name, group, group.sensitivity, margin, policy)
    for group in comparison.external:
        name, margin = f"Not worse at {group.name}", policy.external_margin
        yield _group_not_worse(name, group, group.roc_auc, margin, policy)


def _external(evaluation: Evaluation, policy: PromotionPolicy) -> Iterator[Check]:
    """Yield the floor of each cohort that has one; the others must at least give numbers."""
    floors = policy.external_minimum_roc_auc
    found = {group.name: group.roc_auc for group in evaluation.external}
    for cohort in dict.fromkeys((*floors, *found)):
        yield _within(f"ROC-AUC at {cohort}", found.get(cohort), low=floors.get(cohort, 0))


def _ships(conversion: Conversion, policy: OnnxPolicy) -> Iterator[Check]:
    yield _at_most("ONNX: difference", conversion.difference, policy.difference)
    yield _at_most("ONNX: megabytes", conversion.size / 1e6, policy.megabytes)
    yield _at_most("ONNX: milliseconds", conversion.milliseconds, policy.milliseconds)


def _leak_alarm(leaks: Leaks, auc: Estimate | None, policy: PromotionPolicy) -> Iterator[Check]:
    yield _within("Leak alarm: ROC-AUC", auc, high=policy.leak_roc_auc)
    yield _at_most("Leak alarm: repeated rows", leaks.repeated_rows, 0)
    yield _at_most("Leak alarm: near copies", leaks.near_copies, policy.leak_near_copies)
    name, limit = f"Leak alarm: {leaks.feature} alone", policy.leak_single_feature_roc_auc
    yield _at_most(name, leaks.feature_roc_auc, limit)
    if leaks.missing_feature:
        name, limit = f"Leak alarm: {leaks.missing_feature} missing", policy.leak_missing_roc_auc
        yield _at_most(name, leaks.missing_roc_auc, limit)
    for cohort, share in leaks.trained_on.items():
        yield _at_most(f"Leak alarm: {cohort} trained on", share, policy.leak_near_copies)


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


def _at_least(name: str, actual: float, limit: float) -> Check:
    status = Status.PASSED if actual >= limit else Status.FAILED
    return _check(name, [f">= {limit:g}"], f"{actual:.3g}", status)


def _slice(group: Group, policy: PromotionPolicy) -> Check:
    name = f"ROC-AUC, {group.name}"
    if few := too_small(group, policy):
        limits = [f">= {policy.slices.minimum_roc_auc:g}"]
        return _check(name, limits, f"{group.roc_auc.mean:.3f}", Status.NOT_JUDGED, few)
    return _within(name, group.roc_auc, low=policy.slices.minimum_roc_auc)


def _calibrated(name: str, shift: Estimate, policy: PromotionPolicy) -> Check:
    """Fail only log-odds that are plainly too low or too high, or that are no number."""
    margin = policy.slices.calibration
    reaches = shift.low <= margin and shift.high >= -margin
    return _signed(name, f"interval reaches {-margin:+g} to {margin:+g}", shift, passed=reaches)


def _group_not_worse(
    name: str, group: GroupDifference, difference: Estimate, margin: float, policy: PromotionPolicy
) -> Check:
    """Fail only a difference that is plainly worse: an interval of few patients is wide."""
    limits = [f"interval reaches {-margin:+g}"]
    if few := too_small(group, policy):
        return _check(name, limits, f"{difference.mean:+.3f}", Status.NOT_JUDGED, few)
    status = Status.PASSED if difference.high >= -margin else Status.FAILED
    return _check(
        name, limits, f"{difference.mean:+.3f}", status, interval=_interval(difference, "+")
    )


def _answers_without(patients: Incomplete, policy: IncompletePolicy) -> Iterator[Check]:
    """Ask for the right mean risk, and for an order of the patients that is not plainly worse."""
    close = abs(patients.bias.mean) <= policy.bias
    reached = patients.difference.high >= -policy.margin
    for name, limit, figure, passed in (
        ("Mean risk", f"within {policy.bias:g}", patients.bias, close),
        ("ROC-AUC", f"interval reaches {-policy.margin:+g}", patients.difference, reached),
    ):
        yield _signed(f"{name}, {patients.title}", limit, figure, passed=passed)


def _signed(name: str, limit: str, figure: Estimate, *, passed: bool) -> Check:
    status = Status.PASSED if passed else Status.FAILED
    if not math.isfinite(figure.mean):
        return _check(name, [limit], "not a number", status)
    return _check(name, [limit], f"{figure.mean:+.3f}", status, interval=_interval(figure, "+"))


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


def _decides_otherwise(comparison: Comparison) -> Check:
    """Require that some patient is decided otherwise by the other threshold."""
    found = [comparison.differences[metric].mean for metric in ("sensitivity", "specificity")]
    status = Status.PASSED if any(found) else Status.FAILED
    return _check("Decisions", ["not the same"], comparison.decisions, status)


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
