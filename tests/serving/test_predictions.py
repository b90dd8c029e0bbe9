"""The service answers about a patient what the champion's scikit-learn pipeline would."""

import math

import numpy as np
import pandas as pd
import pytest

from pipeline.base.names import FAMILIES, SERVED, registered_name
from pipeline.dataset.contract import Kind
from pipeline.evaluation import cross_validation
from pipeline.serving import model
from pipeline.table.contract import FEATURES, FIELDS
from tests.model_files import loaded
from tests.serving.conftest import Application

PATIENTS = 10_000
A_REQUEST = 1_000
TOLERANCE = 1e-5
# Of float32: the order of the sums of a row depends on how many rows there are.
ROUNDING = 1e-6
MISSING = 0.3
MODELS = (SERVED, *map(registered_name, FAMILIES))


def drawn(field, random):
    """Draw values that the contract allows; a third of them is missing where they may be."""
    if field.codes or field.kind is Kind.COUNT:
        values = random.choice(sorted(field.codes) or range(4), PATIENTS).astype(float)
    else:
        # Half of them as a hospital writes them, half with every digit.
        values = random.uniform(field.low, field.high, PATIENTS)
        values[::2] = values[::2].round(int(field.name == "oldpeak"))
    missing = random.random(PATIENTS) < MISSING
    return np.where(missing & field.nullable, np.nan, values)


@pytest.fixture(scope="session")
def table():
    """Return 10,000 random patients of the contract as a table, NaN for missing."""
    random = np.random.default_rng(11)
    return pd.DataFrame({field.name: drawn(field, random) for field in FIELDS})


@pytest.fixture(scope="session")
def patients(table):
    """Return the same patients as requests hold them: null for missing, or nothing."""
    rows = [dict(zip(FEATURES, row, strict=True)) for row in table.to_numpy().tolist()]
    return [as_null(row) if number % 2 else left_out(row) for number, row in enumerate(rows)]


def as_null(row):
    """Return a patient with null for what is missing."""
    return {name: None if math.isnan(value) else value for name, value in row.items()}


def left_out(row):
    """Return a patient without what is missing."""
    return {name: value for name, value in row.items() if not math.isnan(value)}


@pytest.fixture(scope="session", params=MODELS)
def chosen(request, packages):
    """Return the folder of one package after the other."""
    return packages / f"{request.param}_model_v1"


@pytest.fixture(scope="session")
def answered(chosen, patients):
    """Return the manifest of the model that is served, and its predictions for all patients."""
    served = model.load(chosen)
    application = Application(served)
    found = []
    for start in range(0, PATIENTS, A_REQUEST):
        response = application.predict(patients[start : start + A_REQUEST])
        found += response.json()["predictions"]
    return served.about, pd.DataFrame(found)


def test_10000_random_patients_get_the_probability_of_scikit_learn(chosen, answered, table):
    """Of the champion and of each family; a value that is missing changes nothing about that."""
    pipeline = loaded((chosen / "model" / "model.skops").read_bytes())
    offline = cross_validation.probability(pipeline, table)
    _, predictions = answered

    assert len(predictions) == PATIENTS
    assert np.abs(predictions["probability"] - offline).max() < TOLERANCE


def test_every_probability_is_one(answered):
    """Finite, from 0 to 1, and not the same for everybody."""
    _, predictions = answered

    assert predictions["probability"].between(0, 1).all()
    assert predictions["probability"].max() - predictions["probability"].min() > 0.5


def test_the_label_is_1_from_the_threshold_of_the_manifest_on(answered):
    """And 0 below it."""
    about, predictions = answered

    assert ((predictions["probability"] >= about.threshold) == predictions["label"]).all()
    assert set(predictions["label"]) == {0, 1}


def test_the_risk_band_is_the_one_of_the_manifest(answered):
    """Each begins at its edge."""
    about, predictions = answered
    bands = np.select(
        [
            predictions["probability"] >= about.risk_bands.high,
            predictions["probability"] >= about.risk_bands.moderate,
        ],
        ["high", "moderate"],
        "low",
    )

    assert (predictions["risk_band"] == bands).all()
    assert set(bands) == {"low", "moderate", "high"}


def probabilities(response):
    """Return the probabilities of a response."""
    return np.array([one["probability"] for one in response.json()["predictions"]])


def test_a_patient_alone_gets_what_the_same_patient_gets_among_others(application, patients):
    """No answer depends on who else is asked about."""
    some = patients[:200]
    alone = np.concatenate([probabilities(application.predict(one)) for one in some])

    assert np.abs(alone - probabilities(application.predict(some))).max() < ROUNDING


def test_the_answers_keep_the_order_of_the_request(application, patients):
    """The first is about the first patient, also in a request that a thread answers."""
    some = patients[:A_REQUEST]
    forwards = probabilities(application.predict(some))
    backwards = probabilities(application.predict(some[::-1]))

    assert np.abs(backwards[::-1] - forwards).max() < ROUNDING
    assert len(set(forwards)) > 500


@pytest.mark.parametrize("name", FEATURES)
def test_every_field_has_a_say(application, patients, name):
    """Moved from its lowest to its highest value, it changes what a patient is told."""
    field = next(field for field in FIELDS if field.name == name)
    low = application.predict([{**one, name: field.low} for one in patients[:50]])
    high = application.predict([{**one, name: field.high} for one in patients[:50]])

    assert low.json()["predictions"] != high.json()["predictions"]


def test_a_golden_patient_gets_the_golden_answer(application, served):
    """With its label and its band, as the package says."""
    found = application.predict([one.patient for one in served.golden]).json()["predictions"]

    for golden, prediction in zip(served.golden, found, strict=True):
        assert abs(prediction["probability"] - golden.probability) < TOLERANCE
        assert prediction["label"] == golden.label
        assert prediction["risk_band"] == golden.risk_band
