"""A registry is moved with everything in it, or not at all, and says which."""

import re
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient
from mlflow.tracking._model_registry.client import ModelRegistryClient

from pipeline.base import cli, config
from pipeline.base.errors import RegistryError
from pipeline.base.names import HISTORY, SERVED
from pipeline.registry import transfer
from pipeline.registry.__main__ import transfer_command
from pipeline.registry.client import Registry
from tests.databases import running
from tests.registries import submission
from tests.registry.transfer.conftest import FOREST, SVM, census, counts

WRITES = (
    *("create_experiment", "create_logged_model", "create_model_version", "create_run"),
    *("create_registered_model", "update_registered_model", "set_registered_model_tag"),
    *("log_artifacts", "log_batch", "log_inputs", "log_model_artifacts", "log_outputs"),
    *("finalize_logged_model", "set_terminated", "set_registered_model_alias"),
    "delete_model_version",
)
# Those that the client below MLflow's public one is asked for.
PLAIN = ("set_registered_model_alias",)


def move(source, destination):
    """Move a registry."""
    transfer.run(config.load(), source, destination)


@pytest.fixture(scope="session")
def expected(origin):
    """Return what the registry with a past holds."""
    return census(origin.uri)


@pytest.fixture
def small(place):
    """Return a registry with a version, its copy, a deleted version and a champion."""
    here = place("small")
    registry, client = Registry(here.uri, "heart-disease"), MlflowClient(here.uri, here.uri)
    registry.publish(submission())
    kept = registry.publish(submission(model_name=SVM))
    registry.ensure_registered(SERVED, "What is served")
    registry.set_alias(registry.copy(kept, SERVED, {}), "champion")
    client.delete_model_version(SVM, "1")
    return here


@pytest.fixture
def writes(monkeypatch):
    """Return a function that has another one called around each write of MLflow's client."""

    def around(meet):
        def watched(name, write):
            def call(client, *args, **kwargs):
                told = re.sub(r"'/[^']*'", "a folder", f"{name} {args} {kwargs}")
                return meet(told, lambda: write(client, *args, **kwargs))

            return call

        for name in WRITES:
            client = ModelRegistryClient if name in PLAIN else MlflowClient
            monkeypatch.setattr(client, name, watched(name, getattr(client, name)))

    return around


# --- what arrives


def test_everything_arrives_as_it_was_at_a_server_and_comes_back(origin, place, expected, tmp_path):
    """Seen by MLflow's own client: numbers, tags, aliases, sources, runs, figures, files."""
    back, folder = place("back"), tmp_path / "server"
    folder.mkdir()
    with running("sqlite", folder) as (server, _):
        move(origin.uri, server.uri)
        assert census(server.uri) == expected
        move(server.uri, back.uri)

    assert census(back.uri) == expected


def test_the_past_that_is_moved_has_everything_that_can_happen(expected):
    """Or the test above would say little."""
    versions = expected["versions"]

    assert not {f"{SVM}/2", f"{FOREST}/2", f"{HISTORY}/2"} & versions.keys()
    assert versions[f"{SERVED}/2"]["source"] == f"{FOREST}/2"
    assert versions[f"{SERVED}/2"]["files"].keys() == {"MLmodel"}
    assert versions[f"{FOREST}/3"]["same files"] == [f"{FOREST}/1", f"{FOREST}/3"]
    assert versions[f"{SVM}/1"]["description"] == "The first of all"
    assert "complete" not in versions[f"{SVM}/4"]["tags"]
    assert versions[f"{SVM}/4"]["run"]["name"] == ("svm", "FAILED")
    pruned = versions[f"{SERVED}_logistic_regression/1"]
    assert (pruned["tags"]["files_pruned"], pruned["files"]) == ("true", {})
    assert ("slope", "nan") in {one[:2] for one in versions[f"{SVM}/1"]["run"]["metrics"]}
    _, _, aliases = expected["models"][SERVED]
    assert aliases == {"champion": 3, "previous_champion": 2, "production": 3, "staging": 3}


def test_the_registry_goes_on_counting_and_promotion(origin, place):
    """A publish gets the next number, or finds its key; the history still decides."""
    there = place("there")
    move(origin.uri, there.uri)
    registry = Registry(there.uri, "heart-disease")

    assert registry.settle(SERVED).version == 3
    assert registry.publish(submission(model_name=FOREST)).version == 4
    assert registry.publish(submission(key="third")).version == 3
    assert registry.publish(submission(key="cut")).title == f"{SVM}/4"
    assert registry.version(SVM, 4).complete


