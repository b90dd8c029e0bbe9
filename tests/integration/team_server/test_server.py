"""The team's server as it runs: who may do what, and what a backup brings back."""

import dataclasses
import re
import shutil
import tarfile
import time

import pytest

from pipeline.base import archives, artifacts, manifest
from pipeline.base.errors import RegistryError
from pipeline.registry.client import Registry
from pipeline.team_server import access
from pipeline.team_server.__main__ import DATABASE, PARTS
from tests.conftest import ROOT
from tests.integration.team_server.routes import API, API_3, FILE, FOREIGN, OWN, PROXY, ROUTES
from tests.registries import submission

PAGE = ROOT / "docs" / "team-server.md"
ROLES = ("", "reader", "ci", "admin")
ROW = re.compile(r"^\| ([^|]+) \| (`[^|]+`) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
# Longer than the server remembers that a password was right.
FORGOTTEN_SECONDS = 45

TABLE = ROW.findall(PAGE.read_text())
ANSWERS = {what: tuple(map(int, answers)) for what, _, *answers in TABLE}


def line(done):
    """Return the one line that a command ended with."""
    assert done.returncode == 1, done
    (said,) = done.stderr.splitlines()
    return said


def within(container, *command):
    """Run a command in a container and return what it printed."""
    code, output = container.exec_run(command)
    assert not code, output
    return output.decode().strip()


# --- the services


@pytest.mark.parametrize("service", ["mlflow", "postgres"])
def test_a_service_is_healthy(team, service):
    """The engine knows it, and what waits for it does."""
    for _ in range(60):
        container = team.containers()[service]
        if container.attrs["State"]["Health"]["Status"] == "healthy":
            break
        time.sleep(0.5)

    assert container.attrs["State"]["Health"]["Status"] == "healthy"


@pytest.mark.parametrize("service", ["mlflow", "postgres"])
def test_a_service_is_locked_down(team, service):
    """No root, nothing to write but what it needs, no capability."""
    container = team.containers()[service]
    limits = container.attrs["HostConfig"]

    assert limits["ReadonlyRootfs"] is True
    assert limits["CapDrop"] == ["ALL"]
    assert limits["SecurityOpt"] == ["no-new-privileges:true"]
    assert within(container, "id", "-u") != "0"


@pytest.mark.parametrize("service", ["mlflow", "postgres"])
def test_no_secret_stands_in_what_the_engine_shows_of_a_service(team, service):
    """They come from files: `docker inspect` is for everybody who may look at the engine."""
    shown = str(team.containers()[service].attrs)

    assert [path.name for path in team.secrets.iterdir() if path.read_text() in shown] == []


def test_only_the_server_is_published(team):
    """The database is for the server alone."""
    assert not team.containers()["postgres"].attrs["HostConfig"]["PortBindings"]


def test_the_accounts_are_in_postgresql(team):
    """They survive the container, and a backup holds them."""
    query = "SELECT username, is_admin FROM users WHERE username IN ('admin', 'ci', 'reader')"
    command = ("psql", "--username", "mlflow", "--tuples-only", "--no-align", "--command", query)

    found = within(team.containers()["postgres"], *command)

    assert sorted(found.splitlines()) == ["admin|t", "ci|f", "reader|f"]


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
    """A second run must not lock anybody out."""
    assert "nothing was changed" in team.says("secrets")
    assert team.secrets.stat().st_mode & 0o777 == 0o700


def test_setting_the_users_up_again_changes_nothing(team):
    """It can be run whenever somebody is in doubt."""
    assert team.says("users").splitlines() == [
        "ci            password as it was, 0 grants given, 0 taken",
        "reader        password as it was, 0 grants given, 0 taken",
    ]


def test_a_right_that_somebody_gave_by_hand_is_taken(team):
    """What the accounts may do stands in the repository."""
    content = {
        "username": "ci",
        "resource_type": "registered_model",
        "resource_id": FOREIGN,
        "permission": "MANAGE",
    }
    given = team.world.send("admin", "POST", f"{API_3}users/permissions/grant", json=content)

    assert given.ok
    assert "0 grants given, 1 taken" in team.says("users")


def test_the_accounts_hold_exactly_their_grants(team):
    """As the server tells it."""
    address = f"{API_3}users/permissions/list"
    experiment = team.world.experiment[OWN]
    for account in access.ACCOUNTS:
        found = team.world.send("admin", "GET", address, params={"username": account}).json()
        held = {
            (one["resource_type"], one["resource_pattern"], one["permission"])
            for one in found["permissions"]
        }

        assert held == {
            (one.kind, one.resource, one.permission) for one in access.wanted(account, experiment)
        }


def test_a_replaced_password_lets_in_and_the_old_one_does_not(team):
    """Removing the file and running two commands is how a password is changed."""
    path, old = team.secrets / "reader_password", team.world.passwords["reader"]
    path.unlink()
    team.says("secrets")
    said = team.says("users")
    team.world.passwords["reader"] = path.read_text()
    asked = ("GET", f"{API}users/current")

    assert "reader        password set" in said
    assert team.world.send("reader", *asked).status_code == 200
    team.world.passwords["before"] = old
    give_up = time.monotonic() + FORGOTTEN_SECONDS
    while time.monotonic() < give_up and team.world.send("before", *asked).status_code != 401:
        time.sleep(1)
    assert team.world.send("before", *asked).status_code == 401


def test_the_admin_s_password_is_changed_with_the_one_before(team):
    """The server asks for it, so the file is kept until then."""
    path = team.secrets / "admin_password"
    before = path.rename(path.with_suffix(".before"))
    team.says("secrets")

    assert f"admin         password changed; {before} can go" in team.says("users")
    team.world.passwords["admin"] = path.read_text()
    before.unlink()
    assert team.world.send("admin", "GET", f"{API}users/list").status_code == 200


def test_a_password_that_the_server_does_not_know_is_one_line(team, tmp_path):
    """It names the file."""
    folder = shutil.copytree(team.secrets, tmp_path / "secrets")
    (folder / "admin_password").write_text("not the password")

    said = line(team.command("users", "--secrets", folder))

    assert said.startswith("error: http://127.0.0.1:")
    assert said.endswith(f"does not know the password of admin in {folder}/admin_password")


# --- who may do what


def test_the_page_lists_every_request_that_is_tried():
    """And nothing that is not."""
    assert [(what, request) for what, request, *_ in TABLE] == [
        (route.what, route.request) for route in ROUTES
    ]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.what)
