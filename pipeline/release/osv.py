"""The database of known vulnerabilities at osv.dev."""

from collections.abc import Collection
from typing import Final

from pipeline.base.addresses import shown
from pipeline.base.errors import ScanError
from pipeline.base.rest import Server
from pipeline.release.bill import Component

ECOSYSTEM: Final = "PyPI"


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
