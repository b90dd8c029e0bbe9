"""BentoML on scikit-learn, as its documentation shows it: an array in, an array out.

MODEL=model.joblib WORKERS=1 bentoml serve bento_sklearn:HeartDisease
"""

import os
from typing import Annotated

import bentoml
import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from bentoml.validators import DType

Rows = Annotated[npt.NDArray[np.float64], DType("float64")]


@bentoml.service(workers=int(os.environ["WORKERS"]))
class HeartDisease:
    """The probability of heart disease."""

    def __init__(self) -> None:
        """Load the model."""
        self._model = joblib.load(os.environ["MODEL"])

    @bentoml.api  # type: ignore[untyped-decorator]  # BentoML's says nothing
    def predict(self, patients: Rows) -> npt.NDArray[np.float64]:
        """Answer about each row."""
        rows = pd.DataFrame(patients, columns=self._model.feature_names_in_)
        return np.asarray(self._model.predict_proba(rows)[:, 1])
