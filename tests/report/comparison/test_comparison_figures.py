"""The figures of the model report: of both models or of one, drawn, labelled, always the same."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from pipeline.dataset.profile import wilson_interval
from pipeline.evaluation import clinical
from pipeline.gate.examiner import Incumbent
from pipeline.report import comparison_figures, group_rows
from pipeline.report.comparison_figures import FEW, LIMIT, THRESHOLDS
from pipeline.report.drawing import BLUE, VERMILLION, figure_bytes
from pipeline.training import recipe
from tests.report.comparison.conftest import FIGURES
from tests.report.drawn import faults, texts

UNSPOILT = {name: [] for name in FIGURES}
WHITE = "#ffffff"


@pytest.fixture(scope="module", params=["alone", "with a champion"])
def shown(request, rivals, beaten):
    """Return real models: a challenger alone, and one beside a champion."""
    return rivals(None) if request.param == "alone" else beaten


@pytest.fixture(scope="module")
def figures(shown):
    """Return every figure of them."""
    return comparison_figures.comparison_figures(shown.report, shown.answers)


@pytest.fixture(scope="module")
def both(beaten):
    """Return every figure of a challenger beside a champion."""
    return comparison_figures.comparison_figures(beaten.report, beaten.answers)


def test_every_figure_is_drawn(figures):
    """Under the names that the page embeds."""
    assert list(figures) == list(FIGURES)


def test_every_figure_can_be_read(figures):
    """Large enough, with a headline and labels, and nothing in it is cut."""
    assert {name: faults(figure, width=900) for name, figure in figures.items()} == UNSPOILT


def test_a_figure_becomes_the_same_bytes_every_time(shown, figures):
    """Drawn again from the same answers."""
    again = comparison_figures.comparison_figures(shown.report, shown.answers)

    assert {name: figure_bytes(figure) for name, figure in again.items()} == {
        name: figure_bytes(figure) for name, figure in figures.items()
    }


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_names_its_models_and_patients(shown, figures, name):
    """The models in a legend or above a panel, the patients below the headline."""
    seen = " ".join(texts(figures[name]))

    assert "Cleveland Clinic" in seen
    assert all(title in seen for title in shown.answers)


def test_a_champion_that_is_the_challenger_is_drawn_once(rivals):
    """Two curves in one place would hide each other."""
    alone = rivals(None)
    same = rivals(Incumbent("heart_disease/1", alone.models[alone.report.winner]))

    assert same.report.comparison.identical
    assert list(same.answers) == list(alone.answers)
    comparison_figures.comparison_figures(same.report, same.answers)


def test_a_champion_that_cannot_be_read_is_not_drawn(rivals):
    """The challenger stands alone."""
    broken = rivals(Incumbent("heart_disease/7", None, "model.skops has changed"))

    assert len(broken.answers) == 1
    assert broken.report.champion.problem == "model.skops has changed"


def test_a_champion_of_other_fields_is_not_drawn(rivals):
    """It does not fit today's data, and the report says why."""
    model = rivals(None).models["svm"]
    smokers = ColumnTransformer([("kept", "passthrough", ["smoker"])])
    pipeline = make_pipeline(smokers, LogisticRegression())
    other = replace(model, recipe=recipe.of(pipeline), skops=b"other")
    found = rivals(Incumbent("heart_disease/7", other))

    assert len(found.answers) == 1
    assert found.report.headline == "Keep the champion"
    assert found.report.reason == "heart_disease/7 cannot be compared"
    assert "it cannot be fitted today" in found.report.champion.sentence


def test_the_challenger_is_blue_and_the_champion_orange_everywhere(both):
    """With another line for each, for those who see no colours."""
    for name in ("roc.png", "precision_recall.png", "decision_curve.png"):
        first, second = both[name].axes[0].get_lines()[:2]
        assert [to_hex(line.get_color()) for line in (first, second)] == [
            BLUE.lower(),
            VERMILLION.lower(),
        ]
        assert first.get_linestyle() == "-"
        assert second.get_linestyle() == "--"


