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

from pipeline.base import archives, manifest
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import ArtifactError, ConversionError, PackageError
from pipeline.base.manifest import Files
from pipeline.base.names import METRIC_TITLES, ONNX, SKOPS
from pipeline.base.pages import render
from pipeline.base.policies import PackagingPlan, RiskBands
from pipeline.evaluation.metrics import Evaluation
from pipeline.packaging.container import LIMITS
from pipeline.packaging.package import (
    CARD,
    CODE,
    ENVIRONMENT,
    GOLDEN,
    MANIFEST,
    MLFLOW,
    MODEL,
    SERVED_MODEL,
    GoldenPatient,
    GoldenPatients,
    Identity,
    Manifest,
    read_golden,
)
from pipeline.table import wording
from pipeline.table.contract import EXTERNAL, FEATURES, patient_schema
from pipeline.training import persistence
from pipeline.training.families import FAMILY_TITLES
from pipeline.training.trained_model import TrainedModel, answering

OBJECTS: Final = ("autoscaler", "deployment", "disruption-budget", "network-policy", "service")
TEMPLATES: Final = {
    CARD: "package/MODEL_CARD.md.j2",
    "deployment/compose.yaml": "package/compose.yaml.j2",
    **{
        f"deployment/kubernetes/{name}.yaml": f"package/kubernetes/{name}.yaml.j2"
        for name in (*OBJECTS, "kustomization")
    },
}


def check_conversion(evaluation: Evaluation, tolerance: float) -> None:
    """Check how far ONNX and scikit-learn lay apart when the model was trained.

    Of an older champion it is not known: the code of its time compared them when it packaged it.

    Raises:
        ConversionError: the difference is not below ``tolerance``.

    """
    found = evaluation.conversion
    if found and not found.difference < tolerance:
        raise ConversionError(
            f"ONNX and scikit-learn differ by up to {found.difference:.2g} on {found.rows:,} "
            f"patients (limit {tolerance:g})"
        )


def golden_patients(
    model: TrainedModel, patients: pd.DataFrame, count: int, bands: RiskBands
) -> GoldenPatients:
    """Choose ``count`` patients, evenly from the lowest risk to the highest, with their answers."""
    answers = model.answer(patients)
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
    defined in, and ``patients`` all rows, of which golden patients are chosen.
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
    check_conversion(model.evaluation, plan.tolerance)
    conversion = model.evaluation.conversion
    about = Manifest(
        **identity.model_dump(),
        family=model.evaluation.family,
        data_digest=model.parameters.data_digest,
        model_digest=model.digest,
        threshold=model.evaluation.threshold,
        risk_bands=plan.risk_bands,
        tolerance=plan.tolerance,
        metrics={name: estimate.mean for name, estimate in model.evaluation.metrics.items()},
        greatest_difference=conversion.difference if conversion else None,
        rows_compared=conversion.rows if conversion else 0,
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
    repository, _, tag = plan.image.rpartition(":")
    values: dict[str, Any] = {
        "manifest": about,
        "evaluation": model.evaluation,
        "exam": model.parameters.exam,
        "family_title": FAMILY_TITLES[model.evaluation.family],
        "metric_titles": METRIC_TITLES,
        "words": wording,
        "cohort_titles": {cohort.name: cohort.title for cohort in EXTERNAL},
        "image": plan.image,
        "repository": repository,
        "tag": tag,
        # Kubernetes takes no registry's address as a name.
        "name": repository.rpartition("/")[2],
        "port": plan.port,
        "objects": OBJECTS,
        "limits": LIMITS,
    }
    return {name: render(template, **values).encode() for name, template in TEMPLATES.items()}


def check_answers(files: Files, path: str, tolerance: float) -> int:
    """Let the package's ONNX model answer its golden patients; return how many.

    The skops and joblib files are left alone: they belong to the libraries that wrote them, and
    loading a pickle runs what is in it.

    Raises:
        PackageError: there are no golden patients, or an answer is not the champion's.

    """
    try:
        golden = read_golden(files)
        asked = pd.DataFrame([one.patient for one in golden], columns=list(FEATURES), dtype=float)
        answers = answering(files[SERVED_MODEL])(asked)
    except KeyError as error:
        raise PackageError(f"{path} holds no {error.args[0]}") from None
    except (ArtifactError, ValueError) as error:
        line = " ".join(str(error).split())
        raise PackageError(f"{path}: the golden patients get no answer: {line}") from error
    expected = np.array([one.probability for one in golden])
    gap = float(np.abs(answers - expected).max())
    if not gap < tolerance:
        raise PackageError(f"{path}: on a golden patient {SERVED_MODEL} is {gap:.2g} off")
    return len(golden)
