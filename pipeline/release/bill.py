"""The bill of materials of an image: the packages in it, and which vulnerabilities are refused."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Final

from pipeline.base.errors import ScanError
from pipeline.base.records import Record

_PYTHON: Final = re.compile(r"pkg:pypi/([^@/]+)@([^?#]+)")


class Component(Record):
    """A package of a version."""

    name: str
    version: str

    @property
    def title(self) -> str:
        """Return the package as people write it."""
        return f"{self.name} {self.version}"


def python_packages(bill: bytes) -> tuple[Component, ...]:
    """Return the Python packages that a bill in CycloneDX lists.

    Raises:
        ScanError: it lists none, so it is not the bill of an image of ours.

    """
    try:
        addresses = [one.get("purl", "") for one in json.loads(bill)["components"]]
        found = {match.groups() for one in addresses if (match := _PYTHON.match(one))}
    except (ValueError, LookupError, TypeError, AttributeError):
        found = set()
    if not found:
        raise ScanError("the bill of materials lists no Python package: nothing can be scanned")
    return tuple(Component(name=name, version=version) for name, version in sorted(found))


def refused(
    known: Mapping[Component, Collection[str]], accepted: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return the vulnerabilities that nobody accepted, by the package that has them."""
    left = {one.title: tuple(sorted(set(names) - set(accepted))) for one, names in known.items()}
    return {title: names for title, names in left.items() if names}
