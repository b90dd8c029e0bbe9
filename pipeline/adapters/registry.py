"""The MLflow registry: runs, versions, aliases. It does what it is told and decides nothing.

A version is published in stages: its files are uploaded, downloaded again and compared with their
manifest, and only then is it tagged complete. Whoever reads a version's files gets them verified.
"""

import io
import logging
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stderr
from pathlib import Path
from typing import Final

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
)
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from pipeline.artifacts import files_below, write_file
from pipeline.core import history, manifest, trained_model
from pipeline.core.examiner import Incumbent
from pipeline.core.history import Crowning
from pipeline.core.manifest import Files
from pipeline.core.records import Record
from pipeline.errors import (
    ArtifactError,
    NoChampionError,
    RegistryError,
    RegistryUnavailableError,
)

CHAMPION: Final = "champion"
PREVIOUS_CHAMPION: Final = "previous_champion"

KEY: Final = "key"
MANIFEST: Final = "manifest"
COMPLETE: Final = "complete"
CROWNINGS: Final = "crownings"
PRUNED: Final = "files_pruned"

_SQLITE: Final = "sqlite:///"
_ABSENT: Final = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
# The client would repeat every request, creations too: one lost answer made two versions. And it
# would print between our own lines.
_CLIENT: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class Version(Record):
    """One version of a registered model."""

    model_name: str
    version: int
    run_id: str
    source: str
    created_ms: int
    tags: dict[str, str]

    @property
    def title(self) -> str:
        """Return the version as people write it, for example ``heart_disease_svm/3``."""
        return f"{self.model_name}/{self.version}"

    @property
    def complete(self) -> bool:
        """Say whether every file of the version was seen to be stored."""
        return self.tags.get(COMPLETE) == "true"

    @property
    def pruned(self) -> bool:
        """Say whether the files were dropped to save room; the version itself stays."""
        return self.tags.get(PRUNED) == "true"

    def holds(self, files: Files) -> bool:
        """Say whether the version was published with these files, among others, as they are."""
        known = _manifest(self)
        return all(known.get(name) == digest for name, digest in manifest.digests(files).items())


class Submission(Record):
    """Everything that is published as one new version, and as one run beside it.

    ``files`` are the model's, ``figures`` the run's. ``key`` makes publishing idempotent: a second
    submission with the same model name and key returns the version of the first.
    """

    model_name: str
    description: str
    run_name: str
    source_name: str
    key: str
    files: Mapping[str, bytes]
    figures: Mapping[str, bytes]
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    dataset: str
    dataset_digest: str
    dataset_source: str


