"""The registry keeps what it is given, and gives nothing back that it cannot vouch for."""

import pytest
from mlflow import MlflowClient

from pipeline.base.errors import NoChampionError, OvertakenError, RegistryError
from pipeline.base.names import HISTORY
from pipeline.registry.client import Registry
from pipeline.registry.history import CHAMPION, PREVIOUS_CHAMPION, Promotion
from tests.registries import counts, submission

NAME = "heart_disease_svm"
# A model without a version; a server with accounts knows its name.
UNPUBLISHED = "heart_disease_gradient_boosting"


class Interrupted(Registry):
    """A registry whose process dies before a version's upload is verified."""

    def _complete(self, version, submission):
        raise KeyboardInterrupt(version.title, submission.key)


@pytest.fixture
def client(store):
    """Return MLflow's own client, which sees the registry as any other program does."""
    return store.client()


@pytest.fixture
def published(registry):
    """Return a version that was published without trouble."""
    return registry.publish(submission())


@pytest.fixture
def interrupted(store, registry):
    """Return what an interrupted publish leaves behind, and the submission it was given."""
    given = submission()
    with pytest.raises(KeyboardInterrupt):
        Interrupted(store.uri, "tests").publish(given)
    (left,) = registry.versions(NAME)
    return left, given


# --- publish


def test_a_published_version_is_complete_and_holds_its_files(registry):
    """They come back byte for byte, and nothing with them."""
    given = submission()
    version = registry.publish(given)

    assert version.complete
    assert version == registry.version(NAME, 1)
    assert registry.files(version) == given.files


def test_a_published_version_carries_the_tags_the_key_and_the_manifest(registry):
    """The manifest is what `sha256sum --check` reads."""
    given = submission(files={"MLmodel": b""})
    version = registry.publish(given)

    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    expected = {"key": given.key, "manifest": f"{empty}  MLmodel\n", "complete": "true"}
    assert version.tags == given.tags | expected


def test_a_run_is_logged_beside_the_version(client, published):
    """With parameters, metrics, tags and the data set, and it has ended."""
    run = client.get_run(published.run_id)

    assert run.data.params == {"C": "0.5", "exam.folds": "10"}
    assert run.data.metrics == {"roc_auc": 0.9, "brier": 0.12}
    assert run.data.tags["model_digest"] == "d" * 64
    assert run.inputs.dataset_inputs[0].dataset.name == "cleveland"
    assert run.inputs.dataset_inputs[0].dataset.digest == "e" * 36
    assert (run.info.run_name, run.info.status) == ("svm", "FINISHED")


def test_the_figures_are_the_runs_own(client, published):
    """Below one folder, where MLflow's page shows them."""
    found = [one.path for one in client.list_artifacts(published.run_id, "figures")]
    assert found == ["figures/roc.png"]


def test_the_version_shows_the_metrics_in_mlflows_page(client, published):
    """They belong to the logged model that the version was made from."""
    model = client.get_logged_model(published.source.removeprefix("models:/"))
    assert {metric.key: metric.value for metric in model.metrics} == {
        "roc_auc": 0.9,
        "brier": 0.12,
    }
    assert model.source_run_id == published.run_id


def test_the_same_key_is_published_once(store, registry, published):
    """A repeated job gets the version that it has made, and no run is logged."""
    before = counts(store.uri)
    again = registry.publish(submission(key=published.tags["key"]))

    assert again == published
    assert counts(store.uri) == before


def test_another_key_is_another_version(registry, published):
    """Even of the same files."""
    assert (published.version, registry.publish(submission()).version) == (1, 2)
    assert [found.version for found in registry.versions(NAME)] == [1, 2]


def test_the_same_key_in_another_family_is_another_version(registry, published):
    """One key covers a job, which publishes four families."""
    other = registry.publish(
        submission(model_name="heart_disease_random_forest", key=published.tags["key"])
    )
    assert (other.model_name, other.version) == ("heart_disease_random_forest", 1)


def test_an_interrupted_publish_leaves_an_incomplete_version(registry, interrupted):
    """Its files are not handed out."""
    left, _ = interrupted

    assert not left.complete
    with pytest.raises(RegistryError, match=f"{NAME}/1 is incomplete"):
        registry.files(left)


def test_an_interrupted_publish_is_completed_by_the_next(store, registry, interrupted):
    """The version that stands there is verified; no second one is made."""
    left, given = interrupted
    before = counts(store.uri)
    version = registry.publish(given)

    assert version.version == left.version
    assert registry.version(NAME, 1).complete
    assert registry.files(version) == given.files
    assert counts(store.uri) == before


