"""How a deployment package is made of a model, and proven by asking what is in it.

The same model version always becomes the same bytes.
"""

import io
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import joblib
import numpy as np
import pandas as pd
import skops.io
from sklearn.pipeline import Pipeline

from pipeline.base import archives, manifest
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import ArtifactError, ConversionError, PackageError
from pipeline.base.manifest import Files
from pipeline.base.names import METRIC_TITLES, ONNX, SKOPS
from pipeline.base.pages import render
from pipeline.base.policies import PackagingPlan, RiskBands
from pipeline.evaluation import cross_validation
from pipeline.packaging.package import (
    CARD,
    CODE,
    ENVIRONMENT,
    GOLDEN,
    MANIFEST,
    MLFLOW,
    MODEL,
    GoldenPatient,
    GoldenPatients,
    Identity,
    Manifest,
    read_golden,
)
from pipeline.scoring.onnx_model import UNUSABLE
from pipeline.table import wording
from pipeline.table.contract import EXTERNAL, FEATURES, patient_schema
from pipeline.training import conversion, persistence
from pipeline.training.families import FAMILY_TITLES
from pipeline.training.trained_model import TrainedModel

TEMPLATES: Final = {
    CARD: "package/MODEL_CARD.md.j2",
    "deployment/compose.yaml": "package/compose.yaml.j2",
    "deployment/kubernetes/deployment.yaml": "package/kubernetes/deployment.yaml.j2",
    "deployment/kubernetes/service.yaml": "package/kubernetes/service.yaml.j2",
    "deployment/kubernetes/autoscaler.yaml": "package/kubernetes/autoscaler.yaml.j2",
}


def greatest_difference(
    pipeline: Pipeline, onnx: bytes, patients: pd.DataFrame, tolerance: float
) -> float:
    """Return how far ONNX and scikit-learn lie apart on ``patients``, in probability.

    Raises:
        ConversionError: on at least one row the difference is not below ``tolerance``.

    """
    answers = cross_validation.probability(pipeline, patients)
    gaps = np.abs(conversion.probabilities(onnx, patients) - answers)
    apart = np.flatnonzero(~(gaps < tolerance))
    if len(apart):
        raise ConversionError(
            f"ONNX and scikit-learn differ by up to {gaps.max():.2g} on {len(apart)} of "
            f"{len(gaps)} patients (limit {tolerance:g}); the first is row {apart[0] + 1}"
        )
    return float(gaps.max())


def golden_patients(
    model: TrainedModel, patients: pd.DataFrame, count: int, bands: RiskBands
) -> GoldenPatients:
    """Choose ``count`` patients, evenly from the lowest risk to the highest, with their answers."""
    answers = cross_validation.probability(model.pipeline, patients)
    order = np.argsort(answers, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, count).round().astype(int)]
    threshold = model.evaluation.threshold
    return GoldenPatients(
        patients=tuple(
            GoldenPatient(
                patient=_as_json(patients.iloc[row]),
                probability=float(answers[row]),
                label=int(answers[row] >= threshold),
                risk_band=bands.of(float(answers[row])),
            )
            for row in chosen
        )
    )


def _as_json(patient: "pd.Series[float]") -> dict[str, float | None]:
    return {f: None if np.isnan(patient[f]) else float(patient[f]) for f in FEATURES}


