"""The ceiling: the least code that answers with the same model over HTTP. It checks nothing.

python bare.py model.onnx HOST PORT
"""

import json
import sys

import numpy as np
import onnxruntime
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FEATURES = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg"),
    *("thalach", "exang", "oldpeak", "slope", "ca", "thal"),
)


class Model:
    """The work without HTTP: read a body, ask the model, write the answer."""

    def __init__(self, path: str) -> None:
        """Open the ONNX file at ``path``."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def answer(self, body: bytes) -> bytes:
        """Answer about one patient, or about each of a list."""
        asked = json.loads(body)
        patients = asked if isinstance(asked, list) else [asked]
        rows = [[patient[name] for name in FEATURES] for patient in patients]
        matrix = np.array(rows, dtype=np.float32)
        (answers,) = self._session.run(["probability"], {"patients": matrix})
        return json.dumps({"probabilities": answers.tolist()}).encode()


def main(path: str, host: str, port: str) -> None:
    """Answer `POST /predict` until a signal comes."""
    model = Model(path)

    async def predict(request: Request) -> Response:
        return Response(model.answer(await request.body()), media_type="application/json")

    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    uvicorn.run(
        app,
        host=host,
        port=int(port),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