def test_an_interrupted_publish_whose_files_are_damaged_is_sent_again(store, registry, interrupted):
    """No reader was given the files: the version that stands there gets them whole."""
    left, given = interrupted
    (store.path(left) / "model.skops").write_bytes(b"sko")
    before = counts(store.uri)

    version = registry.publish(given)

    assert (version.version, version.complete) == (left.version, True)
    assert registry.files(version) == given.files
    assert counts(store.uri) == before


def test_a_file_that_was_not_sent_keeps_a_version_incomplete(store, registry, interrupted):
    """To send the files again does not take it away."""
    left, given = interrupted
    (store.path(left) / "planted.py").write_bytes(b"import os")

    with pytest.raises(RegistryError, match=r"planted\.py is not expected"):
        registry.publish(given)
    assert not registry.version(NAME, 1).complete


def test_a_key_that_has_made_another_model_is_refused(registry, published):
    """Its version stays as it is."""
    other = submission(key=published.tags["key"], tags=published.tags | {"model_digest": "f" * 64})
    with pytest.raises(
        RegistryError, match=f"was used for other models \\({NAME}/1\\): give anoth"
    ):
        registry.publish(other)
    assert registry.version(NAME, 1) == published


def test_of_two_versions_with_one_key_the_older_keeps_it(client, registry, published):
    """A request that was given up for lost can still arrive, and two jobs can run at once."""
    key = published.tags["key"]
    model_id = published.source.removeprefix("models:/")
    late = client.create_model_version(
        NAME, published.source, published.run_id, tags=published.tags, model_id=model_id
    )

    assert registry.publish(submission(key=key)) == published
    assert registry.versions(NAME, key=key) == [published]
    assert registry.version(NAME, int(late.version)).tags["key"] == f"{key}: double of {NAME}/1"


# --- files


def swap(folder):
    """Put other bytes of the same length in a file's place."""
    (folder / "model.skops").write_bytes(b"spoks")


def truncate(folder):
    """Cut the end off a file."""
    (folder / "model.skops").write_bytes(b"sko")


def remove(folder):
    """Take a file away."""
    (folder / "model.skops").unlink()


def add(folder):
    """Put a file beside the others."""
    (folder / "code" / "b.py").write_bytes(b"import os\n")


@pytest.mark.parametrize(
    ("damage", "breach"),
    [
        (swap, "model.skops has changed"),
        (truncate, "model.skops has changed"),
        (remove, "model.skops is missing"),
        (add, "code/b.py is not expected"),
    ],
    ids=["swapped", "truncated", "removed", "added"],
)
def test_a_file_that_is_not_as_published_is_named(store, registry, published, damage, breach):
    """MLflow itself would hand it over."""
    damage(store.path(published))

    with pytest.raises(RegistryError) as refused:
        registry.files(published)
    assert str(refused.value) == f"{NAME}/1 is not what was published: {breach}"


def test_every_difference_is_named_at_once(store, registry, published):
    """A person who repairs it need not try again for each."""
    folder = store.path(published)
    swap(folder)
    add(folder)

    with pytest.raises(RegistryError, match=r"b\.py is not expected; model\.skops has changed"):
        registry.files(published)


def test_a_version_whose_files_are_all_gone_is_refused(store, registry, published):
    """MLflow says READY of it all the same."""
    folder = store.path(published)
    folder.rename(folder.with_name("elsewhere"))

    with pytest.raises(RegistryError, match=f"{NAME}/1|refused"):
        registry.files(published)


@pytest.mark.parametrize("text", ["", "not checksums"], ids=["none", "damaged"])
def test_a_version_without_a_readable_manifest_is_refused(registry, published, text):
    """Nothing vouches for its files then."""
    changed = registry.tag(published, {"manifest": text})
    with pytest.raises(RegistryError, match=f"{NAME}/1"):
        registry.files(changed)


# --- versions and aliases


def test_an_unknown_version_is_named(store, registry, published):
    """Of a known model and of an unknown one."""
    assert published.version == 1
    for name in (NAME, UNPUBLISHED):
        with pytest.raises(RegistryError) as refused:
            registry.version(name, 7)
        assert str(refused.value) == f"{store.uri} holds no {name}/7"


def test_versions_are_found_by_tags(registry):
    """All of the given ones must agree."""
    for commit, family in (("a", "svm"), ("b", "svm"), ("a", "tree")):
        registry.publish(submission(tags={"git_commit": commit, "family": family}))

    found = registry.versions(NAME, git_commit="a", family="svm")
    assert [version.version for version in found] == [1]


