"""The gate's table: what is put before it, what it must say, and by which check.

Cases are values, so that the same table can be held against the gate and against mutants of it.
"""

import math
from collections.abc import Iterable
from types import ModuleType
from typing import Any, NamedTuple

from pipeline.base.policies import PromotionPolicy
from pipeline.base.records import Estimate
from pipeline.evaluation.behaviour import Behaviour, Direction, Leaks
from pipeline.evaluation.incomplete import Incomplete
from pipeline.evaluation.metrics import Evaluation, Group, GroupDifference

POLICY = PromotionPolicy.model_validate(
    {
        "mode": "enabled",
        "metric": "roc_auc",
        "minimum_roc_auc": 0.85,
        "maximum_brier": 0.15,
        "maximum_log_loss": 0.5,
        "maximum_calibration_error": 0.1,
        "calibration_slope": {"low": 0.6, "high": 1.7},
        "slices": {"minimum_of_each_outcome": 10, "minimum_roc_auc": 0.75, "margin": 0.02},
        "fields_left_out": {"bias": 0.05, "margin": 0.02},
        "external_minimum_roc_auc": {"hungarian": 0.76},
        "behaviour_tolerance": 1e-9,
        "leak_roc_auc": 0.97,
        "leak_single_feature_roc_auc": 0.95,
        "margins": {"roc_auc": 0.02, "brier": 0.01, "log_loss": 0.03},
    }
)
NAN = math.nan


def around(mean: float, reach: float = 0.02) -> Estimate:
    """Return an estimate whose interval reaches as far to both sides."""
    return Estimate(mean=mean, standard_error=reach / 2, low=mean - reach, high=mean + reach)


def between(low: float, high: float) -> Estimate:
    """Return an estimate with these ends."""
    return Estimate(mean=(low + high) / 2, standard_error=0.01, low=low, high=high)


def group(name: str, roc_auc: float, rows: int = 100, positives: int = 50) -> Group:
    """Return some patients among whom the model has this AUC."""
    return Group(
        name=name,
        rows=rows,
        positives=positives,
        roc_auc=around(roc_auc),
        brier=around(0.12),
        calibration_error=around(0.05),
    )


def without(bias: float = 0.0, low: float = -0.03, high: float = 0.01) -> Incomplete:
    """Return how the model does for patients without two fields."""
    return Incomplete(
        fields=("ca", "thal"),
        bias=around(bias),
        sensitivity=around(0.7),
        roc_auc=around(0.85),
        difference=between(low, high),
    )


METRICS = {
    "roc_auc": around(0.91),
    "pr_auc": around(0.9),
    "log_loss": around(0.38),
    "brier": around(0.12),
    "calibration_error": around(0.05),
    "calibration_slope": around(1.05),
}
FIT = Evaluation(
    family="svm",
    threshold=0.5,
    metrics=METRICS,
    slices=(group("female", 0.92), group("male", 0.9)),
    external=(group("hungarian", 0.88), group("va", 0.7)),
    behaviour=Behaviour(
        differences={"row order": 1e-16, "batch size": 0.0},
        directions=(Direction(change="one more vessel", patients=100, holds=0.2),),
    ),
    leaks=Leaks(repeated_rows=0, feature="cp", feature_roc_auc=0.77),
    incomplete=(without(),),
)


def fit_but(**metrics: Estimate) -> Evaluation:
    """Return a model that is fit to serve, but for these metrics."""
    return FIT.model_copy(update={"metrics": {**METRICS, **metrics}})


def fit_without(metric: str) -> Evaluation:
    """Return a model that is fit to serve, but for one metric that is missing."""
    kept = {name: found for name, found in METRICS.items() if name != metric}
    return FIT.model_copy(update={"metrics": kept})


def difference(
    name: str, low: float, high: float, rows: int = 100, positives: int = 50
) -> GroupDifference:
    """Return how far the challenger's AUC lies from the champion's among some patients."""
    return GroupDifference(
        name=name,
        rows=rows,
        positives=positives,
        roc_auc=between(low, high),
        brier=between(-0.01, 0.01),
    )


BETTER = {
    "roc_auc": between(0.001, 0.02),
    "brier": between(-0.02, 0.005),
    "log_loss": between(-0.05, 0.01),
}
WON: dict[str, Any] = {
    "champion": "heart_disease/7",
    "differences": BETTER,
    "slices": (difference("female", -0.05, 0.03), difference("male", -0.01, 0.02)),
}


