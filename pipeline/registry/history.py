"""The history of champions: who held the alias, from when to when, and why.

It is kept as a log that only grows. Whoever wants to move the alias appends an entry that names the
last entry it knew of; the number of the entry comes from the registry and is given once. An entry
counts exactly when no other that counts came between: so of several promoters at once one wins, and
the others find out. The alias in the registry follows the log.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from pipeline.base.records import Record

CHAMPION: Final = "champion"
PREVIOUS_CHAMPION: Final = "previous_champion"

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


class Entry(Record):
    """A crowning as it stands in the log of one model.

    ``sequence`` is the entry's own number, ``version`` the version that was to be champion, and
    ``after`` the number of the last entry that its writer knew of, whether it counts or not: 0 for
    none. So what came later still counts when an entry is deleted, or cannot be read for a time.
    """

    sequence: int
    version: int
    after: int
    crowning: Crowning


class Reign(Record):
    """A version's time as champion; ``until`` is empty while it lasts."""

    version: int
    crowning: Crowning
    until: str = ""


def succession(log: Iterable[Entry]) -> list[Entry]:
    """Return the entries that count, oldest first: those that came directly after the last one."""
    found: list[Entry] = []
    for entry in sorted(log, key=lambda one: one.sequence):
        last = found[-1].sequence if found else 0
        if last <= entry.after < entry.sequence:
            found.append(entry)
    return found


def backwards(log: Iterable[Entry]) -> Iterator[Entry]:
    """Return the `succession` of a log, both newest first, reading no further than is asked for.

    An entry that came after all that stand before it counts, whatever those are: so what is newer
    can be told without reading on.
    """
    undecided: list[Entry] = []
    for entry in log:
        if undecided and entry.sequence <= undecided[-1].after < undecided[-1].sequence:
            yield from reversed(succession(undecided))
            undecided = []
        undecided.append(entry)
    yield from reversed(succession(undecided))


def previous(line: Sequence[Entry]) -> int | None:
    """Return the version that was champion before the present one, or None.

    ``line`` is a `succession`. A version that was crowned twice in a row reigned once.
    """
    others = [entry.version for entry in line if entry.version != line[-1].version]
    return others[-1] if others else None


def reigns(line: Iterable[Entry]) -> list[Reign]:
    """Return the reigns of a `succession`, oldest first.

    Of a version that was crowned twice in a row the later crowning counts.
    """
    found: list[Reign] = []
    for entry in line:
        if found and found[-1].version == entry.version:
            found.pop()
        if found:
            found[-1] = found[-1].model_copy(update={"until": entry.crowning.at})
        found.append(Reign(version=entry.version, crowning=entry.crowning))
    return found
