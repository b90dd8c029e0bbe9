"""A registry as something to be moved: everything in it as values, and files on disk."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelStatus,
    Metric,
    Param,
)

from pipeline.base import manifest
from pipeline.base.artifacts import files_below, write_file
from pipeline.base.errors import RegistryError
from pipeline.base.manifest import Files
from pipeline.base.names import HISTORY
from pipeline.base.policies import RetryPolicy
from pipeline.registry.client import Registry
from pipeline.registry.inventory import (
    MODELS,
    ORIGIN,
    LoggedModel,
    Measurement,
    StoredInput,
    StoredModel,
    StoredRun,
    StoredVersion,
    metrics_of,
)
from pipeline.registry.mlflow_calls import every_page, first
from pipeline.registry.publishing import link, logged_model
from pipeline.registry.version import Version, download

FIGURES: Final = "figures"
# MLflow takes so many at once.
_PARAMETERS: Final = 100
_METRICS: Final = 1000
_PENDING: Final = "PENDING"
_RUNNING: Final = "RUNNING"

Item = TypeVar("Item")


class RegistryTransfer(Registry):
    """A registry that can be read as a whole, and be made to hold what another one held.

    What is made can be made again: it is looked for under its former id first.
    """

    def __init__(
        self, tracking_uri: str, experiment: str, retry: RetryPolicy | None = None
    ) -> None:
        """Point MLflow at the registry, as `Registry` does."""
        super().__init__(tracking_uri, experiment, retry)
        self._former: dict[str, str] = {}

    @property
    def address(self) -> str:
        """Return the address without a password."""
        return self._calls.uri

    # --- reading

    def stored_models(self) -> tuple[StoredModel, ...]:
        """Return our registered models, those that are there."""
        found = (self._stored_model(name) for name in MODELS)
        return tuple(model for model in found if model)

    def _stored_model(self, name: str) -> StoredModel | None:
        found = self._calls.find(lambda client: client.get_registered_model(name))
        if found is None:
            return None
        return StoredModel(
            name=name,
            description=found.description or "",
            tags=dict(found.tags),
            aliases={alias: int(version) for alias, version in found.aliases.items()},
        )

    def stored_versions(self) -> tuple[StoredVersion, ...]:
        """Return every version of our models, each model's oldest first."""
        return tuple(
            StoredVersion(
                name=found.name,
                version=int(found.version),
                source=found.source,
                run=found.run_id or "",
                description=found.description or "",
                tags=dict(found.tags),
            )
            for name in MODELS
            for found in sorted(self._versions_of(name), key=lambda version: int(version.version))
        )

    def _versions_of(self, name: str) -> list[Any]:
        text = f"name = '{name}'"
        return self._calls.ask(
            lambda client: every_page(
                lambda page: client.search_model_versions(text, page_token=page)
            )
        )

    def stored_run(self, id_: str) -> StoredRun:
        """Return one run."""
        run = self._calls.ask(lambda client: client.get_run(id_))
        inputs = run.inputs.dataset_inputs if run.inputs else []
        outputs = run.outputs.model_outputs if run.outputs else []
        return StoredRun(
            id=id_,
            name=run.info.run_name or "",
            status=run.info.status,
            started_ms=run.info.start_time,
            ended_ms=run.info.end_time,
            tags=dict(run.data.tags),
            parameters=dict(run.data.params),
            metrics=_measurements(run.data.to_proto().metrics),
            inputs=tuple(_input(one) for one in inputs),
            models=frozenset(one.model_id for one in outputs),
        )

    def stored_logged_model(self, id_: str) -> LoggedModel | None:
        """Return one logged model, or None if it was deleted."""
        model = self._calls.find(lambda client: client.get_logged_model(id_))
        if model is None:
            return None
        return LoggedModel(
            id=id_,
            name=model.name,
            run=model.source_run_id or "",
            kind=model.model_type or "",
            status=str(model.status),
            tags=dict(model.tags),
            parameters=dict(model.params),
            metrics=_measurements(model.metrics or ()),
        )

    def pack(self, version: StoredVersion, folder: Path) -> None:
        """Lay the files of a version into ``folder``; those of an incomplete one as they are.

        Raises:
            RegistryError: the files of a complete version are not what was published.

        """
        found = _as_version(version)
        if version.name == HISTORY or found.pruned or (folder.exists() and not found.complete):
            return
        files = self.files(found) if found.complete else self._below(f"models:/{found.title}")
        _lay_out(files, folder)

    def pack_figures(self, run: str, folder: Path) -> None:
        """Lay the figures of a run into ``folder``; nothing where they were dropped."""
        found = self._calls.ask(lambda client: client.get_run(run))
        _lay_out(self._below(f"{found.info.artifact_uri}/{FIGURES}"), folder)

    def _below(self, address: str) -> dict[str, bytes]:
        """Return what is stored at an address; nothing is an answer."""
        return self._calls.ask(lambda _: _download(address))

    # --- writing

    def describe(self, model: StoredModel) -> None:
        """Make a registered model what ``model`` says, but for its aliases."""
        name, present = model.name, self._stored_model(model.name)
        if present is None:
            self.ensure_registered(name, model.description)
        elif present.description != model.description:
            self._calls.ask(lambda client: client.update_registered_model(name, model.description))
        for key, value in model.tags.items():
            self._tag_model(name, key, value)

    def _tag_model(self, name: str, key: str, value: str) -> None:
        self._calls.ask(lambda client: client.set_registered_model_tag(name, key, value))

    def receive_run(self, run: StoredRun, metrics: frozenset[Measurement], figures: Path) -> str:
        """Make a run and return its id here; ``metrics`` are those that no logged model has.

        Raises:
            RegistryError: the figures did not arrive as they left.

        """
        if known := self._former.get(run.id):
            return known
        experiment, mark = self._experiment_id(), f"tags.{ORIGIN} = '{run.id}'"
        made = self._calls.create(
            lambda client: first(client.search_runs([experiment], mark)),
            lambda client: client.create_run(
                experiment,
                start_time=run.started_ms,
                tags={**run.tags, ORIGIN: run.id},
                run_name=run.name,
            ),
        )
        id_ = str(made.info.run_id)
        for some in _batches(run.parameters.items(), _PARAMETERS):
            self._log(id_, params=[Param(name, value) for name, value in some])
        for measured in _batches(metrics, _METRICS):
            self._log(id_, metrics=[_metric(one) for one in measured])
        if run.inputs:
            inputs = [_as_input(one) for one in run.inputs]
            self._calls.ask(lambda client: client.log_inputs(id_, inputs))
        self._send(
            files_below(figures) if figures.exists() else {},
            f"{made.info.artifact_uri}/{FIGURES}",
            lambda: self._calls.ask(
                lambda client: client.log_artifacts(id_, str(figures), FIGURES), "store figures"
            ),
        )
        if run.status != _RUNNING:
            self._calls.ask(lambda client: client.set_terminated(id_, run.status, run.ended_ms))
        self._former[run.id] = id_
        return id_

    def receive_logged_model(self, model: LoggedModel, of: StoredRun, run: str, files: Path) -> str:
        """Make a logged model and return its id here; ``run`` is the id here of the run ``of``.

        Raises:
            RegistryError: the files did not arrive as they left.

        """
        if known := self._former.get(model.id):
            return known
        experiment = self._experiment_id()
        made = self._calls.create(
            lambda client: logged_model(client, run, experiment, **{ORIGIN: model.id}),
            lambda client: client.create_logged_model(
                experiment,
                name=model.name,
                source_run_id=run,
                tags={**model.tags, ORIGIN: model.id},
                params=model.parameters,
                model_type=model.kind or None,
            ),
        )
        id_ = str(made.model_id)
        content = files_below(files) if files.exists() else {}
        self._send(content, f"models:/{id_}", lambda: self._upload(id_, content))
        if model.status != _PENDING:
            status = LoggedModelStatus(model.status)
            self._calls.ask(lambda client: client.finalize_logged_model(id_, status))
        for measured in _batches(metrics_of(model, of), _METRICS):
            self._log(run, metrics=[_metric(one, model_id=id_, run_id=run) for one in measured])
        if model.id in of.models:
            self._calls.ask(lambda client: link(client, run, id_))
        self._former[model.id] = id_
        return id_

    def _log(self, run: str, **what: Any) -> None:
        self._calls.ask(lambda client: client.log_batch(run, **what))

    def _send(self, files: Files, address: str, upload: Callable[[], None]) -> None:
        """Upload files unless they are there, and download them again to see that they are."""
        if not files or self._below(address) == files:
            return
        upload()
        expected, actual = manifest.digests(files), manifest.digests(self._below(address))
        if found := manifest.differences(expected, actual):
            raise RegistryError(f"{address} is not what was sent: {'; '.join(found)}")

    def receive_version(self, version: StoredVersion, run: str, model_id: str = "") -> None:
        """Make the next version of a model, from a logged model here or as a copy.

        Raises:
            RegistryError: the registry has given the number to somebody else.

        """
        name, number = version.name, version.version
        made = self._calls.create(
            lambda client: _numbered(client, name, number),
            lambda client: client.create_model_version(
                name,
                f"models:/{model_id}" if model_id else version.source,
                run,
                tags=version.tags,
                description=version.description or None,
                model_id=model_id or None,
            ),
        )
        if int(made.version) != number:
            raise RegistryError(
                f"{name}/{made.version} was made in place of {version.title}: somebody else writes "
                "to the destination; begin with an empty registry, and keep others out"
            )

    def point(self, model: StoredModel) -> None:
        """Set the aliases of a model."""
        for alias, version in model.aliases.items():
            self._point(model.name, alias, version)

    def delete(self, version: StoredVersion) -> None:
        """Delete a placeholder; the one thing here that only an admin of a server may do."""
        self._calls.find(
            lambda client: client.delete_model_version(version.name, str(version.version))
        )

    def prove(self, version: StoredVersion) -> int:
        """Compare the files of a complete version with its manifest and return their number.

        Raises:
            RegistryError: they differ.

        """
        found = _as_version(version)
        has_files = version.name != HISTORY and found.complete and not found.pruned
        return len(self.files(found)) if has_files else 0


