"""Make .venv from a lock: `make setup`, and what every other target does first.

An environment knows its own path, so it is made where it stays: in a folder that is named after the
Python and the lock's content, below ``.venvs/`` or the folder that PIPELINE_VENV names. The link
``.venv`` moves to it when it is complete. Nothing is removed that `make` did not make.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What a developer needs; the other lock, requirements.txt, has what the pipeline imports.
LOCK = Path("requirements-dev.txt")
LINK = Path(".venv")
OWN = Path(".venvs")
# Each environment says whose it is: by one of these files, and once it is complete by the other.
UNFINISHED = "unfinished-by-make-setup"
READY = re.compile(r"ready-3\.\d+-\d+")


def main(lock: Path) -> None:
    """Let ``.venv`` lead to the environment of this Python and ``lock``, made if there is none."""
    if "%" in str(Path.cwd()):
        sys.exit("error: MLflow does not work below a folder with % in its name: move this clone")
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.exit("error: Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.11 ...")
    wanted = name(lock)
    given = os.environ.get("PIPELINE_VENV")
    store = Path(given).expanduser().absolute() if given else OWN
    place = store / wanted
    if _is_ready(LINK, wanted) and (not given or LINK.resolve() == place.resolve()):
        return
    if LINK.exists() and not _is_ours(LINK):
        sys.exit(f"error: {LINK} was not made by `make setup`: move it away, or remove it")
    if _is_environment(store):
        sys.exit(
            "error: PIPELINE_VENV names a folder for environments, "
            f"and {store} is one itself: name another"
        )
    door = _wait_for(store)
    _remove_unfinished(store)
    if not _is_ready(place, wanted):
        _build(place, lock, door)
    _lead_to(place)
    if not given:
        _remove_former(place)


def name(lock: Path) -> str:
    """Return what the environment of the running Python and of ``lock`` is called."""
    with lock.open("rb") as file:
        done = subprocess.run(["cksum"], stdin=file, check=True, capture_output=True, text=True)
    return f"{_python()}-{''.join(done.stdout.split())}"


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _is_ready(environment: Path, wanted: str) -> bool:
    complete = (environment / f"ready-{wanted}").exists()
    return complete and not (environment / UNFINISHED).exists()


def _is_ours(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    complete = "pyvenv.cfg" in names and any(map(READY.fullmatch, names))
    # An empty folder is what a run leaves that was killed right after it began.
    return complete or UNFINISHED in names or not names


def _is_environment(store: Path) -> bool:
    is_link = store.parent.resolve() / store.name == LINK.absolute()
    return is_link or (store / "pyvenv.cfg").exists()


def _wait_for(store: Path) -> int:
    """Keep every other run of `make` out of ``store`` until this process and its children end."""
    store.mkdir(parents=True, exist_ok=True)
    door = os.open(store, os.O_RDONLY)
    try:
        fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"waiting for the make that is at work in {store}\n")
        fcntl.flock(door, fcntl.LOCK_EX)
    return door


def _build(place: Path, lock: Path, door: int) -> None:
    if place.is_symlink() or (place.exists() and not _is_ours(place)):
        sys.exit(f"error: {place} was not made by `make setup`: move it away")
    if place.exists():
        _remove(place)
    place.mkdir()
    (place / UNFINISHED).touch()
    # A wheel runs nothing while it is installed.
    install = ["install", "--quiet", "--disable-pip-version-check"]
    checked = ["--only-binary", ":all:", "--require-hashes", "--requirement", str(lock)]
    try:
        for command in (
            [sys.executable, "-m", "venv", "--prompt", str(LINK), str(place)],
            [str(place / "bin/python"), "-m", "pip", *install, *checked],
        ):
            subprocess.run(command, check=True, pass_fds=(door,))
    except BaseException:
        _remove(place)
        raise
    (place / UNFINISHED).rename(place / f"ready-{place.name}")


def _lead_to(place: Path) -> None:
    """Point ``.venv`` there at once, in place of a link, or of a folder that an older make made."""
    if LINK.resolve() == place.resolve():
        return
    OWN.mkdir(exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=OWN, prefix=f"{place.name}-"))
    (aside / UNFINISHED).touch()
    (aside / "link").symlink_to(place)
    if not LINK.is_symlink() and LINK.exists():
        LINK.rename(aside / "former")
    (aside / "link").replace(LINK)
    _remove(aside)


def _remove_unfinished(store: Path) -> None:
    """Remove what a killed run left; no other run is at work here."""
    for mark in sorted(store.glob(f"3.*/{UNFINISHED}")):
        if not mark.parent.is_symlink():
            _remove(mark.parent)


def _remove_former(place: Path) -> None:
    """Remove this clone's own environments of earlier locks; those of other Pythons stay."""
    for path in sorted(OWN.glob(f"{_python()}-*")):
        if path != place and not path.is_symlink() and _is_ours(path):
            _remove(path)


def _remove(environment: Path) -> None:
    """Remove a folder; killed on the way, it is left as an unfinished one."""
    mark = environment / UNFINISHED
    mark.touch()
    for path in environment.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != mark:
            path.unlink()
    mark.unlink()
    environment.rmdir()


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    try:
        main(Path(sys.argv[1]) if sys.argv[1:] else LOCK)
    except OSError as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError:
        sys.exit(f"error: no environment was made: see above; {LINK} is as it was")
    except KeyboardInterrupt:
        sys.exit(130)
