"""The code inside a version: `mlflow.pyfunc.load_model` asks ONNX through it, with any numbers.

MLflow refuses whole numbers in a column of doubles, and fractions in one of integers. So the
signature of a version names its columns and no types, and this casts them. It runs where this
repository is not, so it imports what a version requires, and nothing else.
"""

import mlflow.onnx
import pandas as pd


class _AsFloats:
    def __init__(self, path: str) -> None:
        # Every flavor of MLflow has this function: it is what MLflow calls in this module too.
        self._model = mlflow.onnx._load_pyfunc(path)  # noqa: SLF001

    def predict(self, patients: pd.DataFrame) -> pd.DataFrame:
        known = patients.mask(patients.isna())
        # By name, so that an error names the column of a value that is not a number.
        floats = known.astype(dict.fromkeys(patients.columns, "float64"))
        answers: pd.DataFrame = self._model.predict(floats)
        return answers.set_index(patients.index)


def _load_pyfunc(path: str) -> _AsFloats:
    return _AsFloats(path)
