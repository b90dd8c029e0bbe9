"""The champion is what the history says was promoted, whatever happened to aliases and tags."""

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.base.errors import OvertakenError, RegistryError
from pipeline.base.names import HISTORY
from pipeline.registry.client import Registry
from pipeline.registry.history import CHAMPION, PREVIOUS_CHAMPION, Promotion
from tests.registries import submission

NAME = "heart_disease_svm"


def promotion(reason="better"):
    """Return why a version becomes champion."""
    return Promotion(at="2026-01-01", by="ada", action="promoted", reason=reason, commit="abc")


def test_a_promoted_version_is_champion_and_the_history_says_why(registry, published):
    """The one before keeps an alias, too."""
    second = registry.publish(submission())
    registry.promote(published, promotion("the first"), over=None)
    registry.promote(second, promotion("better"), over=published)

    assert registry.champion(NAME) == second
    assert registry.aliases(NAME) == {CHAMPION: 2, PREVIOUS_CHAMPION: 1}
    told = [(entry.version, entry.promotion.reason) for entry in registry.valid_entries(NAME)]
    assert told == [(1, "the first"), (2, "better")]


def test_a_decision_against_another_champion_is_overtaken(registry, published):
    """The gate has compared it with a model that is no longer in its way."""
    second = registry.publish(submission())
    registry.promote(published, promotion(), over=None)

    with pytest.raises(OvertakenError, match=f"{NAME}/1 became champion meanwhile"):
        registry.promote(second, promotion(), over=None)
    assert registry.champion(NAME) == published


def test_of_two_promoters_at_once_the_first_in_the_history_wins(store, published):
    """Both had read the same past; the other one is told to decide again."""

    class Late(Registry):
        """A promoter that reads the history just before another writes into it."""

        def _append(self, version, given, after):
            Registry(store.uri, "tests").promote(published, promotion("faster"), over=None)
            return super()._append(version, given, after)

    late = Late(store.uri, "tests")
    second = late.publish(submission())
    with pytest.raises(OvertakenError, match=f"became champion before {NAME}/2 could"):
        late.promote(second, promotion(), over=None)
    assert late.champion(NAME) == published
    assert [entry.version for entry in late.valid_entries(NAME)] == [1]


def test_an_interrupted_promotion_is_finished_by_the_next_promoter(store, registry, published):
    """It stands in the history; only the aliases did not move yet."""

    class Dying(Registry):
        """A promoter that dies between the two."""

        def settle(self, model_name):
            raise KeyboardInterrupt(model_name)

    second = registry.publish(submission())
    registry.promote(published, promotion(), over=None)
    with pytest.raises(KeyboardInterrupt):
        Dying(store.uri, "tests").promote(second, promotion(), over=published)
    assert registry.find_alias(NAME, CHAMPION) == published

    assert registry.settle(NAME) == second
    assert registry.aliases(NAME) == {CHAMPION: 2, PREVIOUS_CHAMPION: 1}


def test_an_alias_that_was_moved_by_hand_goes_back(registry, published):
    """The history has the say; a rollback is the way to another champion."""
    registry.promote(published, promotion(), over=None)
    registry.set_alias(registry.publish(submission()), CHAMPION)

    assert registry.settle(NAME) == published
    assert registry.champion(NAME) == published


def test_without_a_history_the_alias_counts(registry, published):
    """A registry that another tool filled has a champion all the same."""
    assert registry.settle(NAME) is None
    registry.set_alias(published, CHAMPION)
    second = registry.publish(submission())

    assert registry.settle(NAME) == published
    registry.promote(second, promotion(), over=published)
    assert registry.champion(NAME) == second


def test_an_incomplete_version_cannot_be_champion(registry, interrupted):
    """Its content is unknown."""
    with pytest.raises(RegistryError, match=f"{NAME}/1 is incomplete"):
        registry.promote(interrupted[0], promotion(), over=None)


def test_a_version_with_other_files_cannot_be_champion(store, registry, published):
    """Also when it was complete once."""
    (store.path(published) / "model.skops").write_bytes(b"spoks")
    with pytest.raises(RegistryError, match=f"{NAME}/1 is not what was published"):
        registry.promote(published, promotion(), over=None)
    assert registry.valid_entries(NAME) == []


def test_an_entry_that_arrives_twice_counts_once(store, published):
    """The first request was given up for lost, and committed before the second."""

    class Twice(Registry):
        """A registry that writes every entry of the history twice, and believes in the second."""

        def _append(self, version, given, after):
            first = super()._append(version, given, after)
            (entry,) = (one for one, _ in self.log(NAME) if one.version == first)
            MlflowClient(store.uri, store.uri).create_model_version(
                HISTORY, entry.source, tags=entry.tags
            )
            return self.versions(HISTORY, key=entry.tags["key"])[0].version

    twice = Twice(store.uri, "tests")
    twice.promote(published, promotion(), over=None)
    assert [entry.version for entry in twice.valid_entries(NAME)] == [1]
    assert len(twice.log(NAME)) == 2


