"""The package that is measured, with what every server of it is proven with."""

from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Self

from benchmarks.findings import BenchmarkError
from pipeline.base import addresses, artifacts
from pipeline.base.config import Settings
from pipeline.base.manifest import Files
from pipeline.base.names import SERVED
from pipeline.packaging import package
from pipeline.packaging.package import GoldenPatient, Manifest
from pipeline.packaging.packager import ModelPackager
from pipeline.registry.client import connect


@dataclass(frozen=True)
class Subject:
    """A package, where it is, its files, and the answers that every server must give."""

    folder: Path
    files: Files
    about: Manifest
    golden: tuple[GoldenPatient, ...]

    @classmethod
    def of(cls, folder: Path, settings: Settings) -> Self:
        """Return a package as a subject, once it is known to be valid."""
        about = ModelPackager(settings).validate_package(folder)
        files = artifacts.files_below(folder)
        return cls(folder, files, about, package.read_golden(files))

    @classmethod
    def registered(cls, model: str, settings: Settings) -> Self:
        """Return the champion's package, or that of a family's newest version, made if need be.

        Raises:
            BenchmarkError: the registry holds no such version yet.

        """
        version = _version(model, settings)
        folder = artifacts.PACKAGES / f"{model}_model_v{version}"
        if not folder.is_dir():
            ModelPackager(settings).create_package(model, version)
        return cls.of(folder, settings)

    @property
    def title(self) -> str:
        """Say which model it is."""
        family = self.about.family.replace("_", " ")
        return f"the champion, {family}" if self.about.model_name == SERVED else family

    def asked(self, patients: int) -> list[list[GoldenPatient]]:
        """Return requests about so many patients each, as many as there are golden ones."""
        golden = self.golden
        turned = ([*golden[n:], *golden[:n]] for n in range(len(golden)))
        return [list(islice(cycle(turn), patients)) for turn in turned]


def _version(model: str, settings: Settings) -> int:
    file = addresses.database(settings.registry.tracking_uri)
    # MLflow would make it.
    if file and not Path(file).exists():
        raise BenchmarkError(f"there is no registry at {file} yet: run `make pipeline`")
    registry = connect(settings.registry)
    if model == SERVED:
        return registry.champion(model).version
    if (newest := registry.newest(model)) is None:
        raise BenchmarkError(f"the registry holds no version of {model}: run `make pipeline`")
    return newest.version
