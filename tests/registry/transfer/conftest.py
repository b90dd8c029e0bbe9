"""A registry with a past, in all its states, and a witness that says what a registry holds."""

import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

import mlflow
import pytest
from mlflow import MlflowClient

from pipeline.base import config
from pipeline.base.names import HISTORY, SERVED
from pipeline.base.policies import RetryPolicy
from pipeline.registry.client import Registry
from pipeline.registry.history import Promotion
from pipeline.registry.mlflow_calls import MlflowCalls
from pipeline.registry.transfer import MODELS
from tests.conftest import ROOT
from tests.registries import submission

SVM, FOREST, LOGISTIC = (
    f"{SERVED}_{family}" for family in ("svm", "random_forest", "logistic_regression")
)

# All that is special in the text that PostgreSQL reads.
STRANGE = "The first\tof 'all':\r\n\\N and \\. are no end; \u00e9 \U0001f600"


class Interrupted(Registry):
    """A registry whose process dies before a version's upload is verified."""

    def _complete(self, version, submission):
        raise KeyboardInterrupt(version.title, submission.key)


class Place(NamedTuple):
    """A registry in a SQLite file, and the folder that its files are below."""

    uri: str
    folder: Path

    def stored(self, version):
        """Return the folder that holds the files of a version that was published here."""
        (found,) = self.folder.rglob(f"{version.source.removeprefix('models:/')}/artifacts")
        return found


def promotion(reason):
    """Return why a version becomes champion."""
    return Promotion(at="2026-01-01", by="ada", action="promoted", reason=reason, commit="abc")


def promote(registry, version, over):
    """Copy a version into the served model and promote it, as task 3 does."""
    registry.ensure_registered(SERVED, "What is served")
    copied = registry.copy(version, SERVED, {"promoted_from": version.title})
    registry.promote(copied, promotion(f"better than {over}"), over=over)
    return copied


def fill(place):
    """Play a small life: promotions, a release, what was deleted, pruned, cut off and doubled."""
    registry, client = Registry(place.uri, "heart-disease"), MlflowClient(place.uri, place.uri)
    first = registry.publish(submission(key="first", metrics={"slope": float("nan"), "brier": 0.1}))
    registry.publish(submission(key="gone"))
    third = registry.publish(submission(key="third", files={"MLmodel": b"3", "a/b.txt": b"b"}))
    forest = registry.publish(submission(model_name=FOREST, key="first", run_name="forest"))
    lost = registry.publish(submission(model_name=FOREST, key="lost", files={"MLmodel": b"lost"}))
    registry.promote(first, promotion("the first"), over=None)
    served = promote(registry, first, None)
    served = promote(registry, lost, served)
    served = promote(registry, third, served)
    for alias in ("staging", "production"):
        registry.set_alias(served, alias)

    pruned = registry.publish(submission(model_name=LOGISTIC, key="old", run_name="logistic"))
    shutil.rmtree(place.stored(registry.prune(pruned)).parent)
    with pytest.raises(KeyboardInterrupt):
        Interrupted(place.uri, "heart-disease").publish(submission(key="cut"))
    client.create_model_version(
        FOREST, forest.source, forest.run_id, tags={"key": "first: double"}, description="A double"
    )
    client.delete_model_version(SVM, "2")
    client.delete_model_version(FOREST, "2")
    client.delete_model_version(HISTORY, "2")
    client.update_model_version(SVM, "1", STRANGE)
    client.set_terminated(client.get_model_version(SVM, "4").run_id, "FAILED", end_time=7)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """Return an empty registry: to make one takes MLflow seconds."""
    folder = tmp_path_factory.mktemp("template")
    MlflowCalls(f"sqlite:///{folder}/mlflow.db", RetryPolicy())
    return folder / "mlflow.db"


@pytest.fixture(scope="session")
def origin(tmp_path_factory, template):
    """Return an embedded registry with a past; tests only read it."""
    folder = tmp_path_factory.mktemp("origin")
    shutil.copy(template, folder)
    place = Place(f"sqlite:///{folder}/mlflow.db", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv(config.TRACKING_URI, place.uri)
        fill(place)
    return place


@pytest.fixture
def place(tmp_path, template, monkeypatch):
    """Return a function that makes an empty embedded registry, by its name, and goes there."""
    monkeypatch.setenv(config.TRACKING_URI, "")

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(template, folder)
        shutil.copy(ROOT / "config.yaml", folder)
        monkeypatch.chdir(folder)
        return Place(f"sqlite:///{folder}/mlflow.db", folder)

    yield make
    mlflow.set_tracking_uri(None)


def digests(uri):
    """Return the sha256 of each file that MLflow gives for an address, by its path."""
    if not mlflow.artifacts.list_artifacts(artifact_uri=uri):
        return {}
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "registered_model_meta"
    }


def census(uri):
    """Return everything that a registry holds, as MLflow's own client sees it."""
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri, uri)
    found = [
        version for name in MODELS for version in client.search_model_versions(f"name = '{name}'")
    ]
    found.sort(key=lambda one: (MODELS.index(one.name), int(one.version)))
    models = (client.get_registered_model(name) for name in MODELS if _has(client, name))
    return {
        "models": {one.name: (one.description, one.tags, _aliases(one)) for one in models},
        "versions": {f"{one.name}/{one.version}": _version(client, one) for one in found},
    }


def _has(client, name):
    return bool(client.search_registered_models(f"name = '{name}'"))


def _aliases(model):
    return {alias: int(version) for alias, version in model.aliases.items()}


def _version(client, version):
    source = version.source.removeprefix("models:/")
    row = {
        "tags": version.tags,
        "times": (version.creation_timestamp, version.last_updated_timestamp),
        "description": version.description or "",
        "source": source,
    }
    # An entry of the history has neither files nor a run.
    return row if version.name == HISTORY else row | _model(client, version, source)


def _model(client, version, source):
    return {
        "files": digests(f"models:/{version.name}/{version.version}"),
        "run": _run(client, version.run_id),
        "logged": None if "/" in source else _logged(client.get_logged_model(source)),
    }


def _metrics(metrics):
    return sorted((one.key, repr(one.value), one.timestamp, one.step) for one in metrics)


def _run(client, id_):
    run = client.get_run(id_)
    history = [one for name in run.data.metrics for one in client.get_metric_history(id_, name)]
    return {
        "id": id_,
        "name": (run.info.run_name, run.info.status),
        "times": (run.info.start_time, run.info.end_time),
        "parameters": run.data.params,
        "tags": run.data.tags,
        "metrics": _metrics(history),
        "inputs": [str(one.dataset) for one in run.inputs.dataset_inputs],
        "models": [one.model_id for one in run.outputs.model_outputs],
        "figures": digests(f"{run.info.artifact_uri}/figures"),
        "experiment": client.get_experiment(run.info.experiment_id).name,
    }


def _logged(model):
    return {
        "name": (model.name, model.model_type, str(model.status)),
        "run": model.source_run_id,
        "times": (model.creation_timestamp, model.last_updated_timestamp),
        "parameters": model.params,
        "tags": model.tags,
        "metrics": _metrics(model.metrics),
    }
