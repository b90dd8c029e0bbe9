"""The doctor finds damage that was done by hand, repairs it, and then finds nothing."""

import uuid

import pytest

from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.base.names import HISTORY
from pipeline.registry import doctor, provenance
from pipeline.registry.care import RegistryCare
from pipeline.registry.diagnosis import Finding
from pipeline.registry.history import CHAMPION, PREVIOUS_CHAMPION
from tests import command_line
from tests.registries import submission
from tests.registry.doctor.conftest import NAME, SERVED


def everything(client):
    """Return all that a registry holds, but for the times."""
    versions = [
        (one.name, int(one.version), one.run_id, one.source, sorted(one.tags.items()))
        for one in client.search_model_versions()
    ]
    aliases = [(one.name, sorted(one.aliases.items())) for one in client.search_registered_models()]
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = [
        (one.info.run_id, one.info.status, sorted(one.data.tags.items()))
        for one in client.search_runs(experiments)
    ]
    return sorted(versions), sorted(aliases), sorted(runs)


def examine(**options):
    """Return what the doctor complains of, or nothing; everything is old enough."""
    try:
        doctor.run(RunContext.read(), grace=0, **options)
    except RegistryError as error:
        return str(error)
    return ""


# --- damage, each done as a person or a crash could do it


def run_that_never_ended(world):
    """A job was killed before it could end its run."""
    experiment = world.client.get_experiment_by_name("heart-disease").experiment_id
    world.client.create_run(experiment, run_name="svm", tags={"key": "killed"})


def version_that_was_never_verified(world):
    """A job was killed between its last upload and the word that it is complete."""
    world.client.set_model_version_tag(NAME, "2", "complete", "false")


def doubled_version(world):
    """A request that was given up for lost arrived after all."""
    first = world.registry.version(NAME, 2)
    model_id = first.source.removeprefix("models:/")
    world.client.create_model_version(
        NAME, first.source, first.run_id, tags=first.tags, model_id=model_id
    )


def doubled_run(world):
    """The same, of a run."""
    experiment = world.client.get_experiment_by_name("heart-disease").experiment_id
    run = world.client.create_run(experiment, run_name="svm", tags={"key": "job 2"})
    world.client.set_terminated(run.info.run_id)


def swapped_file(world):
    """A file was overwritten that another version has, too."""
    (world.store.path(world.registry.version(NAME, 2)) / "model.skops").write_bytes(b"spoks")


def lost_file(world):
    """One was deleted."""
    (world.store.path(world.registry.version(NAME, 1)) / "code" / "a.py").unlink()


def alias_moved_by_hand(world):
    """The champion's alias was pointed elsewhere."""
    world.client.set_registered_model_alias(SERVED, CHAMPION, "1")


def alias_removed(world):
    """There is no champion, though there is a history."""
    world.client.delete_registered_model_alias(NAME, CHAMPION)
    world.client.delete_registered_model_alias(NAME, PREVIOUS_CHAMPION)


def deleted_champion(world):
    """MLflow drops its alias with it, without a word."""
    world.client.delete_model_version(SERVED, "2")


def lost_history(world):
    """The log is gone, and the aliases stand alone."""
    world.client.delete_registered_model(HISTORY)


def alias_on_an_incomplete_version(world):
    """A version was marked that had not been verified."""
    version = world.registry.publish(submission(key="third"))
    world.client.set_model_version_tag(NAME, str(version.version), "complete", "false")
    world.client.set_registered_model_alias(NAME, "staging", str(version.version))


DAMAGE = [
    (run_that_never_ended, "of svm still counts as running"),
    (version_that_was_never_verified, "is incomplete, though its files are what was published"),
    (doubled_version, "has the key job 2 of heart_disease_svm/2"),
    (doubled_run, "of svm has the key job 2 of run"),
    (swapped_file, "model.skops has changed"),
    (lost_file, "code/a.py is missing"),
    (alias_moved_by_hand, "champion should be version 2 by the history and is 1"),
    (alias_removed, "champion should be version 2 by the history and is nowhere"),
    (deleted_champion, "its champion, version 2, was deleted"),
    (lost_history, "version 2 is champion, and its history is empty"),
    (alias_on_an_incomplete_version, "its alias staging stands on version 3, which is incomplete"),
]


def test_an_undamaged_registry_is_healthy(registry, client, capsys):
    """And to repair it changes nothing."""
    before = everything(client)
    assert examine() == examine(repair=True) == ""
    assert capsys.readouterr().out.count("nothing is wrong with the registry") == 2
    assert everything(client) == before
    assert registry.champion(SERVED).version == 2


@pytest.mark.parametrize(
    ("damage", "problem"), DAMAGE, ids=lambda value: getattr(value, "__name__", "")
)
def test_damage_is_found_repaired_and_gone(world, capsys, damage, problem):
    """To look changes nothing, to repair loses nothing, and a second time finds nothing."""
    client, registry = world.client, world.registry
    damage(world)
    damaged = everything(client)

    assert "`--repair` repairs " in examine()
    assert problem in capsys.readouterr().out
    assert everything(client) == damaged

    assert examine(repair=True) == ""
    repaired = everything(client)
    assert [one[:2] for one in repaired[0] if one[0] != HISTORY] == [
        one[:2] for one in damaged[0] if one[0] != HISTORY
    ]
    assert examine(repair=True) == ""
    assert everything(client) == repaired
    for name in (NAME, SERVED):
        registry.files(registry.champion(name))


def test_all_damage_at_once_is_repaired(world):
    """What is repaired does not break what was repaired before."""
    for damage, _ in DAMAGE:
        if damage not in (deleted_champion, lost_history):
            damage(world)

    assert examine(repair=True) == ""
    assert world.registry.champion(SERVED).version == 2
    assert examine() == ""


