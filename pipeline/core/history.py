"""The history of champions: who held the alias, from when to when, and why."""

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from pipeline.core.records import Record

Action = Literal["promoted", "restored"]


class Crowning(Record):
    """One move of the alias to a version: when (UTC, ISO 8601), by whom and why.

    ``forced`` says that a rollback took a version that the gate had refused.
    """

    at: str
    by: str
    action: Action
    reason: str
    commit: str
    forced: bool = False


class Reign(Record):
    """A version's time as champion; ``until`` is empty while it lasts."""

    version: int
    crowning: Crowning
    until: str = ""


_CROWNINGS = TypeAdapter(tuple[Crowning, ...])


def read_crownings(text: str) -> tuple[Crowning, ...]:
    """Read the tag in which a version keeps its crownings.

    Raises:
        ValueError: the text is something else.

    """
    try:
        return _CROWNINGS.validate_json(text or "[]")
    except ValidationError as error:
        raise ValueError(f"not a list of crownings: {' '.join(str(error).split())}") from error


def write_crownings(crownings: Sequence[Crowning]) -> str:
    """Return ``crownings`` as the text of the tag."""
    return _CROWNINGS.dump_json(tuple(crownings)).decode()


def reigns(crownings: Iterable[tuple[int, Crowning]]) -> list[Reign]:
    """Return the reigns, oldest first.

    A crowning that was interrupted and repeated stands twice in a row: the later one counts.
    """
    found: list[Reign] = []
    for version, crowning in sorted(crownings, key=lambda one: one[1].at):
        if found and found[-1].version == version:
            found.pop()
        if found:
            found[-1] = found[-1].model_copy(update={"until": crowning.at})
        found.append(Reign(version=version, crowning=crowning))
    return found
