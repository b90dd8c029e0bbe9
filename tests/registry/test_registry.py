"""The registry keeps what it is given, and gives nothing back that it cannot vouch for."""

import pytest

from pipeline.base.errors import NoChampionError, RegistryError
from pipeline.registry.history import CHAMPION
from tests.registries import UNFINISHED, counts, submission

NAME = "heart_disease_svm"
# A model without a version; a server with accounts knows its name.
UNPUBLISHED = "heart_disease_gradient_boosting"


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
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.name == "cleveland"
    assert data.dataset.digest == "e" * 36
    assert [(tag.key, tag.value) for tag in data.tags] == [("mlflow.data.context", "training")]
    assert (run.info.run_name, run.info.status) == ("svm", "FINISHED")


def test_mlflows_page_says_who_made_a_run_and_its_model(client, published):
    """From MLflow's own tags, which stand at both; and the metrics name their data set."""
    run, version = client.get_run(published.run_id), published
    model = client.get_logged_model(version.source.removeprefix("models:/"))

    for tags in (run.data.tags, model.tags):
        assert tags["mlflow.user"] == "ann"
        assert tags["mlflow.source.name"] == "pipeline.experiment_tracking"
        assert tags["mlflow.source.git.commit"] == "c" * 40
    assert {metric.dataset_name for metric in model.metrics} == {"cleveland"}


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


def test_what_a_killed_server_leaves_of_an_upload_is_no_file(store, registry, published):
    """MLflow writes beside the file and lists nothing of that name; the next upload is whole."""
    (store.path(published) / f"{UNFINISHED}x1").write_bytes(b"sko")

    assert "model.skops" in registry.files(published)


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


def test_a_deleted_experiment_is_named_with_the_way_out(client, registry, published):
    """MLflow would say that it must be active, and not how."""
    experiment = client.get_run(published.run_id).info.experiment_id
    client.delete_experiment(experiment)
    try:
        with pytest.raises(RegistryError, match="was deleted: `make doctor ARGS=--repair` rest"):
            registry.publish(submission())
    finally:
        client.restore_experiment(experiment)


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