class Registry:
    """The registry at one tracking URI: a SQLite file or an MLflow server."""

    def __init__(self, tracking_uri: str, experiment: str) -> None:
        """Point MLflow at ``tracking_uri``; an embedded registry is made if it does not exist.

        MLflow resolves ``models:/`` addresses by its process-wide setting, so there can be one
        registry in a process at a time.

        Raises:
            RegistryError: the embedded registry's file cannot be opened, or MLflow knows no such
                kind of address.

        """
        os.environ.update(_CLIENT)
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        _open_file(tracking_uri)
        mlflow.set_tracking_uri(tracking_uri)
        self._uri = _without_password(tracking_uri)
        self._experiment = experiment
        with self._explained():
            self._client = MlflowClient(tracking_uri, tracking_uri)

    def version(self, model_name: str, version: int) -> Version:
        """Return one version.

        Raises:
            RegistryError: there is none.

        """
        with self._explained():
            try:
                return _version(self._client.get_model_version(model_name, str(version)))
            except MlflowException as error:
                if error.error_code not in _ABSENT:
                    raise
        raise RegistryError(f"{self._uri} holds no {model_name}/{version}")

    def find_alias(self, model_name: str, alias: str) -> Version | None:
        """Return the version that holds ``alias``, or None."""
        with self._explained():
            try:
                return _version(self._client.get_model_version_by_alias(model_name, alias))
            except MlflowException as error:
                if error.error_code not in _ABSENT:
                    raise
        return None

    def incumbent(self, model_name: str) -> Incumbent | None:
        """Return the champion with its model, or None when no version is champion.

        A champion that is missing, changed or unreadable is an answer, which the gate judges.

        Raises:
            RegistryUnavailableError: the registry does not answer.

        """
        version = self.find_alias(model_name, CHAMPION)
        if version is None:
            return None
        commit = version.tags.get("git_commit", "unknown")
        try:
            model = trained_model.read(self.files(version), version.title)
        except RegistryUnavailableError:
            raise
        except (RegistryError, ArtifactError) as error:
            return Incumbent(version.title, None, str(error), commit)
        return Incumbent(version.title, model, commit=commit)

    def champion(self, model_name: str) -> Version:
        """Return the version that holds the alias ``champion``.

        Raises:
            NoChampionError: no version holds it.

        """
        if (version := self.find_alias(model_name, CHAMPION)) is None:
            raise NoChampionError(
                f"no version holds {model_name}@{CHAMPION} in {self._uri}: "
                "run `python -m pipeline.experiment_tracking` first"
            )
        return version

    def versions(self, model_name: str, **tags: str) -> list[Version]:
        """Return the versions with the given tags, oldest first."""
        return self._search(model_name, *(f"tags.{k} = '{v}'" for k, v in tags.items()))

    def newest(self, model_name: str) -> Version | None:
        """Return the newest complete version of a model, or None."""
        complete = [version for version in self.versions(model_name) if version.complete]
        return complete[-1] if complete else None

    def _search(self, model_name: str, *conditions: str) -> list[Version]:
        text = " and ".join([f"name = '{model_name}'", *conditions])
        with self._explained():
            found = self._client.search_model_versions(text)
        return sorted(map(_version, found), key=lambda version: version.version)

    def files(self, version: Version) -> dict[str, bytes]:
        """Download a version's files and check them against its manifest.

        Raises:
            RegistryError: the version is incomplete, or a file is missing, changed or unexpected;
                the message names each.

        """
        if not version.complete:
            raise RegistryError(f"{version.title} is incomplete: its upload was never verified")
        if version.pruned:
            raise RegistryError(
                f"the files of {version.title} were dropped to save room: train its commit "
                f"{version.tags.get('git_commit', '')} again"
            )
        return self._verified(version)

    def _verified(self, version: Version) -> dict[str, bytes]:
        with self._explained(), tempfile.TemporaryDirectory() as folder:
            address = f"models:/{version.title}"
            try:
                mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=folder)
            except OSError as error:
                raise RegistryError(f"the files of {version.title} are missing: {error}") from error
            files = files_below(Path(folder))
        # MLflow's client writes this one beside what it downloads.
        files.pop("registered_model_meta", None)
        if not files:
            raise RegistryError(
                f"no file of {version.title} is where it was stored; an embedded registry does not "
                "move: put the folder back, or train again"
            )
        expected = _manifest(version)
        if found := manifest.differences(expected, manifest.digests(files)):
            raise RegistryError(f"{version.title} is not what was published: {'; '.join(found)}")
        return files

    def publish(self, submission: Submission) -> Version:
        """Create a version from ``submission``, or return the one that its key has already made.

        Raises:
            RegistryError: what is stored is not what was sent; the version stays incomplete.

        """
        made = self.versions(submission.model_name, **{KEY: submission.key})
        version = made[-1] if made else self._create(submission)
        return version if version.complete else self._complete(version)

    def _complete(self, version: Version) -> Version:
        self._verified(version)
        return self.tag(version, {COMPLETE: "true"})

    def tag(self, version: Version, tags: Mapping[str, str]) -> Version:
        """Set ``tags`` on a version and return it as it is then."""
        with self._explained():
            for name, value in tags.items():
                self._client.set_model_version_tag(
                    version.model_name, str(version.version), name, value
                )
        return version.model_copy(update={"tags": {**version.tags, **tags}})

    def set_alias(self, version: Version, alias: str) -> None:
        """Point ``alias`` at a version, in one call."""
        with self._explained():
            self._client.set_registered_model_alias(version.model_name, alias, str(version.version))

    def crown(self, version: Version, crowning: Crowning) -> None:
        """Make a version the champion of its model: note it on the version, then move the alias.

        The alias moves in one call, so a reader sees the old champion or the new one; the old one
        keeps the alias ``previous_champion``. An interruption leaves the old champion in place.

        Raises:
            RegistryError: somebody else moved the alias at the same time.

        """
        crownings = (*history.read_crownings(version.tags.get(CROWNINGS, "")), crowning)
        self.tag(version, {CROWNINGS: history.write_crownings(crownings)})
        previous = self.find_alias(version.model_name, CHAMPION)
        if previous is not None and previous.version != version.version:
            self.set_alias(previous, PREVIOUS_CHAMPION)
        self.set_alias(version, CHAMPION)
        now = self.champion(version.model_name)
        if now.version != version.version:
            raise RegistryError(f"{now.title} became champion while {version.title} was crowned")

    def aliases(self, model_name: str) -> dict[str, int]:
        """Return the version of each alias of a model; none where there is no such model."""
        with self._explained():
            try:
                found = self._client.get_registered_model(model_name)
            except MlflowException as error:
                if error.error_code not in _ABSENT:
                    raise
                return {}
        return {alias: int(version) for alias, version in found.aliases.items()}

    def prune(self, version: Version) -> Version:
        """Note that the files of a version are about to be dropped."""
        return self.tag(version, {PRUNED: "true"})

    def ensure_registered(self, model_name: str, description: str) -> None:
        """Create a registered model unless there is one of that name."""
        with self._explained():
            try:
                self._client.create_registered_model(model_name, description=description)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise

    def copy(self, version: Version, model_name: str) -> Version:
        """Copy a version into another registered model, or return the copy made before."""
        address = f"models:/{version.title}"
        same_run = self._search(model_name, f"run_id = '{version.run_id}'")
        made = [copied for copied in same_run if copied.source == address]
        if made:
            return made[-1]
        # MLflow prints two lines about a copy that say nothing a person asked for.
        with self._explained(), redirect_stderr(io.StringIO()):
            return _version(self._client.copy_model_version(address, model_name))

    def _create(self, submission: Submission) -> Version:
        with self._explained():
            run_id = self._log_run(submission)
            model_id = self._log_model(submission, run_id)
            self.ensure_registered(submission.model_name, submission.description)
            lines = manifest.checksum_lines(manifest.digests(submission.files))
            self._client.set_terminated(run_id)
            created = self._client.create_model_version(
                submission.model_name,
                source=f"models:/{model_id}",
                run_id=run_id,
                model_id=model_id,
                tags={**submission.tags, KEY: submission.key, MANIFEST: lines},
            )
            return _version(created)

    def _log_run(self, submission: Submission) -> str:
        run = self._client.create_run(
            self._experiment_id(),
            run_name=submission.run_name,
            tags={
                **submission.tags,
                KEY: submission.key,
                "mlflow.source.name": submission.source_name,
                "mlflow.source.git.commit": submission.tags["git_commit"],
            },
        )
        run_id = str(run.info.run_id)
        parameters = [Param(name, value) for name, value in submission.parameters.items()]
        self._client.log_batch(run_id, params=parameters)
        data = Dataset(
            submission.dataset,
            submission.dataset_digest[:36],
            "local",
            submission.dataset_source,
        )
        self._client.log_inputs(run_id, datasets=[DatasetInput(data)])
        with _as_folder(submission.figures) as folder:
            self._client.log_artifacts(run_id, folder, "figures")
        return run_id

    def _log_model(self, submission: Submission, run_id: str) -> str:
        model = self._client.create_logged_model(
            self._experiment_id(),
            name=submission.run_name,
            source_run_id=run_id,
            tags=submission.tags,
            params=submission.parameters,
            model_type="classifier",
        )
        with _as_folder(submission.files) as folder:
            self._client.log_model_artifacts(model.model_id, folder)
        self._client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        now = int(model.creation_timestamp)
        metrics = [
            Metric(name, value, timestamp=now, step=0, model_id=model.model_id, run_id=run_id)
            for name, value in submission.metrics.items()
        ]
        self._client.log_batch(run_id, metrics=metrics)
        self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        return str(model.model_id)

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        return str(
            found.experiment_id if found else self._client.create_experiment(self._experiment)
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn MLflow's errors into one line that names the registry and the next step."""
        try:
            yield
        except MlflowException as error:
            line = _without_password(" ".join(str(error).split()))
            if _is_unreachable(error):
                raise RegistryUnavailableError(
                    f"the registry at {self._uri} does not answer: start it, or unset "
                    f"MLFLOW_TRACKING_URI to work with the embedded one ({line})"
                ) from error
            raise RegistryError(f"the registry at {self._uri} refused: {line}") from error


@contextmanager
def _as_folder(files: Files) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        for path, content in files.items():
            write_file(Path(folder, path), content)
        yield folder


def _version(found: ModelVersion) -> Version:
    return Version(
        model_name=found.name,
        version=int(found.version),
        run_id=found.run_id,
        source=found.source,
        created_ms=found.creation_timestamp,
        tags=dict(found.tags),
    )


def _manifest(version: Version) -> dict[str, str]:
    try:
        return manifest.parse_checksum_lines(version.tags.get(MANIFEST, ""))
    except ValueError as error:
        raise RegistryError(f"the manifest of {version.title} is damaged: {error}") from error


def is_made(tracking_uri: str) -> bool:
    """Say whether there is a registry to ask. One at an address is; an embedded one has a file."""
    path = _file(tracking_uri)
    return path is None or (path.is_file() and path.stat().st_size > 0)


def _file(tracking_uri: str) -> Path | None:
    """Return the file of an embedded registry, or None for a registry of another kind."""
    if not tracking_uri.startswith(_SQLITE):
        return None
    return Path(tracking_uri.removeprefix(_SQLITE).partition("?")[0])


def _open_file(tracking_uri: str) -> None:
    """Open an embedded registry once: MLflow would try a file that cannot be opened for 100 s."""
    if (path := _file(tracking_uri)) is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")
    except (OSError, sqlite3.Error) as error:
        raise RegistryError(f"the registry {path} cannot be opened: {error}") from error


def _without_password(text: str) -> str:
    """Take user and password out of every address in ``text``: it is shown, and kept in logs."""
    return re.sub(r"//[^/@\s]+@", "//", text)


def _is_unreachable(error: BaseException | None) -> bool:
    """Look through the chain of causes: MLflow wraps what `requests` raised."""
    if error is None:
        return False
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return True
    return _is_unreachable(error.__cause__ or error.__context__)
