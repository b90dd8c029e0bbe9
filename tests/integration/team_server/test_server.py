"""The team's server as it runs: who may do what, and what a backup brings back."""

import contextlib
import time
import uuid
from typing import NamedTuple

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

from pipeline.base.errors import RegistryError
from pipeline.base.names import FAMILIES, HISTORY, SERVED, registered_name
from tests.conftest import ROOT
from tests.integration.team_server.conftest import BACK_UP, RESTORE
from tests.registries import submission

OWN, FOREIGN = SERVED, "foreign_model"
MODELS = {*map(registered_name, FAMILIES), SERVED, HISTORY}
ANONYMOUS, STRANGER, READER, CI, ADMIN = None, "stranger", "reader", "ci", "admin"
FOLDER = "team-2026-11-25"
# Longer than the server remembers that a password was right.
FORGOTTEN_SECONDS = 45


def within(container, *command):
    """Run a command in a container and return what it printed."""
    code, output = container.exec_run(command)
    assert not code, output
    return output.decode().strip()


# --- the services


@pytest.mark.parametrize("service", ["mlflow", "postgres"])
def test_a_service_is_healthy(team, service):
    """The engine knows it, and so does a service that waits for it."""
    for _ in range(60):
        container = team.containers()[service]
        if container.attrs["State"]["Health"]["Status"] == "healthy":
            break
        time.sleep(0.5)

    assert container.attrs["State"]["Health"]["Status"] == "healthy"


@pytest.mark.parametrize("service", ["mlflow", "postgres"])
def test_a_service_is_locked_down(team, service):
    """No root, no capability, a read-only root file system, and no secret in `docker inspect`."""
    container = team.containers()[service]
    limits = container.attrs["HostConfig"]
    shown = str(container.attrs)

    assert limits["ReadonlyRootfs"] is True
    assert limits["CapDrop"] == ["ALL"]
    assert limits["SecurityOpt"] == ["no-new-privileges:true"]
    assert within(container, "id", "-u") != "0"
    assert [path.name for path in team.secrets.iterdir() if path.read_text() in shown] == []


def test_only_the_server_is_published(team):
    """The database is for the server alone."""
    assert not team.containers()["postgres"].attrs["HostConfig"]["PortBindings"]


def test_a_server_that_was_not_told_its_names_does_not_start(team):
    """MLflow would take every address of a private network."""
    image = team.containers()["mlflow"].attrs["Config"]["Image"]
    client = team.containers()["mlflow"].client
    container = client.containers.run(image, environment={"DATABASE_URL": "x"}, detach=True)
    try:
        assert container.wait()["StatusCode"] == 2
        assert b"list every name and port that people type" in container.logs()
    finally:
        container.remove(force=True)


# --- the accounts


def test_secrets_that_are_there_stay(team):
    """A second run locks no account out."""
    assert "nothing was changed" in team.make("mlflow-secrets").stdout


def test_setting_the_accounts_up_again_changes_nothing(team):
    """It can be run at any time."""
    assert team.accounts() == [
        "ci            0 grants given, 7 as they were",
        "reader        0 grants given, 2 as they were",
    ]


def grants(auth, account):
    """Return what an account was granted, as the server tells it."""
    return {
        (one.resource_type, one.resource_pattern, one.permission)
        for role in auth.list_user_roles(account)
        for one in role.permissions
    }


def test_a_right_that_was_given_by_hand_is_taken(team):
    """The accounts hold the grants that stand in the repository, and no other."""
    with team.signed_in(ADMIN) as client:
        auth = AuthServiceClient(team.address)
        auth.grant_user_permission(CI, "registered_model", FOREIGN, "MANAGE")
        auth.revoke_user_permission(CI, "registered_model", OWN)
        auth.grant_user_permission(CI, "registered_model", OWN, "MANAGE")
        role = auth.create_role(f"role-{uuid.uuid4().hex}", "default")
        auth.add_role_permission(role.id, "experiment", "*", "MANAGE")
        auth.assign_role(READER, role.id)
        auth.update_user_admin(READER, is_admin=True)

        team.accounts()

        experiment = client.get_experiment_by_name("heart-disease").experiment_id
        assert grants(auth, CI) == {
            ("experiment", experiment, "EDIT"),
            *(("registered_model", name, "EDIT") for name in MODELS),
        }
        assert grants(auth, READER) == {
            ("experiment", "*", "READ"),
            ("registered_model", "*", "READ"),
        }
        assert not auth.get_user(READER).is_admin


def test_a_replaced_password_lets_in_and_the_old_one_does_not(team):
    """Removing the file and running both targets is how a password is changed."""
    path = team.secrets / "reader_password"
    old = path.read_text()
    path.unlink()
    team.make("mlflow-secrets")
    team.accounts()

    def status(password):
        pages = requests.get(team.address, auth=(READER, password), timeout=60)
        return pages.status_code

    assert status(path.read_text()) == 200
    give_up = time.monotonic() + FORGOTTEN_SECONDS
    while time.monotonic() < give_up and status(old) != 401:
        time.sleep(1)
    assert status(old) == 401


