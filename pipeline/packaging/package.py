"""What a deployment package is: which files, which model, and what it must answer.

A package is a folder of files with ``manifest.json`` beside them, which holds the sha256 of every
other file. An image carries the part of it in ``SERVED``; both are checked by the same manifest.
"""

from collections.abc import Collection
from typing import Annotated, Final

from pydantic import Field, ValidationError

from pipeline.base import manifest
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import PackageError
from pipeline.base.manifest import Files
from pipeline.base.names import ONNX, SKOPS, Metric
from pipeline.base.policies import RiskBand, RiskBands
from pipeline.base.records import Record

MANIFEST: Final = "manifest.json"
MODEL: Final = "model/"
MLFLOW: Final = "model/mlflow/"
# The blocks that the skops and joblib files name. Python leaves no cache beside a zip file.
CODE: Final = "model/code.zip"
ENVIRONMENT: Final = "environment/"
PACKAGED_WITH: Final = f"{ENVIRONMENT}packaged_with.json"
GOLDEN: Final = "golden_patients.json"
CARD: Final = "MODEL_CARD.md"
# The files that a service needs: no pickle, and nothing that only scikit-learn reads.
SERVED_MODEL: Final = f"{MODEL}{ONNX}"
SERVED: Final = (MANIFEST, SERVED_MODEL, GOLDEN, "patient.schema.json", PACKAGED_WITH, CARD)


class Identity(Record):
    """Which version a package was made from."""

    model_name: str
    version: int
    registered_as: str
    run_id: str
    git_commit: str

    @property
    def folder(self) -> str:
        """Return the name of the package's folder."""
        return f"{self.model_name}_model_v{self.version}"


class Manifest(Identity):
    """Which model a package holds, how it was proven, and the sha256 of every file of it.

    ``greatest_difference`` is the one between ONNX and scikit-learn, in probability, on
    ``rows_compared`` patients: None of models from before it was kept. ``tolerance``
    is how far from the champion's a probability may lie, wherever this is asked;
    ``seal`` is the sha256 of the manifest itself, as it is without a seal.
    """

    family: str
    data_digest: str
    model_digest: str
    threshold: float
    risk_bands: RiskBands
    tolerance: float
    metrics: dict[Metric, float]
    greatest_difference: float | None
    rows_compared: int
    files: dict[str, str]
    seal: str = ""

    def sealed(self) -> "Manifest":
        """Return the manifest with its seal."""
        unsealed = self.model_copy(update={"seal": ""})
        return self.model_copy(update={"seal": manifest.sha256(json_bytes(unsealed))})


class GoldenPatient(Record):
    """A patient and the champion's answer, which whatever serves the package must reproduce.

    ``patient`` holds the contract's fields, None for missing; ``label`` is 1 when ``probability``
    reaches the threshold, and ``risk_band`` is the one it lies in.
    """

    patient: dict[str, float | None]
    probability: float
    label: int
    risk_band: RiskBand


class GoldenPatients(Record):
    """The golden patients of a package, from the lowest risk to the highest."""

    patients: Annotated[tuple[GoldenPatient, ...], Field(min_length=1)]


def check(files: Files, path: str, only: Collection[str] = ()) -> Manifest:
    """Return the manifest of a package whose files are all as it says.

    With ``only``, ``files`` are that part of the package, and must be all of it.

    Raises:
        PackageError: the manifest is missing or unreadable, or a file is missing, changed or not
            expected; the message names each.

    """
    try:
        about = Manifest.model_validate_json(files[MANIFEST])
    except KeyError:
        raise PackageError(f"{path} holds no {MANIFEST}: it is not a package") from None
    except ValidationError as error:
        raise PackageError(f"{path}/{MANIFEST}: {' '.join(str(error).split())}") from None
    skops = {f"{folder}{SKOPS}": about.model_digest for folder in (MODEL, MLFLOW)}
    sealed = {MANIFEST: manifest.sha256(json_bytes(about.sealed()))}
    expected = {**about.files, **skops, **sealed}
    part = {name: digest for name, digest in expected.items() if not only or name in only}
    if faults := manifest.differences(part, manifest.digests(files)):
        raise PackageError(f"{path}: {'; '.join(faults)}")
    return about


def read_golden(files: Files) -> tuple[GoldenPatient, ...]:
    """Return the golden patients of a package.

    Raises:
        KeyError: it holds none.
        ValueError: they are unreadable.

    """
    return GoldenPatients.model_validate_json(files[GOLDEN]).patients
