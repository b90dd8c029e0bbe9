"""Models that are bad in a known way, on the real data: the check that should catch each does."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline, make_pipeline

from pipeline.base import config
from pipeline.evaluation import behaviour, cross_validation, incomplete, threshold
from pipeline.evaluation.cross_validation import over_folds
from pipeline.evaluation.groups import by_cohort, by_slice, slice_differences
from pipeline.evaluation.leaks import leaks
from pipeline.evaluation.metrics import Evaluation, paired_differences, summarise
from pipeline.gate import decision
from pipeline.gate.checks import Status
from pipeline.gate.comparison import Comparison
from pipeline.gate.decision import Outcome
from pipeline.table import expectations, parsing
from pipeline.table.contract import FEATURES, TARGET
from pipeline.training import families, fitting, workspace
from pipeline.training.fitting import Data
from tests.quick_models import PATTERNS

pytestmark = pytest.mark.once

SMALL = {
    "FIELDS_LEFT_OUT__PATTERNS": json.dumps(PATTERNS),
    "EVALUATION__REPEATS": "1",
    "EVALUATION__BOOTSTRAP_SAMPLES": "100",
}
RESAMPLES = 1000
HIGHEST_RATE = 0.025
# How strongly two models of equal skill disagree, in log-odds.
DISAGREEMENT = 0.5


class Distorted(ClassifierMixin, BaseEstimator):
    """A model whose answers, or whose outcomes to learn from, are distorted on purpose."""

    def __init__(self, model, outcome=None, answer=None):
        """Distort the outcomes that ``model`` learns from, or its answers."""
        self.model, self.outcome, self.answer = model, outcome, answer

    def fit(self, X, y):  # noqa: N803
        """Learn from the outcomes, distorted or not."""
        self.classes_ = np.array([0, 1])
        self.fitted_ = clone(self.model).fit(X, self.outcome(y) if self.outcome else y)
        return self

    def predict_proba(self, X):  # noqa: N803
        """Return the answers, distorted or not, in scikit-learn's shape."""
        probability = self.fitted_.predict_proba(X)[:, 1]
        told = self.answer(X, probability) if self.answer else probability
        return np.column_stack([1 - told, told])


def flipped(outcome):
    """Call the ill healthy and the healthy ill."""
    return 1 - outcome


def overconfident(patients, probability):
    """Promise six times the log-odds."""
    del patients
    odds = np.clip(probability, 1e-6, 1 - 1e-6)
    return 1 / (1 + ((1 - odds) / odds) ** 6)


def wrong_for_women(patients, probability):
    """Answer the opposite for women alone."""
    return np.where(patients["sex"] == 0, 1 - probability, probability)


def shifted(probability, by):
    """Move the log-odds."""
    odds = probability / (1 - probability) * np.exp(by)
    return odds / (1 + odds)


def too_low_for_women(patients, probability):
    """Find fewer of the ill women, in the right order."""
    return np.where(patients["sex"] == 0, shifted(probability, -1.5), probability)


def too_high_for_the_old(patients, probability):
    """Call more of the old ill, in the right order."""
    return np.where(patients["age"] >= 65, shifted(probability, 2), probability)


def fewer_with_more_vessels(patients, probability):
    """Let the risk fall with each narrowed vessel that the model had let it rise by."""
    return shifted(probability, -2 * patients["ca"].fillna(0).to_numpy())


def no_number_at_va(patients, probability):
    """Break down for patients without cholesterol and heart rate, whom other hospitals have."""
    unknown = patients[["chol", "thalach", "trestbps"]].isna().any(axis=1)
    return np.where(unknown, np.nan, probability)


def by_company(patients, probability):
    """Answer a patient among others otherwise than alone."""
    return shifted(probability, 0.01 * (len(patients) > 1))


def one_in_fifty(patients, probability):
    """Answer one patient in fifty otherwise, by where they stand."""
    return np.where(np.arange(len(patients)) % 50 == 7, 1 - probability, probability)


