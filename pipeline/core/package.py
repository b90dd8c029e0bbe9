"""What a deployment package is made of, and what it must answer.

A package is a folder of files with ``manifest.json`` beside them, which holds the sha256 of every
other file. The same model version always becomes the same bytes.
"""

import gzip
import io
import tarfile
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors
from pydantic import Field, ValidationError
from sklearn.pipeline import Pipeline

from pipeline.core import conversion, exam, joblib_file, manifest, persistence
from pipeline.core.contract import EXTERNAL, FEATURES, patient_schema
from pipeline.core.encoding import json_bytes
from pipeline.core.evaluation import METRIC_TITLES
from pipeline.core.manifest import Files
from pipeline.core.model_figures import FAMILY_TITLES
from pipeline.core.policies import Metric
from pipeline.core.records import Record
from pipeline.core.report import render
from pipeline.core.trained_model import ONNX, SKOPS, TrainedModel
from pipeline.errors import ArtifactError, ConversionError, PackageError

MANIFEST: Final = "manifest.json"
MODEL: Final = "model/"
MLFLOW: Final = "model/mlflow/"
ENVIRONMENT: Final = "environment/"
GOLDEN: Final = "golden_patients.json"
TEMPLATES: Final = {
    "MODEL_CARD.md": "package/MODEL_CARD.md.j2",
    "deployment/compose.yaml": "package/compose.yaml.j2",
    "deployment/kubernetes/deployment.yaml": "package/kubernetes/deployment.yaml.j2",
    "deployment/kubernetes/service.yaml": "package/kubernetes/service.yaml.j2",
    "deployment/kubernetes/autoscaler.yaml": "package/kubernetes/autoscaler.yaml.j2",
}
# What reading golden patients and asking an ONNX model raise when either is damaged.
UNUSABLE: Final = (
    ArtifactError,
    ValueError,
    onnx_errors.Fail,
    onnx_errors.InvalidArgument,
    onnx_errors.InvalidGraph,
    onnx_errors.InvalidProtobuf,
    onnx_errors.NotImplemented,
    onnx_errors.RuntimeException,
)


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

    ``seal`` is the sha256 of the manifest itself, as it is without a seal.
    """

    family: str
    data_digest: str
    model_digest: str
    threshold: float
    metrics: dict[Metric, float]
    greatest_difference: float
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
    reaches the threshold.
    """

    patient: dict[str, float | None]
    probability: float
    label: int


class GoldenPatients(Record):
    """The golden patients of a package, from the lowest risk to the highest."""

    patients: Annotated[tuple[GoldenPatient, ...], Field(min_length=1)]


def greatest_difference(
    pipeline: Pipeline, onnx: bytes, patients: pd.DataFrame, tolerance: float
) -> float:
    """Return how far ONNX and scikit-learn lie apart on ``patients``, in probability.

    Raises:
        ConversionError: on at least one row the difference is not below ``tolerance``.

    """
    answers = exam.probability(pipeline, patients)
    gaps = np.abs(conversion.probabilities(onnx, patients) - answers)
    apart = np.flatnonzero(~(gaps < tolerance))
    if len(apart):
        raise ConversionError(
            f"ONNX and scikit-learn differ by up to {gaps.max():.2g} on {len(apart)} of "
            f"{len(gaps)} patients (limit {tolerance:g}); the first is row {apart[0] + 1}"
        )
    return float(gaps.max())


def golden_patients(model: TrainedModel, patients: pd.DataFrame, count: int) -> GoldenPatients:
    """Choose ``count`` patients, evenly from the lowest risk to the highest, with their answers."""
    answers = exam.probability(model.pipeline, patients)
    order = np.argsort(answers, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, count).round().astype(int)]
    threshold = model.evaluation.threshold
    return GoldenPatients(
        patients=tuple(
            GoldenPatient(
                patient=_as_json(patients.iloc[row]),
                probability=float(answers[row]),
                label=int(answers[row] >= threshold),
            )
            for row in chosen
        )
    )


def _as_json(patient: "pd.Series[float]") -> dict[str, float | None]:
    return {f: None if np.isnan(patient[f]) else float(patient[f]) for f in FEATURES}


