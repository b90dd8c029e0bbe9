"""The templates of pages and texts."""

import base64
import re

import pytest
from jinja2 import UndefinedError

from pipeline import data_acquisition_eda
from pipeline.base.pages import number, percent, render
from pipeline.dataset import profile
from pipeline.table.contract import CONTRACT, FIELDS
from tests.outline import Outline

NAMES = ("outcome-by-category", "distributions", "correlations", "missingness")
FIGURES = {f"{name}.png": f"the bytes of {name}".encode() for name in NAMES}
HOSTILE = '<script>alert("x")</script> & | more'


@pytest.fixture(scope="module")
def facts(parsed):
    """Return the profile of the real data."""
    return profile.describe(CONTRACT, parsed, "a digest")


@pytest.fixture(scope="module")
def pages(facts):
    """Return the data-quality report in both forms."""
    return data_acquisition_eda.pages(facts, FIGURES)


def test_the_page_is_well_formed_and_loads_nothing(pages):
    """Every tag is closed; no script, no style sheet, no image or frame comes from elsewhere."""
    page = Outline(pages["data-quality.html"])
    assert page.open == []
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert all(
        image["src"].startswith("data:image/png;base64,") for image in page.attributes("img")
    )
    assert "url(" not in pages["data-quality.html"]
    assert "@import" not in pages["data-quality.html"]


def test_the_images_of_the_page_are_the_figures_and_are_described(pages):
    """Each figure is inside, byte for byte, with a text for those who cannot see it."""
    images = Outline(pages["data-quality.html"]).attributes("img")
    inside = [base64.b64decode(image["src"].partition(",")[2]) for image in images]
    assert sorted(inside) == sorted(FIGURES.values())
    assert all(len(image["alt"]) > 40 for image in images)


def test_the_page_is_made_for_phones_dark_rooms_and_paper(pages):
    """The page says how it is to be shown on each."""
    text = pages["data-quality.html"]
    assert "width=device-width" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_every_part_that_scrolls_has_a_name_of_its_own(pages):
    """A reader who cannot see the tables and the figures chooses among them."""
    regions = Outline(pages["data-quality.html"]).regions
    assert len(regions) == 4 + len(FIELDS) + len(FIGURES)
    assert len(set(regions)) == len(regions)


def test_both_forms_tell_the_facts(pages):
    """Rows, intervals, zeros among the missing, the digest and the source are in each."""
    for text in pages.values():
        assert "Cleveland Clinic" in text
        assert "40 % to 52 %" in text
        assert "123 (123)" in text
        assert "a digest" in text
        assert "10.24432/C52P4X" in text


def test_every_table_of_the_markdown_has_as_many_cells_in_each_row(pages):
    """A table that lost or gained a cell would not be shown as one."""
    tables = re.findall(r"(?:^\|.*\n)+", pages["data-quality.md"], re.MULTILINE)
    assert len(tables) == 4 + len(FIELDS)
    for table in tables:
        widths = {line.count("|") for line in table.splitlines()}
        assert len(widths) == 1
        assert len(table.splitlines()) > 2


@pytest.mark.parametrize("name", data_acquisition_eda.PAGES)
def test_a_value_cannot_break_out_of_its_place(facts, name):
    """Markup in a value is text on the page, and a bar no border of a cell in the table."""
    hostile = facts.cohorts[0].model_copy(update={"title": HOSTILE})
    changed = facts.model_copy(update={"cohorts": (hostile, *facts.cohorts[1:])})
    text = data_acquisition_eda.pages(changed, FIGURES)[name]
    shown = {"data-quality.html": "&lt;script&gt;", "data-quality.md": r"& \| more |"}[name]
    assert shown in text
    assert name.endswith(".md") or "<script>" not in text


def test_a_value_that_was_forgotten_is_an_error():
    """A template never shows an empty place for what it was not given."""
    with pytest.raises(UndefinedError, match="'words' is undefined"):
        render("data-quality.md.j2")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (56.0, "56"),
        (271.25, "271.25"),
        (-2.6, "\N{MINUS SIGN}2.6"),
        (None, "\N{EN DASH}"),
        (0.1 + 0.2, "0.3"),
    ],
)
def test_numbers_are_short_and_have_a_true_minus(value, text):
    """A reader sees no float's tail, and a dash where there is nothing."""
    assert number(value) == text


def test_percentages_are_rounded():
    """A share becomes a percentage with the digits that were asked for."""
    assert percent(0.4587) == "46 %"
    assert percent(0.0015, 1) == "0.1 %"
