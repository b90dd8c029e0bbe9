"""Move a registry from files to a server whose database is at hand, and prove that it arrived."""

import shlex
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from pipeline.base import addresses, cli, command, manifest
from pipeline.base.addresses import redacted, shown
from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.base.manifest import Files
from pipeline.base.names import FAMILIES, HISTORY, SERVED, registered_name
from pipeline.base.registry_settings import RegistrySettings
from pipeline.registry import branch, snapshot
from pipeline.registry.client import Registry, connect
from pipeline.registry.mlflow_calls import MlflowCalls, file_of, is_made
from pipeline.registry.mlflow_server import DATABASE
from pipeline.registry.version import Version, download

BRANCH: Final = "branch"
MODELS: Final = (*map(registered_name, FAMILIES), SERVED, HISTORY)

Contents = dict[str, tuple[list[Version], dict[str, int]]]


def run(context: RunContext, source: str, there: RegistrySettings, psql: str) -> None:
    """Make the server ``there`` hold what the registry at ``source`` holds.

    The files go first, by HTTP; then all rows go to the server's database in one transaction, by
    the command ``psql``. The source is only read, and a server that holds everything is left alone.

    Raises:
        RegistryError: the source is damaged, or the server holds something else: nothing was
            written then. Or something has not arrived as it left.
        RegistryUnavailableError: the server does not answer.

    """
    server = shown(there.tracking_uri)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / DATABASE
        snapshot.take(_database(context, source), copy)
        here = _checked(there.at(addresses.of_database(str(copy))), source)
        registry = connect(there)
        if _contents(registry) != here:
            command.feed(shlex.split(psql), snapshot.refusal(copy))
            _send(there, snapshot.folders(copy))
            command.feed(shlex.split(psql), snapshot.rows(copy))
    if _contents(registry) != here:
        raise RegistryError(
            f"{server} does not hold what was moved: is {redacted(psql)} its database?"
        )
    branch.check(registry, cli.watch("Checking what arrived"))
    count = sum(len(versions) for versions, _ in here.values())
    cli.fact("registry", f"{count} versions are at {server}: all digests equal")


def _database(context: RunContext, source: str) -> Path:
    """Return the file of the registry at ``source``: the branch has one, too."""
    if source == BRANCH:
        kept = branch.of_clone(context)
        kept.read()
        branch.unpack(kept.folder)
        source = addresses.of_database(str(kept.folder / DATABASE))
    if (path := file_of(source)) is None or not is_made(source):
        raise RegistryError(
            f"there is no registry in a file at {shown(source)}: name one with --from"
        )
    return path


def _checked(copy: RegistrySettings, source: str) -> Contents:
    """Return what a copy of the registry holds, whose files are all as they were published."""
    registry = connect(copy)
    try:
        branch.check(registry, cli.watch("Checking what leaves"))
    except RegistryError as error:
        raise RegistryError(f"{error}; nothing was moved") from error
    contents = _contents(registry)
    if not any(versions for versions, _ in contents.values()):
        raise RegistryError(f"{source} holds no version that could be moved")
    return contents


def _contents(registry: Registry) -> Contents:
    return {name: (registry.versions(name), registry.aliases(name)) for name in MODELS}


def _send(there: RegistrySettings, folders: Mapping[Path, str]) -> None:
    """Store the files of every run and model at the server; ``folders`` are the experiments'.

    Raises:
        RegistryError: one has not arrived as it left.

    """
    calls = MlflowCalls(there.tracking_uri, there.retry)
    moves = [
        (path, f"{address}/{path.relative_to(folder).as_posix()}")
        for folder, address in folders.items()
        for path in (*folder.glob("*/artifacts"), *folder.glob("models/*/artifacts"))
    ]
    # Closed before an error is printed, so that the error is the last line.
    with closing(cli.track(moves, "Sending files", len(moves))) as tracked:
        for path, address in tracked:
            if files := download(str(path)):
                _send_folder(calls, path, address, files)


def _send_folder(calls: MlflowCalls, folder: Path, address: str, files: Files) -> None:
    repository: Any = get_artifact_repository(address)
    calls.ask(lambda _: repository.log_artifacts(str(folder)), "store files")
    arrived = calls.ask(lambda _: download(address))
    if faults := manifest.differences(manifest.digests(files), manifest.digests(arrived)):
        raise RegistryError(f"{address} has not arrived as it left: {'; '.join(faults)}")
