"""A registry arrives at a server with everything in it, or not at all, and says which."""

import hashlib
import shlex
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

from pipeline.base import cli
from pipeline.base.errors import PipelineError, RegistryError
from pipeline.base.names import HISTORY, SERVED
from pipeline.registry.__main__ import transfer_command
from pipeline.registry.client import Registry
from tests.registries import submission
from tests.registry.transfer.conftest import FOREST, STRANGE, SVM, census, promote, promotion


@pytest.fixture(scope="session")
def expected(origin):
    """Return what the registry with a past holds."""
    return census(origin.uri)


@pytest.fixture
def small(place):
    """Return a registry with deleted versions around the champion's."""
    here = place("small")
    registry, client = Registry(here.uri, "heart-disease"), MlflowClient(here.uri, here.uri)
    registry.publish(submission())
    kept = registry.publish(submission(model_name=SVM))
    registry.publish(submission())
    promote(registry, kept, None)
    client.delete_model_version(SVM, "1")
    client.delete_model_version(SVM, "3")
    return here


def nothing(team):
    """Say whether the server holds no model and no run."""
    runs = team.client.search_runs([one.experiment_id for one in team.client.search_experiments()])
    return [*runs, *team.client.search_registered_models()] == []


# --- what arrives


def test_everything_arrives_as_it_was(origin, team, expected):
    """Seen by MLflow's own client: numbers, ids, times, tags, aliases, runs, figures, files."""
    team.take(origin.uri)

    assert census(team.uri) == expected


def test_the_past_that_is_moved_has_everything_that_can_happen(expected):
    """Or the test above would say little."""
    versions = expected["versions"]

    assert not {f"{SVM}/2", f"{FOREST}/2", f"{HISTORY}/2"} & versions.keys()
    assert versions[f"{SERVED}/2"]["source"] == f"{FOREST}/2"
    assert versions[f"{SERVED}/2"]["files"].keys() == {"MLmodel"}
    assert versions[f"{FOREST}/3"]["source"] == versions[f"{FOREST}/1"]["source"]
    assert versions[f"{SVM}/1"]["description"] == STRANGE
    assert "complete" not in versions[f"{SVM}/4"]["tags"]
    assert versions[f"{SVM}/4"]["run"]["name"] == ("svm", "FAILED")
    pruned = versions[f"{SERVED}_logistic_regression/1"]
    assert (pruned["tags"]["files_pruned"], pruned["files"]) == ("true", {})
    assert ("slope", "nan") in {one[:2] for one in versions[f"{SVM}/1"]["run"]["metrics"]}
    assert versions[f"{SVM}/1"]["run"]["figures"]
    _, _, aliases = expected["models"][SERVED]
    assert aliases == {"champion": 3, "previous_champion": 2, "production": 3, "staging": 3}


def test_the_server_goes_on_counting_and_promoting(small, team):
    """A number that was deleted is not given again, a key finds its version, the log decides."""
    team.take(small.uri)
    registry = Registry(team.uri, "heart-disease")
    added = registry.publish(submission(key="added"))
    champion = promote(registry, added, registry.champion(SERVED))

    assert registry.publish(submission(key="added")) == added
    assert (added.version, champion.version) == (4, 2)
    assert registry.champion(SERVED) == champion
    assert int(team.client.create_experiment("another")) == 2


def test_the_source_is_only_read(small, team):
    """No byte of its folder changes."""

    def content():
        files = (path for path in small.folder.rglob("*") if path.is_file())
        return {path: hashlib.sha256(path.read_bytes()).digest() for path in files}

    before = content()
    team.take(small.uri)

    assert content() == before


def test_what_an_admin_has_made_for_it_gives_way(small, team):
    """A server with accounts has models and experiment already; those of others stay."""
    team.client.create_experiment("heart-disease")
    for name in (SVM, SERVED, HISTORY, "theirs"):
        team.client.create_registered_model(name)
    team.take(small.uri)

    assert census(team.uri) == census(small.uri)
    assert team.client.get_registered_model("theirs")


def test_a_second_move_finds_all_there(small, team, monkeypatch, capsys):
    """It writes nothing, and compares once more."""
    team.take(small.uri)
    before = capsys.readouterr().out
    monkeypatch.setattr(MlflowArtifactsRepository, "log_artifacts", None)
    team.take(small.uri, psql="false")

    assert capsys.readouterr().out == before
    assert "3 versions are at" in before
    assert "all digests equal" in before


# --- what interrupts


@pytest.mark.parametrize("sent", [0, 2])
def test_a_move_that_is_cut_off_among_the_files_has_no_row_and_goes_on(
    small, team, monkeypatch, sent
):
    """Files that no row names are found by nothing."""
    send, seen = MlflowArtifactsRepository.log_artifacts, []

    def cut_off(*arguments):
        if len(seen) == sent:
            raise KeyboardInterrupt
        seen.append(arguments)
        return send(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowArtifactsRepository, "log_artifacts", cut_off)
        with pytest.raises(KeyboardInterrupt):
            team.take(small.uri)
    assert nothing(team)
    team.take(small.uri)

    assert census(team.uri) == census(small.uri)


@pytest.mark.parametrize(
    "lines", ["/^COPY model_version_tags/q", "/^COMMIT/d"], ids=["in the middle", "at the end"]
)
def test_rows_that_are_cut_off_are_none_and_the_next_move_goes_on(small, team, lines):
    """So there is no champion before everything is there."""
    cut = f"sed '{lines}' | {team.psql}"
    with pytest.raises(RegistryError, match="does not hold what was moved"):
        team.take(small.uri, psql=f"sh -c {shlex.quote(cut)}")
    assert nothing(team)
    team.take(small.uri)

    assert census(team.uri) == census(small.uri)


