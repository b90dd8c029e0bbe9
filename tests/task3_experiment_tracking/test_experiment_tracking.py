"""The whole task: what a run registers, whom it promotes, and what it refuses to do."""

import json
import os
import shutil
from hashlib import sha256
from typing import NamedTuple

import pytest
from mlflow import MlflowClient

from pipeline.base import config, kernel
from pipeline.base.names import registered_name
from pipeline.gate import decision
from pipeline.registry.client import Registry
from pipeline.table.contract import FEATURES, TARGET, TRAINING
from tests.prepared import be_in
from tests.task3_experiment_tracking.runs import NAMES, Moment, made, run, versions


class Story(NamedTuple):
    """The same clone at one moment after the other, and the registry at the end."""

    uri: str
    rehearsed: Moment
    first: Moment
    second: Moment
    once: Moment
    again: Moment
    reused: Moment
    dry: Moment


@pytest.fixture(scope="module")
def address():
    """Return the address of a registry that is no embedded one."""
    return


@pytest.fixture(scope="module")
def story(address, trained, tmp_path_factory):
    """Tell the story of a clone, with an embedded registry unless there is another."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("story") / "clone")
    with pytest.MonkeyPatch.context() as patch:
        be_in(folder, patch)
        patch.setenv("COLUMNS", "200")
        uri = address or os.environ[config.TRACKING_URI]
        patch.setenv(config.TRACKING_URI, uri)
        return Story(
            uri=uri,
            rehearsed=run(uri, dry_run=True),
            first=run(uri),
            second=run(uri),
            once=run(uri, once_per="commit-1"),
            again=run(uri, once_per="commit-1"),
            reused=run(uri, once_per="commit-2", reuse=True),
            dry=run(uri, dry_run=True),
        )


@pytest.fixture(scope="module")
def first_versions(story):
    """Return the first version of each family."""
    return {name: Registry(story.uri, "heart-disease").version(name, 1) for name in NAMES}


# --- the first run


def test_a_rehearsal_in_an_empty_registry_registers_nothing(story):
    """It creates no run, no registered model and no version, and says what it would do."""
    assert made(story.rehearsed) == {}
    assert story.rehearsed.counts["models"] == 0
    assert "verdict promote" in story.rehearsed.printed
    assert "dry run: nothing was registered" in story.rehearsed.printed


def test_the_first_run_makes_version_1_of_each_family(story):
    """And one version of the served model: a copy."""
    assert made(story.first) == versions(1)
    assert story.first.counts["runs"] - story.rehearsed.counts["runs"] == 4


def test_the_first_run_makes_each_fit_family_its_own_champion(story):
    """A family that fails an absolute check has none; quick settings leave boosting unfit."""
    unfit = registered_name("gradient_boosting")
    assert story.first.champions == {name: f"{name}/1" for name in NAMES if name != unfit}


def test_the_first_run_promotes_the_best_family(story):
    """There is no champion to beat, and none before."""
    assert story.first.champion.title == "heart_disease/1"
    assert story.first.champion.tags["promoted_from"] == "heart_disease_logistic_regression/1"
    assert story.first.previous is None
    assert "champion heart_disease/1, from heart_disease_logistic" in story.first.printed


def test_the_table_shows_each_family_with_version_verdict_and_reason(story):
    """A person reads what happened where they started it."""
    for title in ("Random forest", "Logistic regression", "Gradient boosting", "SVM"):
        assert title in story.first.printed
    assert "refuse" in story.first.printed
    assert "Brier score" in story.first.printed
    assert "verdict promote: " in story.first.printed


def test_every_version_says_where_it_comes_from(story, first_versions):
    """Commit, data, model, figures, verdict; and it is complete."""
    for version in [*first_versions.values(), story.first.champion]:
        assert version.complete
        assert version.tags["git_commit"] == "unknown"
        assert {"data_digest", "model_digest", "roc_auc", "brier", "key"} <= version.tags.keys()
        assert {"gate_outcome", "gate_reason", "gate_verdict"} <= version.tags.keys()
        assert version.tags["kernel"] == kernel.PINNED.name
        assert "ci_url" not in version.tags


def test_mlflows_page_shows_the_reason_and_the_figures_at_every_version(story, first_versions):
    """As the description of the version, above its tags; of the served model's too."""
    client = MlflowClient(story.uri, story.uri)
    for version in [*first_versions.values(), story.first.champion]:
        shown = client.get_model_version(version.model_name, str(version.version)).description
        family, roc_auc = version.tags["family"], version.tags["roc_auc"]
        assert shown == (
            f"{version.tags['gate_outcome']}: {version.tags['gate_reason']}\n\n"
            f"family {family}, ROC-AUC {roc_auc}, threshold 0.500, commit unknown"
        )


