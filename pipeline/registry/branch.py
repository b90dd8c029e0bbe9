"""The registry of a repository that has no server: a branch of the repository itself."""

import gzip
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

from pipeline.base import artifacts, cli, command, git, git_settings
from pipeline.base.config import TRACKING_URI, CiRun, Settings
from pipeline.base.context import RunContext
from pipeline.base.errors import PartlyRepairedError, RegistryError
from pipeline.base.git import Remote
from pipeline.base.names import FAMILIES, SERVED, registered_name
from pipeline.base.policies import RetentionPolicy
from pipeline.registry import attestation, mlflow_server, retention
from pipeline.registry.client import Registry, connect
from pipeline.registry.git_branch import SUMS, GitBranch
from pipeline.registry.mlflow_server import ARTIFACTS, DATABASE
from pipeline.registry.retention import Stored
from pipeline.registry.version import Version

Watch = Callable[[Iterable[Version], int], Iterable[Version]]

PARTLY: Final = PartlyRepairedError.exit_code
PACKED: Final = f"{DATABASE}.gz"
README: Final = """\
# The model registry of this repository

`python -m pipeline.registry branch` reads and writes this branch: the database of MLflow,
compressed, and the files of the models. It always holds one commit. Do not edit or merge it; to
begin a new registry, delete it.
"""


def run(
    context: RunContext,
    asked: list[str],
    *,
    read_only: bool = False,
    attested: bool | None = None,
) -> int:
    """Run a command with the registry, publish what it did, and return its exit code.

    With ``attested``, only with one that a workflow of the repository has written. What is there
    afterwards is named to GitHub Actions as the output ``sums``, to be attested in its turn.

    A command that fails publishes nothing, unless it has repaired a part of what is wrong: that is
    published though the rest is not consistent, as it was not before. One that finds the branch
    changed meanwhile is run again on what the other left, so it must be safe to repeat.

    Raises:
        RegistryError: the branch is damaged or not attested, what would be published is not
            consistent, or the race was lost too often; the branch stays as it is.
        RegistryUnavailableError: the remote or the server does not answer.

    """
    settings, plan = context.settings, context.settings.registry_branch
    if settings.registry.is_server:
        return command.run(asked)
    branch = of_clone(context)
    for _ in range(plan.attempts):
        commit = _read(branch, context, attested=attested)
        code = _with_server(settings, branch.folder, asked, read_only=read_only)
        if code not in (0, PARTLY) or read_only:
            return code
        pack(branch.folder)
        if branch.replace(commit, f"Registry after {context.tree.commit[:12]}"):
            cli.fact("registry", f"{plan.name} of {branch.remote.shown}")
            artifacts.add_to(context.ci.output, f"sums=sha256:{branch.digest()}\n")
            return code
        cli.fact("registry", f"{plan.name} changed meanwhile: once more, on what is there now")
    raise RegistryError(
        f"{plan.name} changed {plan.attempts} times while the command ran: run it again when fewer "
        "others do"
    )


def _read(branch: GitBranch, context: RunContext, *, attested: bool | None) -> str:
    commit = branch.read()
    if commit and attested:
        plan = context.settings.registry_branch
        attestation.verify(branch.folder / SUMS, branch.digest(), plan, context.ci)
    elif attested is False:
        cli.fact("registry", "nothing proves who wrote it: this repository attests nothing")
    return commit


def of_clone(context: RunContext) -> GitBranch:
    """Return the branch of the remote that this clone was made from.

    Raises:
        RegistryError: there is no such remote, or the clone is not the one of these files.

    """
    if context.tree.problem:
        raise RegistryError(f"this folder has no remote: {context.tree.problem}")
    if (remote := git.remote(context.folder)) is None:
        raise RegistryError(
            "this clone has no remote named origin, whose branch could hold the registry: add one, "
            f"or name a server in {TRACKING_URI}"
        )
    name = context.settings.registry_branch.name
    return GitBranch(authorized(remote, context.ci), name, artifacts.REGISTRY)


def authorized(remote: Remote, ci: CiRun) -> Remote:
    """Return the remote with the token of the CI run, for the server that issued it alone."""
    settings = git_settings.authorized(remote.settings, ci.server_url, ci.token)
    return replace(remote, settings=settings)


def _with_server(settings: Settings, folder: Path, asked: list[str], *, read_only: bool) -> int:
    unpack(folder)
    with mlflow_server.serving(folder) as address:
        code = command.run(asked, registry=address)
        if not code and not read_only:
            here = settings.registry.at(address)
            registry = connect(here)
            prune(registry, folder, settings.registry_branch.keep)
            check(registry)
    return code


def unpack(folder: Path) -> None:
    """Lay out the database of a branch that was read, so that a server can use it.

    Raises:
        RegistryError: it is damaged.

    """
    packed = folder / PACKED
    if packed.is_file():
        try:
            content = gzip.decompress(packed.read_bytes())
        except (OSError, EOFError) as error:
            raise RegistryError(f"{PACKED} of the branch is damaged: {error}") from error
        artifacts.write_file(folder / DATABASE, content)


def pack(folder: Path) -> None:
    """Leave in the folder the files of the branch: the database whole and compressed."""
    path = folder / DATABASE
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise RegistryError(f"the database of the registry is damaged: {verdict}")
    artifacts.write_file(folder / PACKED, gzip.compress(path.read_bytes(), mtime=0))
    artifacts.write_file(folder / "README.md", README.encode())
    for left in folder.glob(f"{DATABASE}*"):
        if left.name != PACKED:
            left.unlink()


def prune(registry: Registry, folder: Path, policy: RetentionPolicy) -> None:
    """Drop the files that the policy lets go, and note it on each version that loses them."""
    names = [registered_name(family) for family in FAMILIES]
    versions = {name: registry.versions(name) for name in names}
    served = [_stored(version, ()) for version in registry.versions(SERVED)]
    aliased = {name: set(registry.aliases(name).values()) for name in names}
    families = {
        name: [_stored(version, aliased[name]) for version in versions[name]] for name in names
    }
    expired = retention.expired(families, served, policy)
    lost = frozenset(expired.titles)
    for version in chain.from_iterable(versions.values()):
        if version.title in lost and not version.pruned:
            registry.prune(version)
    for path in (folder / ARTIFACTS).glob("*/models/*"):
        if path.name in expired.model_ids:
            shutil.rmtree(path)
    for path in (folder / ARTIFACTS).glob("*/*"):
        if path.name in expired.run_ids:
            shutil.rmtree(path)


def _stored(version: Version, aliased: Collection[int]) -> Stored:
    source = version.source.removeprefix("models:/")
    return Stored(
        title=version.title,
        model_id=source,
        run_id=version.run_id,
        created_ms=version.created_ms,
        kept_by_alias=version.version in aliased,
        origin=source if "/" in source else "",
    )


def check(registry: Registry, watch: Watch = lambda versions, _: versions) -> None:
    """Read every version that has its files, each compared with its manifest.

    Raises:
        RegistryError: a file is not what was published, or the champion has none; the message names
            each version.

    """
    names = (*map(registered_name, FAMILIES), SERVED)
    versions = [version for name in names for version in registry.versions(name)]
    readable = [one for one in versions if one.complete and not one.pruned]
    damaged = []
    for version in watch(readable, len(readable)):
        try:
            registry.files(version)
        except RegistryError as error:
            damaged.append(str(error))
    if damaged:
        raise RegistryError("; ".join(damaged))
    champion = registry.find_champion(SERVED)
    if champion is not None:
        registry.files(champion)
