"""What a figure shows once it is drawn."""

from matplotlib.backends.backend_agg import FigureCanvasAgg


def cut(figure):
    """Return the headlines of ``figure`` that its edges cut."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    width, _ = renderer.get_canvas_width_height()
    extents = {text.get_text(): text.get_window_extent(renderer) for text in figure.texts}
    return [text for text, extent in extents.items() if extent.x0 < 0 or extent.x1 > width]
