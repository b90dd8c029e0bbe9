"""A look at the registry: what is read of it, and what is found wrong."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from pipeline.base import cli
from pipeline.base.names import FAMILIES, RELEASED_AS, SERVED, registered_name
from pipeline.gate import trial
from pipeline.registry import diagnosis
from pipeline.registry.care import RegistryCare
from pipeline.registry.findings import BY_HAND, Finding, VersionState
from pipeline.registry.version import Version

MODELS: Final = (*map(registered_name, FAMILIES), SERVED)
OF_TODAY: Final = f"`docs/when-the-lock-moves.md` has the choices; the last one is {BY_HAND}"
SHIPPED: Final = "its images go on as they are; to build one again, take the lock of its commit"


def look(registry: RegistryCare, grace: float, since: float) -> list[Finding]:
    """Read the registry and return what is wrong with it; ``grace`` is in seconds.

    Of versions that were made before ``since``, in milliseconds since 1970, and are neither
    champion nor under another alias nor shipped, the files are not read.
    """
    # The versions last: those that a run or an alias has by then are among them.
    runs, models = registry.runs(since), [registry.model(name) for name in MODELS]
    versions = [version for name in MODELS for version in registry.versions(name)]
    in_use = {f"{model.name}/{number}" for model in models for number in model.in_use}
    read = [one for one in versions if one.created_ms >= since or _matters(one, in_use)]
    cli.fact("looks at", _extent(len(read), len(versions), since))
    with closing(cli.track(read, "Reading versions", len(read))) as tracked:
        states = {version.title: registry.state(version) for version in tracked}
    unread = (registry.unread(version) for version in versions if version.title not in states)
    champions = {f"{model.name}/{model.champion}" for model in models}
    tried = [one for one in read if one.title in champions or RELEASED_AS in one.tags]
    return [
        *diagnosis.diagnose(
            runs, [*states.values(), *unread], models, grace, registry.deleted_experiment()
        ),
        *_trials(registry, tried, states, champions),
    ]


def _matters(version: Version, in_use: Collection[str]) -> bool:
    return version.title in in_use or RELEASED_AS in version.tags or not version.complete


def _extent(read: int, known: int, since: float) -> str:
    if read == known:
        return f"all {known} versions"
    day = datetime.fromtimestamp(since / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    return f"{read} of {known} versions: champions, shipped ones, new since {day}; --all reads all"


def _trials(
    registry: RegistryCare,
    versions: Iterable[Version],
    states: Mapping[str, VersionState],
    champions: Collection[str],
) -> Iterator[Finding]:
    """Try the versions whose files are right by the libraries of today."""
    problems: dict[str, str] = {}
    for version in versions:
        stored = registry.incumbent(version) if states[version.title].can_serve else None
        if stored is None:
            continue
        # A copy is the same model.
        key = version.identity.manifest
        if key not in problems:
            problems[key] = trial.problem(stored)
        if problems[key]:
            shipped = version.title not in champions
            yield Finding(
                subject=version.title,
                problem=f"does not work with the libraries of today: {problems[key]}",
                advice=SHIPPED if shipped else OF_TODAY,
                harmless=shipped,
            )
