"""A heart-disease model whose whole life runs on pull requests, merges and release tags."""

import os

from pipeline.base import kernel

# onnxruntime reports its use to its maker, from the moment it is imported. What answers about
# patients reports nothing, so this comes before any import of it; a person may still set it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# Before numpy is imported. A value from outside would make other models, so it does not stay.
os.environ.update(kernel.PINNED.variables() if kernel.PINNED else {})