def build(  # noqa: PLR0913 (each is one part of the package)
    identity: Identity,
    model: TrainedModel,
    registered: Files,
    environment: Files,
    patients: pd.DataFrame,
    *,
    tolerance: float,
    golden: int,
    image: str,
    port: int,
) -> dict[str, bytes]:
    """Return every file of the package.

    ``registered`` are the files of the version as the registry keeps them, ``environment`` those
    that describe what the model was packaged with, ``patients`` all rows to prove ONNX on.

    Raises:
        ConversionError: ONNX does not answer like scikit-learn.

    """
    difference = greatest_difference(model.pipeline, model.onnx, patients, tolerance)
    contents = {
        f"{MODEL}{SKOPS}": model.skops,
        f"{MODEL}{ONNX}": model.onnx,
        f"{MODEL}model.joblib": joblib_file.dump(model.pipeline),
        **{f"{MLFLOW}{name}": content for name, content in registered.items()},
        **{f"{ENVIRONMENT}{name}": content for name, content in environment.items()},
        "patient.schema.json": json_bytes(patient_schema()),
        GOLDEN: json_bytes(golden_patients(model, patients, golden)),
    }
    about = Manifest(
        **identity.model_dump(),
        family=model.evaluation.family,
        data_digest=model.parameters.data_digest,
        model_digest=model.digest,
        threshold=model.evaluation.threshold,
        metrics={name: found.mean for name, found in model.evaluation.metrics.items()},
        greatest_difference=difference,
        rows_compared=len(patients),
        files={},
    )
    values: dict[str, Any] = {
        "manifest": about,
        "evaluation": model.evaluation,
        "exam": model.parameters.exam,
        "family_title": FAMILY_TITLES[model.evaluation.family],
        "metric_titles": METRIC_TITLES,
        "hospital_titles": {hospital.name: hospital.title for hospital in EXTERNAL},
        "image": image,
        # Kubernetes takes no registry's address as a name.
        "name": image.rpartition("/")[2],
        "port": port,
    }
    for name, template in TEMPLATES.items():
        contents[name] = render(template, **values).encode()
    complete = about.model_copy(update={"files": manifest.digests(contents)})
    return {**contents, MANIFEST: json_bytes(complete.sealed())}


def check(files: Files, path: str) -> Manifest:
    """Return the manifest of a package whose files are all as it says.

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
    if found := manifest.differences(expected, manifest.digests(files)):
        raise PackageError(f"{path}: {'; '.join(found)}")
    return about


def check_answers(files: Files, path: str, tolerance: float) -> int:
    """Let the package's ONNX and skops models answer its golden patients; return how many.

    The joblib file is left alone: it is a pickle, and loading one runs what is in it.

    Raises:
        PackageError: there are no golden patients, or an answer is not the champion's.

    """
    try:
        golden = GoldenPatients.model_validate_json(files[GOLDEN]).patients
        asked = pd.DataFrame([one.patient for one in golden], columns=list(FEATURES), dtype=float)
        answers = {
            ONNX: conversion.probabilities(files[f"{MODEL}{ONNX}"], asked),
            SKOPS: exam.probability(persistence.load(files[f"{MODEL}{SKOPS}"]), asked),
        }
    except KeyError as error:
        raise PackageError(f"{path} holds no {error.args[0]}") from None
    except UNUSABLE as error:
        line = " ".join(str(error).split())
        raise PackageError(f"{path}: the golden patients get no answer: {line}") from error
    expected = np.array([one.probability for one in golden])
    gaps = {name: float(np.abs(found - expected).max()) for name, found in answers.items()}
    if wrong := [
        f"{MODEL}{name} is {gap:.2g} off" for name, gap in gaps.items() if not gap < tolerance
    ]:
        raise PackageError(f"{path}: on a golden patient {', '.join(wrong)}")
    return len(golden)


def archive(files: Files, folder: str) -> bytes:
    """Return ``files`` below ``folder`` as a ``.tar.gz`` that holds no time, owner or host."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(files):
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(files[name])
            tar.addfile(member, io.BytesIO(files[name]))
    return buffer.getvalue()
