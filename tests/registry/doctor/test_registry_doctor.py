"""The doctor finds damage that was done by hand, repairs it, and then finds nothing."""

import uuid

import pytest

from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.base.names import HISTORY
from pipeline.registry import doctor, provenance, rollback
from pipeline.registry.care import RegistryCare
from pipeline.registry.findings import Finding
from pipeline.registry.history import CHAMPION, PREVIOUS_CHAMPION
from tests import command_line
from tests.registries import submission
from tests.registry.doctor.conftest import NAME, SERVED, examine, promotion


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


def number_given_again(world):
    """The served model was deleted with its champions; a job made it anew, and then another one."""
    world.store.begin_again(SERVED)
    for version in (world.registry.version(NAME, 1), world.registry.publish(submission())):
        world.registry.copy(version, SERVED, {})


def edited_manifest(world):
    """The list of the champion's files was replaced by that of another version."""
    other = world.registry.publish(submission(key="other", files={"MLmodel": b"other"}))
    world.client.set_model_version_tag(NAME, "2", "manifest", other.tags["manifest"])


def damaged_manifest(world):
    """It was overwritten."""
    world.client.set_model_version_tag(NAME, "2", "manifest", "nonsense")


def deleted_experiment(world):
    """With its runs."""
    found = world.client.get_experiment_by_name("heart-disease")
    world.client.delete_experiment(found.experiment_id)


def deleted_run(world):
    """The run of the champion, with its figures."""
    world.client.delete_run(world.registry.version(NAME, 2).run_id)


def champion_named_as_the_one_before(world):
    """Both aliases were pointed at the same version."""
    world.client.set_registered_model_alias(SERVED, PREVIOUS_CHAMPION, "2")


def previous_champion_that_never_was(world):
    """There was one champion only."""
    world.client.delete_model_version(SERVED, "1")
    world.client.set_registered_model_alias(SERVED, PREVIOUS_CHAMPION, "2")


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
    (deleted_champion, "its champion, version 2, is lost: it was deleted"),
    (number_given_again, "its champion, version 2, is lost: its number was given to a version of"),
    (edited_manifest, "its manifest is not the one that was promoted"),
    (damaged_manifest, "its manifest is damaged"),
    (deleted_experiment, "the experiment was deleted, so nothing can be registered"),
    (deleted_run, "the run of heart_disease_svm/2 was deleted"),
    (champion_named_as_the_one_before, "previous_champion should be version 1 by the history"),
    (previous_champion_that_never_was, "stands on version 2, and by the history there is none"),
    (lost_history, "version 2 is champion, and its history is empty"),
    (alias_on_an_incomplete_version, "its alias staging stands on version 3, which is incomplete"),
]


# What leaves another champion, or none of the things that other damage is done to.
NOT_TOGETHER = (
    *(deleted_champion, number_given_again, previous_champion_that_never_was),
    *(edited_manifest, deleted_experiment),
)


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
        if damage not in (*NOT_TOGETHER, lost_history):
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
        "registry doctor: its champion, version 2, is lost: it was deleted",
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
    """One of before, whose tags say everything; it does not count."""
    last = registry.version(SERVED, 1)
    tags = {"model": SERVED, "version": "1", "after": "nonsense"}
    client.create_model_version(HISTORY, f"models:/{last.title}", last.run_id, tags=tags)

    assert examine(repair=True).startswith("1 thing is wrong")
    said = capsys.readouterr().out
    assert "entry 5 of its history cannot be read, and does not count" in said
    assert "`make rollback` or `make promote` names another" in said
    assert registry.champion(SERVED).version == 2


def test_files_that_were_exchanged_with_their_manifest_are_left_to_a_person(world, capsys):
    """Where no other version vouches for what was promoted; a rollback is the way out."""
    other = world.registry.publish(submission(key="other", files={"MLmodel": b"other"}))
    for name in (NAME, SERVED):
        world.client.set_model_version_tag(name, "2", "manifest", other.tags["manifest"])

    assert examine(repair=True).endswith("in the table above")
    assert "put its tag manifest back from a backup, or take another" in capsys.readouterr().out
    rollback.run(RunContext.read(), "not what was promoted")
    assert world.registry.champion(SERVED).version == 1


