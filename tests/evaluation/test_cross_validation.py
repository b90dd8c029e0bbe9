"""Cross-validation: every row is predicted once, by a model that learnt nothing from it."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from pipeline.evaluation import cross_validation
from pipeline.evaluation.metrics import fold_metrics
from pipeline.table.contract import FEATURES, TARGET

COLUMNS = ["repeat", "fold", "row", "outcome", "probability", "threshold"]


class Spy(ClassifierMixin, BaseEstimator):
    """Notes the ages it is fitted to and asked about, and answers with a made-up probability."""

    fits: list = []  # noqa: RUF012 (clones share it)
    asked: list = []  # noqa: RUF012

    def fit(self, X, y):  # noqa: N803
        """Note the rows."""
        self.fits.append(frozenset(X["age"]))
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):  # noqa: N803
        """Note the rows; answer by age alone."""
        self.asked.append(frozenset(X["age"]))
        positive = np.asarray(X["age"]) / 1000
        return np.column_stack([1 - positive, positive])


@pytest.fixture
def spied(training, plan):
    """Return the cross-validation of a spy on patients who can be told apart by their age."""
    Spy.fits.clear()
    Spy.asked.clear()
    named = training.assign(age=np.arange(len(training), dtype=float))
    cross_validation.cross_validate(Pipeline([("classifier", Spy())]), named, plan, 1)
    per_fold = 1 + plan.threshold_folds
    chunks = [Spy.fits[i : i + per_fold] for i in range(0, len(Spy.fits), per_fold)]
    return list(zip(cross_validation.fold_plan(named, plan), chunks, strict=True))


@pytest.fixture
def logistic(build):
    """Return the family that is fitted fastest."""
    return build("logistic_regression")


@pytest.fixture
def short(plan):
    """Return a plan in which no threshold is chosen."""
    return plan.model_copy(update={"threshold_folds": None})


def twice(plan):
    """Return ``plan`` with two repeats."""
    return plan.model_copy(update={"repeats": 2})


def test_every_row_is_asked_exactly_once_in_each_repeat(answers, training):
    """And answered with its own outcome."""
    for given_answers in answers.values():
        for _, repeat in given_answers.groupby("repeat"):
            by_row = repeat.set_index("row")["outcome"].sort_index()
            assert list(by_row.index) == list(range(len(training)))
            assert list(by_row) == list(training[TARGET])


def test_the_record_has_the_columns_that_its_page_names(answers, plan):
    """One row for each answer, in the order of repeats and folds."""
    for found in answers.values():
        assert list(found.columns) == COLUMNS
        assert len(found) == 303 * 2
        assert found["probability"].between(0, 1).all()
        keys = list(zip(found["repeat"], found["fold"], strict=True))
        assert keys == sorted(keys)
        assert set(keys) == {(r, f) for r in range(2) for f in range(plan.folds)}


def test_every_family_sits_the_same_exam(answers):
    """The same questions in the same order: answers can be compared one by one."""
    asked = [found[["repeat", "fold", "row", "outcome"]] for found in answers.values()]

    assert all(asked[0].equals(other) for other in asked)


def test_no_row_of_a_test_fold_stands_in_its_training_fold(training, plan):
    """By position: the two together are the whole table."""
    for fold in cross_validation.fold_plan(training, twice(plan)):
        assert set(fold.train).isdisjoint(fold.test)
        assert sorted([*fold.train, *fold.test]) == list(range(len(training)))


def test_no_patient_of_a_test_fold_stands_in_its_training_fold(training, plan):
    """By content: nobody is in the table twice under two positions."""
    patients = [tuple(row) for row in training[list(FEATURES)].fillna(-99).to_numpy()]
    for fold in cross_validation.fold_plan(training, twice(plan)):
        assert {patients[i] for i in fold.train}.isdisjoint(patients[i] for i in fold.test)


def test_folds_have_about_as_many_ill_patients_as_the_table(training, plan):
    """They are stratified: one patient more or fewer."""
    rate = training[TARGET].mean()
    for fold in cross_validation.fold_plan(training, plan):
        ill = training[TARGET].to_numpy()[fold.test].sum()
        assert abs(ill - rate * len(fold.test)) <= 1


def test_fewer_repeats_are_the_first_of_more_repeats(training, plan):
    """So that a few repeats can be compared with the first of many."""
    few, many = (
        cross_validation.fold_plan(training, plan.model_copy(update={"repeats": count}))
        for count in (2, 4)
    )

    for ours, theirs in zip(few, many, strict=False):
        assert (ours.repeat, ours.fold) == (theirs.repeat, theirs.fold)
        np.testing.assert_array_equal(ours.test, theirs.test)


def test_repeats_and_seeds_shuffle_the_rows_anew(training, plan):
    """Otherwise more repeats would say nothing more."""
    first, second = (
        [
            tuple(fold.test)
            for fold in cross_validation.fold_plan(training, twice(plan))
            if fold.repeat == r
        ]
        for r in (0, 1)
    )
    other = cross_validation.fold_plan(training, plan.model_copy(update={"seed": plan.seed + 1}))

    assert set(first).isdisjoint(second)
    assert set(first).isdisjoint(tuple(fold.test) for fold in other)


@pytest.mark.parametrize("family", ["random_forest", "logistic_regression"])
def test_the_number_of_workers_changes_no_answer(build, training, plan, family):
    """To the last bit."""
    quicker = plan.model_copy(update={"threshold_folds": 2})

    alone, together = (
        cross_validation.cross_validate(build(family), training, quicker, count) for count in (1, 2)
    )

    pd.testing.assert_frame_equal(alone, together, check_exact=True)


def test_a_watcher_sees_every_fold_and_changes_nothing(logistic, training, short):
    """A progress bar changes no prediction."""
    seen = []

    def watch(folds, total):
        for fold in folds:
            seen.append((len(fold), total))
            yield fold

    watched = cross_validation.cross_validate(logistic, training, short, 1, watch)

    assert seen == [(count, 5) for count in watched.groupby("fold").size()]
    pd.testing.assert_frame_equal(
        watched, cross_validation.cross_validate(logistic, training, short, 1)
    )


def test_fit_never_sees_a_row_of_the_test_fold(spied):
    """Neither the fit that answers nor those that choose the threshold."""
    for fold, fits in spied:
        assert all(fitted.isdisjoint(fold.test) for fitted in fits)


def test_the_model_that_answers_is_fitted_to_the_whole_training_fold(spied):
    """And the inner ones to parts of it that together leave each row out once."""
    for fold, (whole, *inner) in spied:
        assert whole == frozenset(fold.train)
        left_out = [row for part in inner for row in whole - part]
        assert sorted(left_out) == sorted(whole)


def test_the_threshold_is_chosen_from_answers_to_rows_left_out(spied, plan):
    """Every inner model is asked exactly about the training rows that it did not see."""
    per_fold = 1 + plan.threshold_folds
    asked = [Spy.asked[i : i + per_fold] for i in range(0, len(Spy.asked), per_fold)]
    for (fold, (whole, *inner)), (tested, *held_out) in zip(spied, asked, strict=True):
        assert tested == frozenset(fold.test)
        assert held_out == [whole - part for part in inner]


def test_values_of_the_test_fold_change_neither_threshold_nor_model(logistic, training, plan):
    """Half of a test fold is made absurd: the answers about the other half stay."""
    fold = cross_validation.fold_plan(training, plan)[0]
    spoiled, kept = fold.test[::2], fold.test[1::2]
    absurd = training.copy()
    absurd.loc[spoiled, list(FEATURES)] = [110, 1, 4, 260, 700, 1, 2, 40, 1, 10, 3, 3, 7]

    before, after = (
        cross_validation.cross_validate(logistic, table, plan, 1)
        .query("fold == 0")
        .set_index("row")
        for table in (training, absurd)
    )

    assert (before["threshold"] == after["threshold"]).all()
    assert (before.loc[kept, "probability"] == after.loc[kept, "probability"]).all()
    assert (before.loc[spoiled, "probability"] != after.loc[spoiled, "probability"]).all()


def test_a_shuffled_target_cannot_be_learnt(logistic, training, short):
    """An AUC away from one half would mean that answers leak from a test fold."""
    shuffled = training.assign(disease=training[TARGET].sample(frac=1, random_state=1).to_numpy())
    thrice = short.model_copy(update={"repeats": 3})

    found = fold_metrics(cross_validation.cross_validate(logistic, shuffled, thrice, 1))

    assert found["roc_auc"].mean() == pytest.approx(0.5, abs=0.1)


def test_the_exam_leaves_the_given_model_unfitted(logistic, training, short):
    """What is fitted in a fold is a clone."""
    cross_validation.cross_validate(logistic, training, short, 1)

    with pytest.raises(NotFittedError):
        check_is_fitted(logistic)


def test_fit_leaves_a_fitted_model_as_it_was(fitted, training):
    """The champion of the registry is cloned, not trained on."""
    champion = fitted["logistic_regression"]
    before = cross_validation.probability(champion, training)

    cross_validation.fit(champion, training.iloc[:100])

    assert (cross_validation.probability(champion, training) == before).all()


def test_the_order_of_the_table_s_columns_changes_no_answer(logistic, training, short):
    """Fields are found by name."""
    turned = training[training.columns[::-1]]

    pd.testing.assert_frame_equal(
        cross_validation.cross_validate(logistic, turned, short, 1),
        cross_validation.cross_validate(logistic, training, short, 1),
    )


def test_each_fold_has_one_threshold_within_its_range(answers):
    """Chosen once, from the training rows, and rounded to three decimals."""
    for found in answers.values():
        by_fold = found.groupby(["repeat", "fold"])["threshold"]
        assert by_fold.min().equals(by_fold.max())
        assert found["threshold"].between(0, 1).all()
        assert (found["threshold"] == found["threshold"].round(3)).all()


def test_an_exam_without_threshold_folds_decides_at_one_half(logistic, training, short):
    """The ablation needs no threshold and saves its fits."""
    found = cross_validation.cross_validate(logistic, training, short, 1)

    assert (found["threshold"] == 0.5).all()


def best_by_hand(outcome, probability):
    """Return Youden's threshold the slow way: exact fractions, every candidate tried."""
    values = sorted(set(probability))
    candidates = [(low + high) / 2 for low, high in pairwise(values)] or values
    ill = [p for o, p in zip(outcome, probability, strict=True) if o == 1]
    healthy = [p for o, p in zip(outcome, probability, strict=True) if o == 0]

    def youden(threshold):
        hits = Fraction(sum(p >= threshold for p in ill), len(ill))
        return hits + Fraction(sum(p < threshold for p in healthy), len(healthy)) - 1

    greatest = max(map(youden, candidates))
    best = [candidate for candidate in candidates if youden(candidate) == greatest]
    return round(best[len(best) // 2], 3)


coarse = st.integers(0, 8).map(lambda eighths: eighths / 8)
answer_lists = st.lists(st.tuples(st.integers(0, 1), coarse | st.floats(0, 1)), min_size=2).filter(
    lambda pairs: {outcome for outcome, _ in pairs} == {0, 1}
)


@given(answer_lists)
@example([(0, 0.25), (1, 0.25)])
@example([(0, 0.2), (1, 0.8)])
@example([(1, 0.2), (0, 0.8)])
@example([(0, 0.1), (1, 0.1), (0, 0.9), (1, 0.9)])
def test_the_threshold_is_the_one_that_trying_them_all_finds(pairs):
    """With ties, equal answers and answers that rank everybody wrongly."""
    outcome, probability = map(np.array, zip(*pairs, strict=True))

    found = cross_validation.youden_threshold(outcome, probability.astype(float))

    assert found == best_by_hand(outcome.tolist(), probability.astype(float).tolist())


@pytest.mark.parametrize(
    ("outcome", "probability", "expected"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9], 0.4),
        ([0, 1, 0, 1], [0.1, 0.3, 0.5, 0.7], 0.6),
        ([0, 1, 1], [0.5, 0.5, 0.5], 0.5),
        ([0, 1], [0.1234, 0.5678], 0.346),
    ],
    ids=["separable", "middle of equally good ones", "always the same answer", "three decimals"],
)
def test_the_threshold_of_a_small_example(outcome, probability, expected):
    """Midway between the answers on its two sides."""
    assert cross_validation.youden_threshold(np.array(outcome), np.array(probability)) == expected