def won_but(**differences: Estimate) -> dict[str, Any]:
    """Return a comparison that the challenger wins, but for these differences."""
    return {**WON, "differences": {**BETTER, **differences}}


class Case(NamedTuple):
    """One row: what the gate gets, the outcome, and the check or words that must explain it."""

    name: str
    evaluation: Evaluation
    comparison: dict[str, Any] | None
    outcome: str
    because: str = ""
    policy: dict[str, Any] = {}  # noqa: RUF012 (a tuple's default is never changed)
    moves: bool | None = None


def cases() -> Iterable[Case]:
    """Yield every row of the table."""
    yield from _absolute()
    yield from _slices()
    yield from _incomplete()
    yield from _suspicious()
    yield from _against_the_champion()
    yield from _broken()
    yield from _modes()


def _absolute() -> Iterable[Case]:
    yield Case("the first fit model", FIT, None, "promote", "first champion")
    limits = {
        "roc_auc": (0.85, 0.8499, "ROC-AUC: 0.850"),
        "brier": (0.15, 0.1501, "Brier score"),
        "log_loss": (0.5, 0.5001, "Log loss"),
        "calibration_error": (0.1, 0.1001, "Calibration error"),
    }
    for metric, (at, beyond, check) in limits.items():
        yield Case(f"{metric} at its limit", fit_but(**{metric: around(at)}), None, "promote")
        yield Case(
            f"{metric} beyond its limit", fit_but(**{metric: around(beyond)}), None, "refuse", check
        )
    for slope, outcome in ((0.6, "promote"), (0.59, "refuse"), (1.7, "promote"), (1.71, "refuse")):
        model = fit_but(calibration_slope=around(slope))
        because = "Calibration slope" if outcome == "refuse" else ""
        yield Case(f"calibration slope {slope}", model, None, outcome, because)
    for auc, outcome in ((0.76, "promote"), (0.759, "refuse")):
        model = FIT.model_copy(update={"external": (group("hungarian", auc),)})
        because = "ROC-AUC at hungarian" if outcome == "refuse" else ""
        yield Case(f"AUC {auc} at Hungary", model, None, outcome, because)
    bad_at_va = FIT.model_copy(update={"external": (group("hungarian", 0.9), group("va", 0.4))})
    yield Case("bad where nothing blocks", bad_at_va, None, "promote")
    unknown = FIT.model_copy(update={"external": ()})
    yield Case(
        "never seen at Hungary",
        unknown,
        None,
        "refuse",
        "ROC-AUC at hungarian: the figure is missing",
    )
    for change, outcome in ((1e-9, "promote"), (1.01e-9, "refuse")):
        behaviour = Behaviour(differences={"row order": change}, directions=())
        model = FIT.model_copy(update={"behaviour": behaviour})
        because = "Same answer: row order" if outcome == "refuse" else ""
        yield Case(f"row order changes {change}", model, None, outcome, because)


def _slices() -> Iterable[Case]:
    def sliced(roc_auc: float, rows: int, positives: int) -> Evaluation:
        women = group("female", roc_auc, rows, positives)
        return FIT.model_copy(update={"slices": (women, group("male", 0.9))})

    yield Case("a slice at its limit", sliced(0.75, 100, 50), None, "promote")
    yield Case("bad for women", sliced(0.749, 100, 50), None, "refuse", "ROC-AUC, female")
    yield Case("ten ill women are enough", sliced(0.5, 100, 10), None, "refuse", "ROC-AUC, female")
    yield Case("nine ill women are too few", sliced(0.5, 100, 9), None, "promote")
    yield Case("nine healthy women are too few", sliced(0.5, 59, 50), None, "promote")
    yield Case("an empty slice", sliced(NAN, 0, 0), None, "promote")
    yield Case("no slices at all", FIT.model_copy(update={"slices": ()}), None, "promote")


def _incomplete() -> Iterable[Case]:
    risk, order = "Mean risk, without ca, thal", "ROC-AUC, without ca, thal"
    for patients, check in (
        (without(bias=0.05), ""),
        (without(bias=-0.05), ""),
        (without(bias=0.0501), risk),
        (without(bias=-0.0501), risk),
        (without(bias=NAN), risk),
        (without(high=-0.02), ""),
        (without(low=-0.3, high=-0.0201), order),
        (without(low=NAN, high=NAN), order),
    ):
        model = FIT.model_copy(update={"incomplete": (without(), patients)})
        name = f"without two fields {patients.bias.mean:+.4f}, {patients.difference.high:+.4f}"
        yield Case(name, model, None, "refuse" if check else "promote", check)
    never = FIT.model_copy(update={"incomplete": ()})
    yield Case("never asked about incomplete patients", never, None, "promote")


def _suspicious() -> Iterable[Case]:
    def leaking(**leaks: Any) -> Evaluation:
        return FIT.model_copy(update={"leaks": FIT.leaks.model_copy(update=leaks)})

    alarm = "Leak alarm: ROC-AUC"
    yield Case("as good as can be believed", fit_but(roc_auc=around(0.97)), None, "promote")
    yield Case("too good to be true", fit_but(roc_auc=around(0.9701)), None, "refuse", alarm)
    shared = "Leak alarm: repeated rows"
    yield Case("a patient stands there twice", leaking(repeated_rows=1), None, "refuse", shared)
    yield Case("a telling field", leaking(feature_roc_auc=0.95), None, "promote")
    told = "Leak alarm: cp alone"
    yield Case("a field tells all", leaking(feature_roc_auc=0.951), None, "refuse", told)
    yield Case("suspicious, and better", fit_but(roc_auc=around(0.98)), WON, "refuse", alarm)


def _against_the_champion() -> Iterable[Case]:
    yield Case("better", FIT, WON, "promote", "better than heart_disease/7 on equal folds")
    tie = won_but(roc_auc=between(0.0, 0.02))
    yield Case("a tie", FIT, tie, "keep", "ROC-AUC better")
    yield Case("worse", FIT, won_but(roc_auc=between(-0.03, -0.01)), "keep", "ROC-AUC better")
    yield Case(
        "the same model", FIT, {"champion": "heart_disease/7", "identical": True}, "keep", "byte"
    )
    for high, outcome in ((0.01, "promote"), (0.0101, "keep")):
        because = "Brier score not worse" if outcome == "keep" else ""
        yield Case(
            f"Brier worse by {high}", FIT, won_but(brier=between(-0.01, high)), outcome, because
        )
    for high, outcome in ((0.03, "promote"), (0.0301, "keep")):
        because = "Log loss not worse" if outcome == "keep" else ""
        lost = won_but(log_loss=between(-0.01, high))
        yield Case(f"log loss worse by {high}", FIT, lost, outcome, because)
    for high, outcome in ((-0.02, "promote"), (-0.0201, "keep")):
        women = difference("female", -0.3, high)
        because = "Not worse, female" if outcome == "keep" else ""
        yield Case(f"women reach {high}", FIT, {**WON, "slices": (women,)}, outcome, because)
    few = difference("female", -0.5, -0.3, rows=100, positives=9)
    yield Case("plainly worse for nine ill women", FIT, {**WON, "slices": (few,)}, "promote")
    ten = difference("female", -0.5, -0.3, rows=60, positives=50)
    yield Case("worse, ten healthy", FIT, {**WON, "slices": (ten,)}, "keep", "Not worse, female")
    other = {**WON, "same_data": False}
    as_good = {**other, "differences": {**BETTER, "roc_auc": between(-0.02, 0.02)}}
    yield Case("as good, on other data", FIT, as_good, "promote", "as good on today's data")
    worse = {**other, "differences": {**BETTER, "roc_auc": between(-0.0201, 0.02)}}
    yield Case("worse, on other data", FIT, worse, "keep", "ROC-AUC not worse")
    yield Case("unfit, but better", fit_but(brier=around(0.2)), WON, "refuse", "Brier score")
    by_pr = {"metric": "pr_auc"}
    without = {**WON, "differences": {**BETTER, "pr_auc": between(-0.01, 0.01)}}
    yield Case("another metric decides", FIT, without, "keep", "PR-AUC better", by_pr)


def _broken() -> Iterable[Case]:
    for metric in ("roc_auc", "brier", "log_loss", "calibration_error", "calibration_slope"):
        yield Case(f"no {metric}", fit_without(metric), None, "refuse", "missing")
        for value in (NAN, math.inf, -math.inf):
            model = fit_but(**{metric: around(value)})
            yield Case(f"{metric} is {value}", model, None, "refuse", "not a number")
    tampered = {"champion": "heart_disease/7", "problem": "model.skops has changed"}
    yield Case("a champion that was changed", FIT, tampered, "keep", "model.skops has changed")
    for metric in BETTER:
        for figures in ((NAN, 0.01, 0.02), (0.01, -math.inf, 0.02), (0.01, 0.005, math.inf)):
            mean, low, high = figures
            unknown = Estimate(mean=mean, standard_error=0.01, low=low, high=high)
            broken = won_but(**{metric: unknown})
            because = f"no difference in {metric}"
            yield Case(f"the difference in {metric} is {figures}", FIT, broken, "keep", because)
        kept = {name: found for name, found in BETTER.items() if name != metric}
        missing = {**WON, "differences": kept}
        yield Case(f"{metric} was not compared", FIT, missing, "keep", f"no difference in {metric}")
    lost = won_but(pr_auc=between(0.01, 0.02))
    yield Case(
        "a NaN that no criterion reads",
        FIT,
        {**lost, "differences": {**BETTER, "f1": between(NAN, NAN)}},
        "promote",
    )