def test_a_champion_that_no_gate_promoted_is_left_to_a_person(world, capsys):
    """The log is gone, and the alias stands on a version that was refused."""
    lost_history(world)
    world.client.set_model_version_tag(NAME, "2", "gate_outcome", "refuse")

    assert examine(repair=True).startswith("1 thing is wrong")
    said = capsys.readouterr().out
    assert "its history is empty; no gate has promoted it" in said
    assert "registry promote --version NAME/N --reason TEXT" in said


def test_an_unreadable_champion_without_a_predecessor_has_its_next_step(world, capsys):
    """There is nothing to go back to."""
    for number in (1, 2):
        (world.store.path(world.registry.version(NAME, number)) / "model.skops").unlink()
    for name in (NAME, SERVED):
        world.client.delete_model_version(name, "1")

    assert examine(repair=True).startswith("2 things are wrong")
    assert "or replace it: `python -m pipeline.registry promote" in capsys.readouterr().out


# --- what needs nothing


def of_somebody_else(world):
    """A colleague logged a model under one of our names."""
    world.client.create_model_version(NAME, "runs:/0/model")


def entry_whose_author_is_lost(world):
    """Its tag was edited; what it says counts."""
    world.client.set_model_version_tag(HISTORY, "4", "crowning", "nonsense")


def deleted_entry(world):
    """A move of the alias is not told any more."""
    champion = world.registry.version(SERVED, 2)
    world.registry.promote(champion, promotion(), over=champion)
    world.client.delete_model_version(HISTORY, "4")


def edited_verdict(world):
    """Why it was promoted stands in the history."""
    world.client.set_model_version_tag(SERVED, "2", "gate_verdict", "{}")


HARMLESS = [
    (of_somebody_else, f"{NAME}/3 (harmless) ", "is not of this project"),
    (
        entry_whose_author_is_lost,
        f"{SERVED} (harmless) ",
        "its author and reason (the tag crowning)",
    ),
    (deleted_entry, f"{SERVED} (harmless) ", "entry 4 of its history was deleted"),
    (edited_verdict, f"{SERVED}/2 (harmless) ", "gate_verdict is not the one with which it was"),
]


@pytest.mark.parametrize(
    ("change", "subject", "problem"), HARMLESS, ids=lambda value: getattr(value, "__name__", "")
)
def test_what_is_harmless_is_said_and_leaves_the_registry_healthy(
    world, capsys, change, subject, problem
):
    """Or a colleague's version would stop every publication of the branch."""
    change(world)

    assert examine() == examine(repair=True) == ""
    said = capsys.readouterr().out
    assert said.count(subject) == said.count(problem) == 2
    assert said.count("nothing is wrong with the registry") == 2
    assert world.registry.champion(SERVED).version == 2


def test_what_has_the_number_of_the_origin_is_not_written_over(world, capsys):
    """The family's model was deleted and made anew since the damaged one was copied."""
    place = world.store.path(world.registry.version(NAME, 2))
    world.store.begin_again(NAME)
    for _ in range(2):
        world.registry.publish(submission(files={"MLmodel": b"new", "model.skops": b"new"}))
    (place / "model.skops").write_bytes(b"spoks")

    assert "wrong with the registry" in examine(repair=True)
    assert (
        f"not repaired  {SERVED}/2: {NAME}/2 is not what {SERVED}/2 was" in capsys.readouterr().out
    )
    assert world.registry.files(world.registry.version(NAME, 2))["model.skops"] == b"new"


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


def command(uri, *arguments, **environment):
    """Ask the doctor as a person does."""
    environment["MLFLOW_TRACKING_URI"] = uri
    return command_line.call("pipeline.registry", "doctor", *arguments, **environment)


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
    once = {"PIPELINE__REGISTRY__RETRY__TOTAL_SECONDS": "0"}
    assert command("http://127.0.0.1:1", **once).returncode == 4