def test_the_server_answers_as_the_page_says(team, route):
    """Nobody, the reader, CI and the admin, each with a request of its own."""
    answers = tuple(route.send(team.world, role) for role in ROLES)

    assert answers == ANSWERS[route.what]


def test_a_download_is_the_file(team):
    """The reader gets what CI stored."""
    answer = team.world.send("reader", "GET", f"{PROXY}{team.world.folder(OWN)}/model.onnx")

    assert answer.content == FILE


@pytest.mark.parametrize("what", ["registered-models/search", "model-versions/search"])
def test_a_list_shows_an_account_only_what_it_may_read(team, what):
    """The answer is 200 for all, so its content is what counts."""
    for name in (OWN, FOREIGN):
        team.world.version(name)
    kind = what.split("/", maxsplit=1)[0].replace("-", "_")
    found = {
        role: {one["name"] for one in team.world.send(role, "GET", API + what).json()[kind]}
        for role in ("ci", "reader")
    }

    assert FOREIGN in found["reader"]
    assert found["ci"] <= set(access.MODELS)
    assert OWN in found["ci"]


def test_graphql_answers_an_account_only_what_it_may_read(team):
    """It is one address for everything."""
    query = 'query { mlflowGetExperiment(input: {experimentId: "%s"}) { experiment { name } } }'

    def name(role, experiment):
        number = team.world.experiment[experiment]
        answer = team.world.send(role, "POST", "/graphql", json={"query": query % number})
        found = (answer.json()["data"] or {})["mlflowGetExperiment"]
        return found and found["experiment"]["name"]

    assert name("ci", OWN) == "heart-disease"
    assert name("ci", FOREIGN) is None
    assert name("reader", FOREIGN) == "foreign"


def by_the_pipeline(team, patch, role):
    """Return the registry as the pipeline sees it when it is given an account."""
    patch.setenv("MLFLOW_TRACKING_USERNAME", role)
    patch.setenv("MLFLOW_TRACKING_PASSWORD", team.world.passwords[role])
    return Registry(team.world.address, "heart-disease")


def test_ci_publishes_and_moves_an_alias_by_the_pipeline(team, monkeypatch):
    """With nothing but the rights that it was granted."""
    registry = by_the_pipeline(team, monkeypatch, "ci")
    version = registry.publish(submission())
    registry.set_alias(version, "published")

    assert version.complete
    assert registry.find_alias("heart_disease_svm", "published") == version


def test_the_reader_gets_a_version_s_files_by_the_pipeline_and_cannot_mark_it(team, monkeypatch):
    """The two sides of reading."""
    published = by_the_pipeline(team, monkeypatch, "admin").publish(submission())
    registry = by_the_pipeline(team, monkeypatch, "reader")

    assert set(registry.files(published)) == set(submission().files)
    with pytest.raises(RegistryError, match="Permission denied"):
        registry.tag(published, {"reviewed": "yes"})


