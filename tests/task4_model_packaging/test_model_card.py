"""The model card: what a person reads about a model before using it."""

import re

import pytest

from pipeline.base.names import METRIC_TITLES
from pipeline.evaluation.metrics import Evaluation
from pipeline.packaging.package import Manifest
from pipeline.table.contract import EXTERNAL
from pipeline.training.trained_model import Parameters

SECTIONS = (
    "Use",
    "Data",
    "Figures",
    "Slices (Cleveland, cross-validated)",
    "Other hospitals",
    "Limits",
)


@pytest.fixture(scope="module")
def card(files):
    """Return the champion's model card."""
    return files["MODEL_CARD.md"].decode()


@pytest.fixture(scope="module")
def about(files):
    """Return the package's manifest."""
    return Manifest.model_validate_json(files["manifest.json"])


@pytest.fixture(scope="module")
def evaluation(files):
    """Return what is known about the champion."""
    return Evaluation.model_validate_json(files["model/mlflow/metrics.json"])


def section(card, title):
    """Return the text of one section."""
    return card.split(f"## {title}\n")[1].split("\n## ")[0]


def table(text):
    """Return the rows of a section's table, cell by cell, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]


def interval(found):
    """Return a figure as the card shows it."""
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def test_every_section_is_there_in_this_order(card):
    """None more, none less."""
    assert tuple(re.findall(r"^## (.+)$", card, flags=re.MULTILINE)) == SECTIONS


def test_nothing_of_the_template_is_left(card):
    """No mark, no missing value, no empty cell."""
    assert not re.search(r"[{}]|None|nan|Undefined", card)
    assert "|  |" not in card
    assert not re.search(r"\n\n\n", card)


def test_the_card_names_the_model_and_where_it_came_from(card, about):
    """As the manifest does."""
    rows = dict(table(card.split("## ")[0]))

    assert card.startswith(f"# Model card: {about.model_name} version {about.version}\n")
    assert rows["Registered as"] == f"`{about.registered_as}`, run `{about.run_id}`"
    assert rows["Commit"] == f"`{about.git_commit}`"
    assert rows["Data digest"] == f"`{about.data_digest}`"
    assert rows["Model digest"] == f"`{about.model_digest}`"
    assert rows["Decision threshold"] == f"{about.threshold:.3f}: fixed"
    assert rows["ONNX against scikit-learn"] == (
        f"at most {about.greatest_difference:.1e} apart on 10,920 patients"
    )


def test_every_metric_is_that_of_the_exam(card, evaluation):
    """Mean, corrected standard error and interval, for all of them."""
    assert table(section(card, "Figures")) == [
        (
            title,
            f"{evaluation.metrics[metric].mean:.3f}",
            f"{evaluation.metrics[metric].standard_error:.3f}",
            f"{evaluation.metrics[metric].low:.3f} to {evaluation.metrics[metric].high:.3f}",
        )
        for metric, title in METRIC_TITLES.items()
    ]


def test_the_exam_is_the_one_that_was_sat(card, files):
    """Repeats, folds and confidence."""
    exam = Parameters.model_validate_json(files["model/mlflow/parameters.json"]).exam

    assert (
        f"{exam.repeats} times {exam.folds}-fold cross-validation: mean, corrected standard error, "
        f"{100 * exam.confidence:.0f} % interval"
    ) in section(card, "Figures")


def test_every_slice_is_that_of_the_evaluation(card, evaluation):
    """Both sexes and each age band, with how many are in it."""
    rows = table(section(card, SECTIONS[3]))

    assert rows == [
        (
            found.name,
            str(found.rows),
            str(found.positives),
            interval(found.roc_auc),
            interval(found.sensitivity),
            interval(found.calibration),
        )
        for found in evaluation.slices
    ]
    assert [row[0] for row in rows][:2] == ["female", "male"]


def test_every_hospital_is_that_of_the_evaluation(card, evaluation):
    """All three on which no model was trained, by their titles."""
    titles = {hospital.name: hospital.title for hospital in EXTERNAL}
    rows = table(section(card, "Other hospitals"))

    assert rows == [
        (
            titles[found.name],
            str(found.rows),
            str(found.positives),
            interval(found.roc_auc),
            interval(found.brier),
            interval(found.calibration_error),
        )
        for found in evaluation.external
    ]
    assert len(rows) == 3


def test_the_numbers_in_the_text_are_those_of_the_data(card, evaluation, parsed):
    """The text is written by hand: a number in it must not grow old."""
    (switzerland,) = (found for found in evaluation.external if found.name == "switzerland")
    training = len(parsed["cleveland"].table)

    assert training == 303
    assert card.count(f"{training} patients") == 2
    assert f"{training} training patients" in section(card, "Limits")
    assert f"{switzerland.rows - switzerland.positives} patients without disease" in card


def test_the_card_says_what_it_must_not_be_used_for(card):
    """In bold, in its first section."""
    assert "**It is not a medical device" in section(card, "Use")


def test_the_card_names_the_source_and_its_licence(card):
    """As the licence asks."""
    assert "doi 10.24432/C52P4X; CC BY 4.0" in section(card, "Data")
