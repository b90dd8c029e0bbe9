"""The report as data: a record loses nothing that a reader sees, and can hold no markup."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.encoding import json_bytes
from pipeline.base.names import FAMILIES
from pipeline.evaluation.behaviour import Behaviour, Direction
from pipeline.gate.examiner import MISFIT
from pipeline.report.comment import page
from pipeline.report.model_report import UNKNOWN, Champion, Lineage, Origin, Refit
from pipeline.report.report_record import MOST_BYTES, MOST_ITEMS, ReportRecord, read, record
from pipeline.report.rows import markdown
from pipeline.table.expectations import DEEPER
from pipeline.training.trained_model import SILENT
from tests import github_api
from tests.gate import gate_cases
from tests.gate.gate_cases import FIT, WON, around, fit_but
from tests.report.comment.conftest import RUN, SHA, tags
from tests.report.comparison.conftest import report_of

CASES = list(gate_cases.cases())


def again(report):
    """Return the Markdown of a report that went through a file."""
    return markdown(read(json_bytes(record(report))))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_comment_says_what_the_report_says(case):
    """Only of a problem it has the kind, and of an infinite figure that it is not a number."""
    report = report_of(case.evaluation, case.comparison, case.policy)
    expected = re.sub(r"[+-]?\binf\b", "nan", markdown(report))
    expected = expected.replace(
        "model.skops has changed", "its files are missing, changed or unreadable"
    )

    assert again(report).replace("+nan", "nan") == expected


@pytest.mark.parametrize(
    ("champion", "said"),
    [
        (Champion(problem="there is no registry yet"), "none, because there is no registry yet"),
        (
            Champion(problem="no version holds heart_disease@champion"),
            "none, because no version holds heart_disease@champion",
        ),
        (
            Champion(title=UNKNOWN, problem="http://10.0.0.1 does not answer", known=False),
            "not known: the registry does not answer",
        ),
        (
            Champion(title="heart_disease/7", problem=f"{MISFIT}: @octocat"),
            "heart_disease/7, which cannot be compared: it cannot be fitted today",
        ),
        (
            Champion(title="heart_disease/7", problem="@octocat is missing"),
            "heart_disease/7, which cannot be compared: its files are missing, changed or unr",
        ),
        (
            Champion(title="heart_disease/7", problem=f"{SILENT}: @octocat"),
            "heart_disease/7, which cannot be asked: its ONNX file gives no answers",
        ),
    ],
    ids=["no registry", "no champion", "no answer", "misfit", "unreadable", "silent"],
)
def test_the_kind_of_a_problem_is_kept_and_its_text_is_not(champion, said):
    """An address or a message from elsewhere does not reach the comment."""
    problem = champion.title and {"champion": champion.title, "problem": champion.problem}
    report = report_of(FIT, problem or None, champion=champion)

    assert f"- Live champion: {said}" in again(report)
    assert b"octocat" not in json_bytes(record(report))
    assert b"10.0.0.1" not in json_bytes(record(report))


def test_the_names_of_today_are_shown_as_they_are():
    """Those that are more than words of small letters too."""
    directions = tuple(
        Direction(change=change, patients=9, holds=0.5)
        for change in (DEEPER, "no pain instead of typical angina")
    )
    behaviour = FIT.behaviour.model_copy(update={"directions": directions})
    slices = tuple(gate_cases.group(name, 0.9) for name in ("age below 45", "age 65 and over"))
    report = report_of(FIT.model_copy(update={"behaviour": behaviour, "slices": slices}))

    assert again(report) == markdown(report)


def test_a_silent_champion_and_the_refits_of_all_are_kept():
    """So that the comment says why no worse was enough, and what the libraries do."""
    silent = {**WON, "same_data": True, "silence": SILENT}
    refits = tuple(Refit(family=family, rows=920, difference=1e-7) for family in FAMILIES)
    champion = Champion(title="heart_disease/7", problem=SILENT)
    report = report_of(FIT, silent, champion=champion, refits=refits)

    assert again(report) == markdown(report)
    assert f"which gives no answers any more: {SILENT}" in again(report)
    assert again(report).count("at most 1.0e-07 apart on 920 patients") == len(FAMILIES)


def test_what_a_record_cannot_hold_stops_no_report():
    """Odd values of a registry or of a setting are named otherwise, or unknown."""
    origin = Origin(commit="v1, by hand", data_digest="d" * 64, model_digest="e" * 64)
    slices = (gate_cases.group("age 54.5 to 60", 0.9), gate_cases.group("65 and over", 0.9))
    evaluation = fit_but(log_loss=around(1e7)).model_copy(update={"slices": slices})
    lineage = Lineage(challenger=origin, champion=origin, changed=())
    text = again(report_of(evaluation, WON, lineage=lineage))

    assert "| Commit | unknown, with changes | unknown |" in text
    assert "| age 54 5 to 60 |" in text
    assert "| by 65 and over |" in text
    assert "Log loss: the figure is not a number" in text


def closed(schema):
    """Say of a part of a JSON schema whether it leaves no text, number or list without bounds."""
    match schema.get("type"):
        case "string":
            return "enum" in schema or "const" in schema or schema["pattern"] in PATTERNS
        case "number" | "integer":
            bounds = schema.keys() & {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}
            return len(bounds) == 2 or "const" in schema
        case "array":
            return schema["maxItems"] <= MOST_ITEMS
        case "object":
            keys = schema.get("propertyNames", {}).get("enum") or schema.get("properties")
            few = schema.get("maxProperties", MOST_ITEMS + 1) <= MOST_ITEMS
            named = few and schema.get("patternProperties", {}).keys() <= PATTERNS
            return named or (keys and schema.get("additionalProperties") is not True)
    return True


PATTERNS = {
    r"^[A-Za-z0-9_]{1,41}$",
    r"^[a-z][a-z0-9_]{0,40}$",
    r"^[0-9a-f]{64}$",
    r"^([0-9a-f]{40}|[0-9a-f]{64}|unknown)$",
}


def parts(schema):
    """Yield every part of a JSON schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema
        for value in schema.values():
            yield from parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from parts(value)


