"""The ceiling: the least code that answers with the same model over HTTP. It checks nothing.

python bare.py model.onnx HOST PORT
"""

import sys

import numpy as np
import onnxruntime
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

FEATURES = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg"),
    *("thalach", "exang", "oldpeak", "slope", "ca", "thal"),
)


def main(model: str, host: str, port: str) -> None:
    """Answer `POST /predict`, one patient a request, until a signal comes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    async def predict(request: Request) -> JSONResponse:
        patient = await request.json()
        row = np.array([[patient[name] for name in FEATURES]], dtype=np.float32)
        (answers,) = session.run(["probability"], {"patients": row})
        return JSONResponse({"probability": float(answers[0])})

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