def _as_version(version: StoredVersion) -> Version:
    return Version(
        model_name=version.name,
        version=version.version,
        run_id=version.run,
        source=version.source,
        created_ms=0,
        tags=version.tags,
    )


def _numbered(client: MlflowClient, name: str, number: int) -> Any:
    return first(client.search_model_versions(f"name = '{name}' and version_number = {number}"))


def _measurements(metrics: Iterable[Any]) -> frozenset[Measurement]:
    return frozenset(
        Measurement(
            name=metric.key, value=repr(metric.value), at_ms=metric.timestamp, step=metric.step
        )
        for metric in metrics
    )


def _metric(measured: Measurement, **of: str) -> Metric:
    return Metric(measured.name, float(measured.value), measured.at_ms, measured.step, **of)


def _input(found: DatasetInput) -> StoredInput:
    data = found.dataset
    return StoredInput(
        name=data.name,
        digest=data.digest,
        source_type=data.source_type,
        source=data.source,
        tables=data.schema or "",
        profile=data.profile or "",
        tags={tag.key: tag.value for tag in found.tags},
    )


def _as_input(kept: StoredInput) -> DatasetInput:
    return DatasetInput(
        Dataset(
            kept.name,
            kept.digest,
            kept.source_type,
            kept.source,
            kept.tables or None,
            kept.profile or None,
        ),
        [InputTag(key, value) for key, value in kept.tags.items()],
    )


def _lay_out(files: Files, folder: Path) -> None:
    for path, content in files.items():
        write_file(folder / path, content)


def _batches(items: Iterable[Item], size: int) -> list[list[Item]]:
    every = list(items)
    return [every[start : start + size] for start in range(0, len(every), size)]


def _download(address: str) -> dict[str, bytes]:
    """Return the files at an address; MLflow takes a folder that is not there for an error."""
    if not mlflow.artifacts.list_artifacts(artifact_uri=address):
        return {}
    return download(address)
