"""Finds what is wrong with the champions of a model: its history, its aliases, what was promoted.

Like `pipeline.registry.diagnosis` it looks at values alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.registry import history
from pipeline.registry.findings import BY_HAND, Finding, ModelState, VersionState
from pipeline.registry.history import CHAMPION, PREVIOUS_CHAMPION, Entry, Identity, Standing


def faults(model: ModelState, versions: Sequence[VersionState]) -> Iterator[Finding]:
    """Return what is wrong with a model's champions; ``versions`` are those of all models."""
    own = {version.version: version for version in versions if version.model_name == model.name}
    entries = history.valid_entries(model.log)

    def identity(number: int) -> Identity | None:
        return own[number].identity if number in own else None

    standing = history.standing(reversed(entries), identity)
    yield from _log(model)
    yield from _loose_aliases(model, own, standing)
    if standing is None:
        yield from _unrecorded(model, own)
        return
    yield from _edited(model, own, versions)
    if standing.champion is None:
        yield _lost(model, own, entries, standing)
    else:
        yield from _misplaced(model, standing)


def _log(model: ModelState) -> Iterator[Finding]:
    for entry in model.unreadable:
        yield Finding(
            subject=model.name,
            problem=f"entry {entry} of its history cannot be read, and does not count",
            advice="put its tags back from a backup; if the champion is the wrong one now, "
            "`make rollback` or `make promote` names another",
        )
    for entry in model.anonymous:
        yield Finding(
            subject=model.name,
            problem=f"entry {entry} of its history counts, but its author and reason (the tag "
            "crowning) cannot be read",
            advice="put the tag back from a backup, if there is one",
            harmless=True,
        )
    known = {0, *model.unreadable, *(entry.sequence for entry in model.log)}
    for number in sorted({entry.after for entry in model.log} - known):
        yield Finding(
            subject=model.name,
            problem=f"entry {number} of its history was deleted",
            advice="what came after it counts; `make history` shows what is left",
            harmless=True,
        )


def _loose_aliases(
    model: ModelState, own: Mapping[int, VersionState], standing: Standing | None
) -> Iterator[Finding]:
    for alias, number in model.aliases.items():
        if standing and alias == PREVIOUS_CHAMPION and standing.previous is None:
            problem = f"stands on version {number}, and by the history there is none"
        elif standing and alias in {CHAMPION, PREVIOUS_CHAMPION}:
            continue
        elif number not in own:
            problem = f"stands on version {number}, which is not there"
        elif not own[number].complete:
            problem = f"stands on version {number}, which is incomplete"
        else:
            continue
        yield Finding(
            subject=model.name,
            problem=f"its alias {alias} {problem}",
            repair="remove the alias",
            target=alias,
        )


def _unrecorded(model: ModelState, own: Mapping[int, VersionState]) -> Iterator[Finding]:
    holder = own.get(model.aliases.get(CHAMPION, 0))
    if holder is None or not holder.complete:
        return
    promoted = holder.promoted
    yield Finding(
        subject=model.name,
        problem=f"version {holder.version} is champion, and its history is empty"
        + ("" if promoted else "; no gate has promoted it"),
        repair="write the champion into the history" if promoted else "",
        target=str(holder.version) if promoted else "",
        advice="" if promoted else f"if it is to be champion, say so: {BY_HAND}; or move the alias",
    )


def _edited(
    model: ModelState, own: Mapping[int, VersionState], versions: Iterable[VersionState]
) -> Iterator[Finding]:
    """Return the versions whose tags are not those with which they were promoted."""
    last = {entry.version: entry for entry in history.valid_entries(model.log)}
    for number, entry in last.items():
        version, then = own.get(number), entry.identity
        if version is None or version.identity.run != then.run:
            continue
        if problem := then.differing(version.identity):
            donors = (v for v in versions if v.identity.manifest == then.manifest)
            donor = next((v.title for v in donors if v.run_id == then.run), "")
            yield Finding(
                subject=version.title,
                problem=problem,
                repair="put the manifest back" if donor else "",
                target=donor,
                advice=""
                if donor
                else f"put its tag manifest back from a backup, or take another champion: "
                f"`make rollback`, or {BY_HAND}",
            )
        if then.verdict and then.verdict != version.identity.verdict:
            yield Finding(
                subject=version.title,
                problem="its tag gate_verdict is not the one with which it was promoted",
                advice="put the tag back from a backup; the model is what it was",
                harmless=True,
            )


def _lost(
    model: ModelState,
    own: Mapping[int, VersionState],
    entries: Sequence[Entry],
    standing: Standing,
) -> Finding:
    candidates = [
        entry.version
        for entry in entries
        if (version := own.get(entry.version))
        and version.can_serve
        and not entry.identity.differing(version.identity)
    ]
    return Finding(
        subject=model.name,
        problem=f"its champion, version {entries[-1].version}, is lost: "
        f"{standing.problem or 'it was deleted'}",
        repair="promote an earlier champion" if candidates else "",
        target=str(candidates[-1]) if candidates else "",
        advice="" if candidates else f"run task 3, or choose one yourself: {BY_HAND}",
    )


def _misplaced(model: ModelState, standing: Standing) -> Iterator[Finding]:
    targets = {CHAMPION: standing.champion, PREVIOUS_CHAMPION: standing.previous}
    for alias, number in targets.items():
        if number is not None and model.aliases.get(alias) != number:
            yield Finding(
                subject=model.name,
                problem=f"{alias} should be version {number} by the history and is "
                f"{model.aliases.get(alias, 'nowhere')}",
                repair="move the aliases",
                target=str(number),
            )