@pytest.mark.parametrize("tag", ["crowning", "model", "version", "after", "key"])
def test_no_tag_of_an_entry_changes_who_is_champion(client, registry, published, tag):
    """What it says stands where MLflow lets nobody edit it; who and why may be lost."""
    second = registry.publish(submission())
    registry.promote(published, promotion(), over=None)
    registry.promote(second, promotion(), over=published)
    client.set_model_version_tag(HISTORY, "2", tag, "nonsense")

    assert registry.settle(NAME) == registry.champion(NAME) == second
    assert registry.promote(published, promotion(), over=second) is None
    assert [entry.version for entry in registry.valid_entries(NAME)] == [1, 2, 1]
    author = registry.valid_entries(NAME)[1].promotion.by
    assert author == ("unknown" if tag == "crowning" else "ada")


def as_before(client, version, after):
    """Append an entry as it was written before its source said everything."""
    told = {
        "model": version.model_name,
        "version": str(version.version),
        "crowning": promotion().model_dump_json(),
        "after": after,
    }
    address = f"models:/{version.title}"
    client.create_model_version(HISTORY, address, version.run_id, tags=told)


def test_entries_of_older_registries_count(client, registry, published):
    """Their tags said what came before; one that is damaged does not count."""
    second = registry.publish(submission())
    registry.ensure_registered(HISTORY, "")
    as_before(client, published, "0")
    as_before(client, second, "1")
    as_before(client, published, "nonsense")

    assert registry.settle(NAME) == second
    registry.promote(published, promotion(), over=second)
    assert [entry.version for entry in registry.valid_entries(NAME)] == [1, 2, 1]
    assert registry.aliases(NAME) == {CHAMPION: 1, PREVIOUS_CHAMPION: 2}


@pytest.mark.parametrize("source", ["?after=x", "?after=1&by=me", "", "?run=1"])
def test_an_entry_that_somebody_made_up_does_not_count(client, registry, published, source):
    """It is named by the doctor, and stops nobody."""
    registry.promote(published, promotion(), over=None)
    client.create_model_version(HISTORY, f"promotion:/{NAME}/9{source}")

    assert registry.log(NAME)[-1][1] is None
    assert registry.champion(NAME) == published


def test_an_entry_is_no_model_and_no_run_shows_it(client, registry, published):
    """MLflow would count it on the run's page, and load the champion by its name."""
    registry.promote(published, promotion(), over=None)

    (entry,) = client.search_model_versions(f"name = '{HISTORY}'")
    assert not entry.run_id
    with pytest.raises(MlflowException):
        mlflow.pyfunc.load_model(f"models:/{HISTORY}/1")


def test_a_number_that_is_given_again_is_no_champion(store, registry, published):
    """Though the history names the number."""
    registry.promote(published, promotion(), over=None)
    store.begin_again(NAME)
    another = registry.publish(submission())

    assert another.version == published.version
    assert registry.settle(NAME) is registry.find_champion(NAME) is None
    registry.promote(another, promotion(), over=None)
    assert registry.champion(NAME) == another


def test_files_that_nobody_judged_are_no_champion(client, registry, published):
    """Somebody put others in their place, with a manifest to match."""
    registry.promote(published, promotion(), over=None)
    other = registry.publish(submission(files={"MLmodel": b"other"}))
    client.set_model_version_tag(NAME, "1", "manifest", other.tags["manifest"])

    for ask in (registry.settle, registry.find_champion, registry.champion):
        with pytest.raises(RegistryError, match="its manifest is not the one that was promoted"):
            ask(NAME)
    registry.promote(other, promotion("a person's decision"), over=registry.last_champion(NAME))
    assert registry.champion(NAME) == other


@pytest.mark.parametrize("alias", [2, None], ids=["moved", "removed"])
def test_a_reader_follows_the_history_and_says_where_the_alias_is(
    client, registry, published, capsys, alias
):
    """Also one who may write nothing."""
    registry.promote(published, promotion(), over=None)
    registry.publish(submission())
    if alias:
        client.set_registered_model_alias(NAME, CHAMPION, str(alias))
    else:
        client.delete_registered_model_alias(NAME, CHAMPION)

    assert registry.champion(NAME) == published
    stands = f"version {alias}" if alias else "none"
    assert capsys.readouterr().out == (
        f"warning       {NAME}@champion stands on {stands}, and by the history on version 1, which "
        "counts: `make doctor ARGS=--repair` moves it\n"
    )
    assert registry.aliases(NAME) == ({CHAMPION: alias} if alias else {})


def test_a_champion_that_was_deleted_is_named(client, registry, published):
    """With the command that looks after it."""
    second = registry.publish(submission())
    registry.promote(published, promotion(), over=None)
    registry.promote(second, promotion(), over=published)
    client.delete_model_version(NAME, "2")

    lost = f"the champion of {NAME} cannot be used: it was deleted; run .* doctor --repair"
    with pytest.raises(RegistryError, match=lost):
        registry.settle(NAME)


def test_where_every_champion_was_deleted_there_is_none(client, registry, published):
    """The next one is promoted as the first was."""
    registry.promote(published, promotion(), over=None)
    client.delete_model_version(NAME, "1")
    assert registry.settle(NAME) is None

    second = registry.publish(submission())
    registry.promote(second, promotion(), over=None)
    assert registry.settle(NAME) == registry.champion(NAME) == second


def test_a_deleted_previous_champion_stops_no_promotion(client, registry, published):
    """There is none to go back to then."""
    second = registry.publish(submission())
    registry.promote(published, promotion(), over=None)
    registry.promote(second, promotion(), over=published)
    client.delete_model_version(NAME, "1")

    assert registry.settle(NAME) == second
    assert registry.aliases(NAME) == {CHAMPION: 2}
