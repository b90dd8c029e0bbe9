"""What a benchmark says of its figures."""

import math

import pytest

from benchmarks.findings import Curve, Goal, Section, Table, compared, number, ratios, spread
from benchmarks.page import markdown


@pytest.mark.parametrize(
    ("figures", "shown"),
    [
        ([], "not seen"),
        ([math.nan, 1.0], "not seen"),
        ([2.0], "2"),
        ([3.0, 1.0, 2.0], "2 (1-3)"),
        ([0.012345, 0.5], "0.256 (0.0123-0.5)"),
        ([1234.5, 1000.0, 99_999.0], "1,234 (1,000-99,999)"),
    ],
)
def test_a_spread_is_the_median_and_the_extremes(figures, shown):
    """Three digits, or all before the point; one figure has no range."""
    assert spread(figures) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(99.96, "100"), (100.4, "100"), (-1234.0, "-1,234"), (math.nan, "not seen")],
)
def test_a_number_keeps_three_digits(value, shown):
    """Also around the border, below zero, and where there is none."""
    assert number(value) == shown


def test_ratios_are_those_of_the_same_round():
    """The ratio of two medians would mix rounds, which met different neighbours."""
    assert ratios([10.0, 40.0, 90.0], [1.0, 2.0, 3.0]) == [10.0, 20.0, 30.0]


def test_rounds_that_were_not_measured_on_both_sides_are_no_ratio():
    """A round that one of them missed would shift all that follow."""
    with pytest.raises(ValueError, match="argument 2"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("sign", "found", "reached"),
    [
        ("at least", [2.9, 3.0, 9.0], True),
        ("at least", [2.9, 2.9, 9.0], False),
        ("at most", [3.0], True),
        ("at most", [3.01], False),
    ],
)
def test_a_goal_is_reached_by_the_median(sign, found, reached):
    """The limit itself counts; one lucky round does not."""
    assert Goal("x", sign, 3, found).is_reached is reached


def test_only_a_missed_goal_says_where_the_rest_goes():
    """The reason of a goal that is reached is of no use."""
    missed = Goal("size", "at most", 200, [210.0], why="the compiler")
    reached = Goal("size", "at most", 200, [190.0], why="the compiler")

    assert missed.row() == ("size", "at most 200", "210", "**not reached**", "the compiler")
    assert reached.row() == ("size", "at most 200", "190", "reached", "")


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_found(power):
    """From sizes that lie far apart, whatever the factor before it."""
    points = [(size, 7.5 * size**power) for size in (10, 100, 1000, 10_000)]

    assert Curve("x", points).exponent == pytest.approx(power, abs=1e-9)


@pytest.mark.parametrize("points", [[], [(10, 1.0)], [(10, 1.0), (10, 2.0)]])
def test_one_size_has_no_exponent(points):
    """A slope needs two."""
    assert math.isnan(Curve("x", points).exponent)


def test_two_commits_are_compared_by_what_both_have_measured():
    """Ranges that touch are no change; a figure that only one has is left out."""
    before = {"fast": [10.0, 11.0, 12.0], "same": [5.0, 7.0], "gone": [1.0], "zero": [0.0]}
    after = {"fast": [20.0, 22.0, 24.0], "same": [6.0, 8.0], "new": [1.0], "zero": [1.0]}

    assert compared(before, after) == [
        ("fast", "11 (10-12)", "22 (20-24)", "2", "changed"),
        ("same", "6 (5-7)", "7 (6-8)", "1.17", "as before"),
        ("zero", "0", "1", "not seen", "changed"),
    ]


def section(**more):
    """Return a section with a table, a goal and a plot."""
    goal = Goal("speed", "at least", 2, [1.0, 1.5, 3.0], why="the network")
    parts = {
        "figures": {"ours: requests/s": [1.0, 2.0]},
        "tables": [Table("Speed", ("server", "requests/s"), [("ours", "1.5 (1-2)")])],
        "goals": [goal],
        "plots": {"speed": b"PNG"},
        "notes": ["no container was measured"],
    }
    return Section("serving", "Serving", "How it is done.", **(parts | more))


def test_a_section_comes_back_from_its_record():
    """All but the content of its plots, which are files of their own."""
    found = section()

    assert Section.of(found.record()) == section(plots={"speed": b""})


def test_the_page_shows_goals_first_and_then_each_section():
    """With where, when and how it was measured, every table, note and plot."""
    measured = {"date": "2026-11-25", "machine": "2 cores"}
    page = markdown([{"section": section().record(), "measured": measured}])

    assert page.index("**not reached** | the network") < page.index("## Serving\n")
    for part in (
        "How it is done.",
        "- date: 2026-11-25\n- machine: 2 cores",
        "- note: no container was measured",
        "### Speed\n\n| server | requests/s |\n| --- | --- |\n| ours | 1.5 (1-2) |",
        "![speed](plots/speed.png)",
    ):
        assert part in page
    assert "\n\n\n" not in page
