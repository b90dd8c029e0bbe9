"""BentoML's store of Bentos. Each is built in a process of its own, over a folder of its own."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from pipeline.base import variables
from pipeline.base.artifacts import write_file
from pipeline.base.errors import ImageError
from pipeline.base.manifest import Files

NAME: Final = "heart_disease"
SHOWN: Final = 500
_PIN: Final = re.compile(r"^[a-z0-9._-]+==[^ \\]+(?: ;[^\\]*)?", re.MULTILINE)


def requirements(lock: str) -> str:
    """Return the pins of a lock without their hashes.

    BentoML adds itself without one, and pip takes hashes for every package or for none.
    """
    return "".join(f"{pin.strip()}\n" for pin in _PIN.findall(lock))


def build(home: Path, version: str, sources: Files) -> Path:
    """Build the Bento ``heart_disease:<version>`` of ``sources`` and return its folder.

    ``sources`` holds ``bentofile.yaml``, which chooses what goes along. A Bento of that version
    that is whole is taken as it is: the caller's version names the content.

    Raises:
        ImageError: BentoML refused; the message holds the end of what it said.

    """
    folder = home / "bentos" / NAME / version
    if (folder / "bento.yaml").is_file():
        return folder
    environment = {
        **variables.for_tool(os.environ),
        "BENTOML_HOME": str(home.absolute()),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in sources.items():
            write_file(Path(scratch, name), content)
        done = subprocess.run(  # noqa: S603 (fixed arguments, no shell)
            [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag"],
            cwd=scratch,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())
        raise ImageError(f"bentoml build failed: {said[-SHOWN:] or 'it says nothing'}")
    return folder
