"""A trained model as the folder that MLflow calls a model."""

import tempfile
from collections.abc import Sequence
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import mlflow.onnx
import mlflow.pyfunc
import mlflow.sklearn
import onnx
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType

from pipeline.base import archives
from pipeline.base.artifacts import files_below
from pipeline.base.manifest import Files
from pipeline.base.names import ONNX, SKOPS
from pipeline.registry import loader
from pipeline.scoring.onnx_model import OUTPUT
from pipeline.table.contract import FEATURES
from pipeline.training.persistence import TRUSTED_TYPES

# Needed to ask the ONNX file and to load the skops file; MLflow adds itself.
REQUIREMENTS: Final = (
    *("numpy", "onnx", "onnxruntime", "pandas"),
    *("scikit-learn", "scipy", "skops"),
)
# MLflow runs code where it is stored. Python leaves no caches beside what it reads from an archive.
CODE: Final = "code.zip"


def build(payload: Files, example: pd.DataFrame, requirements: Sequence[str]) -> dict[str, bytes]:
    """Return the files of the model: MLflow's own around ``payload``.

    ``mlflow.pyfunc.load_model`` answers from ``model.onnx`` through `pipeline.registry.loader`,
    which lies beside it. ``mlflow.sklearn.load_model`` reads ``model.skops`` where `pipeline` can
    be imported.
    """
    code = Path(loader.__file__).read_bytes()
    # Named by its content: Python imports a name once, and a person may load versions side by side.
    module = f"loader_{sha256(code).hexdigest()[:12]}"
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
        model.flavors[mlflow.pyfunc.FLAVOR_NAME] |= {"loader_module": module, "code": CODE}
        model.model_size_bytes = sum(map(len, payload.values()))
        model.save(target / MLMODEL_FILE_NAME)
        # The payload's ONNX file takes the place of the one that MLflow wrote.
        return {**files_below(target), **payload, CODE: archives.zipped({f"{module}.py": code})}


def _sklearn_flavor() -> dict[str, Any]:
    return {
        "pickled_model": SKOPS,
        "sklearn_version": metadata.version("scikit-learn"),
        "serialization_format": mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
        "skops_trusted_types": list(TRUSTED_TYPES),
        "code": None,
    }


def _signature() -> ModelSignature:
    # By name alone: a type of MLflow's refuses numbers of other types.
    patients = Schema([ColSpec(AnyType(), name) for name in FEATURES])  # type: ignore[no-untyped-call]
    return ModelSignature(inputs=patients, outputs=Schema([ColSpec("float", OUTPUT)]))
