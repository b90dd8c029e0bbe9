"""Move a whole registry from one address to another, and prove that it has arrived."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from pipeline.base import cli
from pipeline.base.addresses import shown
from pipeline.base.config import Settings
from pipeline.base.errors import RegistryError
from pipeline.registry import inventory
from pipeline.registry.inventory import Inventory, StoredVersion
from pipeline.registry.mlflow_calls import is_made
from pipeline.registry.transport import RegistryTransfer

Item = TypeVar("Item")
Result = TypeVar("Result")


def run(settings: Settings, source: str, destination: str) -> None:
    """Make the registry at ``destination`` hold what the one at ``source`` holds.

    Whatever an interrupted call left there is taken up; the source is only read.

    Raises:
        RegistryError: the files of a version are damaged, or the destination holds something else:
            nothing was written then. Or something has not arrived as it left.
        RegistryUnavailableError: one of the two does not answer.

    """
    if not is_made(source):
        raise RegistryError(f"there is no registry at {shown(source)}: name another with --from")
    with tempfile.TemporaryDirectory() as folder:
        box, left = Path(folder), _registry(settings, source)
        here = inventory.departing(_inventory(left, "Reading"))
        if not here.versions:
            raise RegistryError(f"{left.address} holds no version that could be moved")
        _pack(left, here, box)
        # From here on MLflow means the destination by every address.
        right = _registry(settings, destination)
        there = inventory.arrived(_inventory(right, "Looking at"))
        remaining = inventory.remaining(here, there)
        _write(right, here, remaining, box)
    files = _prove(right, here)
    cli.say(
        f"moved         {len(here.versions)} versions of {len(here.models)} models, "
        f"{len(here.runs)} runs, {files} files; {len(here.versions) - _real(remaining)} of the "
        "versions were there already"
    )
    cli.say(f"registry      {left.address} -> {right.address}: all digests equal")


def _registry(settings: Settings, address: str) -> RegistryTransfer:
    there = settings.registry.model_copy(update={"tracking_uri": address})
    return RegistryTransfer(**dict(there))


def _real(versions: Sequence[StoredVersion]) -> int:
    return sum(not version.is_placeholder for version in versions)


def _inventory(registry: RegistryTransfer, description: str) -> Inventory:
    versions = registry.stored_versions()
    runs = _each(inventory.run_ids(versions), f"{description} runs", registry.stored_run)
    logged = [
        model
        for model in _each(
            inventory.logged_ids(versions, runs),
            f"{description} models",
            registry.stored_logged_model,
        )
        if model
    ]
    known = {run.id for run in runs}
    runs += [registry.stored_run(model.run) for model in logged if model.run not in known]
    return Inventory(
        models=registry.stored_models(),
        versions=versions,
        runs=tuple(runs),
        logged=tuple(logged),
    )


def _pack(registry: RegistryTransfer, here: Inventory, box: Path) -> None:
    """Lay every file into ``box``, those of complete versions compared with their manifests.

    Raises:
        RegistryError: some are damaged; the message names each version.

    """
    damaged: list[str] = []
    folders = inventory.roots(here)

    def pack(version: StoredVersion) -> None:
        try:
            registry.pack(version, _folder(box, folders[version.title]))
        except RegistryError as error:
            damaged.append(str(error))

    _each(inventory.complete_first(here.versions), "Packing models", pack)
    if damaged:
        raise RegistryError(f"{'; '.join(damaged)}; nothing was moved")
    figures = [run.id for run in here.runs]
    _each(figures, "Packing runs", lambda id_: registry.pack_figures(id_, _folder(box, id_)))


def _write(
    registry: RegistryTransfer, here: Inventory, remaining: Sequence[StoredVersion], box: Path
) -> None:
    runs = {run.id: run for run in here.runs}

    def receive_run(id_: str) -> str:
        run = runs[id_]
        return registry.receive_run(run, inventory.own_metrics(here, run), _folder(box, id_))

    def receive_model(id_: str, lender: str) -> str:
        model = inventory.logged_model(here, id_, lender)
        return registry.receive_logged_model(
            model, runs[model.run], receive_run(model.run), _folder(box, id_)
        )

    def write(version: StoredVersion) -> None:
        run = receive_run(version.run)
        copied = inventory.is_copy(version)
        model_id = "" if copied else receive_model(version.origin, version.run)
        registry.receive_version(version, run, model_id)

    _each(here.models, "Making models", registry.describe)
    _each(remaining, "Moving versions", write)


def _prove(registry: RegistryTransfer, here: Inventory) -> int:
    """Finish the move, compare both sides, and return how many files were compared.

    The aliases come last: nobody meets a champion before all is there.

    Raises:
        RegistryError: something is not as it left; the message names all of it.

    """
    files = _each(here.versions, "Comparing", registry.prove)
    _each(here.models, "Pointing aliases", registry.point)
    placeholders = [one for one in registry.stored_versions() if one.is_placeholder]
    _each(placeholders, "Deleting placeholders", registry.delete)
    there = inventory.arrived(_inventory(registry, "Comparing"))
    if found := inventory.differences(here, there):
        raise RegistryError(f"not everything has arrived as it left: {'; '.join(found)}")
    return sum(files)


def _folder(box: Path, id_: str) -> Path:
    """Return where files wait: ``id_`` is a run's, a logged model's, or a version's title."""
    return box / id_.replace("/", "-")


def _each(items: Sequence[Item], description: str, do: Callable[[Item], Result]) -> list[Result]:
    if not items:
        return []
    # Closed before an error is printed, so that the error is the last line.
    with closing(cli.track(items, description, len(items))) as tracked:
        return [do(item) for item in tracked]
