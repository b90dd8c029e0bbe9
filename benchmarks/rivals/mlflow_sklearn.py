"""A scikit-learn model as MLflow stores it by itself: pyfunc asks scikit-learn."""

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Final

import joblib
import mlflow.sklearn
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from pipeline.base import environment
from pipeline.packaging.package import CODE, MODEL
from pipeline.table.contract import FEATURES
from pipeline.training.persistence import TRUSTED_TYPES

REQUIREMENTS: Final = ("numpy", "pandas", "scikit-learn", "scipy", "skops")


def save(package: Path, folder: Path) -> None:
    """Store the scikit-learn model of a package in ``folder``, with the code that it needs."""
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        shutil.unpack_archive(package / CODE, scratch)
        # MLflow writes the model with skops, which warns as in `persistence.dump`.
        warnings.simplefilter("ignore", FutureWarning)
        mlflow.sklearn.save_model(
            joblib.load(package / MODEL / "model.joblib"),
            folder,
            # Whole numbers too are asked as the model was trained, as doubles.
            signature=ModelSignature(Schema([ColSpec("double", name) for name in FEATURES])),
            code_paths=[str(Path(scratch, "pipeline"))],
            pip_requirements=environment.snapshot(REQUIREMENTS).requirements(),
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            pyfunc_predict_fn="predict_proba",
        )
