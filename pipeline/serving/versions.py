"""Checks that the libraries that compute are those the model was packaged with.

The image's build runs it: `python -m pipeline.serving.versions package`.
"""

import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from pipeline.packaging.package import PACKAGED_WITH

COMPUTING: Final = ("numpy", "onnxruntime")


def main(package: str) -> None:
    """End with an error that names each library whose version differs."""
    packaged = json.loads((Path(package) / PACKAGED_WITH).read_text())
    differing = [
        f"{name} {installed} is installed, {expected} was packaged with"
        for name in COMPUTING
        if (installed := metadata.version(name)) != (expected := packaged["packages"][name])
    ]
    if differing:
        sys.exit(
            f"error: {'; '.join(differing)} (Python {platform.python_version()} here, "
            f"{packaged['python']} there): package the model again, or choose a base image of "
            "its Python"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