def test_mlflows_page_opens_the_experiment_as_one_of_models(story):
    """Not as one of language models and their traces; and it says what is in it."""
    tags = MlflowClient(story.uri, story.uri).get_experiment_by_name("heart-disease").tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert tags["mlflow.note.content"].startswith("Every training")


def test_the_champion_says_who_promoted_it_and_when(story):
    """With the day and the offset, so that a reader need not guess the time zone."""
    tags = story.first.champion.tags
    assert tags["promoted_by"]
    assert tags["promoted_at"].endswith("+00:00")


def test_the_model_digest_is_that_of_the_model_file(story, trained):
    """So a file on disk is found in the registry by its sha256."""
    from_disk = (trained / "models/logistic_regression/model.skops").read_bytes()
    files = Registry(story.uri, "heart-disease").files(story.first.champion)
    assert files["model.skops"] == from_disk
    assert story.first.champion.tags["model_digest"] == sha256(from_disk).hexdigest()


def test_a_version_holds_the_whole_trained_model(story, trained):
    """All that task 2 wrote for the family, for the gate and the package."""
    files = Registry(story.uri, "heart-disease").files(story.first.champion)
    folder = trained / "models/logistic_regression"
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert written.items() <= files.items()


def test_a_run_shows_parameters_metrics_data_and_figures(story, first_versions):
    """In MLflow's page."""
    client = MlflowClient(story.uri, story.uri)
    version = first_versions["heart_disease_svm"]
    run = client.get_run(version.run_id)

    assert run.data.params["hyperparameters.gamma"] == "scale"
    assert f"{run.data.metrics['roc_auc']:.6f}" == version.tags["roc_auc"]
    assert {"roc_auc_standard_error", "hungarian_roc_auc", "threshold"} <= run.data.metrics.keys()
    dataset = run.inputs.dataset_inputs[0].dataset
    assert version.tags["data_digest"].startswith(dataset.digest)
    fields = json.loads(dataset.schema)["mlflow_colspec"]
    assert [field["name"] for field in fields] == [*FEATURES, TARGET]
    assert json.loads(dataset.profile)["num_rows"] == TRAINING.rows
    assert json.loads(dataset.source) == {"uri": "data/processed/training.parquet"}
    assert run.data.tags["mlflow.user"] == story.first.champion.tags["promoted_by"]
    assert client.list_artifacts(version.run_id, "figures")


# --- running again


def test_the_second_run_makes_version_2_of_each_family(story):
    """A person who runs the task twice gets two versions; the served model has one."""
    assert made(story.second) == versions(2)


def test_the_same_models_again_keep_every_champion(story):
    """An equal model is no better."""
    assert story.second.champion == story.first.champion
    assert story.second.champions == story.first.champions
    assert "verdict keep: the same model as heart_disease/1" in story.second.printed


def test_a_losing_version_is_recorded_with_its_verdict(story):
    """What the gate said stands at the version that was not promoted."""
    second = Registry(story.uri, "heart-disease").version("heart_disease_logistic_regression", 2)
    assert second.tags["gate_outcome"] == "keep"
    assert second.tags["gate_reason"].startswith("the same model as")
    verdict = decision.Verdict.model_validate_json(second.tags["gate_verdict"])
    assert verdict.outcome == "keep"


def test_one_key_makes_one_version_of_each_family(story):
    """A repeated job finds what it has made: no version, no run."""
    assert made(story.once) == versions(3)
    assert story.again.counts == story.once.counts


def test_a_repeated_job_keeps_the_first_verdict(story):
    """The tags of its versions say what was decided when they were made."""
    third = Registry(story.uri, "heart-disease").version("heart_disease_svm", 3)
    assert third.tags["key"] == "commit-1"
    assert third.tags["gate_outcome"] == "keep"


def test_models_that_did_not_change_get_no_new_version_where_that_is_asked_for(story):
    """Another commit, the same models: only the documentation changed, say."""
    assert made(story.reused) == made(story.again)
    assert story.reused.champion == story.again.champion


def test_a_dry_run_changes_nothing(story):
    """No run, no registered model, no version, no alias; the verdict is printed."""
    assert story.dry._replace(printed="") == story.reused._replace(printed="")
    assert "verdict keep" in story.dry.printed
