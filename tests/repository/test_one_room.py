"""What the data is about is known in one room: another table is another `pipeline/table`."""

import re

import pytest

from pipeline.table.contract import COHORTS, CONTRACT, FEATURES
from tests.conftest import ROOT

ROOM = ROOT / "pipeline" / "table"
FILES = [
    path
    for path in sorted((ROOT / "pipeline").rglob("*"))
    if path.suffix in {".py", ".j2"} and ROOM not in path.parents
]
# The names that the repository gave to what it makes: models, images, counters.
GIVEN = re.compile(r"heart[_-]?disease", re.IGNORECASE)
# Names of fields and of cohorts, whatever the data is about, as words of their own; those that are
# common words too are found only where they stand as a name.
NAMES = {*FEATURES, *(cohort.name for cohort in COHORTS), CONTRACT.cohort, CONTRACT.target}
COMMON = {"age", "slope", "va"}
AS_A_NAME = re.compile(rf"[\"'`](?:{'|'.join(NAMES)})[\"'`]")
AS_A_WORD = re.compile(
    rf"\b(?:{'|'.join(NAMES - COMMON)})s?\b"
    r"|hospital|disease|heart|cardi|angi(?:na|o)|cholesterol|cleveland|hungar|switzer",
    re.IGNORECASE,
)


def named(text):
    """Return what a text names of the table."""
    free = GIVEN.sub("", text)
    return sorted({*AS_A_NAME.findall(free), *AS_A_WORD.findall(free)})


def test_no_other_room_names_a_field_or_a_cohort():
    """Nor the disease: templates and figures take their words from the room."""
    assert {path: names for path in FILES if (names := named(path.read_text()))} == {}


@pytest.mark.parametrize(
    "text", ['table["age"]', "`ca`", "by hospital", "hospitals", "sex", "Heart", "Cleveland Clinic"]
)
def test_a_name_would_be_found(text):
    """The check above can fail."""
    assert named(text)


@pytest.mark.parametrize("text", ["heart_disease/3", "HeartDisease", "version.age", "the page"])
def test_given_names_and_common_words_are_free(text):
    """They are no knowledge of the table."""
    assert not named(text)
