"""How measurements look: curves over a size, and bars side by side."""

from collections.abc import Mapping, Sequence
from statistics import median

from matplotlib.figure import Figure

from benchmarks.findings import Curve, Samples, number
from pipeline.report import drawing


@drawing.styled
def curves(title: str, detail: str, labels: tuple[str, str], curves: Sequence[Curve]) -> Figure:
    """Draw curves over their size on two logarithmic axes, each with its exponent."""
    figure = Figure(figsize=(8.2, 4.4))
    axes = figure.subplots()
    for curve in curves:
        sizes, figures = zip(*curve.points, strict=True)
        axes.loglog(sizes, figures, marker="o", label=f"{curve.name} ~ size^{curve.exponent:.2f}")
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.grid(visible=True, which="major")
    figure.legend(loc="outside lower left", ncols=2)
    drawing.headline(figure, title, detail)
    return figure


@drawing.styled
def bars(
    title: str,
    detail: str,
    label: str,
    samples: Mapping[str, Samples],
    *,
    logarithmic: bool = False,
) -> Figure:
    """Draw one horizontal bar a name, as long as its median, with the range of its rounds."""
    figure = Figure(figsize=(7.2, 1.3 + 0.34 * len(samples)))
    axes = figure.subplots()
    middles = [median(values) for values in samples.values()]
    low = [m - min(values) for m, values in zip(middles, samples.values(), strict=True)]
    high = [max(values) - m for m, values in zip(middles, samples.values(), strict=True)]
    places = range(len(samples))
    colours = [drawing.BLUE if name.startswith("ours") else drawing.GREY for name in samples]
    axes.barh(places, middles, xerr=(low, high), color=colours, ecolor=drawing.INK, height=0.7)
    for place, value, above in zip(places, middles, high, strict=True):
        axes.text(value + above, place, f"  {number(value)}", va="center")
    axes.set_yticks(places, list(samples))
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(xlabel=label, xscale="log" if logarithmic else "linear")
    drawing.headline(figure, title, detail)
    return figure