def _modes() -> Iterable[Case]:
    for mode, moves in (("enabled", True), ("report-only", False)):
        policy = {"mode": mode}
        yield Case(f"better, {mode}", FIT, WON, "promote", "better than", policy, moves)
        yield Case(f"unfit, {mode}", fit_without("brier"), None, "refuse", "", policy, moves=False)
        tie = won_but(roc_auc=between(-0.01, 0.02))
        yield Case(f"a tie, {mode}", FIT, tie, "keep", "", policy, moves=False)
    off = {"mode": "disabled"}
    unfit = fit_without("roc_auc")
    yield Case("anything, disabled", unfit, None, "promote", "disabled", off, moves=True)


# What the checks of a won comparison show as their limits.
SHOWN = {
    "ROC-AUC": ">= 0.85",
    "Brier score": "<= 0.15",
    "Log loss": "<= 0.5",
    "Calibration error": "<= 0.1",
    "Calibration slope": ">= 0.6 and <= 1.7",
    "ROC-AUC, female": ">= 0.75",
    "ROC-AUC, male": ">= 0.75",
    "Mean risk, without ca, thal": "within 0.05",
    "ROC-AUC, without ca, thal": "interval reaches -0.02",
    "ROC-AUC at hungarian": ">= 0.76",
    "Same answer: row order": "<= 1e-09",
    "Same answer: batch size": "<= 1e-09",
    "Leak alarm: ROC-AUC": "<= 0.97",
    "Leak alarm: repeated rows": "<= 0",
    "Leak alarm: cp alone": "<= 0.95",
    "ROC-AUC better": "interval > 0",
    "Brier score not worse": "worse by <= 0.01 at most",
    "Log loss not worse": "worse by <= 0.03 at most",
    "Not worse, female": "interval reaches -0.02",
    "Not worse, male": "interval reaches -0.02",
}
# Candidates, and who of them is held against the champion.
ELECTIONS: dict[str, tuple[dict[str, Evaluation], str]] = {
    "the best of those fit to serve": (
        {
            "svm": fit_but(roc_auc=around(0.9)),
            "random_forest": fit_but(roc_auc=around(0.89)),
            "logistic_regression": fit_but(roc_auc=around(0.95), brier=around(0.3)),
        },
        "svm",
    ),
    "the best when none is fit; a missing figure is last": (
        {
            "svm": fit_without("roc_auc"),
            "random_forest": fit_but(roc_auc=around(0.7)),
            "gradient_boosting": fit_but(roc_auc=around(NAN)),
        },
        "random_forest",
    ),
}


def misjudged(gate: ModuleType) -> str:
    """Return the first case that a gate decides or shows otherwise, or nothing."""
    for case in cases():
        if complaint(gate, case):
            return case.name
    checks = gate.decide(FIT, gate.Comparison(**WON), POLICY).checks
    if {check.name: check.limit for check in checks} != SHOWN:
        return "the limits that are shown"
    for name, (candidates, winner) in ELECTIONS.items():
        if gate.best_family(candidates, POLICY) != winner:
            return name
    return ""


def complaint(gate: ModuleType, case: Case) -> str:
    """Say how the gate's verdict on a case differs from the table; nothing when it does not."""
    comparison = case.comparison and gate.Comparison(**case.comparison)
    policy = POLICY.model_copy(update=case.policy)
    verdict = gate.decide(case.evaluation, comparison, policy)
    said = " | ".join([verdict.reason, *(f"{c.name}: {c.reason}" for c in verdict.checks)])
    if verdict.outcome != case.outcome:
        return f"{case.name}: {verdict.outcome} instead of {case.outcome} ({verdict.reason})"
    if case.because not in verdict.reason:
        return f"{case.name}: {case.because!r} is not in {said!r}"
    if case.moves is not None and verdict.moves_alias != case.moves:
        return f"{case.name}: moves the alias: {verdict.moves_alias}"
    return ""
