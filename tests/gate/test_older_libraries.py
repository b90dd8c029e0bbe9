"""Champions that older libraries fitted: what they answered is kept, and their recipes go on."""

import dataclasses

import numpy as np
import pytest

from pipeline.base.names import FAMILIES
from pipeline.base.policies import Limits
from pipeline.evaluation import cross_validation
from pipeline.gate import decision, trial
from pipeline.gate.decision import Outcome
from pipeline.gate.examiner import MISFIT, Examiner, Incumbent
from pipeline.table.contract import FEATURES
from pipeline.training import families, fitting, recipe, workspace
from pipeline.training.fitting import Data, Fitted
from pipeline.training.recipe import Recipe
from tests.gate.gate_cases import POLICY
from tests.model_files import answering_nan
from tests.stored_models.stored import ARCHIVES, every_library, files_of, models_of

every_family = pytest.mark.parametrize("family", FAMILIES)
OLDEST = min(ARCHIVES)
# Small models are fit for it.
LENIENT = POLICY.model_copy(
    update={
        "minimum_roc_auc": 0.5,
        "maximum_brier": 1,
        "maximum_log_loss": 9,
        "maximum_calibration_error": 1,
        "calibration_slope": Limits(low=0, high=99),
    }
)


@pytest.fixture(scope="module")
def plan(quick):
    """Return the plan that the stored models were made by, with more trees."""
    return workspace.plan(quick)


@pytest.fixture(scope="module")
def data(training, external):
    """Return the tables, under the digest of the stored models."""
    digest = models_of(OLDEST)["svm"].parameters.data_digest
    return Data(training=training, external=external, digest=digest)


@pytest.fixture(scope="module")
def examiner(data, plan):
    """Return an examiner of one process."""
    return Examiner(data, plan, 1, lambda _title: lambda items, _total: items)


@pytest.fixture(scope="module")
def refitted(data, plan, examiner):
    """Return a function that trains the recipe of a stored model today."""

    def train(model):
        fitted = Fitted(
            examiner.examine(model, "the same recipe"),
            cross_validation.fit(model.recipe.build(), data.training),
            model.evaluation.threshold,
            model.threshold_rule,
        )
        again = fitting.describe(model.evaluation.family, fitted, data, plan, {})
        parameters = again.parameters.model_copy(update={"threshold": model.parameters.threshold})
        return dataclasses.replace(again, parameters=parameters)

    return train


@every_library
def test_the_models_are_of_other_libraries_and_have_no_recipe_of_their_own(library):
    """Otherwise they would prove nothing."""
    for files in files_of(library).values():
        assert "recipe.json" not in files
    versions = {m.parameters.libraries["sklearn"] for m in models_of(library).values()}
    assert {f"scikit-learn-{version.rpartition('.')[0]}" for version in versions} == {library}


@every_library
@every_family
def test_a_stored_model_is_read_asked_and_fitted_again(library, family):
    """By its ONNX file and its recipe: no fitted object of another library is touched."""
    model = models_of(library)[family]

    assert trial.problem(Incumbent("it", model)) == ""


@every_library
@every_family
def test_the_same_recipe_gives_the_same_answers_by_the_libraries_of_today(
    library, family, examiner
):
    """As far as a reader of the report could see."""
    rows, difference = examiner.refitted(models_of(library)[family])

    assert rows == 920
    assert difference < 1e-5


@every_family
def test_a_moved_lock_alone_is_no_decision(family, examiner, refitted):
    """Nothing is cross-validated, and the champion stays."""
    champion = models_of(OLDEST)[family]
    challenger = refitted(champion)
    spent = dict(examiner.predictions)

    comparison = examiner.compare(challenger, champion, "heart_disease/1")
    verdict = decision.decide(champion.evaluation, comparison, LENIENT)

    assert challenger.digest != champion.digest
    assert examiner.predictions.keys() == spent.keys()
    assert comparison.other_libraries
    assert (verdict.outcome, verdict.way_out) == (Outcome.KEEP, "")
    assert "the same recipe, fitted to the same data by other libraries" in verdict.reason


@pytest.mark.parametrize("onnx", [b"of another time", answering_nan()], ids=["unread", "no number"])
def test_a_champion_that_gives_no_answers_is_replaced_by_its_refit(onnx, examiner, refitted):
    """As good is enough then: what is served can no longer be."""
    whole = models_of(OLDEST)["logistic_regression"]
    silent = dataclasses.replace(whole, onnx=onnx)
    challenger = refitted(whole)

    comparison = examiner.compare(challenger, silent, "heart_disease/1")
    verdict = decision.decide(challenger.evaluation, comparison, LENIENT)

    assert comparison.silence.startswith("its ONNX file gives no answers: ")
    assert comparison.external == ()
    assert verdict.outcome is Outcome.PROMOTE
    assert "which gives no answers any more" in verdict.reason


@pytest.mark.parametrize(
    "changed",
    [
        Recipe(estimator="sklearn.svm.Lost", parameters={}),
        Recipe(estimator="sklearn.svm.SVC", parameters={"lost": 1}),
        Recipe(estimator="sklearn.svm.SVC", parameters={"C": "many"}),
        Recipe(estimator="sklearn.pipeline.Pipeline", parameters={"steps": 7}),
    ],
    ids=["a lost class", "a lost parameter", "a value", "no pipeline"],
)
def test_a_champion_that_cannot_be_fitted_is_an_outcome_with_a_way_out(changed, examiner, refitted):
    """Whatever the library raises; the frozen model still answers."""
    whole = models_of(OLDEST)["logistic_regression"]
    champion = dataclasses.replace(whole, recipe=changed)

    comparison = examiner.compare(refitted(whole), champion, "heart_disease/1")
    verdict = decision.decide(whole.evaluation, comparison, LENIENT)

    assert comparison.problem.startswith(MISFIT)
    assert examiner.refitted(champion) == (920, None)
    assert trial.problem(Incumbent("it", champion)).startswith(MISFIT)
    assert verdict.outcome is Outcome.KEEP
    assert "registry promote --version NAME/N --reason TEXT" in verdict.way_out


def test_who_decides_again_has_the_comparison(examiner, refitted, monkeypatch):
    """It is decided before anything is registered, and once more when it is."""
    champion = Incumbent("heart_disease/1", models_of(OLDEST)["svm"])
    challenger = dataclasses.replace(refitted(champion.model), skops=b"other")
    first = examiner.challenge(challenger, champion)
    monkeypatch.setattr(Examiner, "compare", pytest.fail)

    assert examiner.challenge(challenger, champion) is first


def test_other_data_are_no_moved_lock(examiner, refitted):
    """Then the same recipe is compared, and no worse is enough."""
    champion = models_of(OLDEST)["logistic_regression"]
    today = refitted(champion)
    parameters = today.parameters.model_copy(update={"data_digest": "e" * 64})

    comparison = examiner.compare(
        dataclasses.replace(today, parameters=parameters), champion, "heart_disease/1"
    )

    assert not comparison.other_libraries
    assert not comparison.must_be_better
    assert comparison.differences["roc_auc"].mean == 0


def test_a_recipe_is_what_the_code_of_then_trained(plan):
    """Where its settings were those of today, it is the recipe of today."""
    for library in ARCHIVES:
        for family in ("logistic_regression", "svm"):
            stored = models_of(library)[family].recipe
            assert stored == recipe.of(families.build(family, plan))


def test_the_frozen_answers_are_probabilities(patients):
    """For each patient and family."""
    for library in ARCHIVES:
        for model in models_of(library).values():
            found = model.answer(patients[list(FEATURES)])
            assert np.all((found >= 0) & (found <= 1))
