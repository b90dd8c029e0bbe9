"""Finds the faults of a registry, and for each the repair that loses nothing.

A registry is looked at as values; nothing is asked here and nothing is changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from pipeline.registry import champion_faults
from pipeline.registry.findings import (
    BY_HAND,
    DUPLICATE,
    Finding,
    ModelState,
    RunState,
    VersionState,
)


def diagnose(
    runs: Sequence[RunState],
    versions: Sequence[VersionState],
    models: Sequence[ModelState],
    grace: float,
    deleted_experiment: str = "",
) -> list[Finding]:
    """Return every fault as a finding; ``deleted_experiment`` is the name of ours if it is that.

    Versions and runs younger than ``grace`` seconds may be under way, and are left alone.
    """
    old = [version for version in versions if version.age >= grace]
    duplicates = list(_duplicates(old))
    duplicated = {finding.subject for finding in duplicates}
    return [
        *_deleted(runs, versions, deleted_experiment),
        *duplicates,
        *_incomplete(version for version in old if version.title not in duplicated),
        *_damaged(versions),
        *_runs([run for run in runs if run.age >= grace and not run.deleted], versions),
        *(finding for model in models for finding in champion_faults.faults(model, versions)),
    ]


def _deleted(
    runs: Iterable[RunState], versions: Iterable[VersionState], experiment: str
) -> Iterator[Finding]:
    if experiment:
        yield Finding(
            subject=experiment,
            problem="the experiment was deleted, so nothing can be registered",
            repair="restore the experiment",
        )
        return
    used = {version.run_id: version.title for version in versions if not version.origin}
    for run in runs:
        if run.deleted and run.run_id in used:
            yield Finding(
                subject=run.run_id,
                problem=f"the run of {used[run.run_id]} was deleted",
                repair="restore the run",
            )


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
        if not version.ours:
            yield Finding(
                subject=version.title,
                problem="is not of this project: somebody else registered it under this name",
                advice="it is never compared or served; delete it if it is not needed",
                harmless=True,
            )
        elif not version.faults:
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
            else "put its files back from a backup; if it is champion, `make rollback` until "
            f"then, or replace it: {BY_HAND}",
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
