"""Figures from answers: held against scikit-learn, formulas by hand, and laws."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from pipeline.base.names import FAMILIES, LOWER_IS_BETTER, METRIC_TITLES
from pipeline.base.records import Estimate
from pipeline.evaluation import cross_validation, groups, metrics
from pipeline.evaluation.metrics import FOLD_METRICS, Ablation
from pipeline.table import expectations
from pipeline.table.engineered import FeatureRecipe
from tests.evaluation.examples import PLAN, rows

BY_FOLD = list(FOLD_METRICS)


def answered(pairs, threshold=0.5):
    """Return the predictions of a single fold."""
    outcome, probability = zip(*pairs, strict=True)
    table = pd.DataFrame({"outcome": outcome, "probability": np.array(probability, dtype=float)})
    return table.assign(repeat=0, fold=0, row=range(len(pairs)), threshold=threshold)


def slices(table, edges=(45, 55, 65)):
    """Return the rows of each sex and of each age band."""
    recipe = FeatureRecipe(age_bands=edges, maximum_heart_rate_intercept=220)
    return expectations.slices(table, recipe)


def split(pairs):
    """Return outcomes and probabilities as two arrays."""
    outcome, probability = zip(*pairs, strict=True)
    return np.array(outcome), np.array(probability, dtype=float)


@given(rows, st.floats(0.01, 0.99))
def test_the_metrics_of_a_fold_are_scikit_learn_s(pairs, threshold):
    """Each of the eight, on any answers, at any threshold."""
    outcome, probability = split(pairs)
    called = probability >= threshold

    found = metrics.fold_metrics(answered(pairs, threshold)).iloc[0]

    expected = {
        "roc_auc": reference.roc_auc_score(outcome, probability),
        "pr_auc": reference.average_precision_score(outcome, probability),
        "log_loss": reference.log_loss(outcome, probability),
        "brier": reference.brier_score_loss(outcome, probability),
        "accuracy": reference.accuracy_score(outcome, called),
        "f1": reference.f1_score(outcome, called, zero_division=0),
        "sensitivity": reference.recall_score(outcome, called, zero_division=0),
        "specificity": reference.recall_score(outcome, called, pos_label=0, zero_division=0),
    }
    assert found.to_dict() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_probability_at_the_threshold_calls_ill():
    """As the service decides too."""
    found = metrics.fold_metrics(answered([(1, 0.5), (0, 0.4)], threshold=0.5)).iloc[0]

    assert (found["sensitivity"], found["specificity"]) == (1, 1)


def test_a_fold_is_decided_at_its_own_threshold():
    """Two folds with the same answers and other thresholds differ in what they call ill."""
    pairs = [(1, 0.4), (0, 0.3)]
    both = pd.concat([answered(pairs, 0.35), answered(pairs, 0.45).assign(fold=1)])

    found = metrics.fold_metrics(both)

    assert list(found["sensitivity"]) == [1, 0]
    assert list(found["roc_auc"]) == [1, 1]


def test_there_is_a_row_of_metrics_for_each_fold(answers):
    """In the order of repeats and folds, without what single folds are too small for."""
    found = metrics.fold_metrics(answers["svm"])

    assert list(found.index) == [(repeat, fold) for repeat in (0, 1) for fold in range(5)]
    assert list(found.columns) == BY_FOLD


def test_a_certain_and_wrong_answer_costs_much_but_not_everything():
    """The logarithm of 0 is cut off, so that one answer cannot hide all others."""
    assert metrics.log_loss(np.array([1]), np.array([0.0])) == pytest.approx(36.04, abs=0.01)


def test_the_standard_error_is_nadeau_and_bengio_s():
    """By hand: variance 1 of three folds, times one third plus one half."""
    found = cross_validation.corrected_standard_error(np.array([1.0, 2.0, 3.0]), folds=3)

    assert found == pytest.approx(math.sqrt((1 / 3 + 1 / 2) * 1))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50), st.integers(2, 20))
def test_the_corrected_error_is_never_below_the_naive_one(values, folds):
    """Overlapping training sets make us less sure, not more."""
    naive = np.std(values, ddof=1) / math.sqrt(len(values))

    assert cross_validation.corrected_standard_error(np.array(values), folds) >= naive


def test_more_repeats_do_not_make_the_error_vanish():
    """The same patients, asked more often, are no new patients."""
    few, many = (np.tile([0.8, 0.9], count) for count in (5, 5000))

    small = cross_validation.corrected_standard_error(many, 10)

    assert small > 0.9 * cross_validation.corrected_standard_error(few, 10) / math.sqrt(2)
    assert small == pytest.approx(0.05 * math.sqrt(1 / 9), rel=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_summary_has_every_metric_of_the_titles(answers, plan, family):
    """In their order, so that every table has the same rows."""
    assert list(metrics.summarise(answers[family], plan)) == list(METRIC_TITLES)


def test_a_summary_averages_the_folds(answers, plan):
    """Mean and corrected error of what the folds have."""
    found = metrics.summarise(answers["random_forest"], plan)

    by_fold = metrics.fold_metrics(answers["random_forest"])
    for name in BY_FOLD:
        assert found[name].mean == pytest.approx(by_fold[name].mean())
        expected = cross_validation.corrected_standard_error(by_fold[name].to_numpy(), plan.folds)
        assert found[name].standard_error == pytest.approx(expected)


def test_an_interval_is_student_s_around_the_mean():
    """By hand: two folds, so one degree of freedom and a 95 % quantile of 12.706."""
    pairs = [(1, 0.8), (0, 0.1), (1, 0.6), (0, 0.7)]
    both = pd.concat([answered(pairs[:2]), answered(pairs[2:]).assign(fold=1, row=[2, 3])])
    plan = PLAN.model_copy(update={"folds": 2, "repeats": 1})

    found = metrics.summarise(both, plan)["roc_auc"]

    assert (found.mean, found.standard_error) == (0.5, pytest.approx(math.sqrt(1.5 * 0.5)))
    assert found.high - found.mean == pytest.approx(12.706 * math.sqrt(0.75), rel=1e-4)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def assert_sure(found):
    """Assert that each estimate has an interval around its value."""
    assert all(each.low < each.mean < each.high for each in found)
    assert all(each.standard_error > 0 for each in found)


def figures(groups):
    """Return the estimates of groups of patients."""
    return [each for g in groups for each in (g.roc_auc, g.brier, g.calibration_error)]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_interval_of_the_exam_holds_its_value(answers, plan, family):
    """Of the calibration error too, which every resample makes greater."""
    assert_sure(metrics.summarise(answers[family], plan).values())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_interval_of_a_slice_holds_its_value(answers, training, plan, family):
    """However few patients are in it."""
    assert_sure(figures(groups.by_slice(answers[family], slices(training), plan)))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_interval_of_a_hospital_holds_its_value(fitted, external, plan, family):
    """That of Switzerland too, whose 8 healthy patients make it wide."""
    probability = cross_validation.probability(fitted[family], external)

    assert_sure(figures(groups.by_cohort(probability, external, plan)))


def test_intervals_of_shares_stay_within_zero_and_one():
    """Where every resample is perfect, nothing else can be said."""
    pairs = [(0, 0.0)] * 5 + [(1, 1.0)] * 5
    table = pd.DataFrame({"hospital": "va", "disease": [outcome for outcome, _ in pairs]})

    (found,) = groups.by_cohort(split(pairs)[1], table, PLAN)

    assert (found.roc_auc.low, found.roc_auc.high) == (1, 1)
    assert (found.brier.low, found.brier.high) == (0, 0)


def test_greater_confidence_takes_a_wider_interval(answers, plan):
    """Around the same mean."""
    narrow, wide = (
        metrics.summarise(answers["svm"], plan.model_copy(update={"confidence": confidence}))
        for confidence in (0.8, 0.99)
    )

    for name in METRIC_TITLES:
        assert narrow[name].mean == wide[name].mean
        assert wide[name].low < narrow[name].low < narrow[name].high < wide[name].high


def test_equal_answers_differ_by_nothing(answers, plan):
    """A model compared with itself: zero, without any doubt."""
    found = metrics.paired_differences(answers["svm"], answers["svm"], plan)

    assert list(found) == BY_FOLD
    nothing = Estimate(mean=0, standard_error=0, low=0, high=0)
    assert all(difference == nothing for difference in found.values())


def test_a_difference_turns_its_sign_with_the_order(answers, plan):
    """Challenger minus champion is minus champion minus challenger."""
    one, two = answers["svm"], answers["random_forest"]

    forth = metrics.paired_differences(one, two, plan)
    back = metrics.paired_differences(two, one, plan)

    for name, found in forth.items():
        assert found.mean == pytest.approx(-back[name].mean)
        assert (found.low, found.high) == pytest.approx((-back[name].high, -back[name].low))
        assert found.standard_error == pytest.approx(back[name].standard_error)


def test_a_difference_is_the_difference_of_the_means(answers, plan):
    """Paired folds change its error, not its value."""
    one, two = answers["svm"], answers["random_forest"]

    found = metrics.paired_differences(one, two, plan)

    ours, theirs = metrics.summarise(one, plan), metrics.summarise(two, plan)
    for name in BY_FOLD:
        assert found[name].mean == pytest.approx(ours[name].mean - theirs[name].mean)


@pytest.mark.parametrize("column", ["repeat", "fold", "row", "outcome"])
def test_other_questions_cannot_be_compared(answers, plan, column):
    """Not even when a single one differs."""
    changed = answers["svm"].copy()
    changed.loc[0, column] = 1 - changed.loc[0, column]

    with pytest.raises(ValueError, match="were not cross-validated in the same folds"):
        metrics.paired_differences(answers["svm"], changed, plan)


def test_fewer_questions_cannot_be_compared(answers, plan):
    """More repeats are other folds."""
    shorter = answers["svm"].query("repeat == 0")

    with pytest.raises(ValueError, match="were not cross-validated in the same folds"):
        metrics.paired_differences(answers["svm"], shorter, plan)


def test_hospitals_are_judged_one_by_one(fitted, external, plan):
    """With their own patients, by scikit-learn's figures."""
    probability = cross_validation.probability(fitted["svm"], external)

    found = groups.by_cohort(probability, external, plan)

    assert [(place.name, place.rows, place.positives) for place in found] == [
        ("hungarian", 294, 106),
        ("switzerland", 123, 115),
        ("va", 200, 149),
    ]
    for place in found:
        there = (external["hospital"] == place.name).to_numpy()
        outcome, answered_there = external["disease"][there], probability[there]
        assert place.roc_auc.mean == pytest.approx(reference.roc_auc_score(outcome, answered_there))
        assert place.brier.mean == pytest.approx(
            reference.brier_score_loss(outcome, answered_there)
        )


