"""The environment of the rival that cannot live in this one, made from its lock when needed."""

import hashlib
import platform
import sys
from pathlib import Path
from typing import Final

from benchmarks import ending
from benchmarks.findings import BenchmarkError
from benchmarks.measuring import last_line

LOCK: Final = Path(__file__).with_name("requirements.txt")
PLACE: Final = Path(".bench")
# Only what has it is whole.
COMPLETE: Final = "complete"


def programs() -> Path:
    """Return the folder of the environment's programs, after installing what the lock lists.

    It is named after the lock and the Python, so a change of either makes it again.

    Raises:
        BenchmarkError: it cannot be installed.

    """
    digest = hashlib.sha256(LOCK.read_bytes() + platform.python_version().encode()).hexdigest()
    folder = PLACE / f"rivals-{digest[:12]}"
    if not (folder / COMPLETE).exists():
        _make(folder.absolute())
        (folder / COMPLETE).touch()
    return (folder / "bin").absolute()


def _make(folder: Path) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    PLACE.mkdir(exist_ok=True)
    log = folder.with_suffix(".log")
    checked = ["--only-binary", ":all:", "--require-hashes", "-r", str(LOCK)]
    for command in (
        [uv, "venv", "--clear", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--python", str(folder), *checked],
    ):
        code, _ = ending.complete(command, log)
        if code:
            raise BenchmarkError(f"MLServer was not installed: {last_line(log)}, see {log}")
