"""The names of a model's files, wherever they are kept."""

from typing import Final

SKOPS: Final = "model.skops"
ONNX: Final = "model.onnx"
