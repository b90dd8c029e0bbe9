"""A fitted pipeline as the folder that MLflow calls a model."""

import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import mlflow.sklearn
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types import ColSpec, Schema
from sklearn.base import clone
from sklearn.pipeline import Pipeline

import pipeline as package
from pipeline.artifacts import files_below
from pipeline.core.contract import FEATURES
from pipeline.core.manifest import Files
from pipeline.core.persistence import TRUSTED_TYPES

# What a reader of the model needs of our code: the blocks that scikit-learn does not have.
CODE: Final = ("__init__.py", "core/__init__.py", "core/transformers.py")


def build(
    pipeline: Pipeline, payload: Files, example: pd.DataFrame, requirements: Sequence[str]
) -> dict[str, bytes]:
    """Return the files of the model: MLflow's own around ``payload``.

    ``payload`` holds ``model.skops``, which takes the place of the file that MLflow writes, as that
    one differs on every run. So MLflow gets the pipeline unfitted, which saves it the work, and is
    told the size of what takes the place. ``mlflow.sklearn.load_model`` reads the result, with the
    blocks of `pipeline.core.transformers` beside it under ``code/``.
    """
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        code, target = Path(scratch, package.__name__), Path(scratch, "model")
        _copy_code(code)
        # MLflow writes the model with skops, which warns as in `persistence.dump`.
        warnings.simplefilter("ignore", FutureWarning)
        mlflow.sklearn.save_model(
            clone(pipeline),
            target,
            code_paths=[str(code)],
            signature=_signature(),
            input_example=example,
            pip_requirements=list(requirements),
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            pyfunc_predict_fn="predict_proba",
        )
        _set_size(target, sum(map(len, payload.values())))
        return {**files_below(target), **payload}


def _set_size(target: Path, size: int) -> None:
    model = Model.load(target)
    model.model_size_bytes = size
    model.save(target / MLMODEL_FILE_NAME)


def _copy_code(target: Path) -> None:
    source = Path(str(package.__file__)).parent
    for name in CODE:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)


def _signature() -> ModelSignature:
    # Doubles throughout: a signature of integers would refuse 2.0 and every missing value.
    patients = Schema([ColSpec("double", name) for name in FEATURES])
    return ModelSignature(inputs=patients, outputs=Schema([ColSpec("double")]))
