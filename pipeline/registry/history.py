"""The history of champions: who held the alias, from when to when, and why.

It is kept as a log that only grows. To move the alias, a promoter appends an entry that names the
last entry it knew of; the number of the entry comes from the registry and is given once. An entry
counts exactly when no other that counts came between: so of several promoters at once one wins, and
the others find out. The alias in the registry follows the log.
"""

from collections.abc import Callable, Iterable, Iterator
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


class Identity(Record):
    """What no other version of the same number has: its run, and what was stored and judged.

    MLflow gives a number again when its model was deleted and registered anew. ``manifest`` and
    ``verdict`` are the sha256 of the version's list of files and of the gate's verdict; empty where
    there is none, or where an older entry of the history did not keep it.
    """

    run: str
    manifest: str = ""
    verdict: str = ""

    def differing(self, found: "Identity") -> str:
        """Say what is no longer as this says; nothing where all is. ``found`` is read anew."""
        if self.run != found.run:
            return "its number was given to a version of another run"
        if self.manifest and self.manifest != found.manifest:
            return "its manifest is not the one that was promoted"
        return ""


class Entry(Record):
    """A promotion as it stands in the log of one model.

    ``sequence`` is the entry's own number, ``version`` the version that was to be champion, and
    ``after`` the number of the last entry that its writer knew of, whether it counts or not: 0 for
    none. So what came later still counts when an entry is deleted, or cannot be read for a time.
    """

    sequence: int
    version: int
    identity: Identity
    after: int
    promotion: Promotion


class Standing(Record):
    """The versions that hold the aliases by the history; None for none.

    ``problem`` says why the last that was promoted is not to be taken for the champion today.
    """

    champion: int | None
    previous: int | None = None
    problem: str = ""


class Tenure(Record):
    """A version's time as champion; ``until`` is empty while it lasts."""

    version: int
    identity: Identity
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


def standing(
    entries: Iterable[Entry], identity: Callable[[int], Identity | None]
) -> Standing | None:
    """Return who is champion by the entries that count, newest first; None where there are none.

    ``identity`` tells what a version is now, None for one that was deleted. Where every promoted
    version was deleted there is no champion and no problem: the next promotion is the first.
    """
    promoted = iter(entries)
    if (last := next(promoted, None)) is None:
        return None

    def lost(entry: Entry) -> str:
        found = identity(entry.version)
        return entry.identity.differing(found) if found else "it was deleted"

    earlier = (e.version for e in promoted if e.version != last.version and not lost(e))
    previous = next(earlier, None)
    found, problem = identity(last.version), lost(last)
    if found and found.run == last.identity.run:
        return Standing(champion=last.version, previous=previous, problem=problem)
    return Standing(champion=None, previous=previous, problem=problem if previous else "")


def tenures(entries: Iterable[Entry]) -> list[Tenure]:
    """Return the tenures of `valid_entries`, oldest first.

    Of a version that was promoted twice in a row the later promotion counts.
    """
    held: list[Tenure] = []
    for entry in entries:
        if held and held[-1].identity.run == entry.identity.run:
            held.pop()
        if held:
            held[-1] = held[-1].model_copy(update={"until": entry.promotion.at})
        held.append(
            Tenure(version=entry.version, identity=entry.identity, promotion=entry.promotion)
        )
    return held