def test_a_password_that_the_server_does_not_know_is_one_line(team, tmp_path):
    """It names the server and shows no password."""
    for name in (ADMIN, CI, READER):
        (tmp_path / f"{name}_password").write_text("not the password")

    done = team.make("mlflow-accounts", f"ARGS=--secrets {tmp_path}")

    said, _ = done.stderr.splitlines()
    assert said.startswith(f"error: the registry at {team.address} refused: ")
    assert "401" in said
    assert "not the password" not in said


# --- who may do what


class Held(NamedTuple):
    """A model with a version, and the experiment and the run that it is from."""

    name: str
    experiment_id: str
    run_id: str
    source: str
    version: str


@pytest.fixture(scope="module")
def held(team):
    """Return an own and a foreign model, and let a stranger in who was granted nothing."""

    def make(client, name, experiment_id):
        info = client.create_run(experiment_id).info
        client.log_text(info.run_id, "a file", "model.txt")
        made = client.create_model_version(name, info.artifact_uri, info.run_id)
        return Held(name, experiment_id, info.run_id, info.artifact_uri, made.version)

    with team.signed_in(ADMIN) as client:
        AuthServiceClient(team.address).create_user(STRANGER, team.password(STRANGER))
        client.create_registered_model(FOREIGN)
        own = client.get_experiment_by_name("heart-disease").experiment_id
        return {
            OWN: make(client, OWN, own),
            FOREIGN: make(client, FOREIGN, client.create_experiment("foreign")),
        }


READING = {
    "read a model": lambda client, it: client.get_registered_model(it.name),
    "read a version": lambda client, it: client.get_model_version(it.name, it.version),
    "read a run": lambda client, it: client.get_run(it.run_id),
    "list files": lambda client, it: client.list_artifacts(it.run_id),
}
WRITING = {
    "create a run": lambda client, it: client.create_run(it.experiment_id),
    "log a metric": lambda client, it: client.log_metric(it.run_id, "auc", 1.0),
    "store a file": lambda client, it: client.log_text(it.run_id, "a file", "another.txt"),
    "publish": lambda client, it: client.create_model_version(it.name, it.source, it.run_id),
    "tag": lambda client, it: client.set_model_version_tag(it.name, it.version, "tried", "yes"),
    "promote": lambda client, it: client.set_registered_model_alias(it.name, "tried", it.version),
}
# No account but the admin's.
NEVER = {
    "delete an alias": lambda client, it: client.delete_registered_model_alias(it.name, "tried"),
    "delete a version": lambda client, it: client.delete_model_version(it.name, it.version),
    "delete a model": lambda client, it: client.delete_registered_model(it.name),
    "delete a run": lambda client, it: client.delete_run(it.run_id),
    "delete an experiment": lambda client, it: client.delete_experiment(it.experiment_id),
    "create a model": lambda client, _: client.create_registered_model(uuid.uuid4().hex),
    "create an experiment": lambda client, _: client.create_experiment(uuid.uuid4().hex),
}
ACTIONS = READING | WRITING | NEVER
REFUSALS = {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"}


def is_allowed(call):
    """Say whether the server does what it is asked; any other failure is one of the test."""
    try:
        call()
    except MlflowException as error:
        if error.error_code not in REFUSALS:
            raise
        return False
    except requests.HTTPError as error:
        # The files' own route.
        if error.response.status_code not in {401, 403}:
            raise
        return False
    return True


@pytest.mark.parametrize("model", [OWN, FOREIGN])
@pytest.mark.parametrize(
    ("account", "allowed"),
    [
        (ANONYMOUS, {OWN: {}, FOREIGN: {}}),
        (STRANGER, {OWN: {}, FOREIGN: {}}),
        (READER, {OWN: READING, FOREIGN: READING}),
        (CI, {OWN: READING | WRITING, FOREIGN: {}}),
    ],
)
def test_an_account_may_do_what_it_was_granted_and_nothing_else(
    team, held, account, allowed, model
):
    """Each action is a real request to the server."""
    with team.signed_in(account) as client:
        done = {
            what for what, do in ACTIONS.items() if is_allowed(lambda d=do: d(client, held[model]))
        }

    assert done == allowed[model].keys()


@pytest.mark.parametrize("account", [ANONYMOUS, STRANGER, READER, CI])
def test_no_account_but_the_admin_hands_out_rights(team, held, account):
    """Neither to itself nor to others."""
    assert held
    auth = AuthServiceClient(team.address)
    asked = [
        lambda: auth.create_user(uuid.uuid4().hex, "a-long-password"),
        lambda: auth.update_user_password(ADMIN, "a-long-password"),
        lambda: auth.update_user_admin(account or STRANGER, is_admin=True),
        lambda: auth.delete_user(ADMIN),
        lambda: auth.create_role(uuid.uuid4().hex, "default"),
        lambda: auth.grant_user_permission(
            account or STRANGER, "registered_model", FOREIGN, "MANAGE"
        ),
    ]

    with team.signed_in(account):
        assert [is_allowed(ask) for ask in asked] == [False] * len(asked)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/health", {}, 200),
        ("/api/3.0/mlflow/server-info", {}, 200),
        ("/", {}, 401),
        ("/metrics", {}, 401),
        ("/api/2.0/mlflow/users/current", {"Host": "evil.example"}, 403),
    ],
)
def test_a_request_without_an_account_learns_that_the_server_lives(team, path, headers, status):
    """And nothing more; by another host name, not even which account it would need."""
    answer = requests.get(team.address + path, headers=headers, timeout=60)

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("account", "seen"), [(STRANGER, set()), (READER, {*MODELS, FOREIGN}), (CI, MODELS)]
)
def test_a_search_shows_an_account_only_what_it_may_read(team, held, account, seen):
    """Every account may search, so the content of the answer counts."""
    assert held
    with team.signed_in(account) as client:
        models = {model.name for model in client.search_registered_models()}
        versions = {version.name for version in client.search_model_versions()}

    assert models == seen
    assert versions <= seen


