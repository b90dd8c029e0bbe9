"""The examiner: the champion is asked the same as a challenger."""

import json
from dataclasses import replace

import pytest

from pipeline.base.policies import ThresholdRule
from pipeline.gate.examiner import Examiner, Incumbent
from pipeline.training import trained_model


def unwatched(title):
    """See nothing go by, and fail when a model is cross-validated that should not be."""
    pytest.fail(title)


def test_a_model_of_today_is_evaluated_as_when_it_was_trained(beaten):
    """The same answers, slices, hospitals, behaviour and leaks."""
    examiner = Examiner(beaten.examiner.data, beaten.examiner.plan, 1, unwatched)
    for model in beaten.models.values():
        examiner.predictions[model.recipe.digest] = model.predictions
        assert examiner.evaluate(model, "again") == model.evaluation


def test_a_known_model_is_not_examined_again(beaten):
    """Its evaluation is the one of its training; the same model from elsewhere is known too."""
    examiner = Examiner(beaten.examiner.data, beaten.examiner.plan, 1, unwatched)
    examiner.know(beaten.models.values())
    model = beaten.models["svm"]
    champion = replace(model, evaluation=model.evaluation.model_copy(update={"slices": ()}))

    assert examiner.evaluate(champion, "known") is model.evaluation


def test_a_champion_sits_todays_exam(beaten):
    """Today's plan, not that of its training: other folds, other figures."""
    today = beaten.examiner.plan
    evaluation = today.evaluation.model_copy(update={"seed": 1})
    plan = today.model_copy(update={"evaluation": evaluation})
    titles = []

    def watch(title):
        titles.append(title)
        return lambda items, _total: items

    examiner = Examiner(beaten.examiner.data, plan, 1, watch)
    model = beaten.models["logistic_regression"]
    found = examiner.evaluate(model, "cross-validating heart_disease/7")

    assert titles == ["cross-validating heart_disease/7"]
    assert found.metrics["roc_auc"] != model.evaluation.metrics["roc_auc"]
    assert found.threshold == model.evaluation.threshold


def test_without_an_incumbent_there_is_nothing_to_compare(beaten):
    """The first champion."""
    assert beaten.examiner.challenge(beaten.models["svm"], None) is None


def test_an_incumbent_that_cannot_be_read_is_the_problem(beaten):
    """The gate then judges the problem."""
    incumbent = Incumbent("heart_disease/7", None, "model.skops has changed")

    comparison = beaten.examiner.challenge(beaten.models["svm"], incumbent)

    assert (comparison.champion, comparison.problem) == (
        "heart_disease/7",
        "model.skops has changed",
    )


def test_an_incumbent_is_compared(beaten):
    """Challenger minus champion, under the champion's title."""
    incumbent = Incumbent("heart_disease/7", beaten.models["random_forest"])

    comparison = beaten.examiner.challenge(beaten.models["svm"], incumbent)

    assert comparison.champion == "heart_disease/7"
    assert comparison.differences["roc_auc"].mean == pytest.approx(
        beaten.models["svm"].evaluation.metrics["roc_auc"].mean
        - beaten.models["random_forest"].evaluation.metrics["roc_auc"].mean
    )


def test_each_model_is_shown_at_its_own_threshold(beaten):
    """The champion's rule is not the challenger's, and neither is its sensitivity."""
    model = beaten.models["svm"]
    rule = ThresholdRule(rule="fixed", value=0.9)
    champion = replace(model, parameters=model.parameters.model_copy(update={"threshold": rule}))

    found = beaten.examiner.evaluate(champion, "known")

    assert found.threshold_rule == rule
    assert found.metrics["sensitivity"].mean < model.evaluation.metrics["sensitivity"].mean
    assert found.metrics["roc_auc"] == model.evaluation.metrics["roc_auc"]


def test_the_same_fit_by_another_rule_is_another_model(beaten):
    """It is compared at the operating point: the answers are the same."""
    model = beaten.models["svm"]
    rule = ThresholdRule(rule="cost", value=4)
    other = replace(model, parameters=model.parameters.model_copy(update={"threshold": rule}))

    comparison = beaten.examiner.compare(model, other, "heart_disease/7")

    assert beaten.examiner.compare(model, model, "heart_disease/7").identical
    assert not comparison.identical
    assert comparison.other_threshold
    assert comparison.differences["roc_auc"].mean == 0
    assert (
        comparison.differences["sensitivity"].mean < 0 < comparison.differences["specificity"].mean
    )


def test_the_threshold_of_an_older_champion_is_fixed(beaten):
    """It was chosen in an inner cross-validation, of which its files still tell."""
    model = beaten.models["svm"]
    files = dict(model.files())
    parameters = json.loads(files["parameters.json"])
    del parameters["threshold"]
    parameters["exam"]["threshold_folds"] = 2
    files["parameters.json"] = json.dumps(parameters).encode()

    older = trained_model.read(files, "heart_disease/7")

    assert older.threshold_rule == ThresholdRule(rule="fixed", value=model.evaluation.threshold)
    assert model.parameters.differing(older.parameters) == ["threshold"]
