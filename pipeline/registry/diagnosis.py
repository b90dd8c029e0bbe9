"""Finds the faults of a registry, and for each the repair that loses nothing.

A registry is looked at as values; nothing is asked here and nothing is changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from pipeline.base import manifest
from pipeline.base.records import Record
from pipeline.registry import history
from pipeline.registry.history import CHAMPION, PREVIOUS_CHAMPION, Entry

Repair = Literal[
    "end the run",
    "take the key away",
    "complete the version",
    "copy the files from other versions",
    "move the aliases",
    "remove the alias",
    "write the champion into the history",
    "promote an earlier champion",
    "",
]
# The key of a duplicate names the first version, or run, that was made for it. Registries hold the
# text, so it stays.
DUPLICATE = ": double of "


class RunState(Record):
    """A run: its name, its key (empty for none), and how long ago it began, in seconds."""

    run_id: str
    name: str
    key: str
    running: bool
    age: float


class VersionState(Record):
    """A version as far as its health is concerned.

    ``origin`` is the version that it was copied from, or empty. ``expected`` are the digests of the
    published files and ``stored`` of those that are there; both are empty if the files were dropped
    on purpose.
    """

    model_name: str
    version: int
    run_id: str
    key: str
    origin: str
    complete: bool
    pruned: bool
    expected: Mapping[str, str]
    stored: Mapping[str, str]
    age: float

    @property
    def title(self) -> str:
        """Return the version as people write it."""
        return f"{self.model_name}/{self.version}"

    @property
    def faults(self) -> tuple[str, ...]:
        """Name every file that is not what was published."""
        if not self.expected and not self.pruned:
            return ("its manifest is damaged",)
        return manifest.differences(self.expected, self.stored)


class ModelState(Record):
    """A registered model: its log of champions, its aliases, and the log's unreadable entries."""

    name: str
    log: tuple[Entry, ...]
    aliases: Mapping[str, int]
    unreadable: tuple[int, ...] = ()


class Finding(Record):
    """Something that is wrong with ``subject``: a version's title, a model's name, or a run's id.

    ``repair`` is empty if a person has to decide; ``advice`` then says what to do. ``target`` is
    the object of the repair: another version, an alias, a state. ``donors`` are versions that hold
    a file as it should be, by its path.
    """

    subject: str
    problem: str
    repair: Repair = ""
    target: str = ""
    donors: Mapping[str, str] = {}
    advice: str = ""


def diagnose(
    runs: Sequence[RunState],
    versions: Sequence[VersionState],
    models: Sequence[ModelState],
    grace: float,
) -> list[Finding]:
    """Return every fault as a finding.

    Versions and runs younger than ``grace`` seconds may be under way, and are left alone.
    """
    old = [version for version in versions if version.age >= grace]
    duplicates = list(_duplicates(old))
    duplicated = {finding.subject for finding in duplicates}
    return [
        *duplicates,
        *_incomplete(version for version in old if version.title not in duplicated),
        *_damaged(versions),
        *_runs([run for run in runs if run.age >= grace], versions),
        *(finding for model in models for finding in _model(model, versions)),
    ]


def _duplicates(versions: Iterable[VersionState]) -> Iterator[Finding]:
    by_key = defaultdict(list)
    for version in versions:
        # A copy has the key of its origin, and may be champion: it is left alone.
        if version.key and DUPLICATE not in version.key and not version.origin:
            by_key[version.model_name, version.key].append(version)
    for (_, key), duplicates in by_key.items():
        first, *others = sorted(duplicates, key=lambda version: version.version)
        for other in others:
            yield Finding(
                subject=other.title,
                problem=f"has the key {key} of {first.title}",
                repair="take the key away",
                target=first.title,
            )


def _incomplete(versions: Iterable[VersionState]) -> Iterator[Finding]:
    for version in versions:
        if version.complete or DUPLICATE in version.key:
            continue
        if not version.faults:
            yield Finding(
                subject=version.title,
                problem="is incomplete, though its files are what was published",
                repair="complete the version",
            )
        else:
            yield Finding(
                subject=version.title,
                problem=f"is incomplete: {'; '.join(version.faults) or 'it has no manifest'}",
                advice="its files are not handed out; to finish it, repeat the job that began it",
            )