def test_a_second_move_finds_all_there_and_doubles_nothing(small, place, capsys):
    """It says so."""
    there = place("there")
    move(small.uri, there.uri)
    before = counts(there.uri)
    capsys.readouterr()
    move(small.uri, there.uri)

    assert counts(there.uri) == before
    said = capsys.readouterr().out
    assert "2 versions of 2 models, 1 runs, 6 files; 2 of the versions were there already" in said
    assert "all digests equal" in said


def test_models_that_an_admin_made_for_it_are_as_good_as_none(small, place):
    """A server with accounts has them all before the first version."""
    there, expected = place("there"), census(small.uri)
    client = MlflowClient(there.uri, there.uri)
    for name in (SVM, FOREST, HISTORY):
        client.create_registered_model(name)
    move(small.uri, there.uri)

    assert census(there.uri)["versions"] == expected["versions"]
    assert client.get_registered_model(SVM).description == "A model"


# --- what interrupts


def test_a_move_that_is_cut_off_at_any_write_goes_on(small, place, writes):
    """Cut off before each write in turn, each time on top of what the last one left."""
    there, met = place("there"), []

    def cut_off(told, write):
        if told in met:
            return write()
        met.append(told)
        raise KeyboardInterrupt

    expected = census(small.uri)
    writes(cut_off)
    finished = False
    while not finished and len(met) < 60:
        before = len(met)
        try:
            move(small.uri, there.uri)
            finished = True
        except KeyboardInterrupt:
            assert len(met) == before + 1

    assert finished
    assert {told.split()[0] for told in met} >= set(WRITES) - {
        *("update_registered_model", "set_registered_model_tag"),
    }
    assert census(there.uri) == expected
    # One run is that of the deleted version, which nothing is left of.
    assert counts(there.uri) == tuple(number - 1 for number in counts(small.uri))


def test_answers_that_are_lost_double_nothing(small, place, writes, monkeypatch):
    """Of each creation the first one's, after it was done."""
    there, lost = place("there"), []
    monkeypatch.setenv("PIPELINE__REGISTRY__PATIENCE__WAIT_SECONDS", "0")

    def lose(told, write):
        done = write()
        if told.startswith("create_") and told not in lost:
            lost.append(told)
            raise requests.ConnectionError
        return done

    expected = census(small.uri)
    writes(lose)
    move(small.uri, there.uri)

    assert len(lost) > 5
    assert census(there.uri) == expected
    assert counts(there.uri) == tuple(number - 1 for number in counts(small.uri))


def test_a_registry_that_grew_meanwhile_is_moved_on(small, place):
    """What had been moved before is still the beginning of it."""
    there = place("there")

    def cut_off(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelRegistryClient, "set_registered_model_alias", cut_off)
        with pytest.raises(KeyboardInterrupt):
            move(small.uri, there.uri)
    Registry(small.uri, "heart-disease").publish(submission())
    move(small.uri, there.uri)

    assert census(there.uri) == census(small.uri)


# --- what is refused


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.write_bytes(b"other"), "MLmodel has changed"),
        (lambda file: file.unlink(), "MLmodel is missing"),
    ],
    ids=["changed", "missing"],
)
def test_damaged_files_are_named_and_nothing_is_written(small, place, writes, damage, said):
    """Every version that has them, the copy too."""
    version = Registry(small.uri, "heart-disease").version(SVM, 2)
    damage(small.stored(version) / "MLmodel")
    there, done = place("there"), []
    writes(lambda told, _: done.append(told))

    with pytest.raises(RegistryError) as refused:
        move(small.uri, there.uri)
    for title in (f"{SVM}/2", f"{SERVED}/1"):
        assert f"{title} is not what was published: {said}" in str(refused.value)
    assert str(refused.value).endswith("; nothing was moved")
    assert done == []


