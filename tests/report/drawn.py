"""What a figure shows once it is drawn."""

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from pipeline.report.drawing import figure_bytes


def texts(figure):
    """Return every text that a reader sees in ``figure``, its headline included."""
    return [text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text"))]


def faults(figure, *, width, height=350):
    """Name what keeps a reader from reading ``figure``, of at least this size in pixels."""
    image = imread(io.BytesIO(figure_bytes(figure)))
    labelled = figure.axes[0].get_ylabel() or len(figure.axes[0].get_yticklabels()) > 1
    found = {
        "too small": image.shape[0] < height or image.shape[1] < width,
        "nothing in it": image.std() <= 0.05,
        "no headline": not figure.get_suptitle().strip(),
        # Panels that share an axis carry its label once; a forest plot labels each row.
        "no label": not labelled or not all(axes.get_xlabel() for axes in figure.axes),
        "cut": cut(figure),
    }
    return [fault for fault, holds in found.items() if holds]


def cut(figure):
    """Return what the edges of ``figure`` cut: headlines, panels, legends."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    border = figure.bbox.padded(1)
    boxes = {text.get_text(): text.get_window_extent(renderer) for text in figure.texts}
    boxes |= {axes: axes.get_tightbbox(renderer) for axes in figure.axes}
    boxes |= {legend: legend.get_window_extent(renderer) for legend in figure.legends}
    return [part for part, box in boxes.items() if not holds(border, box)]


def holds(border, box):
    """Say whether a box is not empty and lies within another."""
    wide = border.x0 <= box.x0 < box.x1 <= border.x1
    return wide and border.y0 <= box.y0 < box.y1 <= border.y1
