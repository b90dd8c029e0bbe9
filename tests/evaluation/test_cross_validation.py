"""Cross-validation: every row is predicted once, by a model that learnt nothing from it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from pipeline.evaluation import cross_validation
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
    predictions_of(Pipeline([("classifier", Spy())]), named, plan)
    return list(zip(cross_validation.fold_plan(named, plan), Spy.fits, Spy.asked, strict=True))


@pytest.fixture
def logistic(build):
    """Return the family that is fitted fastest."""
    return build("logistic_regression")


def predictions_of(model, table, plan, workers=1, **more):
    """Return the out-of-fold predictions of one model."""
    return cross_validation.cross_validate({"it": model}, table, plan, workers, **more)["it"]


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
    """By content: no patient is in the table twice under two positions."""
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
    alone, together = (predictions_of(build(family), training, plan, count) for count in (1, 2))

    pd.testing.assert_frame_equal(alone, together, check_exact=True)


def test_a_watcher_sees_every_fold_and_changes_nothing(logistic, training, plan):
    """A progress bar changes no prediction."""
    seen = []

    def watch(folds, total):
        for fold in folds:
            seen.append((len(fold), total))
            yield fold

    watched = predictions_of(logistic, training, plan, watch=watch)

    assert seen == [(count, 5) for count in watched.groupby("fold").size()]
    pd.testing.assert_frame_equal(watched, predictions_of(logistic, training, plan))


def test_models_side_by_side_predict_what_each_predicts_alone(build, training, plan):
    """They share the workers and the progress bar, nothing else."""
    models = {family: build(family) for family in ("logistic_regression", "svm")}

    together = cross_validation.cross_validate(models, training, plan, 2)

    assert list(together) == list(models)
    for family, model in models.items():
        pd.testing.assert_frame_equal(
            together[family], predictions_of(model, training, plan), check_exact=True
        )


def test_a_model_is_fitted_to_its_training_fold_and_asked_about_its_test_fold(spied):
    """So no row of a test fold is learnt from."""
    for fold, fitted, asked in spied:
        assert fitted == frozenset(fold.train)
        assert asked == frozenset(fold.test)


def test_values_of_the_test_fold_do_not_change_its_model(logistic, training, plan):
    """Half of a test fold is made absurd: the answers about the other half stay."""
    fold = cross_validation.fold_plan(training, plan)[0]
    spoiled, kept = fold.test[::2], fold.test[1::2]
    absurd = training.copy()
    absurd.loc[spoiled, list(FEATURES)] = [110, 1, 4, 260, 700, 1, 2, 40, 1, 10, 3, 3, 7]

    before, after = (
        predictions_of(logistic, table, plan).query("fold == 0").set_index("row")
        for table in (training, absurd)
    )

    assert (before.loc[kept, "probability"] == after.loc[kept, "probability"]).all()
    assert (before.loc[spoiled, "probability"] != after.loc[spoiled, "probability"]).all()


def test_a_shuffled_target_cannot_be_learnt(logistic, training, plan):
    """An AUC away from one half would mean that answers leak from a test fold."""
    shuffled = training.assign(disease=training[TARGET].sample(frac=1, random_state=1).to_numpy())
    thrice = plan.model_copy(update={"repeats": 3})

    found = predictions_of(logistic, shuffled, thrice)

    aucs = [
        roc_auc_score(fold["outcome"], fold["probability"])
        for _, fold in found.groupby(["repeat", "fold"])
    ]
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.1)


def test_the_exam_leaves_the_given_model_unfitted(logistic, training, plan):
    """What is fitted in a fold is a clone."""
    predictions_of(logistic, training, plan)

    with pytest.raises(NotFittedError):
        check_is_fitted(logistic)


def test_fit_leaves_a_fitted_model_as_it_was(fitted, training):
    """The champion of the registry is cloned, not trained on."""
    champion = fitted["logistic_regression"]
    before = cross_validation.probability(champion, training)

    cross_validation.fit(champion, training.iloc[:100])

    assert (cross_validation.probability(champion, training) == before).all()


def test_the_order_of_the_table_s_columns_changes_no_answer(logistic, training, plan):
    """Fields are found by name."""
    turned = training[training.columns[::-1]]

    pd.testing.assert_frame_equal(
        predictions_of(logistic, turned, plan),
        predictions_of(logistic, training, plan),
    )