def _damaged(versions: Sequence[VersionState]) -> Iterator[Finding]:
    sound = [version for version in versions if version.complete and not version.faults]
    for version in versions:
        if not version.complete or not version.faults:
            continue
        donors = {
            path: donor
            for path, digest in version.expected.items()
            if version.stored.get(path) != digest
            and not _is_right_for_another(version, path, versions)
            and (donor := _donor(path, digest, sound))
        }
        repairable = bool(donors) and all(
            path in donors
            for path in {*version.expected, *version.stored}
            if version.expected.get(path) != version.stored.get(path)
        )
        yield Finding(
            subject=version.title,
            problem="; ".join(version.faults),
            repair="copy the files from other versions" if repairable else "",
            donors=donors if repairable else {},
            advice=""
            if repairable
            else "put its files back from a backup; if it is champion, roll back until then",
        )


def _is_right_for_another(
    version: VersionState, path: str, versions: Iterable[VersionState]
) -> bool:
    """Say whether a copy or the origin expects the stored file: then the manifest is wrong."""
    return path in version.stored and any(
        other.title != version.title
        and other.run_id == version.run_id
        and other.complete
        and other.expected.get(path) == version.stored[path]
        for other in versions
    )


def _donor(path: str, digest: str, sound: Iterable[VersionState]) -> str:
    return next((version.title for version in sound if version.expected.get(path) == digest), "")


def _runs(runs: Iterable[RunState], versions: Iterable[VersionState]) -> Iterator[Finding]:
    used = {version.run_id for version in versions}
    by_key = defaultdict(list)
    for run in runs:
        if run.running:
            yield Finding(
                subject=run.run_id,
                problem=f"of {run.name} still counts as running",
                repair="end the run",
                target="FINISHED" if run.run_id in used else "KILLED",
            )
        if run.key and DUPLICATE not in run.key:
            by_key[run.name, run.key].append(run)
    for (_, key), duplicates in by_key.items():
        first, *others = sorted(duplicates, key=lambda run: (run.run_id not in used, -run.age))
        for other in others:
            yield Finding(
                subject=other.run_id,
                problem=f"of {other.name} has the key {key} of run {first.run_id}",
                repair="take the key away",
                target=first.run_id,
            )


def _model(model: ModelState, versions: Iterable[VersionState]) -> Iterator[Finding]:
    own = {version.version: version for version in versions if version.model_name == model.name}
    entries = history.valid_entries(model.log)
    for entry in model.unreadable:
        yield Finding(
            subject=model.name,
            problem=f"entry {entry} of its history cannot be read, and does not count",
            advice="put its tags back from a backup; until then the entries count that can be read",
        )
    following = {CHAMPION, PREVIOUS_CHAMPION} if entries else set()
    for alias, number in model.aliases.items():
        if alias in following or (number in own and own[number].complete):
            continue
        yield Finding(
            subject=model.name,
            problem=f"its alias {alias} stands on version {number}, which "
            f"{'is incomplete' if number in own else 'is not there'}",
            repair="remove the alias",
            target=alias,
        )
    yield from _champion(model, own, entries)


def _champion(
    model: ModelState, own: Mapping[int, VersionState], entries: Sequence[Entry]
) -> Iterator[Finding]:
    if not entries:
        yield from _unrecorded(model, own)
    elif entries[-1].version not in own:
        yield _deleted(model, own, entries)
    else:
        yield from _misplaced(model, own, entries)


def _unrecorded(model: ModelState, own: Mapping[int, VersionState]) -> Iterator[Finding]:
    holder = model.aliases.get(CHAMPION)
    if holder is not None and holder in own and own[holder].complete:
        yield Finding(
            subject=model.name,
            problem=f"version {holder} is champion, and its history is empty",
            repair="write the champion into the history",
            target=str(holder),
        )


def _deleted(
    model: ModelState, own: Mapping[int, VersionState], entries: Sequence[Entry]
) -> Finding:
    candidates = [entry.version for entry in entries if _can_serve(own.get(entry.version))]
    return Finding(
        subject=model.name,
        problem=f"its champion, version {entries[-1].version}, was deleted",
        repair="promote an earlier champion" if candidates else "",
        target=str(candidates[-1]) if candidates else "",
        advice="" if candidates else "run task 3: there is no earlier champion either",
    )


def _misplaced(
    model: ModelState, own: Mapping[int, VersionState], entries: Sequence[Entry]
) -> Iterator[Finding]:
    previous = history.previous([entry for entry in entries if entry.version in own])
    targets = {CHAMPION: entries[-1].version, PREVIOUS_CHAMPION: previous}
    for alias, number in targets.items():
        if number is not None and model.aliases.get(alias) != number:
            yield Finding(
                subject=model.name,
                problem=f"{alias} should be version {number} by the history and is "
                f"{model.aliases.get(alias, 'nowhere')}",
                repair="move the aliases",
                target=str(number),
            )


def _can_serve(version: VersionState | None) -> bool:
    return bool(version and version.complete and not version.pruned and not version.faults)