def test_ci_publishes_and_moves_an_alias_by_the_pipeline(team):
    """With nothing but the rights that it was granted."""
    with team.registry(CI) as registry:
        version = registry.publish(submission())
        registry.set_alias(version, "published")

        assert version.complete
        assert registry.find_alias("heart_disease_svm", "published") == version


def test_the_reader_gets_a_version_s_files_by_the_pipeline_and_cannot_mark_it(team):
    """The two sides of reading."""
    with team.registry(CI) as registry:
        published = registry.publish(submission())
    with team.registry(READER) as registry:
        assert registry.files(published) == dict(submission().files)
        with pytest.raises(RegistryError, match="Permission denied"):
            registry.tag(published, {"reviewed": "yes"})


# --- backup and restore, as the page prints them


def content(team):
    """Return every model of the pipeline: aliases, versions with their tags, and all files."""
    with team.registry(ADMIN) as registry:
        return {
            name: (
                registry.aliases(name),
                [(one, registry.files(one)) for one in registry.versions(name) if one.complete],
            )
            for name in MODELS
        }


@pytest.fixture(scope="module")
def saved(team, tmp_path_factory):
    """Return a folder with a backup of a registry with versions, aliases and tags."""
    with team.registry(CI) as registry:
        version = registry.publish(submission())
        registry.tag(version, {"gate_reason": "better: 'ROC-AUC' ü\n"})
        registry.set_alias(version, "best")
        registry.set_alias(registry.publish(submission(model_name=OWN)), "champion")
    folder = tmp_path_factory.mktemp("backup")
    (folder / "docker").symlink_to(ROOT / "docker")
    done = team.shell(BACK_UP, folder)
    assert not done.returncode, done.stderr
    return folder


def test_a_backup_is_for_its_owner_only_and_never_replaces_one(team, saved):
    """The hashes of the passwords are in it, and the one that is there may be the good one."""
    before = (saved / FOLDER / "SHA256SUMS").read_text()

    assert (saved / FOLDER).stat().st_mode & 0o777 == 0o700
    assert team.shell(BACK_UP, saved).returncode
    assert (saved / FOLDER / "SHA256SUMS").read_text() == before


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_truncate, _flip])
@pytest.mark.parametrize("part", ["database.dump", "artifacts.tar.gz", "SHA256SUMS"])
def test_a_damaged_backup_is_refused_before_anything_is_touched(team, saved, damage, part):
    """As a whole, whichever part is damaged."""
    before, whole = content(team), (saved / FOLDER / part).read_bytes()
    damage(saved / FOLDER / part)
    with contextlib.ExitStack() as stack:
        stack.callback((saved / FOLDER / part).write_bytes, whole)

        assert team.shell(RESTORE, saved).returncode
    assert content(team) == before


def test_what_was_destroyed_comes_back_from_a_backup(team, saved):
    """The drill: every version, alias, tag and digest, the accounts, and nothing else."""
    before = content(team)
    team.compose("down --volumes")
    team.compose("up --detach")
    team.wait()
    with team.signed_in(ADMIN) as client:
        assert list(client.search_registered_models()) == [], "the server is a new one"
        client.create_registered_model("made_since")

    done = team.shell(RESTORE, saved)
    assert not done.returncode, done.stderr
    team.wait()

    assert content(team) == before
    with team.signed_in(ADMIN) as client:
        assert "made_since" not in {model.name for model in client.search_registered_models()}
    assert [line[14:] for line in team.accounts()] == [
        "0 grants given, 7 as they were",
        "0 grants given, 2 as they were",
    ]
