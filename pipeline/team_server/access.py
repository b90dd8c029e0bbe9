"""Who may do what at a team's server: the accounts, their grants, and what has to change."""

from collections.abc import Iterable
from typing import Final

from pipeline.base.names import FAMILIES, HISTORY, SERVED, registered_name
from pipeline.base.records import Record

ADMIN: Final = "admin"
CI: Final = "ci"
READER: Final = "reader"
ACCOUNTS: Final = (CI, READER)

MODELS: Final = (*map(registered_name, FAMILIES), SERVED, HISTORY)

EXPERIMENT: Final = "experiment"
MODEL: Final = "registered_model"
ANY: Final = "*"


class Grant(Record):
    """What an account may do with an experiment, by its number, or a model, by its name."""

    kind: str
    resource: str
    permission: str


def wanted(account: str, experiment_id: str) -> frozenset[Grant]:
    """Return the grants of an account; it has no other right.

    EDIT creates and changes, and neither deletes nor grants. No grant creates a model or an
    experiment: the server keeps that to its admin.
    """
    if account == READER:
        return frozenset(
            Grant(kind=k, resource=ANY, permission="READ") for k in (EXPERIMENT, MODEL)
        )
    return frozenset(
        Grant(kind=kind, resource=resource, permission="EDIT")
        for kind, resource in ((EXPERIMENT, experiment_id), *((MODEL, name) for name in MODELS))
    )


def changes(
    held: Iterable[Grant], asked: Iterable[Grant]
) -> tuple[tuple[Grant, ...], tuple[Grant, ...]]:
    """Return the grants to take and those to give, each in a fixed order."""
    before, after = set(held), set(asked)
    return _sorted(before - after), _sorted(after - before)


def _sorted(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    return tuple(sorted(grants, key=lambda one: (one.kind, one.resource, one.permission)))