def test_a_deleted_champion_is_followed_by_the_one_before(client, registry):
    """The history says who did it and why."""
    client.delete_model_version(SERVED, "2")
    examine(repair=True)

    assert registry.champion(SERVED).version == 1
    last = registry.valid_entries(SERVED)[-1].promotion
    assert (last.action, last.reason) == (
        "restored",
        "registry doctor: its champion, version 2, was deleted",
    )


# --- what only a person can repair


def test_a_file_without_a_copy_is_left_to_a_person(store, registry, capsys):
    """The doctor says so, and ends with an error."""
    for version in registry.versions(NAME):
        (store.path(version) / "model.skops").write_bytes(b"spoks")

    assert examine(repair=True).startswith("4 things are wrong with the registry at sqlite:")
    assert "put its files back from a backup" in capsys.readouterr().out


def test_an_incomplete_version_with_wrong_files_is_left_to_its_job(world):
    """The job that began it still has what was sent."""
    version = world.registry.publish(submission(key="third"))
    world.client.set_model_version_tag(NAME, "3", "complete", "false")
    (world.store.path(version) / "model.skops").write_bytes(b"")

    assert examine(repair=True).startswith("1 thing is wrong")
    assert not world.registry.version(NAME, 3).complete


def test_an_entry_of_the_history_that_cannot_be_read_is_named(client, registry, capsys):
    """It does not count, so the aliases follow the one before."""
    last = registry.log(SERVED)[-1][0]
    client.set_model_version_tag(HISTORY, str(last.version), "crowning", "nonsense")

    assert examine(repair=True).startswith("1 thing is wrong")
    assert f"entry {last.version} of its history cannot be read" in capsys.readouterr().out
    assert registry.champion(SERVED).version == 1


def test_a_manifest_that_is_damaged_is_named(client, registry, capsys):
    """Nothing vouches for the files, and they are not written over."""
    client.set_model_version_tag(NAME, "2", "manifest", "nonsense")

    assert examine(repair=True).startswith("1 thing is wrong")
    assert "its manifest is damaged" in capsys.readouterr().out
    assert registry.files(registry.champion(SERVED))


def test_a_manifest_of_another_version_overwrites_no_file(client, registry):
    """The copy shows that the files are right, and the tag is not."""
    other = registry.publish(
        submission(key="other", files={"MLmodel": b"other", "model.skops": b"other"})
    )
    client.set_model_version_tag(SERVED, "2", "manifest", other.tags["manifest"])

    assert examine(repair=True).startswith("1 thing is wrong")
    assert registry.files(registry.version(NAME, 2))["model.skops"] == b"skops"


def test_runs_of_others_are_left_alone(client, registry):
    """A team's server serves more than us."""
    assert registry.champion(SERVED)
    experiment = client.create_experiment(f"theirs {uuid.uuid4()}")
    run = client.create_run(experiment, start_time=0)

    assert examine(repair=True) == ""
    assert client.get_run(run.info.run_id).info.status == "RUNNING"


def test_what_cannot_be_repaired_stops_no_other_repair(world, capsys, monkeypatch):
    """It is said, and the rest is done."""
    run_that_never_ended(world)
    alias_moved_by_hand(world)

    def refuse(_, name):
        raise RegistryError(f"no settling of {name}")

    with monkeypatch.context() as patch:
        patch.setattr(RegistryCare, "settle", refuse)
        assert examine(repair=True).startswith("1 thing is wrong")
    assert "not repaired  heart_disease: no settling of heart_disease" in capsys.readouterr().out
    assert examine(repair=True) == ""


def test_a_key_that_is_taken_away_meanwhile_is_taken_away_once(world):
    """A job that publishes does the same."""
    doubled_version(world)
    care = RegistryCare(world.store.uri, "heart-disease")
    finding = Finding(
        subject=f"{NAME}/3", problem="", repair="take the key away", target=f"{NAME}/2"
    )
    for _ in range(2):
        care.repair(finding, provenance.promotion(RunContext.read(), "restored", ""))
    assert world.registry.version(NAME, 3).tags["key"] == f"job 2: double of {NAME}/2"


def test_what_may_be_under_way_is_left_alone(world):
    """A job that runs has a run that runs."""
    run_that_never_ended(world)
    version_that_was_never_verified(world)
    world.client.set_registered_model_alias(SERVED, CHAMPION, "2")

    doctor.run(RunContext.read(), grace=3600)


# --- the command


def command(uri, *arguments):
    """Ask the doctor as a person does."""
    return command_line.call("pipeline.registry", "doctor", *arguments, MLFLOW_TRACKING_URI=uri)


def test_a_person_asks_it_by_its_name(world):
    """One line of error where something is wrong, and 1; after the repair 0."""
    alias_moved_by_hand(world)
    found = command(world.store.uri)
    last = found.stderr.splitlines()[-1]
    assert last.startswith(f"error: 1 thing is wrong with the registry at {world.store.uri}, ")
    assert last.endswith("in the table above; `--repair` repairs 1 of them")
    assert found.returncode == 1
    assert command(world.store.uri, "--repair").returncode == 0
    assert command(world.store.uri).returncode == 0


def test_where_there_is_no_registry_none_is_made(workspace):
    """To look is not to make."""
    found = command(f"sqlite:///{workspace}/none.db")
    assert (found.returncode, "there is no registry yet" in found.stdout) == (0, True)
    assert not (workspace / "none.db").exists()


def test_a_registry_that_does_not_answer_is_code_4(workspace):
    """As with every other command."""
    assert workspace.is_dir()
    assert command("http://127.0.0.1:1").returncode == 4
