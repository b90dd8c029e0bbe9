"""The gate: whether a challenger becomes the champion. Values in, a verdict out; nothing is read.

The verdict carries every check with its limit, the actual figure and the reason. Whatever shows
the decision (terminal, tags, reports) renders this one value.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from pipeline.core.evaluation import LOWER_IS_BETTER, METRIC_TITLES, Estimate
from pipeline.core.policies import Family, Metric, PromotionPolicy
from pipeline.core.records import Record

# The registered model that is served; its versions are the history of promotions.
SERVED: Final = "heart_disease"

Metrics = Mapping[Metric, Estimate]


def registered_name(family: Family) -> str:
    """Return the name of a family's registered model."""
    return f"{SERVED}_{family}"


class Outcome(StrEnum):
    """What happens to the alias: it moves, it stays, or the challenger is not fit to hold it."""

    PROMOTE = "promote"
    KEEP = "keep"
    REFUSE = "refuse"


class Status(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_JUDGED = "not judged"


class Check(Record):
    """One check: what was asked, what was found."""

    name: str
    limit: str
    actual: str
    status: Status


class Verdict(Record):
    """The decision, its reason in one sentence, and the checks behind it."""

    outcome: Outcome
    reason: str
    checks: tuple[Check, ...]


class Comparison(Record):
    """Challenger minus champion on equal folds, a difference for each metric.

    ``identical`` says that both have the same model digest: there is nothing to compare.
    """

    champion: str
    differences: dict[Metric, Estimate]
    identical: bool = False


FIRST: Final = "the first one, and fit to serve"


def decide(metrics: Metrics, comparison: Comparison | None, policy: PromotionPolicy) -> Verdict:
    """Decide about one challenger; ``comparison`` is None when there is no champion."""
    absolute = absolute_checks(metrics, policy)
    if failed := _failed(absolute):
        return _verdict(Outcome.REFUSE, f"fails {failed}", absolute)
    if comparison is None:
        return _verdict(Outcome.PROMOTE, FIRST, absolute)
    if comparison.identical:
        reason = f"the same model as {comparison.champion}, byte for byte"
        return _verdict(Outcome.KEEP, reason, absolute)
    relative = (*_margins(comparison, policy), _superiority(comparison, policy))
    if failed := _failed(relative):
        reason = f"does not beat {comparison.champion}: fails {failed}"
        return _verdict(Outcome.KEEP, reason, (*absolute, *relative))
    reason = f"better than {comparison.champion} on equal folds"
    return _verdict(Outcome.PROMOTE, reason, (*absolute, *relative))


def best_family(candidates: Mapping[Family, Metrics], policy: PromotionPolicy) -> Family:
    """Return the family with the best mean of the policy's metric among those fit to serve.

    When none is fit, the best of all: its verdict then says what it fails.
    """
    fit = [f for f, found in candidates.items() if not _failed(absolute_checks(found, policy))]
    return max(fit or list(candidates), key=lambda f: (candidates[f][policy.metric].mean, f))


def absolute_checks(metrics: Metrics, policy: PromotionPolicy) -> tuple[Check, ...]:
    """Check the figures that need no champion to be judged."""
    return (
        _at_least("roc_auc", metrics, policy.minimum_roc_auc),
        _at_most("brier", metrics, policy.maximum_brier),
        _at_most("log_loss", metrics, policy.maximum_log_loss),
        _at_most("calibration_error", metrics, policy.maximum_calibration_error),
        _no_leak(metrics, policy.leak_roc_auc),
    )


def _at_least(metric: Metric, metrics: Metrics, limit: float) -> Check:
    actual = metrics[metric].mean
    return _check(METRIC_TITLES[metric], f">= {limit:.3f}", f"{actual:.3f}", actual >= limit)


def _at_most(metric: Metric, metrics: Metrics, limit: float) -> Check:
    actual = metrics[metric].mean
    return _check(METRIC_TITLES[metric], f"<= {limit:.3f}", f"{actual:.3f}", actual <= limit)


def _no_leak(metrics: Metrics, limit: float) -> Check:
    actual = metrics["roc_auc"].mean
    return _check("Leak alarm (ROC-AUC)", f"<= {limit:.3f}", f"{actual:.3f}", actual <= limit)


def _margins(comparison: Comparison, policy: PromotionPolicy) -> tuple[Check, ...]:
    """Not plausibly worse than the champion by more than the margin, metric by metric."""
    return tuple(_margin(m, comparison.differences[m], size) for m, size in policy.margins.items())


def _margin(metric: Metric, difference: Estimate, margin: float) -> Check:
    lower_is_better = metric in LOWER_IS_BETTER
    worst = difference.high if lower_is_better else -difference.low
    title = f"{METRIC_TITLES[metric]} not worse"
    return _check(title, f"<= {margin:.3f} worse", f"{worst:+.3f} at worst", worst <= margin)


def _superiority(comparison: Comparison, policy: PromotionPolicy) -> Check:
    """Require the whole interval of the difference above zero: a tie keeps the champion."""
    found = comparison.differences[policy.metric]
    actual = f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    return _check(f"{METRIC_TITLES[policy.metric]} better", "interval > 0", actual, found.low > 0)


def _check(name: str, limit: str, actual: str, passed: bool) -> Check:  # noqa: FBT001
    status = Status.PASSED if passed else Status.FAILED
    return Check(name=name, limit=limit, actual=actual, status=status)


def _failed(checks: Sequence[Check]) -> str:
    """Return the failed checks in words, or nothing."""
    failed = [check for check in checks if check.status is Status.FAILED]
    return ", ".join(f"{check.name} {check.actual} (limit {check.limit})" for check in failed)


def _verdict(outcome: Outcome, reason: str, checks: Sequence[Check]) -> Verdict:
    return Verdict(outcome=outcome, reason=reason, checks=tuple(checks))