class _Skops:
    """A skops file that is the pipeline itself once joblib has loaded it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return skops.io.loads, (self.content, list(persistence.TRUSTED_TYPES))


def joblib_bytes(content: bytes) -> bytes:
    """Return a skops file as a file for ``joblib.load``, which gives the pipeline."""
    target = io.BytesIO()
    joblib.dump(_Skops(content), target, protocol=4)
    return target.getvalue()


class Sources(NamedTuple):
    """What a package is made from, besides the model.

    ``registered`` are the files of the version as the registry keeps them, ``environment`` those
    that describe what the model was packaged with, ``code`` the modules that the model's blocks are
    defined in, and ``patients`` all rows to prove ONNX on.
    """

    registered: Files
    environment: Files
    code: Files
    patients: pd.DataFrame


def build(
    identity: Identity, model: TrainedModel, sources: Sources, plan: PackagingPlan
) -> dict[str, bytes]:
    """Return every file of the package.

    Raises:
        ConversionError: ONNX does not answer like scikit-learn.

    """
    difference = greatest_difference(model.pipeline, model.onnx, sources.patients, plan.tolerance)
    about = Manifest(
        **identity.model_dump(),
        family=model.evaluation.family,
        data_digest=model.parameters.data_digest,
        model_digest=model.digest,
        threshold=model.evaluation.threshold,
        risk_bands=plan.risk_bands,
        tolerance=plan.tolerance,
        metrics={name: estimate.mean for name, estimate in model.evaluation.metrics.items()},
        greatest_difference=difference,
        rows_compared=len(sources.patients),
        files={},
    )
    contents = _model_files(model, sources, plan) | _texts(about, model, plan)
    complete = about.model_copy(update={"files": manifest.digests(contents)})
    return {**contents, MANIFEST: json_bytes(complete.sealed())}


def _model_files(model: TrainedModel, sources: Sources, plan: PackagingPlan) -> dict[str, bytes]:
    golden = golden_patients(model, sources.patients, plan.golden_patients, plan.risk_bands)
    return {
        f"{MODEL}{SKOPS}": model.skops,
        f"{MODEL}{ONNX}": model.onnx,
        f"{MODEL}model.joblib": joblib_bytes(model.skops),
        **{f"{MLFLOW}{name}": content for name, content in sources.registered.items()},
        CODE: archives.zipped(sources.code),
        **{f"{ENVIRONMENT}{name}": content for name, content in sources.environment.items()},
        "patient.schema.json": json_bytes(patient_schema()),
        GOLDEN: json_bytes(golden),
    }


def _texts(about: Manifest, model: TrainedModel, plan: PackagingPlan) -> dict[str, bytes]:
    values: dict[str, Any] = {
        "manifest": about,
        "evaluation": model.evaluation,
        "exam": model.parameters.exam,
        "family_title": FAMILY_TITLES[model.evaluation.family],
        "metric_titles": METRIC_TITLES,
        "words": wording,
        "cohort_titles": {cohort.name: cohort.title for cohort in EXTERNAL},
        "image": plan.image,
        # Kubernetes takes no registry's address as a name, and no tag.
        "name": plan.image.rpartition("/")[2].partition(":")[0],
        "port": plan.port,
    }
    return {name: render(template, **values).encode() for name, template in TEMPLATES.items()}


def check_answers(files: Files, path: str, tolerance: float) -> int:
    """Let the package's ONNX and skops models answer its golden patients; return how many.

    The joblib file is left alone: it is a pickle, and loading one runs what is in it.

    Raises:
        PackageError: there are no golden patients, or an answer is not the champion's.

    """
    try:
        golden = read_golden(files)
        asked = pd.DataFrame([one.patient for one in golden], columns=list(FEATURES), dtype=float)
        answers = {
            ONNX: conversion.probabilities(files[f"{MODEL}{ONNX}"], asked),
            SKOPS: cross_validation.probability(persistence.load(files[f"{MODEL}{SKOPS}"]), asked),
        }
    except KeyError as error:
        raise PackageError(f"{path} holds no {error.args[0]}") from None
    except (ArtifactError, ValueError, *UNUSABLE) as error:
        line = " ".join(str(error).split())
        raise PackageError(f"{path}: the golden patients get no answer: {line}") from error
    expected = np.array([one.probability for one in golden])
    gaps = {name: float(np.abs(given - expected).max()) for name, given in answers.items()}
    if wrong := [
        f"{MODEL}{name} is {gap:.2g} off" for name, gap in gaps.items() if not gap < tolerance
    ]:
        raise PackageError(f"{path}: on a golden patient {', '.join(wrong)}")
    return len(golden)
