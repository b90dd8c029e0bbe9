"""What a registry holds, as values, and in which order another registry is made to hold the same.

Numbers of versions cannot be chosen: a registry counts. So the versions of a model are made in
order, and where one was deleted a placeholder is made and deleted at the end. Ids of runs and of
logged models cannot be chosen either: what was moved carries its former id in the tag `ORIGIN`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

from pipeline.base.errors import RegistryError
from pipeline.base.names import FAMILIES, HISTORY, SERVED, registered_name
from pipeline.base.records import Record

# Copies come after what they were copied from, and the log after what it names.
MODELS: Final = (*map(registered_name, FAMILIES), SERVED, HISTORY)
ORIGIN: Final = "moved_from"
PLACEHOLDER: Final = "placeholder"

# A server writes this one by itself, onto logged models; an embedded registry does not.
_VERSIONS: Final = "mlflow.modelVersions"
_SOURCE: Final = re.compile(r"models:/(?P<id>[^/\s]+(?:/[1-9]\d*)?)")


class StoredModel(Record):
    """A registered model, and the version of each of its aliases."""

    name: str
    description: str
    tags: dict[str, str]
    aliases: dict[str, int]


class StoredVersion(Record):
    """A version. ``source`` is ``models:/`` with a logged model's id or with another version."""

    name: str
    version: int
    source: str
    run: str
    description: str
    tags: dict[str, str]

    @property
    def title(self) -> str:
        """Return the version as people write it, for example ``heart_disease_svm/3``."""
        return f"{self.name}/{self.version}"

    @property
    def is_placeholder(self) -> bool:
        """Say whether it only takes the number of a version that was deleted."""
        return PLACEHOLDER in self.tags

    @property
    def origin(self) -> str:
        """Return the id of the logged model, or the title of the version, that it was made from.

        Raises:
            RegistryError: it was made from something else, which only its author can move.

        """
        if (found := _SOURCE.fullmatch(self.source)) is None:
            raise RegistryError(
                f"{self.title} was made from {self.source}, not by this project: delete it, or "
                "register its model anew"
            )
        return found["id"]


class Measurement(Record):
    """A metric; ``value`` is written as Python does, so that no number equals itself too."""

    name: str
    value: str
    at_ms: int
    step: int

    @property
    def moment(self) -> tuple[str, int, int]:
        """Return what was measured and when."""
        return self.name, self.at_ms, self.step


class StoredInput(Record):
    """The data set that a run was fitted to, as MLflow describes one."""

    name: str
    digest: str
    source_type: str
    source: str
    tables: str
    profile: str
    tags: dict[str, str]


class StoredRun(Record):
    """A run; ``models`` are the logged models that are shown on its page."""

    id: str
    name: str
    status: str
    started_ms: int
    ended_ms: int | None
    tags: dict[str, str]
    parameters: dict[str, str]
    metrics: frozenset[Measurement]
    inputs: tuple[StoredInput, ...]
    models: frozenset[str]


class LoggedModel(Record):
    """What a version is made from: the folder of its files, and the metrics of its page."""

    id: str
    name: str
    run: str
    kind: str
    status: str
    tags: dict[str, str]
    parameters: dict[str, str]
    metrics: frozenset[Measurement]


class Inventory(Record):
    """Everything a registry holds of ours, but the files."""

    models: tuple[StoredModel, ...]
    versions: tuple[StoredVersion, ...]
    runs: tuple[StoredRun, ...]
    logged: tuple[LoggedModel, ...]


def run_ids(versions: Iterable[StoredVersion]) -> list[str]:
    """Return the runs that versions belong to, each once."""
    return list(dict.fromkeys(one.run for one in versions))


def logged_ids(versions: Iterable[StoredVersion], runs: Iterable[StoredRun]) -> list[str]:
    """Return the logged models that versions were made from, or may have been, each once."""
    return list(dict.fromkeys([*_direct(versions), *(id_ for run in runs for id_ in run.models)]))


def _direct(versions: Iterable[StoredVersion]) -> list[str]:
    return [one.origin for one in versions if "/" not in one.origin]


