"""The four families: that they learn, answer with probabilities, and read the configuration."""

import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipeline.base.names import FAMILIES
from pipeline.evaluation import cross_validation
from pipeline.training import families

CLASSES = {
    "random_forest": RandomForestClassifier,
    "logistic_regression": LogisticRegression,
    "gradient_boosting": GradientBoostingClassifier,
    "svm": CalibratedClassifierCV,
}
every_family = pytest.mark.parametrize("family", FAMILIES)


@every_family
def test_a_family_ends_in_its_classifier(build, family):
    """Behind the preprocessing, unfitted."""
    pipeline = build(family)

    assert [name for name, _ in pipeline.steps] == ["features", "classifier"]
    assert type(pipeline["classifier"]) is CLASSES[family]
    assert not hasattr(pipeline["classifier"], "classes_")


def test_every_family_can_be_built():
    """No family is configured and then forgotten."""
    assert set(families.CLASSIFIERS) == set(FAMILIES)
    assert set(families.SCALED) <= set(FAMILIES)


@every_family
def test_the_configured_numbers_reach_the_estimator(build, quick, family):
    """Each of them, and the seed."""
    classifier = build(family)["classifier"]
    estimator = classifier.estimator if family == "svm" else classifier

    configured = {**getattr(quick.models, family).model_dump(), "random_state": quick.model_seed}
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


@every_family
def test_two_trainings_give_the_same_answers(build, fitted, training, family):
    """To the last bit: every source of chance has the configured seed."""
    again = cross_validation.fit(build(family), training)

    assert (
        cross_validation.probability(again, training)
        == cross_validation.probability(fitted[family], training)
    ).all()


@pytest.mark.parametrize("family", ["random_forest", "gradient_boosting"])
def test_trees_can_learn_a_tiny_table_by_heart(build, training, family):
    """A model that cannot overfit 20 rows has a broken line from the data to the trees."""
    tiny = training.sample(20, random_state=1)
    fitted = cross_validation.fit(build(family), tiny)

    assert roc_auc_score(tiny["disease"], cross_validation.probability(fitted, tiny)) > 0.97


@every_family
def test_every_family_learns(fitted, training, family):
    """On the rows it was fitted to, each ranks patients far better than chance."""
    assert (
        roc_auc_score(training["disease"], cross_validation.probability(fitted[family], training))
        > 0.9
    )


@pytest.mark.parametrize(
    ("field", "from_", "to"),
    [
        ("ca", 0, 3),
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
