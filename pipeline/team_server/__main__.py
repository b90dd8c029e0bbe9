"""The MLflow server of a team: its passwords, its accounts, its backup."""

import hashlib
import secrets
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from pipeline.base import artifacts, cli, config, manifest
from pipeline.base.addresses import shown
from pipeline.base.config import TRACKING_URI, Settings
from pipeline.base.errors import ArtifactError, RegistryError
from pipeline.team_server import access
from pipeline.team_server.access import ACCOUNTS, ADMIN
from pipeline.team_server.compose import Compose
from pipeline.team_server.mlflow_admin import MlflowAdmin

COMPOSE: Final = Path("docker/compose.yaml")
SECRETS: Final = Path("docker/secrets")
PASSWORDS: Final = tuple(f"{name}_password" for name in ("postgres", ADMIN, *ACCOUNTS))
FLASK_KEY: Final = "flask_secret_key"

# What a backup holds. The database of the registry holds the accounts too.
DATABASE: Final = "database.dump"
FILES: Final = "artifacts.tar.gz"
PARTS: Final = (DATABASE, FILES)

_POSTGRES: Final = ("--username", "mlflow", "--dbname")
_PSQL: Final = ("psql", "--quiet", "--set", "ON_ERROR_STOP=1", *_POSTGRES, "postgres")
_PACK: Final = "exec tar --create --gzip --directory /artifacts --exclude ./.restored ."
_UNPACK: Final = """
set -e
rm -rf /artifacts/.restored
mkdir /artifacts/.restored
tar --extract --gzip --directory /artifacts/.restored
"""
_EXCHANGE: Final = """
set -e
cd /artifacts
find . -mindepth 1 -maxdepth 1 ! -name .restored -exec rm -rf {} +
find .restored -mindepth 1 -maxdepth 1 -exec mv --target-directory . {} +
rmdir .restored
"""


