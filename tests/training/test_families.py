"""The four families: that they learn, answer with probabilities, and read the configuration."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipeline.base.errors import SettingsError
from pipeline.base.names import FAMILIES
from pipeline.evaluation import cross_validation
from pipeline.training import conversion, families, persistence, workspace
from pipeline.training.trained_model import answering
from tests.model_files import loaded

CLASSES = {
    "random_forest": RandomForestClassifier,
    "logistic_regression": LogisticRegression,
    "gradient_boosting": GradientBoostingClassifier,
    "svm": CalibratedClassifierCV,
}
every_family = pytest.mark.parametrize("family", FAMILIES)


def plan_with(settings, models, **changes):
    """Return the plan of the settings, with other parameters of the models."""
    return workspace.plan(settings).model_copy(update={"models": models, **changes})


@every_family
def test_a_family_ends_in_its_classifier(build, family):
    """Behind the preprocessing, unfitted."""
    pipeline = build(family)

    assert [name for name, _ in pipeline.steps] == ["features", "classifier"]
    assert type(pipeline["classifier"]) is CLASSES[family]
    assert not hasattr(pipeline["classifier"], "classes_")


def test_every_family_has_an_entry():
    """In the order of the names, as every table shows them."""
    assert tuple(families.ENTRIES) == FAMILIES


def planted(monkeypatch):
    """Give a fifth family its entry, and return its name."""
    entry = families.Entry("Extra trees", ExtraTreesClassifier(10), trusted=(families.TREE,))
    monkeypatch.setattr(families, "ENTRIES", {**families.ENTRIES, "extra_trees": entry})
    return "extra_trees"


def test_a_fifth_family_is_one_entry(monkeypatch, build, training, quick):
    """It learns with the parameters of its entry, and is stored and converted like the others."""
    pipeline = cross_validation.fit(build(planted(monkeypatch)), training)

    again = loaded(persistence.dump(pipeline))
    expected = cross_validation.probability(pipeline, training)
    assert pipeline["classifier"].n_estimators == 10
    assert pipeline["classifier"].random_state == quick.model_seed
    assert np.array_equal(cross_validation.probability(again, training), expected)
    found = answering(conversion.convert(pipeline))(training)
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_family_that_is_not_configured_has_the_parameters_of_its_entry(quick):
    """And the seed, which is one for all."""
    pipeline = families.build("logistic_regression", plan_with(quick, {}, model_seed=7))

    assert (
        pipeline["classifier"].get_params()
        == LogisticRegression(max_iter=1000, random_state=7).get_params()
    )


@pytest.mark.parametrize("name", ["gama", "random_state"], ids=["misspelt", "the seed"])
def test_a_parameter_that_an_estimator_does_not_have_is_named(quick, name):
    """With its family, and those that there are."""
    models = {**quick.models, "svm": {"C": 1.0, name: 3}}

    with pytest.raises(
        SettingsError, match=rf"models\.svm .* SVC has no parameter {name}; .*gamma"
    ):
        families.build("svm", plan_with(quick, models))


def test_the_parameters_of_the_repository_are_accepted(quick):
    """As they are committed."""
    families.check(workspace.plan(quick))


@pytest.mark.parametrize(
    ("family", "parameters"),
    [
        ("svm", {"C": -1}),
        ("svm", {"C": "much"}),
        ("svm", {"kernel": "precomputed"}),
        ("logistic_regression", {"solver": "liblinear", "l1_ratio": 0.5}),
        ("random_forest", {"n_estimators": None}),
        ("gradient_boosting", {"init": "none"}),
    ],
    ids=str,
)
def test_a_value_that_an_estimator_refuses_is_one_line_with_its_family(quick, family, parameters):
    """Before any family is fitted to the patients."""
    with pytest.raises(SettingsError, match=rf"^models\.{family} in config\.yaml: ") as caught:
        families.check(plan_with(quick, {**quick.models, family: parameters}))

    assert "\n" not in str(caught.value)


@every_family
def test_the_configured_numbers_reach_the_estimator(build, quick, family):
    """Each of them, and the seed."""
    classifier = build(family)["classifier"]
    estimator = classifier.estimator if family == "svm" else classifier

    configured = {**quick.models[family], "random_state": quick.model_seed}
    assert {name: estimator.get_params()[name] for name in configured} == configured


def test_the_svm_is_calibrated_by_one_model_of_all_rows(build):
    """One support vector machine, not one for each fold of the calibration."""
    classifier = build("svm")["classifier"]

    assert isinstance(classifier.estimator, SVC)
    assert classifier.ensemble is False


@pytest.mark.parametrize(
    ("family", "scaled"),
    [
        ("random_forest", False),
        ("logistic_regression", True),
        ("gradient_boosting", False),
        ("svm", True),
    ],
)
def test_only_families_that_need_it_are_scaled(build, family, scaled):
    """Distances and penalties depend on the scale of a column; trees do not."""
    parts = build(family).get_params(deep=True).values()

    assert any(isinstance(part, StandardScaler) for part in parts) == scaled


@every_family
def test_probabilities_are_probabilities(fitted, patients, family):
    """For every patient of every hospital, and not all the same."""
    found = cross_validation.probability(fitted[family], patients)

    assert found.shape == (920,)
    assert ((found >= 0) & (found <= 1)).all()
    assert found.std() > 0.1


@pytest.mark.parametrize("family", ["random_forest", "gradient_boosting"])
def test_trees_can_learn_a_tiny_table_by_heart(build, training, family):
    """A model that cannot overfit 20 rows has a broken line from the data to the trees."""
    tiny = training.sample(20, random_state=1)
    fitted = cross_validation.fit(build(family), tiny)

    assert roc_auc_score(tiny["disease"], cross_validation.probability(fitted, tiny)) > 0.97


@pytest.mark.parametrize(
    ("field", "from_", "to"),
    [
        ("oldpeak", 0, 4),
        ("thal", 3, 7),
        ("exang", 0, 1),
        ("cp", 1, 4),
        ("thalach", 190, 100),
    ],
)
def test_a_known_risk_raises_the_probability(fitted, training, field, from_, to):
    """On average over the patients, by the logistic regression."""
    low, high = (
        cross_validation.probability(
            fitted["logistic_regression"], training.assign(**{field: float(value)})
        )
        for value in (from_, to)
    )

    assert high.mean() > low.mean() + 0.02


@pytest.mark.parametrize("family", FAMILIES)
def test_more_vessels_mean_more_disease_to_every_family(fitted, training, family):
    """The strongest single sign that the data has."""
    none, three = (
        cross_validation.probability(fitted[family], training.assign(ca=float(count))).mean()
        for count in (0, 3)
    )

    assert three > none + 0.1
