"""What proves an image, decided on values: each check passes for the champion and can fail."""

import json

import pytest

from pipeline.image import checks
from pipeline.image.refusals import REFUSED
from pipeline.packaging.package import GoldenPatient, Manifest

ABOUT = Manifest(
    model_name="heart_disease",
    version=3,
    registered_as="heart_disease_svm/2",
    run_id="r",
    git_commit="c" * 40,
    family="svm",
    data_digest="d" * 64,
    model_digest="m" * 64,
    threshold=0.5,
    risk_bands={"moderate": 0.3, "high": 0.7},
    tolerance=1e-5,
    metrics={"roc_auc": 0.9},
    greatest_difference=1e-7,
    rows_compared=920,
    files={},
)
RISKS = ((0.1, 0, "low"), (0.4, 0, "moderate"), (0.500001, 1, "moderate"), (0.9, 1, "high"))
GOLDEN = tuple(
    GoldenPatient(patient={}, probability=risk, label=label, risk_band=band)
    for risk, label, band in RISKS
)


def answer(changed=None, model=("heart_disease", 3), dropped=0, **changes):
    """Return the champion's own response, with changes in the prediction at one place."""
    predictions = [{"probability": p, "label": n, "risk_band": b} for p, n, b in RISKS]
    if changed is not None:
        predictions[changed] |= changes
    name, version = model
    found = predictions[: len(predictions) - dropped]
    return json.dumps({"model": {"name": name, "version": version}, "predictions": found}).encode()


@pytest.mark.parametrize(
    "response",
    [
        answer(),
        answer(0, probability=0.1 + 9e-6),
        # This close to the threshold a rounding decides about the label.
        answer(2, probability=0.499999, label=0),
    ],
    ids=["the same", "within the tolerance", "on the other side of an edge"],
)
def test_the_champion_s_answers_pass(response):
    """Also where a rounding lies between them."""
    assert checks.check_answers(ABOUT, GOLDEN, response).passed


@pytest.mark.parametrize(
    ("response", "found"),
    [
        (answer(0, probability=0.1 + 2e-5), "2.0e-05 from the champion's"),
        (answer(0, label=1), "1 with another label or band"),
        (answer(3, risk_band="low"), "1 with another label or band"),
        (answer(dropped=1), "3 answers to 4 patients"),
        (answer(model=("heart_disease", 4)), "heart_disease/4 answers"),
        (answer(model=("another", 3)), "another/3 answers"),
        (answer(0, probability=None), "another shape"),
        (b'{"error": "x"}', "another shape"),
        (b"", "another shape"),
    ],
    ids=["off", "label", "band", "fewer", "version", "name", "no number", "problem", "nothing"],
)
def test_other_answers_fail_and_the_check_says_how(response, found):
    """One thing at a time."""
    check = checks.check_answers(ABOUT, GOLDEN, response)

    assert not check.passed
    assert found in check.found


@pytest.mark.parametrize("label", checks.MODEL_LABELS)
def test_each_label_must_name_the_model(label):
    """Missing or of another model."""
    right = checks.model_labels(ABOUT)

    assert checks.check_labels(ABOUT, {**right, "more": "x"}).passed
    for wrong in ({**right, label: "x"}, {k: v for k, v in right.items() if k != label}):
        check = checks.check_labels(ABOUT, wrong)
        assert not check.passed
        assert label in check.found


@pytest.mark.parametrize("name", ["version", "model_digest", "threshold", "metrics"])
def test_info_must_be_the_manifest_s(name):
    """What is there agrees, and what is needed is there."""
    right = ABOUT.model_dump(mode="json")

    assert checks.check_info(ABOUT, right).passed
    for wrong in ({**right, name: "x"}, {k: v for k, v in right.items() if k != name}):
        check = checks.check_info(ABOUT, wrong)
        assert not check.passed
        assert name in check.found


@pytest.mark.parametrize("user", ["", "0", "root", "0:0", "root:10001"])
def test_an_image_for_root_fails(user):
    """Named or not."""
    assert not checks.check_user(user).passed


@pytest.mark.parametrize("user", ["10001", "10001:10001", "service"])
def test_an_image_for_another_user_passes(user):
    """With a group or without."""
    assert checks.check_user(user).passed


@pytest.mark.parametrize(("code", "passed"), [(0, True), (1, False), (137, False), (143, False)])
def test_a_service_must_end_by_itself_with_0(code, passed):
    """137 is what the engine kills with, 143 an end without a way of stopping."""
    assert checks.check_stop(code, 5.3).passed is passed


def test_every_hostile_request_must_get_its_own_status():
    """One that is answered otherwise, or not at all, is named."""
    right = {probe.name: int(probe.status) for probe in REFUSED}
    first = REFUSED[0].name
    silent = {name: status for name, status in right.items() if name != first}

    assert checks.check_refusals(REFUSED, right).passed
    for wrong, why in (({**right, first: 500}, "500, not"), (silent, "no answer, not")):
        check = checks.check_refusals(REFUSED, wrong)
        assert not check.passed
        assert f"{first}: {why}" in check.found