def departing(inventory: Inventory) -> Inventory:
    """Return what is to be moved: what an earlier move has left for itself stays behind.

    So do runs and logged models that no version was made from.
    """
    versions = tuple(one for one in inventory.versions if not one.is_placeholder)
    used = set(roots(inventory.model_copy(update={"versions": versions})).values())
    logged = tuple(one for one in inventory.logged if one.id in used)
    homes = {one.run for one in versions} | {one.run for one in logged}
    runs = tuple(one for one in inventory.runs if one.id in homes)
    kept = Inventory(models=inventory.models, versions=versions, runs=runs, logged=logged)
    return _known_as(kept, {})


def arrived(inventory: Inventory) -> Inventory:
    """Return what was moved here under the ids that it had where it came from."""
    marks = [(one.id, one.tags) for one in inventory.runs]
    marks += [(one.id, one.tags) for one in inventory.logged]
    real = tuple(one for one in inventory.logged if one.name != PLACEHOLDER)
    return _known_as(
        inventory.model_copy(update={"logged": real}),
        {id_: tags.get(ORIGIN, id_) for id_, tags in marks},
    )


def _known_as(inventory: Inventory, ids: Mapping[str, str]) -> Inventory:
    """Give each id its other name, and leave out the marks of a move.

    A registered model that has given no number yet is nothing: an admin makes them beforehand.
    """
    known = frozenset(one.id for one in inventory.logged)
    highest = _highest(inventory)

    def renamed(id_: str) -> str:
        return ids.get(id_, id_)

    return Inventory(
        models=tuple(one for one in inventory.models if highest[one.name]),
        versions=tuple(
            one.model_copy(
                update={"run": renamed(one.run), "source": f"models:/{renamed(one.origin)}"}
            )
            for one in inventory.versions
        ),
        runs=tuple(
            one.model_copy(
                update={
                    "id": renamed(one.id),
                    "tags": _own(one.tags),
                    "models": frozenset(map(renamed, one.models & known)),
                }
            )
            for one in inventory.runs
        ),
        logged=tuple(
            one.model_copy(
                update={
                    "id": renamed(one.id),
                    "run": renamed(one.run),
                    "tags": _own(one.tags),
                }
            )
            for one in inventory.logged
        ),
    )


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name not in {ORIGIN, _VERSIONS}}


def plan(inventory: Inventory) -> list[StoredVersion]:
    """Return every version to make, in order, with placeholders where one was deleted.

    The source of a placeholder is the folder of the files that copies of the deleted version still
    have, or of any other version: nobody reads it.

    Raises:
        RegistryError: a version was made from something that is not moved.

    """
    found = {one.title: one for one in inventory.versions}
    if odd := [one.title for one in inventory.versions if _is_foreign(one)]:
        raise RegistryError(f"{', '.join(odd)} were made from a model that is not this project's")
    highest = _highest(inventory)
    files = roots(inventory)
    numbers = ((name, n) for name in MODELS for n in range(1, highest[name] + 1))
    return [
        found.get(f"{name}/{n}") or _placeholder(name, n, inventory, files) for name, n in numbers
    ]


def _is_foreign(version: StoredVersion) -> bool:
    name, _, number = version.origin.partition("/")
    return bool(number) and name not in MODELS


def _highest(inventory: Inventory) -> dict[str, int]:
    """Return the highest number that each model is known to have given.

    A deleted version is known by a higher one, or by a copy or an entry of the log that names it.
    """
    named = (one.origin.rpartition("/") for one in inventory.versions)
    numbers = [(name, int(number)) for name, _, number in named if name]
    numbers += [(one.name, one.version) for one in inventory.versions]
    return {name: max((n for one, n in numbers if one == name), default=0) for name in MODELS}


def _placeholder(
    name: str, number: int, inventory: Inventory, found: Mapping[str, str]
) -> StoredVersion:
    title, versions = f"{name}/{number}", inventory.versions
    lender = next(
        chain(
            (one for one in versions if one.origin == title),
            (one for one in versions if one.name == name),
            versions,
        )
    )
    return StoredVersion(
        name=name,
        version=number,
        source=f"models:/{found[lender.title]}",
        run=lender.run,
        description="",
        tags={PLACEHOLDER: "true"},
    )


def roots(inventory: Inventory) -> dict[str, str]:
    """Return whose files each version has, by its title: the id of a logged model.

    Where a copy is left of a version that was deleted, it is the one model that its run made and
    no other version has; or the deleted version's title, where that cannot be told.
    """
    found = {one.title: one for one in inventory.versions}
    direct = _direct(inventory.versions)
    spare = {run.id: run.models.difference(direct) for run in inventory.runs}

    def root(version: StoredVersion) -> str:
        while (before := found.get(version.origin)) is not None:
            version = before
        left = spare.get(version.run, frozenset())
        return next(iter(left)) if "/" in version.origin and len(left) == 1 else version.origin

    return {title: root(one) for title, one in found.items()}


