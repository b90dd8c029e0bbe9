"""Pages and texts from the templates in ``pipeline/templates``.

Values are escaped in every template whose name says HTML. A value that a template asks for and
does not get is an error, not an empty place.
"""

import base64
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipeline.core.records import Estimate

# A value that nobody has.
NONE: Final = "\N{EN DASH}"


def render(template: str, **values: Any) -> str:
    """Return the text of ``template`` with ``values`` filled in."""
    return _environment().get_template(template).render(values)


def percent(share: float, digits: int = 0) -> str:
    """Return a share in [0, 1] as a percentage."""
    return f"{100 * share:.{digits}f} %"


def number(value: float | None) -> str:
    """Return ``value`` with up to five digits and a true minus sign; a dash for None."""
    return NONE if value is None else f"{value:.5g}".replace("-", "\N{MINUS SIGN}")


def estimate(found: Estimate) -> str:
    """Return a mean with its standard error."""
    return f"{found.mean:.3f} ± {found.standard_error:.3f}"


def interval(found: Estimate) -> str:
    """Return a mean with its interval."""
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def difference(found: Estimate) -> str:
    """Return a signed difference with its interval."""
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def cell(text: object) -> str:
    """Return ``text`` as it can stand in a cell of a Markdown table."""
    return " ".join(str(text).replace("|", r"\|").split())


def data_uri(image: bytes) -> str:
    """Return a PNG as an address that holds the image itself."""
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


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
        {
            shown.__name__: shown
            for shown in (percent, number, estimate, interval, difference, cell, data_uri)
        }
    )
    return environment
