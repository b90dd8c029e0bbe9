"""A trained model as the folder that MLflow calls a model."""

import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import mlflow.onnx
import mlflow.sklearn
import onnx
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types import ColSpec, Schema

from pipeline.base.artifacts import files_below
from pipeline.base.manifest import Files
from pipeline.base.names import ONNX, SKOPS
from pipeline.scoring.onnx_model import OUTPUT
from pipeline.table.contract import FEATURES
from pipeline.training.persistence import TRUSTED_TYPES

# Needed to ask the ONNX file and to load the skops file; MLflow adds itself.
REQUIREMENTS: Final = (
    *("numpy", "onnx", "onnxruntime", "pandas"),
    *("scikit-learn", "scipy", "skops"),
)


def build(payload: Files, example: pd.DataFrame, requirements: Sequence[str]) -> dict[str, bytes]:
    """Return the files of the model: MLflow's own around ``payload``.

    ``mlflow.pyfunc.load_model`` answers from ``model.onnx``, which needs no code of this
    repository: MLflow runs a model's code where the model is stored, and Python leaves its caches
    there. ``mlflow.sklearn.load_model`` reads ``model.skops`` where `pipeline` can be imported.
    """
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch, "model")
        mlflow.onnx.save_model(
            onnx.load_model_from_string(payload[ONNX]),
            target,
            signature=_signature(),
            input_example=example,
            pip_requirements=list(requirements),
            onnx_execution_providers=["CPUExecutionProvider"],
            # As the service asks it: more threads add up a forest's trees in another order.
            onnx_session_options={"intra_op_num_threads": 1},
            save_as_external_data=False,
        )
        model = Model.load(target)
        model.add_flavor(mlflow.sklearn.FLAVOR_NAME, **_sklearn_flavor())
        model.model_size_bytes = sum(map(len, payload.values()))
        model.save(target / MLMODEL_FILE_NAME)
        # The payload's ONNX file takes the place of the one that MLflow wrote.
        return {**files_below(target), **payload}


def _sklearn_flavor() -> dict[str, Any]:
    return {
        "pickled_model": SKOPS,
        "sklearn_version": metadata.version("scikit-learn"),
        "serialization_format": mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
        "skops_trusted_types": list(TRUSTED_TYPES),
        "code": None,
    }


def _signature() -> ModelSignature:
    # Doubles throughout: a signature of integers would refuse 2.0 and every missing value.
    patients = Schema([ColSpec("double", name) for name in FEATURES])
    return ModelSignature(inputs=patients, outputs=Schema([ColSpec("float", OUTPUT)]))
