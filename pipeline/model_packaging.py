"""Task 4: turn the champion, or any other version, into a deployment package that is proven."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from pipeline import artifacts, cli, config
from pipeline.adapters import environment, source
from pipeline.adapters.registry import Registry, Version
from pipeline.config import Settings
from pipeline.core import package, parsing, trained_model
from pipeline.core.contract import FEATURES
from pipeline.core.encoding import json_bytes
from pipeline.core.manifest import Files
from pipeline.core.package import Identity, Manifest
from pipeline.core.promotion import SERVED
from pipeline.errors import ArtifactError, PackageError, RegistryError

# What MLflow writes about the environment a model was logged in.
SNAPSHOTS = ("requirements.txt", "conda.yaml", "python_env.yaml")
# What task 3 says about a version that it promotes.
PROMOTION_TAGS = ("family", "git_commit", "data_digest", "promoted_from", "promoted_at")
PROMOTION_FIGURES = ("roc_auc", "brier", "threshold")
PACKAGED_WITH = ("joblib", "mlflow", "numpy", "onnxruntime", "scikit-learn", "skl2onnx", "skops")


class ModelPackager:
    """Finds the champion, packages a version, validates a package."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Use ``settings``, or those of the repository in the current folder."""
        self._settings = settings or config.load()

    @cached_property
    def _registry(self) -> Registry:
        # MLflow makes its database as soon as it is asked: whoever only validates needs none.
        registry = self._settings.registry
        return Registry(registry.tracking_uri, registry.experiment)

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
                " run `python -m pipeline.experiment_tracking`, or move the alias to a version"
                " that was"
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
        chosen = self._choose(model_name, version)
        registered = self._registry.files(chosen)
        model = trained_model.read(registered, chosen.title)
        snapshot = _snapshot(registered)
        settings, identity = self._settings.packaging, _identity(chosen)
        files = package.build(
            identity,
            model,
            registered,
            snapshot,
            _all_patients(),
            tolerance=settings.tolerance,
            golden=settings.golden_patients,
            image=settings.image,
            port=settings.port,
        )
        folder = artifacts.PACKAGES / identity.folder
        artifacts.write_sealed_folder(folder, files, seal=package.MANIFEST)
        archive = package.archive(files, identity.folder)
        artifacts.write_file(folder.with_name(f"{folder.name}.tar.gz"), archive)
        artifacts.write_folder(artifacts.ENVIRONMENTS / identity.folder, snapshot)
        return folder

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
        package.check_answers(files, str(folder), self._settings.packaging.tolerance)
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


def _snapshot(registered: Files) -> dict[str, bytes]:
    """Return what the model was logged with, and what it is packaged with."""
    packaged = environment.snapshot(PACKAGED_WITH)
    return {
        **{name: registered[name] for name in SNAPSHOTS},
        "packaged_with.json": json_bytes(packaged),
    }


def _all_patients() -> pd.DataFrame:
    """Return every row of all four hospitals, to prove the ONNX form on."""
    parsed = parsing.parse(source.read(artifacts.RAW))
    tables = [parsing.training_table(parsed), parsing.external_table(parsed)]
    return pd.concat([table[list(FEATURES)] for table in tables], ignore_index=True)


def run(settings: Settings, model_name: str = SERVED, version: int | None = None) -> None:
    """Package a version, by default the champion, and validate what was written."""
    packager = ModelPackager(settings)
    folder = packager.create_package(model_name, version)
    _show(packager.validate_package(folder))
    cli.say(f"package       {folder}/")
    cli.say(f"archive       {folder}.tar.gz")


def _show(found: Manifest) -> None:
    rows = (
        ("model", f"{found.model_name}/{found.version}, from {found.registered_as}"),
        ("family", found.family),
        ("ROC-AUC", f"{found.metrics['roc_auc']:.3f}"),
        ("threshold", f"{found.threshold:.3f}"),
        ("ONNX", f"within {found.greatest_difference:.1e} on {found.rows_compared} patients"),
        ("files", f"{len(found.files)}, every sha256 checked"),
    )
    cli.show_table("Package", ("", ""), rows)


def main(
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The registered model to package.")
    ] = SERVED,
    version: Annotated[
        int | None, typer.Option(min=1, help="Its version; without it, the champion.")
    ] = None,
    validate: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Only check the package in this folder; write nothing."),
    ] = None,
) -> None:
    """Write a deployment package for the champion, and validate it.

    Writes `packages/heart_disease_model_v<N>/`, a `.tar.gz` of it, and `environments/`.

    Examples:
    - `python -m pipeline.model_packaging` packages the champion
    - `python -m pipeline.model_packaging --model heart_disease_svm --version 1` packages another
    - `python -m pipeline.model_packaging --validate packages/heart_disease_model_v1` only checks

    """
    settings = config.load()
    if validate is None:
        run(settings, model, version)
    else:
        _show(ModelPackager(settings).validate_package(validate))


if __name__ == "__main__":
    cli.run(main)
