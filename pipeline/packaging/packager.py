"""Versions of the registry as deployment packages: what task 4 and the image both begin with."""

from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base import archives, artifacts, config, environment
from pipeline.base.config import Settings
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import ArtifactError, PackageError, RegistryError
from pipeline.base.manifest import Files
from pipeline.base.names import SERVED
from pipeline.packaging import build, package
from pipeline.packaging.build import Sources
from pipeline.packaging.package import Identity, Manifest
from pipeline.registry.client import Registry, connect
from pipeline.registry.version import Version
from pipeline.table import parsing, source
from pipeline.table.contract import FEATURES
from pipeline.training import trained_model

# MLflow's files about the environment that a model was logged in.
SNAPSHOTS = ("requirements.txt", "conda.yaml", "python_env.yaml")
# The tags and figures that task 3 gives a version that it promotes.
PROMOTION_TAGS = ("family", "git_commit", "data_digest", "promoted_from", "promoted_at")
PROMOTION_FIGURES = ("roc_auc", "brier", "threshold")
# The blocks that scikit-learn does not have, under both names that models give them, and the
# packages that lead to them.
BLOCKS = (
    *("__init__.py", "base/__init__.py", "base/kernel.py"),
    *("training/__init__.py", "training/blocks.py"),
    *("core/__init__.py", "core/transformers.py"),
)
PACKAGED_WITH = ("joblib", "mlflow", "numpy", "onnxruntime", "scikit-learn", "skl2onnx", "skops")


class ModelPackager:
    """Finds the champion, packages a version, validates a package."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Use ``settings``, or those of the repository in the current folder."""
        self._settings = settings or config.load()

    @cached_property
    def _registry(self) -> Registry:
        # MLflow makes its database as soon as it is asked: to validate needs none.
        return connect(self._settings.registry)

    def get_champion_model_info(self) -> dict[str, Any]:
        """Return what is served now: ``model_name``, ``version``, ``roc_auc``, and its tags.

        Raises:
            NoChampionError: nothing was promoted yet.
            RegistryError: the alias was moved by hand to a version that was never promoted.

        """
        champion = self._registry.champion(SERVED)
        if missing := {*PROMOTION_TAGS, *PROMOTION_FIGURES} - champion.tags.keys():
            raise RegistryError(
                f"{champion.title} was never promoted (it has no tag {', '.join(sorted(missing))}):"
                " run `.venv/bin/python -m pipeline.experiment_tracking`, or move the alias to a "
                "version that was"
            )
        return {
            "model_name": champion.model_name,
            "version": champion.version,
            "run_id": champion.run_id,
            **{name: champion.tags[name] for name in PROMOTION_TAGS},
            **{name: float(champion.tags[name]) for name in PROMOTION_FIGURES},
        }

    def create_package(self, model_name: str = SERVED, version: int | None = None) -> Path:
        """Package a version (by default the champion) and return the folder of the package.

        Packaging the same version again writes the same bytes.

        Raises:
            NoChampionError: no version was named and none is champion.
            RegistryError: the version does not exist, is incomplete or was changed.
            ConversionError: its ONNX form does not answer like the model itself.

        """
        identity, files, snapshot = self._build(model_name, version)
        folder = artifacts.PACKAGES / identity.folder
        artifacts.write_sealed_folder(folder, files, seal=package.MANIFEST)
        archive = archives.tar_gz(files, identity.folder)
        artifacts.write_file(folder.with_name(f"{folder.name}.tar.gz"), archive)
        artifacts.write_folder(artifacts.ENVIRONMENTS / identity.folder, snapshot)
        return folder

    def released_package(
        self, model_name: str, version: int, image: str
    ) -> tuple[Identity, dict[str, bytes]]:
        """Return what a version's package holds, its deployment files naming ``image``.

        Raises:
            RegistryError: the version does not exist, is incomplete or was changed.
            ConversionError: its ONNX form does not answer like the model itself.

        """
        identity, files, _ = self._build(model_name, version, image)
        return identity, files

    def _build(
        self, model_name: str, version: int | None, image: str = ""
    ) -> tuple[Identity, dict[str, bytes], dict[str, bytes]]:
        chosen = self._choose(model_name, version)
        registered = self._registry.files(chosen)
        model = trained_model.read(registered, chosen.title)
        snapshot = _snapshot(registered)
        sources = Sources(registered, snapshot, _blocks(), _all_patients())
        plan, identity = self._settings.packaging, _identity(chosen)
        named = plan.model_copy(update={"image": image or f"{plan.image}:{identity.folder}"})
        files = build.build(identity, model, sources, named)
        return identity, files, snapshot

    def validate_package(self, path: Path | str) -> Manifest:
        """Check every file of a package and its golden answers; return its manifest.

        An empty folder changes nothing: it holds no file, and no archive carries it.

        Raises:
            PackageError: something differs; the message names each file.

        """
        folder = Path(path)
        if not folder.is_dir():
            raise PackageError(f"{folder} is not a folder: name the folder of a package")
        try:
            files = artifacts.files_below(folder)
        except ArtifactError as error:
            raise PackageError(f"{folder}: {error}") from error
        manifest = package.check(files, str(folder))
        build.check_answers(files, str(folder), self._settings.packaging.tolerance)
        return manifest

    def _choose(self, model_name: str, version: int | None) -> Version:
        if version is None:
            return self._registry.champion(model_name)
        return self._registry.version(model_name, version)


def _identity(version: Version) -> Identity:
    return Identity(
        model_name=version.model_name,
        version=version.version,
        registered_as=version.tags.get("promoted_from", version.title),
        run_id=version.run_id,
        git_commit=version.tags["git_commit"],
    )


def _blocks() -> dict[str, bytes]:
    code = artifacts.source_code()
    return {f"pipeline/{name}": code[name] for name in BLOCKS}


def _snapshot(registered: Files) -> dict[str, bytes]:
    """Return what the model was logged with, and what it is packaged with."""
    packaged = environment.snapshot(PACKAGED_WITH)
    return {
        **{name: registered[name] for name in SNAPSHOTS},
        package.PACKAGED_WITH.removeprefix(package.ENVIRONMENT): json_bytes(packaged),
    }


def _all_patients() -> pd.DataFrame:
    """Return every row that there is, to prove the ONNX form on."""
    parsed = parsing.parse(source.read(artifacts.RAW))
    tables = [parsing.training_table(parsed), parsing.external_table(parsed)]
    return pd.concat([table[list(FEATURES)] for table in tables], ignore_index=True)