def test_a_path_out_of_the_files_is_refused(team):
    """However it is written."""
    for path in ("/..%2f..%2fetc/passwd", "/%252e%252e/%252e%252e/etc/passwd", "//etc/passwd"):
        assert team.world.send("admin", "GET", PROXY + path).status_code in {400, 404}


# --- backup and restore


@pytest.fixture(scope="module")
def saved(team, tmp_path_factory):
    """Return a backup of a registry with versions, aliases and tags, and what it holds."""
    for name, alias in ((OWN, "champion"), (FOREIGN, "champion"), ("heart_disease_svm", "best")):
        team.world.source.setdefault(name, team.world.source[OWN])
        team.world.run_id.setdefault(name, team.world.run_id[OWN])
        version = team.world.version(name)
        marked = {"name": name, "version": version}
        team.world.ask("POST", "registered-models/alias", json={**marked, "alias": alias})
        tag = {"key": "gate_reason", "value": "better: 'ROC-AUC' ü\n"}
        team.world.ask("POST", "model-versions/set-tag", json={**marked, **tag})
    with pytest.MonkeyPatch.context() as patch:
        registry = by_the_pipeline(team, patch, "admin")
        registry.set_alias(registry.publish(submission()), "published")
    archive = tmp_path_factory.mktemp("backup") / "team.tar"
    team.says("backup", archive)
    return archive, team.holds()


def test_a_backup_is_for_its_owner_only(saved):
    """The hashes of the passwords are in it."""
    archive, _ = saved

    assert archive.stat().st_mode & 0o777 == 0o600


def test_a_backup_never_replaces_one(team, saved):
    """The one that is there may be the good one."""
    archive, _ = saved

    assert "a backup never replaces one" in line(team.command("backup", archive))


def test_a_server_that_does_not_run_leaves_no_backup(team, tmp_path):
    """Half of one could be taken for a whole one."""
    environment = {**team.environment, "COMPOSE_PROJECT_NAME": "heart-team-test-none"}
    elsewhere = dataclasses.replace(team, environment=environment)

    said = line(elsewhere.command("backup", tmp_path / "x.tar"))

    assert said.startswith("error: postgres does not run: `docker compose --file docker/compose")
    assert list(tmp_path.iterdir()) == []


def _truncated(archive):
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size * 2 // 3])


def _flipped(archive):
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)


def _empty(archive):
    archive.write_bytes(b"")


def _missing(archive):
    archive.unlink()


def _other(archive):
    with tarfile.open(archive, "w") as tar:
        tar.add(ROOT / "config.yaml", "config.yaml")


@pytest.mark.parametrize("damage", [_truncated, _flipped, _empty, _missing, _other])
def test_a_damaged_backup_is_refused_before_anything_is_touched(team, saved, tmp_path, damage):
    """In one line that says so."""
    archive = tmp_path / "team.tar"
    shutil.copy(saved[0], archive)
    damage(archive)

    assert "nothing was changed" in line(team.command("restore", archive))
    assert team.holds() == saved[1]


def test_a_database_that_postgresql_does_not_take_changes_nothing(team, saved, tmp_path):
    """Its digest is right, and its content is not: it is loaded beside the present one."""
    parts = {}
    with tarfile.open(saved[0]) as tar:
        for name in PARTS:
            parts[name] = tar.extractfile(name).read()
    dump = parts[DATABASE]
    parts[DATABASE] = dump[: len(dump) // 2]
    lines = manifest.checksum_lines(manifest.digests(parts)).encode()
    archive = tmp_path / "team.tar"
    archive.write_bytes(archives.tar({artifacts.CHECKSUMS: lines, **parts}))

    assert "pg_restore in postgres failed" in line(team.command("restore", archive))
    assert team.holds() == saved[1]


def test_what_was_destroyed_comes_back_from_a_backup(team, saved, monkeypatch):
    """The drill: every version, alias, tag and digest, the accounts, and nothing else."""
    archive, held = saved
    team.compose("down", "--volumes")
    team.up()
    found = team.world.send("admin", "GET", f"{API}registered-models/search").json()
    assert found == {}, "the server is a new one"
    stranger = team.world.model()

    team.says("restore", archive)
    team.wait()

    assert stranger not in held
    assert team.holds() == held
    assert team.says("users").count("password as it was, 0 grants given, 0 taken") == 2
    registry = by_the_pipeline(team, monkeypatch, "ci")
    published = registry.find_alias("heart_disease_svm", "published")
    assert registry.files(published) == dict(submission().files)
