"""An ONNX model that takes one float32 matrix and gives one probability for each of its rows.

The graph takes ``patients``, shape (rows, 13), columns in the contract's order and units, NaN for
missing, and gives ``probability``, shape (rows,), of a positive outcome.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

INPUT: Final = "patients"
OUTPUT: Final = "probability"
# Raised by a damaged model when it is opened or asked.
UNUSABLE: Final = (
    onnx_errors.Fail,
    onnx_errors.InvalidArgument,
    onnx_errors.InvalidGraph,
    onnx_errors.InvalidProtobuf,
    onnx_errors.NotImplemented,
    onnx_errors.RuntimeException,
)

Matrix = npt.NDArray[np.float32]


class OnnxModel:
    """An opened model. It may be asked from several threads at once."""

    def __init__(self, content: bytes) -> None:
        """Open ``content``; an answer takes the caller's thread alone.

        Raises:
            one of ``UNUSABLE``: it is not an ONNX model that can be run.

        """
        options = onnxruntime.SessionOptions()
        # A few microseconds of work: threads of its own would cost more than they bring.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # A damaged file is reported once, by the caller.
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, patients: Matrix) -> npt.NDArray[np.float64]:
        """Return the probability of each row, shape (rows,).

        The sums of a forest may pass 1 by a rounding; what is returned never does.
        """
        (answers,) = self._session.run([OUTPUT], {INPUT: patients})
        # np.clip does the same, in twice the time for one patient.
        return np.asarray(np.minimum(np.maximum(answers, 0.0), 1.0), dtype=np.float64)
