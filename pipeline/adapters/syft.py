"""Syft, which lists what is in an image."""

import os
import subprocess
import sysconfig
from pathlib import Path

from pipeline.errors import ImageError


def bill_of_materials(image: str) -> bytes:
    """Return every package of a local image as CycloneDX in JSON.

    Raises:
        ImageError: syft is not installed, or cannot read the image.

    """
    command = Path(sysconfig.get_path("scripts")) / "syft"
    try:
        done = subprocess.run(  # noqa: S603 (fixed arguments, no shell)
            [command, "scan", f"docker:{image}", "--output", "cyclonedx-json", "--quiet"],
            env={**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"},
            capture_output=True,
            check=True,
        )
    except FileNotFoundError:
        raise ImageError(f"no {command}: install requirements.txt") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise ImageError(f"syft cannot list what is in {image}: {lines[-1]}") from error
    return done.stdout
