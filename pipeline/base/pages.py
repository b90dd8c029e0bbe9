"""Pages and texts from the templates in ``pipeline/templates``.

Values are escaped in every template whose name says HTML. A value that a template asks for and
does not get is an error, not an empty place.
"""

import math
import re
from functools import cache
from typing import Any, Final, TypeGuard

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipeline.base.records import Estimate

# Shown in place of a missing value.
NONE: Final = "\N{EN DASH}"

# Markdown would read these as code, emphasis, mathematics, a border or a link.
_MARKUP: Final = re.compile(r"[\\`*~$|]|(?<!\w)_|_(?!\w)|\](?=[(\[:])|(?<=:)/(?=/)|(?<=www)\.")
_TAG: Final = re.compile(r"<(?=[a-zA-Z/!?])")
_ENTITY: Final = re.compile(r"&(?=#?\w+;)")
# Names of people and of issues, which GitHub links and notifies even where they are escaped.
_REFERENCE: Final = re.compile(r"(?<!\w)@(?=\w)|#(?=\d)")
ZERO_WIDTH_SPACE: Final = "&#8203;"


def render(template: str, **values: Any) -> str:
    """Return the text of ``template`` with ``values`` filled in."""
    return _environment().get_template(template).render(values)


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share in [0, 1] as a percentage; a dash for None."""
    return NONE if share is None else f"{100 * share:.{digits}f} %"


def number(value: float | None, digits: int = 5) -> str:
    """Return ``value`` with up to so many digits and a true minus sign; a dash for None."""
    return NONE if value is None else f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def estimate(figure: Estimate | None) -> str:
    """Return a mean with its standard error."""
    return f"{figure.mean:.3f} ± {figure.standard_error:.3f}" if _known(figure) else NONE


def interval(figure: Estimate | None) -> str:
    """Return a mean with its interval."""
    return f"{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]" if _known(figure) else NONE


def difference(figure: Estimate | None) -> str:
    """Return a signed difference with its interval."""
    return f"{figure.mean:+.3f} [{figure.low:+.3f}, {figure.high:+.3f}]" if _known(figure) else NONE


def _known(figure: Estimate | None) -> TypeGuard[Estimate]:
    return figure is not None and math.isfinite(figure.mean)


def cell(text: object) -> str:
    """Return ``text`` so that Markdown shows it as it is, in a sentence or in a cell of a table.

    Nothing in it is read as markup, and no person or issue that it names is notified or linked.
    """
    line = _TAG.sub("&lt;", _ENTITY.sub("&amp;", " ".join(str(text).split())))
    return _REFERENCE.sub(rf"\g<0>{ZERO_WIDTH_SPACE}", _MARKUP.sub(r"\\\g<0>", line))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline"),
        autoescape=select_autoescape(("html", "html.j2"), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        {shown.__name__: shown for shown in (percent, number, estimate, interval, difference, cell)}
    )
    return environment
