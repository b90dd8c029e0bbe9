"""How every figure of the repository looks, and how it becomes a file.

The colours are Okabe and Ito's, which people with any colour vision tell apart. No state of pyplot
is used, and a person's own matplotlib settings change nothing.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, ParamSpec

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

P = ParamSpec("P")

BLUE: Final = "#0072B2"
VERMILLION: Final = "#D55E00"
GREEN: Final = "#009E73"
YELLOW: Final = "#E69F00"
SKY: Final = "#56B4E9"
PURPLE: Final = "#CC79A7"
INK: Final = "#1f2328"
GREY: Final = "#6e7781"
FAINT: Final = "#d8dee4"
SERIES: Final = (BLUE, VERMILLION, GREEN, PURPLE, YELLOW, SKY)

DOTS_PER_INCH: Final = 110
# How far below the upper edge the second line of a headline starts.
DETAIL_INCHES: Final = 0.33
STYLE: Final[dict[Any, Any]] = {
    "figure.dpi": DOTS_PER_INCH,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=SERIES),
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let ``draw`` make its figure in the shared style."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            return draw(*args, **kwargs)

    return drawn


def headline(figure: Figure, finding: str, detail: str) -> None:
    """Put what the figure shows above it, and below that whom it shows and how."""
    # The line break keeps room for the detail, which has a smaller and lighter type.
    figure.suptitle(f"{finding}\n", x=0.01, ha="left", fontsize=12.5, fontweight="bold")
    below = 1 - DETAIL_INCHES / figure.get_figheight()
    figure.text(0.01, below, detail, ha="left", va="top", color=GREY)


def bare(axes: Axes) -> None:
    """Take the frame and the tick marks off, as a heat map needs neither."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def figure_bytes(figure: Figure) -> bytes:
    """Return ``figure`` as PNG; the same figure always becomes the same bytes."""
    buffer = io.BytesIO()
    with _style():
        # `savefig` would draw twice.
        canvas = FigureCanvasAgg(figure)
        canvas.print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
        # A layout is refined at every drawing: the first one is kept.
        figure.set_layout_engine("none")
    return buffer.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield
