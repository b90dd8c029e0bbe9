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
        vulnerable = known(config.vulnerabilities_url(), packages)
    except ScanError as error:
        if not allow_unscanned:
            raise ScanError(f"{error}: try later, or insist with --allow-unscanned") from None
        cli.fact("scan", f"NOT DONE: {error}")
        return
    if left := refused(vulnerable, accepted):
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
        addresses = [component.get("purl", "") for component in json.loads(sbom)["components"]]
        matches = map(_PYTHON.match, addresses)
        packages = {match.groups() for match in matches if match}
    except (ValueError, LookupError, TypeError, AttributeError):
        packages = set()
    if not packages:
        raise ScanError("the SBOM lists no Python package: nothing can be scanned")
    return tuple(Component(name=name, version=version) for name, version in sorted(packages))


def known(
    address: str, components: Collection[Component], wait: float = 1.0
) -> dict[Component, tuple[str, ...]]:
    """Return the components that have known vulnerabilities, with the names of these.

    Raises:
        ScanError: the database does not answer, or not about every component.

    """
    queries = [
        {"package": {"name": component.name, "ecosystem": ECOSYSTEM}, "version": component.version}
        for component in components
    ]
    server = Server(f"the database of vulnerabilities at {shown(address)}", ScanError, wait)
    # A query changes nothing: it may be asked again, although it is a POST.
    answer = server.ask("POST", f"{address}/v1/querybatch", json={"queries": queries}, repeat=True)
    try:
        answered = [
            tuple(vulnerability["id"] for vulnerability in result.get("vulns", ()))
            for result in answer.json()["results"]
        ]
    except (ValueError, LookupError, TypeError, AttributeError):
        answered = []
    if len(answered) != len(components):
        raise ScanError(f"{server.name} does not answer about all of {len(components)} packages")
    pairs = zip(components, answered, strict=True)
    return {component: names for component, names in pairs if names}


def refused(
    known: Mapping[Component, Collection[str]], accepted: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return the vulnerabilities that are not accepted, by the package that has them."""
    left = {
        component.title: tuple(sorted(set(names) - set(accepted)))
        for component, names in known.items()
    }
    return {title: names for title, names in left.items() if names}
