"""The history of champions: who held the alias, from when to when, and why.

It is kept as a log that only grows. To move the alias, a promoter appends an entry that names the
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


class Promotion(Record):
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
    """A promotion as it stands in the log of one model.

    ``sequence`` is the entry's own number, ``version`` the version that was to be champion, and
    ``after`` the number of the last entry that its writer knew of, whether it counts or not: 0 for
    none. So what came later still counts when an entry is deleted, or cannot be read for a time.
    """

    sequence: int
    version: int
    after: int
    promotion: Promotion


class Tenure(Record):
    """A version's time as champion; ``until`` is empty while it lasts."""

    version: int
    promotion: Promotion
    until: str = ""


def valid_entries(log: Iterable[Entry]) -> list[Entry]:
    """Return the entries that count, oldest first: those that came directly after the last one."""
    valid: list[Entry] = []
    for entry in sorted(log, key=lambda entry: entry.sequence):
        last = valid[-1].sequence if valid else 0
        if last <= entry.after < entry.sequence:
            valid.append(entry)
    return valid


def backwards(log: Iterable[Entry]) -> Iterator[Entry]:
    """Return the `valid_entries` of a log, both newest first, reading no further than is asked for.

    An entry that came after all entries before it counts, whether those count or not: so the newer
    ones can be judged without reading on.
    """
    undecided: list[Entry] = []
    for entry in log:
        if undecided and entry.sequence <= undecided[-1].after < undecided[-1].sequence:
            yield from reversed(valid_entries(undecided))
            undecided = []
        undecided.append(entry)
    yield from reversed(valid_entries(undecided))


def previous(entries: Sequence[Entry]) -> int | None:
    """Return the version that was champion before the present one, or None.

    ``entries`` are `valid_entries`. A version that was promoted twice in a row has one tenure.
    """
    others = [entry.version for entry in entries if entry.version != entries[-1].version]
    return others[-1] if others else None


def tenures(entries: Iterable[Entry]) -> list[Tenure]:
    """Return the tenures of `valid_entries`, oldest first.

    Of a version that was promoted twice in a row the later promotion counts.
    """
    held: list[Tenure] = []
    for entry in entries:
        if held and held[-1].version == entry.version:
            held.pop()
        if held:
            held[-1] = held[-1].model_copy(update={"until": entry.promotion.at})
        held.append(Tenure(version=entry.version, promotion=entry.promotion))
    return held
