"""MLServer on ONNX: it has no runtime for it, and this is the custom one its documentation shows.

It runs in MLServer's own environment, which `environment.py` makes.
"""

import onnxruntime
from mlserver import MLModel  # type: ignore[import-not-found]  # not in this environment
from mlserver.codecs import NumpyCodec  # type: ignore[import-not-found]
from mlserver.types import (  # type: ignore[import-not-found]
    InferenceRequest,
    InferenceResponse,
)
from mlserver.utils import get_model_uri  # type: ignore[import-not-found]


class OnnxModel(MLModel):  # type: ignore[misc]  # nothing is known of its base here
    """The probability of heart disease."""

    async def load(self) -> bool:
        """Open the model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = await get_model_uri(self.settings)
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer about each row."""
        patients = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        (answers,) = self._session.run(["probability"], {"patients": patients})
        outputs = [NumpyCodec.encode_output("probability", answers)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
