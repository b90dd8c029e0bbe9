"""BentoML on ONNX, as somebody writes it who wants it fast: no thread between, none below.

MODEL=model.onnx WORKERS=1 bentoml serve bento_onnx:HeartDisease
"""

import os
from typing import Annotated

import bentoml
import numpy as np
import numpy.typing as npt
import onnxruntime
from bentoml.validators import DType

Rows = Annotated[npt.NDArray[np.float32], DType("float32")]


@bentoml.service(workers=int(os.environ["WORKERS"]))
class HeartDisease:
    """The probability of heart disease."""

    def __init__(self) -> None:
        """Open the model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ["MODEL"], options, providers=["CPUExecutionProvider"]
        )

    @bentoml.api  # type: ignore[untyped-decorator]  # BentoML's says nothing
    async def predict(self, patients: Rows) -> npt.NDArray[np.float32]:
        """Answer about each row."""
        (answers,) = self._session.run(["probability"], {"patients": patients})
        return np.asarray(answers)
