"""The parts of a version to send: a run with its figures, and a model with its files.

All of it can be repeated: the run is found by its key, and what is set is set as before. Each
attempt makes a logged model of its own, though; that of an attempt which was cut off stays unused.
"""

import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pandas as pd
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    LoggedModel,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
)
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_GIT_COMMIT,
    MLFLOW_SOURCE_NAME,
    MLFLOW_USER,
)

from pipeline.base.artifacts import write_file
from pipeline.base.errors import RegistryError
from pipeline.base.manifest import Files
from pipeline.base.records import Record
from pipeline.registry.mlflow_calls import MlflowCalls, first, unless_there

KEY: Final = "key"
# Marks the call that made a logged model: MLflow gives it no name of its own.
ATTEMPT: Final = "attempt"
# MLflow's page shows models and their metrics then, not traces of language models.
_EXPERIMENT: Final = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": "Every training: its parameters, metrics, data and figures",
}


class Submission(Record):
    """Everything that is published as one new version, and as one run beside it.

    ``files`` are the model's, ``figures`` the run's. ``key`` makes publishing idempotent: a second
    submission with the same model name and key returns the version of the first. ``dataset`` is
    what `described` returned of the training table.
    """

    model_name: str
    description: str
    run_name: str
    source_name: str
    user: str
    key: str
    files: Mapping[str, bytes]
    figures: Mapping[str, bytes]
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    dataset: dict[str, str]

    @property
    def lineage(self) -> dict[str, str]:
        """Return the tags of the run and of its model, with MLflow's own for who made them."""
        return {
            **self.tags,
            MLFLOW_USER: self.user,
            MLFLOW_SOURCE_NAME: self.source_name,
            MLFLOW_GIT_COMMIT: self.tags["git_commit"],
        }


def described(table: pd.DataFrame, name: str, digest: str, source: str) -> dict[str, str]:
    """Return a table as MLflow describes a data set: with its schema, size and source."""
    with warnings.catch_warnings(action="ignore"):
        # It advises against columns of integers, and says that a local path is a local path.
        return from_pandas(table, source, name=name, digest=digest[:36]).to_dict()


def log_run(calls: MlflowCalls, experiment: str, submission: Submission) -> Run:
    """Return the run of a submission, with its parameters, data set and figures."""
    known = f"tags.{KEY} = '{submission.key}' and attributes.run_name = '{submission.run_name}'"
    run: Run = calls.create(
        lambda client: first(
            client.search_runs([experiment], known, order_by=["attributes.start_time ASC"])
        ),
        lambda client: client.create_run(
            experiment,
            run_name=submission.run_name,
            tags={**submission.lineage, KEY: submission.key},
        ),
    )
    parameters = [Param(name, value) for name, value in submission.parameters.items()]
    trained_on = InputTag(MLFLOW_DATASET_CONTEXT, "training")
    data = DatasetInput(Dataset(**submission.dataset), [trained_on])
    run_id = run.info.run_id
    calls.ask(lambda client: client.log_batch(run_id, params=parameters))
    calls.ask(lambda client: client.log_inputs(run_id, [data]))
    with _as_folder(submission.figures) as folder:
        calls.ask(lambda client: client.log_artifacts(run_id, folder, "figures"), "store figures")
    return run


def log_model(calls: MlflowCalls, submission: Submission, run: Run) -> str:
    """Upload a submission's files as a model of ``run``, with its metrics, and return its id."""
    run_id, attempt = run.info.run_id, uuid.uuid4().hex
    model = calls.create(
        lambda client: logged_model(client, run_id, run.info.experiment_id, **{ATTEMPT: attempt}),
        lambda client: client.create_logged_model(
            run.info.experiment_id,
            name=submission.run_name,
            source_run_id=run_id,
            tags={**submission.lineage, ATTEMPT: attempt},
            params=submission.parameters,
            model_type="classifier",
        ),
    )
    model_id = str(model.model_id)
    upload(calls, model_id, submission.files)
    calls.ask(lambda client: client.finalize_logged_model(model_id, LoggedModelStatus.READY))
    data = {f"dataset_{name}": submission.dataset[name] for name in ("name", "digest")}
    metrics = [
        Metric(name, value, run.info.start_time, 0, model_id=model_id, run_id=run_id, **data)
        for name, value in submission.metrics.items()
    ]
    calls.ask(lambda client: client.log_batch(run_id, metrics=metrics))
    calls.ask(lambda client: link(client, run_id, model_id))
    return model_id


def upload(calls: MlflowCalls, model_id: str, files: Files) -> None:
    """Store ``files`` as those of a logged model, in the place of what has the same name."""
    with _as_folder(files) as folder:
        calls.ask(
            lambda client: client.log_model_artifacts(model_id, folder), "store a model's files"
        )


@contextmanager
def _as_folder(files: Files) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            for path, content in files.items():
                write_file(Path(folder, path), content)
        except OSError as error:
            raise RegistryError(f"no place for files that are to be sent: {error}") from error
        yield folder


def logged_model(client: MlflowClient, run: str, experiment: str, **tag: str) -> LoggedModel | None:
    """Return the logged model of a run that has a tag, or None."""
    of_run = f"source_run_id = '{run}'"
    models = client.search_logged_models([experiment], filter_string=of_run)
    return first(model for model in models if tag.items() <= model.tags.items())


def link(client: MlflowClient, run_id: str, model_id: str) -> None:
    """Show the model on the run's page, once: MLflow takes a second time for an error."""
    outputs = client.get_run(run_id).outputs
    linked = [output.model_id for output in outputs.model_outputs] if outputs else []
    if model_id not in linked:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])


def experiment_id(calls: MlflowCalls, name: str) -> str:
    """Return the id of the experiment of that name, made if there is none."""

    def found_or_made(client: MlflowClient) -> str:
        if (experiment := client.get_experiment_by_name(name)) is None:
            unless_there(lambda: client.create_experiment(name, tags=_EXPERIMENT))
            experiment = client.get_experiment_by_name(name)
        if experiment.lifecycle_stage == LifecycleStage.DELETED:  # type: ignore[union-attr]
            raise RegistryError(
                f"the experiment {name} was deleted: `make doctor ARGS=--repair` restores it"
            )
        return str(experiment.experiment_id)  # type: ignore[union-attr]

    return calls.ask(found_or_made)
