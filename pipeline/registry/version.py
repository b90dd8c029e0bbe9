"""One version of a registered model, found in MLflow and read from there."""

import re
import tempfile
from pathlib import Path
from typing import Any, Final

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from pipeline.base import manifest
from pipeline.base.artifacts import files_below
from pipeline.base.errors import RegistryError
from pipeline.base.manifest import Files
from pipeline.base.records import Record
from pipeline.registry.history import Identity
from pipeline.registry.mlflow_calls import every_page, first, plain
from pipeline.registry.publishing import KEY

MANIFEST: Final = "manifest"
COMPLETE: Final = "complete"
PRUNED: Final = "files_pruned"
DIGEST: Final = "model_digest"
VERDICT: Final = "gate_verdict"
# An embedded registry's files are loaded where they lie, and Python leaves its caches beside code.
_CACHE: Final = re.compile(r"code/(.*/)?__pycache__/")


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

    @property
    def manifest(self) -> dict[str, str]:
        """Return the sha256 of each file that was published.

        Raises:
            RegistryError: the tag is damaged.

        """
        try:
            return manifest.parse_checksum_lines(self.tags.get(MANIFEST, ""))
        except ValueError as error:
            raise RegistryError(f"the manifest of {self.title} is damaged: {error}") from error

    @property
    def identity(self) -> Identity:
        """Return what no other version of the same number has."""
        return Identity(
            run=self.run_id,
            manifest=_digest(self.tags.get(MANIFEST)),
            verdict=_digest(self.tags.get(VERDICT)),
        )

    def holds(self, files: Files) -> bool:
        """Say whether the version was published with these files, among others, as they are."""
        try:
            known = self.manifest
        except RegistryError:
            return False
        return all(known.get(name) == digest for name, digest in manifest.digests(files).items())


def _digest(text: str | None) -> str:
    return manifest.sha256(text.encode()) if text else ""


def download(address: str) -> dict[str, bytes]:
    """Return the files at an address of MLflow."""
    with tempfile.TemporaryDirectory() as folder:
        repository: Any = get_artifact_repository(address)
        downloaded = repository.download_artifacts("", folder)
        files = files_below(Path(downloaded))
    # MLflow's client writes this one beside what it downloads.
    files.pop("registered_model_meta", None)
    return {name: content for name, content in files.items() if not _CACHE.match(name)}


def stored_files(client: MlflowClient, version: Version) -> dict[str, bytes]:
    """Return the stored files of a version, right or wrong."""
    place = plain(client).get_model_version_download_uri(version.model_name, str(version.version))
    return download(place)


def newest_of(client: MlflowClient, model_name: str, count: int, *conditions: str) -> list[Version]:
    """Return at most ``count`` of a model's versions, newest first."""
    text = " and ".join([f"name = '{model_name}'", *conditions])
    order = ["version_number DESC"]
    return [*map(version_of, client.search_model_versions(text, count, order))]


def search(client: MlflowClient, model_name: str, *conditions: str) -> list[Version]:
    """Return the versions of a model that meet every condition, oldest first."""
    text = " and ".join([f"name = '{model_name}'", *conditions])
    versions = every_page(lambda page: client.search_model_versions(text, page_token=page))
    return sorted(map(version_of, versions), key=lambda version: version.version)


def with_key(client: MlflowClient, model_name: str, key: str) -> Version | None:
    """Return the oldest version of a model that was made with a key, or None."""
    return first(search(client, model_name, f"tags.{KEY} = '{key}'"))


def version_of(stored: ModelVersion) -> Version:
    """Return MLflow's record of a version as ours."""
    return Version(
        model_name=stored.name,
        version=int(stored.version),
        run_id=stored.run_id or "",
        source=stored.source,
        created_ms=stored.creation_timestamp,
        tags=dict(stored.tags),
    )