def test_the_reliability_curve_has_the_interval_of_each_group(beaten, both):
    """By Wilson, of as many patients as the group has."""
    title, answers = next(iter(beaten.answers.items()))
    container = both["reliability.png"].axes[0].containers[0]
    (_, _, (bars,)) = container
    low, high = bars.get_segments()[0][:, 1]

    lowest = comparison_figures.reliability(answers, 10).iloc[0]
    assert title.startswith("Challenger")
    expected = wilson_interval(lowest["observed"] * lowest["patients"], lowest["patients"])
    assert (low, high) == pytest.approx(expected)
    assert lowest["patients"] == pytest.approx(30, abs=2)


def test_the_distributions_count_every_answer(beaten, both):
    """The steps of each group sum up to all of it."""
    for axes, answers in zip(both["distributions.png"].axes, beaten.answers.values(), strict=True):
        ill, healthy = (patch.get_data().values for patch in axes.patches)
        assert ill.sum() == pytest.approx(100)
        assert healthy.sum() == pytest.approx(100)
        above = answers.loc[answers["outcome"] == 1, "probability"].ge(0.95).mean()
        assert ill[-1] == pytest.approx(100 * above)


def test_the_decision_curve_is_the_net_benefit(beaten, both):
    """Of both models, of treating every patient and of treating none."""
    lines = both["decision_curve.png"].axes[0].get_lines()
    answers = list(beaten.answers.values())
    for line, given in zip(lines, answers, strict=False):
        points = clinical.decision_curve(given, THRESHOLDS)
        assert line.get_ydata() == pytest.approx([point.model for point in points])
    points = clinical.decision_curve(answers[0], THRESHOLDS)
    assert lines[2].get_ydata() == pytest.approx([point.call_all for point in points])
    assert set(lines[3].get_ydata()) == {0}


def test_a_forest_plot_has_a_row_for_each_group(beaten, both):
    """Value, interval and limit of each; the difference in a panel beside it."""
    groups = group_rows.slice_rows(beaten.report)
    values, differences = both["slices.png"].axes
    labels = [label.get_text() for label in values.get_yticklabels()]

    assert labels == [f"{row.title}\n{row.rows} patients, {row.positives} ill" for row in groups]
    marks = values.collections[1].get_offsets()[:, 0]
    assert list(marks) == pytest.approx([row.roc_auc.challenger.mean for row in groups])
    first = values.collections[0].get_segments()[0][:, 0]
    assert list(first) == pytest.approx(
        [groups[0].roc_auc.challenger.low, groups[0].roc_auc.challenger.high]
    )
    gaps = differences.collections[1].get_offsets()[:, 0]
    assert list(gaps) == pytest.approx([row.roc_auc.difference.mean for row in groups])
    assert values.collections[4].get_label() == LIMIT


def test_too_few_patients_are_hollow_marks(both):
    """Switzerland's 8 without disease; the other hospitals have enough."""
    axes = both["external.png"].axes[0]
    faces = [to_hex(face) for face in axes.collections[1].get_facecolors()]

    assert [face == WHITE for face in faces] == [False, True, False]
    assert FEW in texts(both["external.png"])


def test_a_group_without_a_figure_leaves_its_row_empty(beaten):
    """A figure that is not a number is not drawn, and does not stop the drawing."""
    unknown = comparison_figures.UNKNOWN
    groups = group_rows.cohort_rows(beaten.report)
    missing = group_rows.Pair(challenger=unknown, champion=None, difference=None)
    hollow = groups[0].model_copy(update={"roc_auc": missing})

    figure = comparison_figures.forest(
        list(beaten.answers), [hollow, *groups[1:]], "All", "of them"
    )

    assert np.isnan(figure.axes[0].collections[1].get_offsets()[0, 0].filled(np.nan))
    assert figure_bytes(figure)
