"""The figures of the evaluation: drawn, labelled, and the same bytes every time."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from pipeline.base.names import FAMILIES, METRIC_TITLES
from pipeline.evaluation import metrics
from pipeline.report import model_figures
from pipeline.report.drawing import figure_bytes
from pipeline.training.families import FAMILY_TITLES
from tests.report.drawn import faults, texts

NAMES = ["roc.png", "precision_recall.png", "calibration.png", "confusion.png"]


@pytest.fixture(scope="module")
def summaries(answers, plan):
    """Return the metrics of each family."""
    return {family: metrics.summarise(found, plan) for family, found in answers.items()}


@pytest.fixture(scope="module")
def figures(answers, summaries):
    """Return every figure of the four families."""
    return model_figures.model_figures(answers, summaries, 10)


def legend(figure):
    """Return the lines of the only legend."""
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_every_figure_is_drawn(figures):
    """Under the names that the page embeds."""
    assert list(figures) == NAMES


def test_every_figure_can_be_read(figures):
    """Large enough, with a headline and labels, and nothing in it is cut."""
    assert [faults(figure, width=650) for figure in figures.values()] == [[]] * len(NAMES)


def test_a_figure_becomes_the_same_bytes_every_time(answers, summaries, figures):
    """Drawn again from the same answers."""
    again = model_figures.model_figures(answers, summaries, 10)

    assert {name: figure_bytes(figure) for name, figure in again.items()} == {
        name: figure_bytes(figure) for name, figure in figures.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_names_its_families_and_patients(figures, name):
    """The families in a legend or above a panel, the patients below the headline."""
    shown = " ".join(texts(figures[name]))

    assert "Cleveland Clinic, 303 patients, 2 times 5-fold" in shown
    assert all(title in shown for title in FAMILY_TITLES.values())


@pytest.mark.parametrize(
    ("name", "metric"), [("roc.png", "roc_auc"), ("precision_recall.png", "pr_auc")]
)
def test_the_legend_has_the_means_of_the_table(figures, summaries, name, metric):
    """The same figure, under the same name, as on the page."""
    lines = legend(figures[name])

    for family in FAMILIES:
        assert f"{FAMILY_TITLES[family]}: {summaries[family][metric].mean:.3f}" in lines
    title = figures[name].axes[0].get_legend().get_title().get_text()
    assert title == f"Mean {METRIC_TITLES[metric]} of the folds"


def test_a_roc_curve_runs_from_corner_to_corner(figures):
    """One for each family, and the line of chance."""
    lines = figures["roc.png"].axes[0].get_lines()

    assert len(lines) == 5
    for line in lines:
        points = line.get_xydata()
        assert points[0].tolist() == [0, 0]
        assert points[-1].tolist() == [1, 1]
        assert (np.diff(points, axis=0) >= 0).all()


def test_families_keep_their_colour_from_figure_to_figure(figures):
    """Who is blue in one figure is blue in the next."""
    curves = [
        [to_hex(line.get_color()) for line in figures[name].axes[0].get_lines()[:4]]
        for name in ("roc.png", "precision_recall.png")
    ]
    panels = [to_hex(axes.get_lines()[-1].get_color()) for axes in figures["calibration.png"].axes]

    assert curves[0] == curves[1] == panels


def test_the_dotted_line_is_the_rate_of_disease(figures):
    """Predicting everybody positive is right for 139 of 303."""
    assert "Everybody predicted positive: 46 %" in legend(figures["precision_recall.png"])


def test_calibration_shows_groups_of_equal_size(answers):
    """Ten points, each the mean of a tenth of the answers."""
    figure = model_figures.calibration({"svm": answers["svm"]}, 10)
    promised, observed = figure.axes[0].get_lines()[-1].get_data()

    ordered = answers["svm"].sort_values("probability")
    assert len(promised) == 10
    assert promised[0] == pytest.approx(ordered["probability"].head(61).mean(), abs=1e-3)
    assert observed.mean() == pytest.approx(ordered["outcome"].mean(), abs=0.01)


def test_calibration_of_equal_promises_is_one_point():
    """They cannot be divided into groups."""
    given = pd.DataFrame({"repeat": 0, "fold": 0, "row": range(4), "outcome": [0, 0, 0, 1]})
    figure = model_figures.calibration({"svm": given.assign(probability=0.5, threshold=0.5)}, 10)

    assert figure.axes[0].get_lines()[-1].get_xydata().tolist() == [[0.5, 0.25]]


def test_the_confusion_matrix_counts_the_patients_of_a_repeat():
    """By hand: of two ill one is found, of two healthy one is called ill, in each repeat."""
    given = pd.DataFrame(
        {
            "repeat": [0, 0, 0, 0, 1, 1, 1, 1],
            "fold": 0,
            "row": [0, 1, 2, 3, 0, 1, 2, 3],
            "outcome": [1, 1, 0, 0, 1, 1, 0, 0],
            "probability": [0.6, 0.2, 0.5, 0.1, 0.6, 0.2, 0.5, 0.1],
            "threshold": 0.5,
        }
    )

    figure = model_figures.confusion({"svm": given})

    cells = [text.get_text() for text in figure.axes[0].texts]
    assert cells == ["1\n50 %", "1\n50 %", "1\n50 %", "1\n50 %"]


def test_the_confusion_matrix_of_a_model_without_a_positive_prediction():
    """A column of zeros is shown as such."""
    given = pd.DataFrame({"repeat": 0, "fold": 0, "row": range(4), "outcome": [0, 0, 0, 1]})

    figure = model_figures.confusion({"svm": given.assign(probability=0.1, threshold=0.5)})

    cells = [text.get_text() for text in figure.axes[0].texts]
    assert cells == ["3\n100 %", "0\n0 %", "1\n100 %", "0\n0 %"]


@pytest.mark.parametrize("count", [5, 6, 7])
def test_any_number_of_models_is_drawn_and_told_apart(answers, summaries, count):
    """A curve of its own look in each figure with curves, a panel in the others."""
    titles = [f"Model {number}" for number in range(count)]
    given = dict.fromkeys(titles, answers["svm"])
    known = dict.fromkeys(titles, summaries["svm"])

    for draw in (model_figures.roc, model_figures.precision_recall):
        axes = draw(given, known).axes[0]
        curves = [line for line in axes.lines if line.get_label().startswith("Model ")]
        assert [line.get_label().partition(":")[0] for line in curves] == titles
        assert len({(each.get_color(), each.get_linestyle()) for each in curves}) == count
    for panels in (model_figures.calibration(given, 10), model_figures.confusion(given)):
        assert [axes.get_title(loc="left") for axes in panels.axes] == titles
        assert all(axes.lines or axes.images for axes in panels.axes)
