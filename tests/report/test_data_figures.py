"""The figures: what they show, and that the same figure is always the same file."""

import matplotlib as mpl
import pytest

from pipeline.report import data_figures, drawing
from pipeline.report.drawing import figure_bytes
from pipeline.table.contract import BY_NAME, FEATURES
from tests.report.drawn import faults, texts

NAMES = ["distributions.png", "outcome-by-category.png", "correlations.png", "missingness.png"]


@pytest.fixture(scope="module")
def figures(parsed):
    """Return the figures of the real data by file name."""
    return data_figures.data_figures(parsed)


def test_every_figure_is_drawn(figures):
    """The report finds the four figures under their names."""
    assert list(figures) == NAMES


def test_every_figure_can_be_read(figures):
    """At least 900 pixels wide, with a headline, and nothing in it is cut."""
    found = {name: faults(figure, width=900, height=600) for name, figure in figures.items()}

    # The other three name their rows or panels, and need no axis.
    assert found.pop("distributions.png") == []
    assert set(map(tuple, found.values())) == {("no label",)}


def test_the_same_tables_give_the_same_bytes(parsed, figures):
    """Neither a clock nor the version of the software is in the file."""
    first = {name: figure_bytes(figure) for name, figure in figures.items()}
    again = data_figures.data_figures(parsed)
    assert {name: figure_bytes(figure) for name, figure in again.items()} == first
    assert not any(b"Software" in content or b"Creat" in content for content in first.values())


def test_a_persons_own_matplotlib_settings_change_nothing(parsed, figures):
    """A matplotlibrc at home does not change the bytes, and is left as it was."""
    expected = figure_bytes(figures["missingness.png"])
    with mpl.rc_context({"font.size": 30, "savefig.dpi": 10, "savefig.bbox": "tight"}):
        again = figure_bytes(data_figures.missingness(parsed))
        assert mpl.rcParams["font.size"] == 30
    assert again == expected


def test_the_axes_of_the_distributions_carry_the_units(figures):
    """Every measured or counted field is shown with its unit."""
    shown = figures["distributions.png"]
    labels = [axes.get_xlabel() for axes in shown.axes]
    assert labels == [BY_NAME[name].unit for name in ("age", "trestbps", "chol")] + [
        BY_NAME[name].unit for name in ("thalach", "oldpeak", "ca")
    ]


def test_the_shares_of_a_distribution_add_up_to_all_patients(figures):
    """Each group's bars make 100 %, so that groups of unequal size compare."""
    bars = figures["distributions.png"].axes[-1].patches
    heights = [bar.get_height() for bar in bars]
    assert sum(heights[:4]) == pytest.approx(100)
    assert sum(heights[4:]) == pytest.approx(100)


def test_missingness_names_every_field_and_hospital_with_its_percentage(figures):
    """A reader needs no colour to read the heat map."""
    shown = texts(figures["missingness.png"])
    assert {BY_NAME[name].title for name in FEATURES} <= {*shown}
    assert "Switzerland\n123 patients" in shown
    assert "100 %" in shown
    assert "< 1 %" in shown


def test_correlations_are_written_into_the_cells(figures):
    """Heart rate falls with age and is lower with disease."""
    shown = texts(figures["correlations.png"])
    assert "\N{MINUS SIGN}0.39" in shown
    assert "\N{MINUS SIGN}0.42" in shown
    assert "nan" not in " ".join(shown)


def test_outcome_rates_say_how_many_patients_they_rest_on(figures):
    """A rate of 4 patients can be told from one of 144."""
    shown = texts(figures["outcome-by-category.png"])
    assert "asymptomatic (n = 144)" in shown
    assert "ST-T wave abnormality (n = 4)" in shown


def test_the_colours_are_okabe_and_itos():
    """Six colours that people with any colour vision tell apart."""
    published = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    assert {*drawing.SERIES} <= published
    assert len({*drawing.SERIES}) == len(drawing.SERIES)


def test_a_figure_that_is_saved_twice_gives_the_same_bytes(parsed):
    """Saving a figure does not move anything in it."""
    figure = data_figures.distributions(parsed["cleveland"].table)
    assert figure_bytes(figure) == figure_bytes(figure)