def test_no_place_in_a_record_takes_free_text_or_has_no_end():
    """Every text is one of a list or of the alphabet; every number and list has its bounds."""
    found = list(parts(ReportRecord.model_json_schema()))

    assert [part for part in found if not closed(part)] == []
    assert {"string", "number", "integer", "array", "object"} <= {part["type"] for part in found}


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,40}", fullmatch=True)
UGLY = st.sampled_from(["a__", "x_" * 20, "www_evil_example", "gh_1", "deadbeef", "http", "nan"])
# Every place that takes a name.
PLACES = ("female", "va", "row_order", "one_more_vessel", "cp", "gamma", "scale")
PASSING = json_bytes(record(report_of(FIT, WON))).decode()
# The women fail, so that a name stands among the reasons.
FAILING = PASSING.replace('"mean": 0.92', '"mean": 0.1')


def comment_on(text, names):
    """Return the comment for a record with these names."""
    for place, name in zip(PLACES, names, strict=True):
        text = text.replace(f'"{place}"', f'"{name}"')
    return page(markdown(read(text.encode())), SHA, RUN)


@settings(derandomize=True, max_examples=100)
@given(st.lists(NAMES | UGLY, min_size=7, max_size=7))
def test_no_record_brings_markup_that_is_not_the_templates(names):
    """Whatever it is filled with, only small letters, digits and spaces differ, and no tag does."""
    plain = ["plain"] * 7
    said, expected = comment_on(PASSING, names), comment_on(PASSING, plain)

    # The template escapes an underscore at the end of a name.
    assert re.sub(r"\\?[a-z0-9_ ]", "", said) == re.sub(r"\\?[a-z0-9_ ]", "", expected)
    assert tags(said) == tags(expected)
    assert tags(comment_on(FAILING, names)) == tags(comment_on(FAILING, plain))


def test_the_largest_record_fits_into_a_comment():
    """Everything fails that can, and every name is as long as it may be."""
    names = [f"{'n' * 39}{number:02}" for number in range(MOST_ITEMS)]
    groups = tuple(gate_cases.group(name, -999_999.0) for name in names)
    gaps = tuple(gate_cases.difference(name, -999_999.0, -999_998.0) for name in names)
    directions = tuple(Direction(change=name, patients=10**7, holds=1 / 3) for name in names)
    behaviour = Behaviour(differences=dict.fromkeys(names, 1 / 3), directions=directions)
    changed = {"slices": groups, "external": groups, "behaviour": behaviour}
    compared = {**WON, "slices": gaps, "external": gaps}
    report = report_of(FIT.model_copy(update=changed), compared)
    report = report.model_copy(
        update={"champion": Champion(title="heart_disease/7", evaluation=report.challenger)}
    )

    assert len(json_bytes(record(report))) < MOST_BYTES
    assert len(page(again(report), SHA, RUN)) < github_api.MOST_CHARACTERS
