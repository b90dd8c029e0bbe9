"""A page made of Markdown: what is added to it, and what never gets through."""

import base64

import pytest

from pipeline.report.page import html
from tests.outline import Outline

FIGURES = {"roc.png": b"a picture"}
TABLE = "| | result |\n|---|---:|\n| *Brier* | failed |\n| | not judged: few |\n"


def outline(markdown):
    """Return what a page below a title is made of."""
    page = Outline(html(f"# Title\n\n{markdown}", FIGURES))
    assert page.open == []
    return page


def cells(markdown):
    """Return each cell of a page's tables: its tag and its attributes."""
    page = outline(markdown)
    return [(tag, attributes) for tag, attributes in page.tags if tag in {"th", "td"}]


def test_the_title_of_the_page_is_its_heading():
    """Without markup."""
    assert "<title>Report on x &lt;y&gt;</title>" in html("# Report on `x` &lt;y>\n", {})


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>\n",
        "text <img src=x onerror=alert(1)> text\n",
        f"{TABLE}| <b>bold</b> | 1 |\n",
        "[a](javascript:alert(1))\n",
    ],
    ids=["block", "inline", "cell", "script"],
)
def test_markup_and_scripts_stay_text(markdown):
    """Also where a template forgot to escape a value."""
    tags = {tag for tag, _ in outline(markdown).tags}

    assert not {"script", "img", "b", "a"} & tags


def test_a_figure_is_inside_with_its_texts():
    """The title of the image becomes a caption, the file name finds the figure."""
    page = outline("![Curves of\nboth](../figures/roc.png \"A caption\nwith 'quotes'\")\n")

    (image,) = page.attributes("img")
    content = base64.b64encode(b"a picture").decode()
    assert image == {"src": f"data:image/png;base64,{content}", "alt": "Curves of both"}
    assert page.regions == ["A caption with 'quotes'"]
    assert "A caption with 'quotes'" in page.texts
    assert "p" not in {tag for tag, _ in page.tags}


def test_a_figure_that_is_not_there_is_an_error():
    """No page points to a file beside it."""
    with pytest.raises(KeyError, match=r"pr\.png"):
        html('# Title\n\n![Curves](pr.png "Caption")\n', FIGURES)


@pytest.mark.parametrize(
    ("above", "name"),
    [
        ("## Metrics\n\n", "Metrics"),
        ("## Metrics\n\nSome text.\n\n", "Metrics"),
        ("## Metrics\n\nMean and `n`:\n\n", "Mean and n"),
        ("", "Title"),
    ],
    ids=["heading", "text", "caption", "title"],
)
def test_a_table_is_named_by_what_stands_above_it(above, name):
    """By its caption, or else by the heading."""
    assert outline(above + TABLE).regions == [name]


def test_cells_say_what_they_are():
    """A first cell is the header of its row; an empty one is no header."""
    right = {"style": "text-align:right"}
    assert cells(TABLE) == [
        ("td", {}),
        ("th", {**right, "scope": "col"}),
        ("th", {"scope": "row"}),
        ("td", {**right, "class": "bad"}),
        ("td", {}),
        ("td", {**right, "class": "quiet"}),
    ]


def test_a_long_cell_breaks_its_lines():
    """And a short one does not."""
    table = f"| a | b |\n|---|---|\n| x | {'word ' * 12} |\n| y | {'word ' * 13} |\n"
    assert [attributes.get("class") for tag, attributes in cells(table) if tag == "td"] == [
        None,
        "long",
    ]


def test_a_name_can_be_copied_from_a_page():
    """Without the invisible spaces that keep GitHub from linking it."""
    assert "heart_disease@champion" in html("# Title\n\nheart_disease@&#8203;champion\n", {})