@pytest.fixture(scope="module")
def settings():
    """Return the real settings with one repeat of the cross-validation."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setenv(config.PREFIX + name, value)
        return config.load()


@pytest.fixture(scope="module")
def tables(parsed):
    """Return the training table and the external one."""
    return parsing.training_table(parsed), parsing.external_table(parsed)


@pytest.fixture(scope="module")
def examine(settings, tables):
    """Return a function that cross-validates a model and says all that the gate asks of it."""
    known, abroad = tables
    plan = settings.evaluation
    slices = expectations.slices(known, workspace.plan(settings).features)
    patterns = settings.fields_left_out.patterns
    data = Data(known, abroad, "digest")
    yardsticks = fitting.yardsticks(data, workspace.plan(settings), 1)

    def examined(model):
        found = cross_validation.cross_validate({"it": model}, known, plan, 1, patterns=patterns)
        answers = threshold.decide(found["it"], settings.threshold)
        answer = partial(cross_validation.probability, cross_validation.fit(model, known))
        return answers, Evaluation(
            family="svm",
            threshold=0.5,
            metrics=summarise(answers, plan),
            slices=by_slice(answers, slices, plan),
            external=by_cohort(answer(abroad), abroad, plan),
            behaviour=behaviour.observe(answer, known),
            leaks=leaks(known, abroad),
            incomplete=incomplete.by_pattern(answers, yardsticks, plan),
        )

    return examined


@pytest.fixture(scope="module")
def good(settings, examine):
    """Return the answers and the evaluation of the real logistic regression."""
    return examine(families.build("logistic_regression", workspace.plan(settings)))


def failed(verdict):
    """Return the names of the checks that failed."""
    return {check.name for check in verdict.checks_with(Status.FAILED)}


def test_the_real_model_is_fit_to_serve(settings, good):
    """Without this, refusing everything would pass the tests below."""
    assert decision.decide(good[1], None, settings.promotion).outcome is Outcome.PROMOTE


def test_a_model_that_never_learned_without_fields_is_refused(settings, good, examine):
    """As good on whole patients, it calls nearly all healthy who come without some fields."""
    plain = Pipeline(families.build("logistic_regression", workspace.plan(settings)).steps)
    _, found = examine(plain)
    verdict = decision.decide(found, None, settings.promotion)
    patterns = {f"Mean risk, {patients.title}" for patients in found.incomplete}

    assert abs(found.metrics["roc_auc"].mean - good[1].metrics["roc_auc"].mean) < 0.02
    assert verdict.outcome is Outcome.REFUSE
    assert patterns <= failed(verdict)


@pytest.mark.parametrize(
    ("distortion", "caught_by"),
    [
        pytest.param({"outcome": flipped}, "ROC-AUC", id="labels flipped"),
        pytest.param({"answer": overconfident}, "Calibration slope", id="overconfident"),
        pytest.param({"answer": wrong_for_women}, "ROC-AUC, female", id="bad for women only"),
        pytest.param(
            {"answer": too_low_for_women}, "Calibration, female", id="too low for women only"
        ),
        pytest.param(
            {"answer": too_high_for_the_old},
            "Calibration, age 65 and over",
            id="too high for the old only",
        ),
        pytest.param(
            {"answer": fewer_with_more_vessels},
            "No lower risk: one more vessel",
            id="less risk with more vessels",
        ),
        pytest.param({"answer": no_number_at_va}, "ROC-AUC at va", id="no number elsewhere"),
        pytest.param({"answer": by_company}, "Same answer: alone", id="depends on the company"),
        pytest.param({"answer": one_in_fifty}, "Same answer: row order", id="one in fifty"),
    ],
)
def test_a_planted_bad_model_is_refused(settings, examine, distortion, caught_by):
    """It is refused by the check that is there for it."""
    model = Distorted(families.build("logistic_regression", workspace.plan(settings)), **distortion)
    _, found = examine(model)
    verdict = decision.decide(found, None, settings.promotion)
    assert verdict.outcome is Outcome.REFUSE
    assert caught_by in failed(verdict)


def test_a_constant_is_refused(settings, examine):
    """It does not rank the patients, and has no calibration line."""
    _, found = examine(make_pipeline(DummyClassifier(strategy="prior")))
    verdict = decision.decide(found, None, settings.promotion)
    assert verdict.outcome is Outcome.REFUSE
    assert {"ROC-AUC", "Calibration slope"} <= failed(verdict)


def test_bad_for_women_only_is_good_on_average(settings, examine):
    """The men alone would carry it past a floor: it is the slice that tells."""
    model = Distorted(
        families.build("logistic_regression", workspace.plan(settings)), answer=wrong_for_women
    )
    _, found = examine(model)
    male = next(group for group in found.slices if group.name == "male")
    assert male.roc_auc.mean > settings.promotion.slices.minimum_roc_auc


def compare(settings, tables, challenger, champion):
    """Return the comparison of two answers, as task 3 makes it."""
    plan = settings.evaluation
    slices = expectations.slices(tables[0], workspace.plan(settings).features)
    return Comparison(
        champion="heart_disease/1",
        differences=paired_differences(challenger, champion, plan),
        slices=slice_differences(challenger, champion, slices, plan),
    )


def test_a_planted_better_model_is_promoted(settings, tables, examine, good):
    """The champion knows age and sex alone."""
    poor = make_pipeline(
        families.build("logistic_regression", workspace.plan(settings))[0].set_params(
            transformers=[("few", "passthrough", ["age", "sex"])]
        ),
        families.build("logistic_regression", workspace.plan(settings))[1],
    )
    champion, _ = examine(poor)
    comparison = compare(settings, tables, good[0], champion)
    assert decision.decide(good[1], comparison, settings.promotion).outcome is Outcome.PROMOTE


def test_the_same_recipe_with_another_seed_keeps_the_champion(settings, tables, examine):
    """Two forests that differ by chance are a tie."""
    forests = settings.models["random_forest"] | {"n_estimators": 15}
    models = {**settings.models, "random_forest": forests}
    plan = workspace.plan(settings)
    plans = [plan.model_copy(update={"models": models, "model_seed": seed}) for seed in (1, 2)]
    (challenger, found), (champion, _) = (
        examine(families.build("random_forest", plan)) for plan in plans
    )
    comparison = compare(settings, tables, challenger, champion)
    assert decision.decide(found, comparison, settings.promotion).outcome is Outcome.KEEP


def fold_aucs(folds, log_odds):
    """Return the AUC of each fold in each resample, shape (resamples, folds)."""
    aucs = []
    for rows, outcome in folds:
        answers = log_odds[:, rows]
        ill, healthy = answers[:, outcome == 1], answers[:, outcome == 0]
        aucs.append((ill[:, :, None] > healthy[:, None, :]).mean(axis=(1, 2)))
    return np.column_stack(aucs)


def test_an_identical_model_is_promoted_by_chance_in_at_most_one_of_forty(settings, good):
    """Challenger and champion have equal skill and disagree at random, 1,000 times."""
    answers, found = good
    plan = settings.evaluation.model_copy(update={"repeats": 1})
    once = answers[answers["repeat"] == 0].sort_values("row").reset_index(drop=True)
    folds = [
        (group.index.to_numpy(), group["outcome"].to_numpy()) for _, group in once.groupby("fold")
    ]
    known = np.log(once["probability"] / (1 - once["probability"])).to_numpy()
    random = np.random.default_rng(7)
    first, second = (
        fold_aucs(folds, known + random.normal(0, DISAGREEMENT, (RESAMPLES, len(known))))
        for _ in range(2)
    )
    even = over_folds(np.zeros(plan.folds), plan)
    promoted = 0
    for gaps in first - second:
        differences = {
            "roc_auc": over_folds(gaps, plan),
            "brier": even,
            "log_loss": even,
        }
        comparison = Comparison(champion="heart_disease/1", differences=differences)
        verdict = decision.decide(found, comparison, settings.promotion)
        promoted += verdict.outcome is Outcome.PROMOTE
    assert 0 < promoted <= HIGHEST_RATE * RESAMPLES


def test_answers_that_are_not_numbers_are_an_outcome(settings, tables, good):
    """A model that breaks down is an outcome of the gate, not a crash."""
    answers, found = good
    broken = answers.assign(probability=np.nan)
    metrics = summarise(broken, settings.evaluation)
    refused = decision.decide(
        found.model_copy(update={"metrics": metrics}), None, settings.promotion
    )
    assert refused.outcome is Outcome.REFUSE
    assert "not a number" in refused.reason
    comparison = compare(settings, tables, answers, broken)
    kept = decision.decide(found, comparison, settings.promotion)
    assert kept.outcome is Outcome.KEEP
    assert "no difference in roc_auc" in kept.reason


def test_a_field_that_copies_the_outcome_raises_the_alarm(settings, tables, good):
    """Even where it slipped past the data contract."""
    table = tables[0].assign(chol=tables[0][TARGET] * 10.0 + 200)
    leaking = good[1].model_copy(update={"leaks": leaks(table, tables[1])})
    verdict = decision.decide(leaking, None, settings.promotion)
    assert failed(verdict) == {"Leak alarm: chol alone"}


def test_a_patient_who_stands_there_twice_raises_the_alarm(settings, tables, good):
    """One copy may train the model that answers for the other."""
    table = pd.concat([tables[0], tables[0].head(1)], ignore_index=True)
    leaking = good[1].model_copy(update={"leaks": leaks(table, tables[1])})
    assert leaks(table[[*FEATURES, TARGET]], tables[1]).repeated_rows == 2
    verdict = decision.decide(leaking, None, settings.promotion)
    assert failed(verdict) == {"Leak alarm: repeated rows"}


def test_a_value_that_is_missing_for_the_ill_raises_the_alarm(settings, tables, good):
    """The model then reads the outcome from who has no value."""
    gone = (tables[0][TARGET] == 1) & (np.arange(len(tables[0])) % 20 < 17)
    table = tables[0].assign(chol=tables[0]["chol"].mask(gone))
    leaking = good[1].model_copy(update={"leaks": leaks(table, tables[1])})
    verdict = decision.decide(leaking, None, settings.promotion)
    assert failed(verdict) == {"Leak alarm: chol missing"}


def test_rows_that_were_changed_a_little_raise_the_alarm(settings, tables, good):
    """Which no check for equal rows would notice."""
    copies = tables[0].head(60)
    copies = copies.assign(chol=copies["chol"] + 3, trestbps=copies["trestbps"] + 1)
    leaking = good[1].model_copy(update={"leaks": leaks(pd.concat([tables[0], copies]), tables[1])})
    verdict = decision.decide(leaking, None, settings.promotion)
    assert failed(verdict) == {"Leak alarm: near copies"}


def test_a_hospital_that_was_trained_on_raises_the_alarm(settings, tables, good):
    """Its figure would say nothing about other hospitals."""
    known, abroad = tables
    table = pd.concat([known, abroad.loc[abroad["hospital"] == "hungarian", known.columns]])
    leaking = good[1].model_copy(update={"leaks": leaks(table, abroad)})
    verdict = decision.decide(leaking, None, settings.promotion)
    assert "Leak alarm: hungarian trained on" in failed(verdict)