def write_secrets(folder: Path) -> None:
    """Write each secret that is not there yet; a secret that is there stays as it is.

    The folder keeps others out. Whoever is given one of the files can read it: compose hands them
    to containers whose users own nothing here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    missing = [name for name in (*PASSWORDS, FLASK_KEY) if not (folder / name).exists()]
    for name in missing:
        artifacts.write_file(folder / name, secrets.token_urlsafe(32).encode())
    cli.say(f"secrets       {folder}/: {', '.join(missing) or 'all there, nothing was changed'}")


def set_users(settings: Settings, folder: Path) -> None:
    """Make the accounts, the experiment and the models what `pipeline.team_server.access` says.

    Run again, it changes only what differs: a password whose file was replaced, a grant that
    somebody added by hand.

    Raises:
        RegistryError: the server does not know the admin's password, or does not answer.

    """
    if not settings.registry.is_server:
        raise RegistryError(f"name the server: export {TRACKING_URI}=http://127.0.0.1:5000")
    server = _admin(settings.registry.tracking_uri, folder)
    experiment = server.ensure_experiment(settings.registry.experiment)
    for model in access.MODELS:
        server.ensure_model(model)
    for account in ACCOUNTS:
        news = server.ensure_user(account, _secret(folder, f"{account}_password"))
        asked = access.wanted(account, experiment)
        taken, given = access.changes(server.grants(account), asked)
        for grant in taken:
            server.revoke(account, grant)
        for grant in given:
            server.grant(account, grant)
        password = "password set" if news else "password as it was"
        cli.say(f"{account:<13} {password}, {len(given)} grants given, {len(taken)} taken")


def _admin(address: str, folder: Path) -> MlflowAdmin:
    """Return the server as its admin; where a new password was written, it is changed first."""
    name = f"{ADMIN}_password"
    password, before = _secret(folder, name), folder / f"{name}.before"
    server = MlflowAdmin(address, password)
    if server.knows(ADMIN, password):
        return server
    if not before.is_file():
        raise RegistryError(
            f"{shown(address)} does not know the password of {ADMIN} in {folder / name}"
        )
    old = _secret(folder, before.name)
    MlflowAdmin(address, old).set_password(ADMIN, password, old)
    cli.say(f"{ADMIN:<13} password changed; {before} can go")
    return server


def _secret(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text().strip()
    except OSError as error:
        raise RegistryError(
            f"cannot read {folder / name}: {error.strerror}; "
            "`python -m pipeline.team_server secrets` writes it"
        ) from None


def back_up(archive: Path) -> None:
    """Write the database and the files of the running server to one archive.

    The database goes first: whatever it names has been stored by then, so nobody needs to wait.

    Raises:
        RegistryError: the server does not run, or a part cannot be read.
        ArtifactError: the archive cannot be written, or is there already.

    """
    if archive.exists():
        raise ArtifactError(f"{archive} is there already: a backup never replaces one")
    team = _team()
    with _room(archive) as room:
        folder = Path(room)
        with (folder / DATABASE).open("wb") as target:
            dump = ("pg_dump", "--format", "custom", *_POSTGRES, "mlflow")
            team.within("postgres", dump, target=target)
        with (folder / FILES).open("wb") as target:
            team.within("mlflow", ("sh", "-c", _PACK), target=target)
        lines = manifest.checksum_lines({name: _digest(folder / name) for name in PARTS})
        artifacts.write_file(folder / artifacts.CHECKSUMS, lines.encode())
        with tarfile.open(folder / "archive", "w") as tar:
            for name in (artifacts.CHECKSUMS, *PARTS):
                tar.add(folder / name, name)
        # The hashes of the passwords are in it.
        (folder / "archive").chmod(0o600)
        (folder / "archive").replace(archive)
    cli.say(f"backup        {archive}, {archive.stat().st_size:,} bytes")


def restore(archive: Path) -> None:
    """Put what `back_up` wrote in the place of what the running server holds.

    Everything is read, compared and unpacked beside the present first, so what is damaged destroys
    nothing. An interrupted exchange is finished by a second run.

    Raises:
        ArtifactError: the archive is missing, damaged or something else.
        RegistryError: the server does not run, or does not take a part.

    """
    with _room(archive) as room:
        folder = Path(room)
        _unpack(archive, folder)
        team = _team()
        _psql(team, "DROP DATABASE IF EXISTS restored WITH (FORCE)", "CREATE DATABASE restored")
        with (folder / DATABASE).open("rb") as source:
            load = ("pg_restore", "--exit-on-error", "--no-owner", *_POSTGRES, "restored")
            team.within("postgres", load, source)
        with (folder / FILES).open("rb") as source:
            team.within("mlflow", ("sh", "-c", _UNPACK), source)
    team.within("mlflow", ("sh", "-c", _EXCHANGE))
    _psql(
        team,
        "DROP DATABASE IF EXISTS mlflow WITH (FORCE)",
        "ALTER DATABASE restored RENAME TO mlflow",
    )
    team.restart("mlflow")
    cli.say(f"restored      {archive}; the server is back in some 10 seconds")


def _team() -> Compose:
    team = Compose(COMPOSE, "team")
    team.require("postgres", "mlflow")
    return team


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive, "r:") as tar:
            for name in (artifacts.CHECKSUMS, *PARTS):
                _save(tar, name, folder / name)
        expected = manifest.parse_checksum_lines((folder / artifacts.CHECKSUMS).read_text())
        found = {name: _digest(folder / name) for name in PARTS}
    except (tarfile.TarError, LookupError, ValueError, OSError) as error:
        line = " ".join(str(error).split())
        raise ArtifactError(f"{archive} is no whole backup, nothing was changed: {line}") from None
    if differences := manifest.differences(expected, found):
        raise ArtifactError(f"{archive} is damaged, nothing was changed: {'; '.join(differences)}")


def _save(tar: tarfile.TarFile, name: str, path: Path) -> None:
    source = tar.extractfile(name)
    if source is None:
        raise ValueError(f"{name} is no file")
    with source, path.open("wb") as target:
        shutil.copyfileobj(source, target)


def _psql(team: Compose, *statements: str) -> None:
    # One call each: neither statement can stand in a transaction.
    for statement in statements:
        team.within("postgres", (*_PSQL, "--command", statement))


def _room(archive: Path) -> "tempfile.TemporaryDirectory[str]":
    """Return a folder beside the archive: there is room for it."""
    try:
        return tempfile.TemporaryDirectory(dir=archive.absolute().parent, prefix=".backup-")
    except OSError as error:
        raise ArtifactError(f"cannot write beside {archive}: {error.strerror}") from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


Folder = Annotated[
    Path,
    typer.Option(
        "--secrets", envvar="MLFLOW_SECRETS", help="Where the secrets are, one file for each."
    ),
]


def main(context: typer.Context) -> None:
    """Set up and keep the MLflow server that a team shares: `docs/team-server.md`.

    Examples:
    - `python -m pipeline.team_server secrets` writes the passwords that are not there yet
    - `python -m pipeline.team_server users` gives the accounts `ci` and `reader` their rights
    - `python -m pipeline.team_server backup team-2026-11-25.tar` saves what the server holds
    - `python -m pipeline.team_server restore team-2026-11-25.tar` brings it back

    """
    if context.invoked_subcommand is None:
        cli.say(context.get_help())


def secrets_command(*, folder: Folder = SECRETS) -> None:
    """Write the passwords and the key that are not there yet."""
    write_secrets(folder)


def users_command(*, folder: Folder = SECRETS) -> None:
    """Make accounts, experiment and models what they should be; a second run changes nothing.

    The server is the one that `MLFLOW_TRACKING_URI` names.
    """
    set_users(config.load(), folder)


def backup_command(
    archive: Annotated[Path, typer.Argument(help="A file that is not there.")],
) -> None:
    """Save the database and the files of the compose project that runs here."""
    back_up(archive)


def restore_command(archive: Annotated[Path, typer.Argument(help="What `backup` wrote.")]) -> None:
    """Put a backup in the place of what the compose project that runs here holds.

    A damaged archive is refused before anything is touched.
    """
    restore(archive)


if __name__ == "__main__":
    cli.run(
        main,
        secrets=secrets_command,
        users=users_command,
        backup=backup_command,
        restore=restore_command,
    )
