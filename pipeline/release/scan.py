"""The Python packages of an image, looked up at osv.dev, the database of known vulnerabilities."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Final

from pipeline.base import cli, config
from pipeline.base.addresses import shown
from pipeline.base.errors import ReleaseError, ScanError
from pipeline.base.records import Record
from pipeline.base.rest import Server

ECOSYSTEM: Final = "PyPI"
_PYTHON: Final = re.compile(r"pkg:pypi/([^@/]+)@([^?#]+)")


class Component(Record):
    """A package of a version."""

    name: str
    version: str

    @property
    def title(self) -> str:
        """Return the package as people write it."""
        return f"{self.name} {self.version}"


def run(sbom: bytes, accepted: Collection[str] = (), *, allow_unscanned: bool = False) -> None:
    """Refuse an image whose SBOM lists a Python package with a known vulnerability.

    Raises:
        ReleaseError: one is known that is not ``accepted``.
        ScanError: the database does not answer, unless ``allow_unscanned``, which is said.

    """
    packages = python_packages(sbom)
    try:
        found = known(config.vulnerabilities_url(), packages)
    except ScanError as error:
        if not allow_unscanned:
            raise ScanError(f"{error}: try later, or insist with --allow-unscanned") from None
        cli.fact("scan", f"NOT DONE: {error}")
        return
    if left := refused(found, accepted):
        named = "; ".join(f"{title}: {', '.join(names)}" for title, names in left.items())
        raise ReleaseError(
            f"known vulnerabilities (osv.dev): {named}: update requirements-serving.txt, or accept "
            "one that cannot be reached with --accept ID"
        )
    waived = f", {', '.join(accepted)} accepted" if accepted else ""
    cli.fact("scan", f"{len(packages)} Python packages, no known vulnerability{waived}")


def python_packages(sbom: bytes) -> tuple[Component, ...]:
    """Return the Python packages that an SBOM in CycloneDX lists.

    Raises:
        ScanError: it lists none, so it is not the SBOM of an image of ours.

    """
    try:
        addresses = [one.get("purl", "") for one in json.loads(sbom)["components"]]
        found = {match.groups() for one in addresses if (match := _PYTHON.match(one))}
    except (ValueError, LookupError, TypeError, AttributeError):
        found = set()
    if not found:
        raise ScanError("the SBOM lists no Python package: nothing can be scanned")
    return tuple(Component(name=name, version=version) for name, version in sorted(found))


def known(
    address: str, components: Collection[Component], wait: float = 1.0
) -> dict[Component, tuple[str, ...]]:
    """Return the components that have known vulnerabilities, with the names of these.

    Raises:
        ScanError: the database does not answer, or not about every component.

    """
    queries = [
        {"package": {"name": one.name, "ecosystem": ECOSYSTEM}, "version": one.version}
        for one in components
    ]
    server = Server(f"the database of vulnerabilities at {shown(address)}", ScanError, wait)
    # A query changes nothing: it may be asked again, although it is a POST.
    answer = server.ask("POST", f"{address}/v1/querybatch", json={"queries": queries}, repeat=True)
    try:
        found = [
            tuple(one["id"] for one in each.get("vulns", ())) for each in answer.json()["results"]
        ]
    except (ValueError, LookupError, TypeError, AttributeError):
        found = []
    if len(found) != len(components):
        raise ScanError(f"{server.name} does not answer about all of {len(components)} packages")
    return {one: names for one, names in zip(components, found, strict=True) if names}


def refused(
    known: Mapping[Component, Collection[str]], accepted: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return the vulnerabilities that are not accepted, by the package that has them."""
    left = {one.title: tuple(sorted(set(names) - set(accepted))) for one, names in known.items()}
    return {title: names for title, names in left.items() if names}