def test_an_alias_without_a_version_is_none(registry, published):
    """Of a known model and of an unknown one, which MLflow tells apart."""
    assert registry.find_alias(published.model_name, CHAMPION) is None
    assert registry.find_alias(UNPUBLISHED, CHAMPION) is None


def test_no_champion_is_one_line_that_says_what_to_run(store, registry):
    """With the registry that was looked at: perhaps it is the wrong one."""
    with pytest.raises(NoChampionError) as refused:
        registry.champion("heart_disease")
    assert str(refused.value) == (
        f"no version holds heart_disease@champion in {store.uri}: "
        "run `.venv/bin/python -m pipeline.experiment_tracking` first"
    )


def test_an_alias_moves(registry, published):
    """It stands on one version at a time."""
    second = registry.publish(submission())
    registry.set_alias(published, CHAMPION)
    registry.set_alias(second, CHAMPION)

    assert registry.champion(NAME) == second


def test_a_tag_is_returned_and_kept(registry, published):
    """The version that comes back is the version that is there."""
    tagged = registry.tag(published, {"gate_outcome": "promote"})

    assert tagged.tags == published.tags | {"gate_outcome": "promote"}
    assert registry.version(NAME, 1) == tagged


def test_a_registered_model_is_made_once(client, registry):
    """The second time nothing happens, not even to its description; an admin gave it none."""
    registry.ensure_registered("heart_disease", "The first")
    registry.ensure_registered("heart_disease", "The second")
    assert (client.get_registered_model("heart_disease").description or "The first") == "The first"


# --- copy


def test_a_copy_keeps_tags_run_and_files(registry, published):
    """It is the same model under another name, and verified as such."""
    registry.ensure_registered("heart_disease", "")
    copied = registry.copy(published, "heart_disease", {"promoted_by": "ada"})

    assert copied.title == "heart_disease/1"
    assert copied == registry.version("heart_disease", 1)
    assert copied.tags == published.tags | {"promoted_by": "ada"}
    assert copied.run_id == published.run_id
    assert registry.files(copied) == registry.files(published)


def test_a_copy_is_made_once(registry, published):
    """A promotion that is repeated finds the copy it has made, and says anew why."""
    registry.ensure_registered("heart_disease", "")
    copied = registry.copy(published, "heart_disease", {"promoted_by": "ada"})
    again = registry.copy(published, "heart_disease", {"promoted_by": "grace"})

    assert again.version == copied.version
    assert registry.versions("heart_disease") == [again]
    assert again.tags["promoted_by"] == "grace"


def test_another_version_is_another_copy(registry, published):
    """The versions of the served model are the history of promotions."""
    registry.ensure_registered("heart_disease", "")
    registry.copy(published, "heart_disease", {})
    assert registry.copy(registry.publish(submission()), "heart_disease", {}).version == 2


def test_a_damaged_copy_is_refused_by_its_own_name(store, registry, published):
    """A copy shares the files of the version it was made from."""
    registry.ensure_registered("heart_disease", "")
    copied = registry.copy(published, "heart_disease", {})
    swap(store.path(published))

    with pytest.raises(RegistryError, match="heart_disease/1 is not what was published"):
        registry.files(copied)


# --- champions


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
    assert registry.champion(NAME) == published

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
    swap(store.path(published))
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
                HISTORY, entry.source, entry.run_id, tags=entry.tags
            )
            return self.versions(HISTORY, key=entry.tags["key"])[0].version

    twice = Twice(store.uri, "tests")
    twice.promote(published, promotion(), over=None)
    assert [entry.version for entry in twice.valid_entries(NAME)] == [1]
    assert len(twice.log(NAME)) == 2


def test_a_damaged_entry_of_the_history_does_not_count(client, registry, published):
    """The champion is then the one before."""
    second = registry.publish(submission())
    registry.promote(published, promotion(), over=None)
    registry.promote(second, promotion(), over=published)
    client.set_model_version_tag(HISTORY, "2", "crowning", "nonsense")

    assert registry.settle(NAME) == published


def test_a_champion_that_was_deleted_is_named(client, registry, published):
    """With the command that looks after it."""
    second = registry.publish(submission())
    registry.promote(published, promotion(), over=None)
    registry.promote(second, promotion(), over=published)
    client.delete_model_version(NAME, "2")

    with pytest.raises(RegistryError, match=f"{NAME}/2 is champion by the history and was deleted"):
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