def test_few_patients_of_a_class_make_a_wide_interval(fitted, external, plan):
    """Switzerland has 8 patients without disease: its AUC ranks nothing."""
    hungary, switzerland, _ = groups.by_cohort(
        cross_validation.probability(fitted["svm"], external), external, plan
    )

    widths = [place.roc_auc.high - place.roc_auc.low for place in (hungary, switzerland)]
    assert widths[1] > 2 * widths[0]


def test_slices_are_each_sex_and_each_age_band(answers, training, plan):
    """Both divide all 303 patients."""
    found = groups.by_slice(answers["svm"], slices(training), plan)

    assert [(group.name, group.rows) for group in found[:2]] == [("female", 97), ("male", 206)]
    assert len(found) == 6
    assert sum(group.rows for group in found[2:]) == 303
    assert sum(group.positives for group in found[2:]) == 139


def test_a_slice_is_judged_by_its_own_patients(answers, training, plan):
    """The mean over the repeats of scikit-learn's AUC among the women."""
    women = groups.by_slice(answers["svm"], slices(training), plan)[0]

    among = answers["svm"][answers["svm"]["row"].isin(training.index[training["sex"] == 0])]
    by_repeat = [
        reference.roc_auc_score(repeat["outcome"], repeat["probability"])
        for _, repeat in among.groupby("repeat")
    ]
    assert women.roc_auc.mean == pytest.approx(np.mean(by_repeat))


def test_a_slice_with_one_outcome_only_is_left_out(answers, training, plan):
    """No AUC can be had of it."""
    edges = (training["age"].min() + 1, 55)

    found = groups.by_slice(answers["svm"], slices(training, edges), plan)

    assert len(found) == 4
    assert sum(group.rows for group in found[2:]) < 303


def test_every_metric_that_is_better_low_has_a_title():
    """And no other figure is among them."""
    assert set(METRIC_TITLES) >= LOWER_IS_BETTER == {"log_loss", "brier", "calibration_error"}


def test_an_ablation_survives_its_file(answers, plan):
    """As JSON and back."""
    differences = metrics.paired_differences(answers["svm"], answers["random_forest"], plan)
    found = Ablation(family="svm", feature="age_bands", differences=differences)

    assert Ablation.model_validate_json(found.model_dump_json()) == found