def test_files_that_arrive_damaged_stop_the_move(small, place, monkeypatch):
    """Before there is a version that has them."""
    there, send = place("there"), MlflowClient.log_model_artifacts

    def garble(client, model_id, folder, **kwargs):
        (Path(folder) / "MLmodel").write_bytes(b"garbled")
        return send(client, model_id, folder, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_model_artifacts", garble)
    with pytest.raises(RegistryError, match="is not what was sent: MLmodel has changed"):
        move(small.uri, there.uri)
    assert Registry(there.uri, "heart-disease").versions(SVM) == []


def test_whatever_does_not_arrive_is_named_at_the_end(small, place, monkeypatch):
    """A server that says yes and does nothing."""
    there = place("there")
    monkeypatch.setattr(MlflowClient, "log_inputs", lambda *_: None)

    with pytest.raises(RegistryError, match=r"arrived as it left: run \w+ is another \(inputs\)"):
        move(small.uri, there.uri)


def test_a_registry_that_holds_something_else_is_refused(small, place, writes):
    """In one line that names it; the same files published there are something else, too."""
    there = place("there")
    registry = Registry(there.uri, "heart-disease")
    registry.publish(submission())
    registry.set_alias(registry.publish(submission()), "staging")
    registry.publish(submission())
    done = []
    writes(lambda told, _: done.append(told))

    with pytest.raises(RegistryError) as refused:
        move(small.uri, there.uri)
    said = str(refused.value)
    assert said.startswith("the destination holds something else: ")
    assert f"{SVM}/1 is not expected" in said
    assert f"{SVM}/2 is another (source, run, tags)" in said
    assert f"{SVM}/3 is not expected" in said
    assert f"{SVM}@staging is version 2" in said
    assert "\n" not in said
    assert done == []


def test_a_tag_that_was_changed_there_is_something_else(small, place):
    """Perhaps somebody works with that registry already."""
    there = place("there")
    move(small.uri, there.uri)
    registry = Registry(there.uri, "heart-disease")
    registry.tag(registry.version(SVM, 2), {"family": "forest"})

    with pytest.raises(RegistryError, match=rf"{SVM}/2 is another \(tags\)"):
        move(small.uri, there.uri)


def test_a_version_that_is_missing_there_is_named(small, place):
    """Its number cannot be given again."""
    there = place("there")
    move(small.uri, there.uri)
    MlflowClient(there.uri, there.uri).delete_model_version(SVM, "2")

    with pytest.raises(RegistryError, match=f"{SVM}/2 is missing"):
        move(small.uri, there.uri)


def test_somebody_else_who_writes_there_meanwhile_is_noticed(small, place, writes):
    """The next number went to them."""
    there = place("there")

    def meet(told, write):
        if told.startswith("create_model_version") and "placeholder" in told:
            write()
        return write()

    writes(meet)
    with pytest.raises(RegistryError, match=f"{SVM}/2 was made in place of {SVM}/1: somebody else"):
        move(small.uri, there.uri)


def test_what_was_not_published_by_us_is_named(small, place):
    """Where its files are is not ours to say."""
    client = MlflowClient(small.uri, small.uri)
    run = client.get_model_version(SVM, "2").run_id
    client.create_model_version(SVM, f"runs:/{run}/figures", run)

    with pytest.raises(RegistryError, match=rf"{SVM}/3 was made from runs:/{run}/figures, not by"):
        move(small.uri, place("there").uri)


# --- the command


@pytest.fixture
def command(monkeypatch, capsys):
    """Return a function that runs the command and gives its exit code and its complaint."""

    def run(arguments):
        monkeypatch.setenv("PIPELINE__REGISTRY__PATIENCE__ATTEMPTS", "1")
        monkeypatch.setattr("sys.argv", ["registry_transfer", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.run(transfer_command)
        return ended.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "name another registry"),
        (("--to", "sqlite:///mlflow.db"), 2, "name another registry"),
        (("--from", "sqlite:///none.db"), 1, "error: there is no registry at sqlite:///none.db"),
        (("--to", "sqlite:///new.db"), 1, "error: sqlite:///mlflow.db holds no version"),
        (("--from", "http://127.0.0.1:9"), 4, "error: the registry at http://127.0.0.1:9 does not"),
    ],
    ids=["nothing", "the same", "no source", "an empty source", "no answer"],
)
def test_what_cannot_be_moved_is_one_line(place, command, arguments, code, said):
    """With the exit code that other commands have for it."""
    place("here")
    ended, complaint = command(arguments)

    assert (ended, said in complaint) == (code, True)
