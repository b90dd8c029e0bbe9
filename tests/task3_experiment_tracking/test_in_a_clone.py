"""The task in a clone: models that do not fit it, the commit and the CI that it runs in."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from pipeline import experiment_tracking
from pipeline.base import artifacts, config
from pipeline.base.context import RunContext
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import ArtifactError
from pipeline.dataset.tables import read_table, table_bytes
from pipeline.registry.client import Registry
from pipeline.registry.promotion import Gate
from tests.registries import counts
from tests.task3_experiment_tracking.runs import command, made, run, versions

NOT_MEANT = {"PIPELINE__REGISTER_OVERRIDDEN": "false"}
COMMIT = "git -c user.name=Ann -c user.email=ann@example.org commit --quiet --message="

# --- what it refuses to register


def other_data(folder, monkeypatch):
    """Make one patient a year older."""
    del monkeypatch
    files = artifacts.read_folder(folder / artifacts.PROCESSED, "data_acquisition_eda")
    table = read_table(files["training.parquet"])
    table.loc[0, "age"] += 1
    older = {**files, "training.parquet": table_bytes(table)}
    artifacts.write_folder(folder / artifacts.PROCESSED, older)


def other_parameters(folder, monkeypatch):
    """Ask for other hyperparameters than the models were trained with."""
    del folder
    monkeypatch.setenv(config.PREFIX + "MODELS__SVM__C", "7")


def other_exam(folder, monkeypatch):
    """Ask for other folds than the models were examined on."""
    del folder
    monkeypatch.setenv(config.PREFIX + "EVALUATION__SEED", "7")


def no_models(folder, monkeypatch):
    """Take the models away."""
    del monkeypatch
    shutil.rmtree(folder / artifacts.MODELS)


def no_figures(folder, monkeypatch):
    """Take the figures of the models away."""
    del monkeypatch
    shutil.rmtree(folder / artifacts.MODEL_FIGURES)


def no_data(folder, monkeypatch):
    """Take the tables away."""
    del monkeypatch
    shutil.rmtree(folder / artifacts.PROCESSED)


def changed_model(folder, monkeypatch):
    """Flip one bit of a model."""
    del monkeypatch
    file = folder / artifacts.MODELS / "svm/model.skops"
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "explanation"),
    [
        (
            other_data,
            "models/random_forest is stale: data_digest, training_digest changed since",
        ),
        (other_exam, "models/random_forest is stale: exam changed since it was trained; run `.v"),
        (other_parameters, "models/svm is stale: recipe_digest, hyperparameters changed since"),
        (no_models, "models/ is missing or unfinished: run `.venv/bin/python -m pipeline.fe"),
        (
            changed_model,
            "models/: svm/model.skops has changed: run `.venv/bin/python -m pipeline",
        ),
        (no_figures, "figures/models/ is missing or unfinished: run `.venv/bin/python -m pipel"),
        (no_data, "data/processed/ is missing or unfinished: run `.venv/bin/python -m pipeline.da"),
    ],
    ids=lambda value: getattr(value, "__name__", "explained"),
)
def test_models_that_do_not_fit_the_clone_are_not_registered(
    clone, monkeypatch, change, explanation
):
    """The line says what to run, and the registry stays as it is; most open none."""
    change(clone, monkeypatch)
    with pytest.raises(ArtifactError) as refused:
        experiment_tracking.run(RunContext.read())

    assert str(refused.value).startswith(explanation)
    opened = (clone / "mlflow.db").exists()
    assert not opened or counts(os.environ[config.TRACKING_URI]) == {"runs": 0, "models": 0}


# --- where it runs


@pytest.fixture
def committed(clone):
    """Make the clone a git repository and return its commit."""
    (clone / ".gitignore").write_text("*\n!config.yaml\n")
    for line in (
        "git init --quiet",
        "git add config.yaml",
        f"{COMMIT}first",
    ):
        subprocess.run(line.split(), check=True)
    done = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_ci_and_git_stand_at_every_version(committed, monkeypatch):
    """The commit, the page of the run, and who started it."""
    for name, value in {
        "SERVER_URL": "https://github.com",
        "REPOSITORY": "ann/heart",
        "RUN_ID": "42",
        "ACTOR": "ann",
    }.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    tags = run(os.environ[config.TRACKING_URI]).champion.tags

    assert (tags["git_commit"], tags["git_modified"]) == (committed, "false")
    assert tags["ci_url"] == "https://github.com/ann/heart/actions/runs/42"
    assert tags["promoted_by"] == "ann"


@pytest.mark.usefixtures("clone")
def test_what_cannot_be_decided_registers_nothing(monkeypatch):
    """Each attempt would otherwise leave four more versions."""

    def undecided(*_):
        raise ArithmeticError("whatever a library says")

    monkeypatch.setattr(Gate, "decide", undecided)

    with pytest.raises(ArithmeticError):
        run(os.environ[config.TRACKING_URI])

    assert counts(os.environ[config.TRACKING_URI]) == {"runs": 0, "models": 0}


def test_one_family_that_changed_gets_the_only_new_version(clone):
    """The others are left as they are."""
    uri = os.environ[config.TRACKING_URI]
    run(uri)
    files = artifacts.read_folder(artifacts.MODELS, made_by="feature_engineering")
    metrics = json.loads(files["svm/metrics.json"])
    metrics["threshold"] = 0.25
    files["svm/metrics.json"] = json_bytes(metrics)
    artifacts.write_folder(clone / "models", files)

    found = run(uri, reuse=True)

    assert made(found) == versions(1) | {"heart_disease_svm": 2}


def test_the_key_of_a_commit_names_the_commit_and_the_data(committed):
    """A job that is run again finds the versions of the first."""
    for _ in range(2):
        assert command("--once-per-commit").returncode == 0

    registry = Registry(os.environ[config.TRACKING_URI], "heart-disease")
    (version,) = registry.versions("heart_disease_svm")

    assert version.tags["key"].startswith(f"{committed}-")
    assert version.tags["data_digest"].startswith(version.tags["key"].partition("-")[2])


def test_a_training_of_a_whole_commit_is_noted_once_it_is_finished(committed):
    """For the release, which ships no champion of before; a rehearsal is none."""
    registry = Registry(os.environ[config.TRACKING_URI], "heart-disease")
    noted = []
    for arguments in (["--once-per-commit", "--dry-run"], [], ["--once-per-commit"]):
        assert command(*arguments).returncode == 0
        noted.append(registry.last_training())

    assert noted == ["", "", committed]


def test_a_training_that_variables_override_is_not_noted(committed):
    """A release would ship the champion of before for it."""
    registry = Registry(os.environ[config.TRACKING_URI], "heart-disease")
    assert command().returncode == 0

    done = command("--once-per-commit", **NOT_MEANT)

    assert done.returncode == 0
    assert registry.last_training() == ""
    assert committed


def test_a_promotion_that_is_required_is_not_made_by_models_that_variables_override(clone):
    """The verdict alone would let a job go on without a new champion."""
    done = command("--require-promotion", **NOT_MEANT)

    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith(
        "error: the champion stays: dry run: nothing was registered and no alias moved, because "
        "variables override models.random_forest.n_estimators (100 -> 10), "
    )
    assert clone.is_dir()


def test_the_key_of_a_commit_that_does_not_hold_everything_is_refused(committed):
    """The versions would not be what the commit trains."""
    settings = Path("config.yaml")
    settings.write_text(settings.read_text() + "\n")

    done = command("--once-per-commit")

    assert committed
    assert done.returncode == 1
    assert "commit your changes" in done.stderr


@pytest.mark.usefixtures("committed")
def test_the_key_of_another_project_s_commit_is_refused():
    """An archive that was unpacked in a clone of something else: its commit did not make these."""
    for line in ("git rm --quiet --cached config.yaml", f"{COMMIT}other"):
        subprocess.run(line.split(), check=True)

    done = command("--once-per-commit")

    assert done.returncode == 1
    assert "warning: no commit is recorded: the commit " in done.stdout
    assert "error: --once-per-commit needs a commit: the commit " in done.stderr


def test_two_keys_are_one_too_many(clone):
    """The command cannot know which was meant."""
    assert clone.is_dir()

    assert command("--once-per-commit", "--once-per", "x").returncode == 2


def test_ci_shows_the_verdict_on_the_page_of_its_run(clone, tmp_path):
    """As Markdown, after what other steps have written there."""
    page = tmp_path / "summary.md"
    page.write_text("before\n")

    assert command("--dry-run", GITHUB_STEP_SUMMARY=str(page)).returncode == 0

    text = page.read_text()
    assert text.startswith("before\n## Training: promote")
    assert "\n\n**dry run: nothing was registered and no alias moved.**\n\n|" in text
    assert "| Random forest | none |" in text
    assert clone.is_dir()


def test_a_person_runs_it_by_its_name(clone):
    """The command decides, prints, and ends with 0; a rehearsal leaves no version."""
    done = command("--dry-run")

    assert done.returncode == 0, done.stderr
    assert "verdict       promote: " in done.stdout
    assert done.stdout.endswith("dry run: nothing was registered and no alias moved\n")
    assert counts(f"sqlite:///{clone}/mlflow.db")["models"] == 0


def test_a_server_that_is_down_is_one_line_and_exit_code_4(clone):
    """Nothing of the models is lost: run it again when the server is up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = command(MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}")

    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].startswith("error: the registry at http://127.0.0.1:")
    assert "Traceback" not in done.stderr
    assert clone.is_dir()
