"""The team's server: its passwords, and its accounts with exactly their grants."""

import os
import secrets
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from mlflow import MlflowClient
from mlflow.server.auth.client import AuthServiceClient

from pipeline.base import cli, config
from pipeline.base.config import TRACKING_URI
from pipeline.base.errors import RegistryError
from pipeline.base.names import FAMILIES, HISTORY, SERVED, registered_name
from pipeline.registry.mlflow_calls import MlflowCalls, unless_there

ADMIN: Final = "admin"
CI: Final = "ci"
READER: Final = "reader"
FILES: Final = (
    *(f"{name}_password" for name in ("postgres", ADMIN, CI, READER)),
    "flask_secret_key",
)
MODELS: Final = (*map(registered_name, FAMILIES), SERVED, HISTORY)

# The kind and the name of a resource, and what an account may do with it.
Grant = tuple[str, str, str]
SECRETS: Final = Path("docker/secrets")
Folder = Annotated[
    Path, typer.Option("--secrets", envvar="MLFLOW_SECRETS", help="Where each secret has a file.")
]


def main(context: typer.Context) -> None:
    """Write the passwords of the team's server and set up its accounts: `docs/team-server.md`.

    Examples:
    - `make mlflow-secrets` writes the passwords that are not there yet
    - `make mlflow-accounts` gives `ci` and `reader` their grants at `MLFLOW_TRACKING_URI`

    """
    if context.invoked_subcommand is None:
        cli.say(context.get_help())


def write_secrets(*, folder: Folder = SECRETS) -> None:
    """Write the passwords and the key that are not there yet; the others stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    missing = [name for name in FILES if not (folder / name).exists()]
    for name in missing:
        (folder / name).write_text(secrets.token_urlsafe(32))
        # The folder keeps others out; a container reads the file as a user of its own.
        (folder / name).chmod(0o644)
    cli.say(f"secrets       {folder}/: {', '.join(missing) or 'all there, nothing was changed'}")


def set_accounts(*, folder: Folder = SECRETS) -> None:
    """Give `ci` and `reader` their passwords and exactly their grants.

    The experiment and the registered models are made first: only the admin can create them.
    """
    settings = config.load().registry
    if not settings.is_server:
        raise RegistryError(f"name the server: export {TRACKING_URI}=http://127.0.0.1:5000")
    os.environ["MLFLOW_TRACKING_USERNAME"] = ADMIN
    os.environ["MLFLOW_TRACKING_PASSWORD"] = _password(folder, ADMIN)
    auth = AuthServiceClient(settings.tracking_uri)
    passwords = {account: _password(folder, account) for account in (CI, READER)}

    def set_up(client: MlflowClient) -> list[str]:
        grants = wanted(_resources(client, settings.experiment))
        return [_set_account(auth, name, passwords[name], grants[name]) for name in passwords]

    # Every step may be repeated, so all of them are one call.
    for line in MlflowCalls(settings.tracking_uri, settings.retry).ask(set_up):
        cli.say(line)


def wanted(experiment_id: str) -> dict[str, set[Grant]]:
    """Return the grants of each account; it has no other right.

    EDIT creates and changes; it neither deletes nor grants.
    """
    models: set[Grant] = {("registered_model", name, "EDIT") for name in MODELS}
    return {
        CI: {("experiment", experiment_id, "EDIT"), *models},
        READER: {(kind, "*", "READ") for kind in ("experiment", "registered_model")},
    }


def _password(folder: Path, account: str) -> str:
    path = folder / f"{account}_password"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise RegistryError(
            f"cannot read {path}: {error.strerror}; `make mlflow-secrets` writes it"
        ) from None


def _resources(client: MlflowClient, experiment: str) -> str:
    """Make sure of the registered models and of the experiment, and return its id."""
    for model in MODELS:
        unless_there(partial(client.create_registered_model, model))
    existing = client.get_experiment_by_name(experiment)
    return existing.experiment_id if existing else client.create_experiment(experiment)


def _set_account(auth: AuthServiceClient, account: str, password: str, grants: set[Grant]) -> str:
    unless_there(partial(auth.create_user, account, password))
    auth.update_user_password(account, password)
    auth.update_user_admin(account, is_admin=False)
    held = _without_others(auth, account, grants)
    for grant in sorted(grants - held):
        auth.grant_user_permission(account, *grant)
    return f"{account:<13} {len(grants - held)} grants given, {len(held)} as they were"


def _without_others(auth: AuthServiceClient, account: str, grants: set[Grant]) -> set[Grant]:
    """Take all but ``grants`` from an account, and return those of them that it holds."""
    held: dict[Grant, int] = {}
    for role in auth.list_user_roles(account):
        # The account's own grants are a role too.
        if not role.name.startswith("__user_"):
            auth.unassign_role(account, role.id)
            continue
        for permission in role.permissions:
            held[permission.resource_type, permission.resource_pattern, permission.permission] = (
                permission.id
            )
    for grant in held.keys() - grants:
        auth.remove_role_permission(held[grant])
    return held.keys() & grants


if __name__ == "__main__":
    cli.run(main, secrets=write_secrets, accounts=set_accounts)