def test_an_answer_that_is_lost_is_no_loss(small, team, tmp_path):
    """The rows are there, and the next move finds them."""
    lost = f"tee {tmp_path}/script | {team.psql} && ! grep --quiet COMMIT {tmp_path}/script"
    with pytest.raises(PipelineError, match="sh ended with 1"):
        team.take(small.uri, psql=f"sh -c {shlex.quote(lost)}")
    team.take(small.uri)

    assert census(team.uri) == census(small.uri)


# --- what is refused


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.write_bytes(b"other"), "MLmodel has changed"),
        (lambda file: file.unlink(), "MLmodel is missing"),
    ],
    ids=["changed", "missing"],
)
def test_a_damaged_file_is_named_and_nothing_is_written(small, team, damage, said):
    """Every version that has it, the copy too; neither a row nor a file is."""
    version = Registry(small.uri, "heart-disease").version(SVM, 2)
    damage(small.stored(version) / "MLmodel")

    with pytest.raises(RegistryError, match=rf"{said}.*; nothing was moved") as refused:
        team.take(small.uri)
    for title in (f"{SVM}/2", f"{SERVED}/1"):
        assert f"{title} is not what was published: {said}" in str(refused.value)
    assert nothing(team)
    assert team.files() == []


def test_files_that_arrive_damaged_stop_the_move(small, team, monkeypatch):
    """Before there is a row that names them."""
    send = MlflowArtifactsRepository.log_artifacts

    def garble(repository, folder):
        for path in Path(folder).rglob("MLmodel"):
            path.write_bytes(b"garbled")
        return send(repository, folder)

    monkeypatch.setattr(MlflowArtifactsRepository, "log_artifacts", garble)
    with pytest.raises(RegistryError, match="has not arrived as it left: MLmodel has changed"):
        team.take(small.uri)
    assert nothing(team)


def test_files_that_are_damaged_after_they_arrived_are_named(small, team):
    """Every version is read once more through the server."""
    team.take(small.uri)
    for path in team.artifacts.rglob("MLmodel"):
        path.write_bytes(b"garbled")

    with pytest.raises(RegistryError, match=f"{SVM}/2 is not what was published: MLmodel has"):
        team.take(small.uri)


def test_a_server_that_holds_something_else_is_refused(small, team):
    """The same files published there are something else, too."""
    registry = Registry(team.uri, "heart-disease")
    registry.promote(registry.publish(submission()), promotion("theirs"), over=None)
    before, files = census(team.uri), team.files()

    with pytest.raises(PipelineError, match="the server holds other runs or versions") as refused:
        team.take(small.uri)
    assert "\n" not in str(refused.value)
    assert (census(team.uri), team.files()) == (before, files)


def test_a_tag_that_was_changed_there_is_something_else(small, team):
    """Perhaps a team works with that registry already."""
    team.take(small.uri)
    registry = Registry(team.uri, "heart-disease")
    registry.tag(registry.version(SVM, 2), {"family": "forest"})

    with pytest.raises(PipelineError, match="the server holds other runs or versions"):
        team.take(small.uri)


def test_a_server_with_another_version_of_mlflow_is_refused(small, team):
    """Its tables may differ."""
    team.execute("UPDATE alembic_version SET version_num = version_num || 'x'")
    try:
        with pytest.raises(PipelineError, match="runs another version of MLflow"):
            team.take(small.uri)
    finally:
        team.execute("UPDATE alembic_version SET version_num = rtrim(version_num, 'x')")
    assert team.files() == []


def test_a_database_of_another_server_is_noticed(small, team):
    """The rows are not where the files are."""
    with pytest.raises(RegistryError, match="does not hold what was moved: is true its database"):
        team.take(small.uri, psql="true")


# --- the command


@pytest.fixture
def command(place, team, origin, monkeypatch, capsys):
    """Return a function that runs the command and gives its exit code and its complaint."""
    (place("here").folder / "damaged.db").write_bytes(b"no database at all")
    monkeypatch.setenv("PIPELINE__REGISTRY__RETRY__TOTAL_SECONDS", "1")

    def run(arguments):
        filled = [one.format(uri=team.uri, full=origin.uri) for one in arguments]
        monkeypatch.setattr("sys.argv", ["transfer", *filled])
        with pytest.raises(SystemExit) as ended:
            cli.run(transfer_command)
        return ended.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "name a server"),
        (("--to", "sqlite:///mlflow.db"), 2, "name a server"),
        (
            ("--from", "sqlite:///none.db", "--to", "{uri}"),
            1,
            "no registry in a file at sqlite:///",
        ),
        (("--from", "{uri}", "--to", "{uri}"), 1, "error: there is no registry in a file at http:"),
        (("--to", "{uri}"), 1, "error: sqlite:///mlflow.db holds no version"),
        (("--to", "{uri}", "--from", "sqlite:///damaged.db"), 1, "cannot be read: file is not a"),
        (
            ("--to", "{uri}", "--from", "{full}", "--psql", "no-psql"),
            1,
            "error: cannot run no-psql",
        ),
        (
            ("--to", "http://127.0.0.1:9", "--from", "{full}"),
            4,
            "error: the registry at http://127",
        ),
    ],
    ids=[
        *("nothing", "no server", "no source", "a server", "an empty source", "no database"),
        *("no psql", "no answer"),
    ],
)
def test_what_cannot_be_moved_is_one_line(command, arguments, code, said):
    """With the exit code that other commands have for it."""
    ended, complaint = command(arguments)

    assert (ended, said in complaint) == (code, True)
    assert "Traceback" not in complaint