def is_copy(version: StoredVersion) -> bool:
    """Say whether a version to make names another version as its source, not a logged model."""
    return not version.is_placeholder and "/" in version.origin


def own_metrics(inventory: Inventory, run: StoredRun) -> frozenset[Measurement]:
    """Return the metrics of a run that none of its logged models brings along."""
    brought = {
        one.moment for model in inventory.logged if model.run == run.id for one in model.metrics
    }
    return frozenset(one for one in run.metrics if one.moment not in brought)


def metrics_of(model: LoggedModel, run: StoredRun) -> frozenset[Measurement]:
    """Return the metrics of a logged model as its run has them.

    MLflow takes no number for 0 when it is asked for those of a logged model.
    """
    true = {one.moment: one for one in run.metrics}
    return frozenset(true.get(one.moment, one) for one in model.metrics)


def complete_first(versions: Iterable[StoredVersion]) -> list[StoredVersion]:
    """Return versions with those in front whose files were verified when they were published.

    Two versions can have one folder; so it is the verified one that says what belongs there.
    """
    return sorted(versions, key=lambda one: one.tags.get("complete") != "true")


def logged_model(inventory: Inventory, id_: str, run: str) -> LoggedModel:
    """Return a logged model to make, or one for the files of a deleted version, by its title."""
    found = next((one for one in inventory.logged if one.id == id_), None)
    return found or LoggedModel(
        id=id_,
        name=PLACEHOLDER,
        run=run,
        kind="",
        status="READY",
        tags={},
        parameters={},
        metrics=frozenset(),
    )


def remaining(here: Inventory, there: Inventory) -> list[StoredVersion]:
    """Return what of the `plan` is still to be made; ``there`` is what has `arrived`.

    Raises:
        RegistryError: there is something that this move has not made; the message names all of it.

    """
    made = _highest(there)
    planned = plan(here)
    if found := list(_foreign(here, there, made)):
        raise RegistryError(
            f"the destination holds something else: {'; '.join(found)}; move to an empty registry"
        )
    return [one for one in planned if one.version > made[one.name]]


def _foreign(here: Inventory, there: Inventory, made: Mapping[str, int]) -> Iterator[str]:
    ours = {one.title: one for one in here.versions}
    highest = _highest(here)
    present = {one.title for one in there.versions}
    for one in there.versions:
        expected = ours.get(one.title)
        if expected is None:
            if one.version > highest[one.name] or not one.is_placeholder:
                yield f"{one.title} is not expected"
        elif one != expected:
            yield f"{one.title} is another ({', '.join(_differing(one, expected))})"
    yield from (
        f"{title} is missing"
        for title, one in ours.items()
        if one.version <= made[one.name] and title not in present
    )
    aliases = {one.name: one.aliases for one in here.models}
    for model in there.models:
        wrong = model.aliases.items() - aliases.get(model.name, {}).items()
        yield from (f"{model.name}@{alias} is version {n}" for alias, n in sorted(wrong))


def differences(here: Inventory, there: Inventory) -> list[str]:
    """Name everything that is not the same on both sides; ``there`` is what has `arrived`."""
    before, after = _by_title(here), _by_title(there)
    missing = [f"{title} is missing" for title in before.keys() - after.keys()]
    more = [f"{title} is not expected" for title in after.keys() - before.keys()]
    changed = [
        f"{title} is another ({', '.join(_differing(before[title], after[title]))})"
        for title in before.keys() & after.keys()
        if before[title] != after[title]
    ]
    return sorted(missing + more + changed)


def _by_title(inventory: Inventory) -> dict[str, Record]:
    return {
        **{one.name: one for one in inventory.models},
        **{one.title: one for one in inventory.versions},
        **{f"run {one.id}": one for one in inventory.runs},
        **{f"logged model {one.id}": one for one in inventory.logged},
    }


def _differing(one: Record, other: Record) -> list[str]:
    fields = type(one).model_fields
    return [name for name in fields if getattr(one, name) != getattr(other, name)]
