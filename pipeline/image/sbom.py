"""Syft, which lists what is in an image."""

import os
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

from pipeline.base import variables
from pipeline.base.errors import ImageError

_OUTPUT: Final = ("--output", "cyclonedx-json", "--quiet")


def make(image: str) -> bytes:
    """Return every package of a local image as CycloneDX in JSON.

    Raises:
        ImageError: syft is not installed, or cannot read the image.

    """
    ours = {"SYFT_CHECK_FOR_APP_UPDATE": "false"}
    environment = variables.for_tool(os.environ, *variables.DOCKER) | ours
    source = f"docker:{image}"
    command = Path(sysconfig.get_path("scripts")) / "syft"
    try:
        # Without a file of settings it would look for one here and in the user's home.
        with tempfile.NamedTemporaryFile(suffix=".yaml") as settings:
            done = subprocess.run(  # noqa: S603 (fixed arguments, no shell)
                [command, "scan", source, *_OUTPUT, "--config", settings.name],
                env=environment,
                capture_output=True,
                check=True,
            )
    except FileNotFoundError:
        raise ImageError(f"no {command}: install requirements.txt") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise ImageError(f"syft cannot list what is in {image}: {lines[-1]}") from error
    return done.stdout
