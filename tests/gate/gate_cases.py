"""The gate's table: what is put before it, what it must say, and by which check.

Cases are values, so that the same table can be held against the gate and against mutants of it.
"""

import math
from collections.abc import Iterable
from types import ModuleType
from typing import Any, NamedTuple

from pipeline.base.policies import PromotionPolicy
from pipeline.base.records import Estimate
from pipeline.evaluation.behaviour import Behaviour, Conversion, Direction
from pipeline.evaluation.groups import Group, GroupDifference
from pipeline.evaluation.incomplete import Incomplete
from pipeline.evaluation.leaks import Leaks
from pipeline.evaluation.metrics import Evaluation

POLICY = PromotionPolicy.model_validate(
    {
        "mode": "enabled",
        "metric": "roc_auc",
        "minimum_roc_auc": 0.85,
        "maximum_brier": 0.15,
        "maximum_log_loss": 0.5,
        "maximum_calibration_error": 0.1,
        "calibration_slope": {"low": 0.6, "high": 1.7},
        "minimum_sensitivity": 0.5,
        "minimum_specificity": 0.45,
        "slices": {
            "minimum_of_each_outcome": 10,
            "minimum_roc_auc": 0.75,
            "calibration": 0.5,
            "margin": 0.02,
        },
        "fields_left_out": {"bias": 0.05, "margin": 0.02},
        "external_minimum_roc_auc": {"hungarian": 0.76},
        "external_margin": 0.05,
        "behaviour_tolerance": 1e-6,
        "minimum_direction": 0.55,
        "onnx": {"difference": 1e-5, "megabytes": 20, "milliseconds": 10},
        "leak_roc_auc": 0.97,
        "leak_single_feature_roc_auc": 0.95,
        "leak_missing_roc_auc": 0.65,
        "leak_near_copies": 0.1,
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


def group(
    name: str,
    roc_auc: float,
    rows: int = 100,
    positives: int = 50,
    calibration: Estimate | None = None,
) -> Group:
    """Return some patients among whom the model has this AUC, and calibration in the large."""
    return Group(
        name=name,
        rows=rows,
        positives=positives,
        roc_auc=around(roc_auc),
        brier=around(0.12),
        calibration_error=around(0.05),
        calibration=calibration or around(0.1),
        sensitivity=around(0.8),
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
    "sensitivity": around(0.79),
    "specificity": around(0.88),
}
FIT = Evaluation(
    family="svm",
    threshold=0.5,
    metrics=METRICS,
    slices=(group("female", 0.92), group("male", 0.9)),
    external=(group("hungarian", 0.88), group("va", 0.7)),
    behaviour=Behaviour(
        differences={"row order": 1e-16, "batch size": 0.0},
        directions=(Direction(change="one more vessel", patients=100, holds=0.9),),
    ),
    leaks=Leaks(
        repeated_rows=0,
        near_copies=0.02,
        feature="cp",
        feature_roc_auc=0.77,
        missing_feature="thal",
        missing_roc_auc=0.51,
        trained_on={"va": 0.01},
    ),
    incomplete=(without(),),
    conversion=Conversion(rows=10_000, difference=1e-7, size=200_000, milliseconds=1),
)


def fit_but(**metrics: Estimate) -> Evaluation:
    """Return a model that is fit to serve, but for these metrics."""
    return FIT.model_copy(update={"metrics": {**METRICS, **metrics}})


def fit_without(metric: str) -> Evaluation:
    """Return a model that is fit to serve, but for one metric that is missing."""
    kept = {name: found for name, found in METRICS.items() if name != metric}
    return FIT.model_copy(update={"metrics": kept})


def difference(  # noqa: PLR0913 (the last three have defaults)
    name: str,
    low: float,
    high: float,
    *,
    rows: int = 100,
    positives: int = 50,
    sensitivity: Estimate | None = None,
) -> GroupDifference:
    """Return how far the challenger's AUC lies from the champion's among some patients."""
    return GroupDifference(
        name=name,
        rows=rows,
        positives=positives,
        roc_auc=between(low, high),
        brier=between(-0.01, 0.01),
        sensitivity=sensitivity,
    )


BETTER = {
    "roc_auc": between(0.001, 0.02),
    "brier": between(-0.02, 0.005),
    "log_loss": between(-0.05, 0.01),
}
WON: dict[str, Any] = {
    "champion": "heart_disease/7",
    "differences": BETTER,
    "slices": (
        difference("female", -0.05, 0.03, sensitivity=between(-0.1, 0.1)),
        difference("male", -0.01, 0.02),
    ),
    "external": (difference("va", -0.1, 0.1),),
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
    yield from _shipped()
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
        "sensitivity": (0.5, 0.499, "Sensitivity"),
        "specificity": (0.45, 0.449, "Specificity"),
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
    silent = FIT.model_copy(update={"external": (group("hungarian", 0.9), group("va", NAN))})
    yield Case("no answers where nothing blocks", silent, None, "refuse", "ROC-AUC at va")
    unknown = FIT.model_copy(update={"external": ()})
    yield Case(
        "never seen at Hungary",
        unknown,
        None,
        "refuse",
        "ROC-AUC at hungarian: the figure is missing",
    )
    for change, outcome in ((1e-6, "promote"), (1.01e-6, "refuse")):
        behaviour = Behaviour(differences={"row order": change}, directions=())
        model = FIT.model_copy(update={"behaviour": behaviour})
        because = "Same answer: row order" if outcome == "refuse" else ""
        yield Case(f"row order changes {change}", model, None, outcome, because)
    for holds, outcome in ((0.55, "promote"), (0.549, "refuse")):
        direction = Direction(change="one more vessel", patients=100, holds=holds)
        behaviour = Behaviour(differences={}, directions=(direction,))
        model = FIT.model_copy(update={"behaviour": behaviour})
        because = "No lower risk: one more vessel" if outcome == "refuse" else ""
        yield Case(f"one more vessel is no lower risk for {holds}", model, None, outcome, because)


def _shipped() -> Iterable[Case]:
    for name, at, beyond in (
        ("difference", 1e-5, 1.1e-5),
        ("size", 20_000_000, 20_000_001),
        ("milliseconds", 10, 100),
    ):
        for value, outcome in ((at, "promote"), (beyond, "refuse")):
            changed = FIT.conversion.model_copy(update={name: value})
            model = FIT.model_copy(update={"conversion": changed})
            because = "ONNX: " if outcome == "refuse" else ""
            yield Case(f"ONNX, {name} {value}", model, None, outcome, because)
    older = FIT.model_copy(update={"conversion": None})
    yield Case("a model from before it was kept", older, None, "promote")


def _slices() -> Iterable[Case]:
    def sliced(
        roc_auc: float, rows: int, positives: int, calibration: Estimate | None = None
    ) -> Evaluation:
        women = group("female", roc_auc, rows, positives, calibration)
        return FIT.model_copy(update={"slices": (women, group("male", 0.9))})

    yield Case("a slice at its limit", sliced(0.75, 100, 50), None, "promote")
    yield Case("bad for women", sliced(0.749, 100, 50), None, "refuse", "ROC-AUC, female")
    yield Case("ten ill women are enough", sliced(0.5, 100, 10), None, "refuse", "ROC-AUC, female")
    yield Case("nine ill women are too few", sliced(0.5, 100, 9), None, "promote")
    yield Case("nine healthy women are too few", sliced(0.5, 59, 50), None, "promote")
    yield Case("an empty slice", sliced(NAN, 0, 0), None, "promote")
    shifted = "Calibration, female"
    for low, high, check in (
        (0.5, 2.0, ""),
        (0.501, 2.0, shifted),
        (-2.0, -0.5, ""),
        (-2.0, -0.501, shifted),
        (NAN, NAN, shifted),
    ):
        model = sliced(0.9, 100, 50, between(low, high))
        outcome = "refuse" if check else "promote"
        yield Case(f"women's log-odds are {low} to {high} off", model, None, outcome, check)
    few = sliced(0.9, 100, 9, between(1.0, 2.0))
    yield Case("nine ill women say nothing about calibration", few, None, "promote")
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
    for name, at, beyond, check in (
        ("near_copies", 0.1, 0.101, "Leak alarm: near copies"),
        ("missing_roc_auc", 0.65, 0.651, "Leak alarm: thal missing"),
        ("trained_on", {"va": 0.1}, {"va": 0.101}, "Leak alarm: va trained on"),
    ):
        yield Case(f"{name} at its limit", leaking(**{name: at}), None, "promote")
        yield Case(f"{name} beyond it", leaking(**{name: beyond}), None, "refuse", check)
    older = leaking(missing_feature=None, missing_roc_auc=1.0)
    yield Case("a model from before missing values were looked at", older, None, "promote")
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
        lost = difference("female", 0.0, 0.1, sensitivity=between(-0.3, high))
        because = "Sensitivity not worse, female" if outcome == "keep" else ""
        name = f"the sensitivity for women reaches {high}"
        yield Case(name, FIT, {**WON, "slices": (lost,)}, outcome, because)
    for high, outcome in ((-0.05, "promote"), (-0.0501, "keep")):
        abroad = difference("va", -0.3, high)
        because = "Not worse at va" if outcome == "keep" else ""
        yield Case(f"VA reaches {high}", FIT, {**WON, "external": (abroad,)}, outcome, because)
    few = difference("female", -0.5, -0.3, rows=100, positives=9)
    yield Case("plainly worse for nine ill women", FIT, {**WON, "slices": (few,)}, "promote")
    ten = difference("female", -0.5, -0.3, rows=60, positives=50)
    yield Case("worse, ten healthy", FIT, {**WON, "slices": (ten,)}, "keep", "Not worse, female")
    other = {**WON, "same_data": False, "same_recipe": True}
    as_good = {**other, "differences": {**BETTER, "roc_auc": between(-0.02, 0.02)}}
    yield Case("as good, on other data", FIT, as_good, "promote", "no worse on today's data than")
    new = {**as_good, "same_recipe": False}
    yield Case("another recipe, on other data", FIT, new, "keep", "ROC-AUC better")
    again = {**as_good, "same_data": True}
    yield Case("the same recipe, on the same data", FIT, again, "keep", "ROC-AUC better")
    worse = {**other, "differences": {**BETTER, "roc_auc": between(-0.0201, 0.02)}}
    yield Case("worse, on other data", FIT, worse, "keep", "ROC-AUC not worse")
    yield from _other_threshold()
    yield Case("unfit, but better", fit_but(brier=around(0.2)), WON, "refuse", "Brier score")
    by_pr = {"metric": "pr_auc"}
    without = {**WON, "differences": {**BETTER, "pr_auc": between(-0.01, 0.01)}}
    yield Case("another metric decides", FIT, without, "keep", "PR-AUC better", by_pr)


def _other_threshold() -> Iterable[Case]:
    even = dict.fromkeys(BETTER, between(0.0, 0.0))
    for found, healthy in ((0.05, -0.08), (-0.05, 0.0), (0.0, 0.01), (0.0, 0.0)):
        decided = {"sensitivity": around(found), "specificity": around(healthy)}
        moved = {
            **WON,
            "same_recipe": True,
            "other_threshold": True,
            "differences": even | decided,
        }
        words = f"sensitivity {found:+.3f}, specificity {healthy:+.3f}"
        outcome = "promote" if found or healthy else "keep"
        yield Case(f"another threshold: {words}", FIT, moved, outcome, words)
    blind = fit_but(sensitivity=around(0.3))
    yield Case("another threshold that finds few", blind, moved, "refuse", "Sensitivity")


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
    "Sensitivity": ">= 0.5",
    "Specificity": ">= 0.45",
    "ROC-AUC, female": ">= 0.75",
    "Calibration, female": "interval reaches -0.5 to +0.5",
    "ROC-AUC, male": ">= 0.75",
    "Calibration, male": "interval reaches -0.5 to +0.5",
    "Mean risk, without ca, thal": "within 0.05",
    "ROC-AUC, without ca, thal": "interval reaches -0.02",
    "ROC-AUC at hungarian": ">= 0.76",
    "ROC-AUC at va": ">= 0",
    "Same answer: row order": "<= 1e-06",
    "Same answer: batch size": "<= 1e-06",
    "No lower risk: one more vessel": ">= 0.55",
    "ONNX: difference": "<= 1e-05",
    "ONNX: megabytes": "<= 20",
    "ONNX: milliseconds": "<= 10",
    "Leak alarm: ROC-AUC": "<= 0.97",
    "Leak alarm: repeated rows": "<= 0",
    "Leak alarm: near copies": "<= 0.1",
    "Leak alarm: cp alone": "<= 0.95",
    "Leak alarm: thal missing": "<= 0.65",
    "Leak alarm: va trained on": "<= 0.1",
    "ROC-AUC better": "interval > 0",
    "Brier score not worse": "worse by <= 0.01 at most",
    "Log loss not worse": "worse by <= 0.03 at most",
    "Not worse, female": "interval reaches -0.02",
    "Sensitivity not worse, female": "interval reaches -0.02",
    "Not worse, male": "interval reaches -0.02",
    "Not worse at va": "interval reaches -0.05",
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


# Comparisons of the champion with some families, and who of them challenges it.
REFIT = {**WON, "same_recipe": True, "same_data": False}
LOST = won_but(brier=between(0.1, 0.2))
CHALLENGERS: dict[str, tuple[dict[str, dict[str, Any] | None], str]] = {
    "the best, where there is no champion": ({"svm": None, "random_forest": None}, "svm"),
    "the best, which wins": ({"svm": WON, "random_forest": REFIT}, "svm"),
    "the champion's own recipe, where the best loses": (
        {"svm": LOST, "random_forest": REFIT},
        "random_forest",
    ),
    "no other recipe, whatever it would win": ({"svm": LOST, "random_forest": WON}, "svm"),
    "the best, where all lose": (
        {"svm": LOST, "random_forest": {**LOST, "same_recipe": True}},
        "svm",
    ),
}


def challenges(gate: ModuleType, name: str) -> bool:
    """Say whether a gate lets the right family challenge the champion."""
    compared, challenger = CHALLENGERS[name]
    candidates = {"svm": fit_but(roc_auc=around(0.92)), "random_forest": FIT}
    comparisons = {f: found and gate.Comparison(**found) for f, found in compared.items()}
    return bool(gate.challenger(candidates, comparisons, POLICY) == challenger)


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
    return next((name for name in CHALLENGERS if not challenges(gate, name)), "")


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
