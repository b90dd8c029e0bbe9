"""How things are measured: in turns, on a machine that is named and as calm as it can be."""

import compileall
import os
import platform
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from benchmarks import ending
from benchmarks.findings import BenchmarkError
from pipeline.base import config, git, git_settings

MEGABYTE: Final = 1_000_000
PAUSE_SECONDS: Final = 0.2
# What a core's housekeeping may take while nothing is measured.
CALM_PERCENT: Final = 10
# Between two looks at the memory of a process and its children.
LOOK_SECONDS: Final = 0.05
VERSIONS: Final = (
    *("bentoml", "fastapi", "mlflow", "numpy", "onnxruntime"),
    *("scikit-learn", "starlette", "uvicorn"),
)


class Usage(NamedTuple):
    """What a command took: seconds by the clock and of the cores, and MB of memory at its peak."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def in_turns(names: Sequence[str], rounds: int) -> list[str]:
    """Return whose turn it is: everyone's in each round, and another begins the next one."""
    turned = ([*names[n % len(names) :], *names[: n % len(names)]] for n in range(rounds))
    return [name for names_of_round in turned for name in names_of_round]


def busy_percent() -> float:
    """Return what part of the cores works for something else, asked while nothing is measured."""
    return float(psutil.cpu_percent(PAUSE_SECONDS))


def usage(command: Sequence[str], log: Path, cwd: Path, environment: Mapping[str, str]) -> Usage:
    """Run a command to its end and return what it and its children took.

    Memory is the greatest sum of what each process has for itself and its part of what is shared.

    Raises:
        BenchmarkError: the command failed.

    """
    started, before = time.perf_counter(), _reaped()
    with ending.Ending() as ended:
        process = ended.enter(ending.process(command, log, cwd, environment))
        watch = Watch(process.pid)
        code = process.wait()
        seconds = time.perf_counter() - started
        peak, seen = watch.end()
    # A look misses a process's last moments, the system's account whoever was not waited for.
    cpu = max(seen, _reaped() - before)
    if code:
        raise BenchmarkError(f"`{' '.join(command)}` ended with {code}: {last_line(log)}")
    return Usage(seconds, cpu, peak)


class Watch:
    """Looks at a process and its children in a thread until it is ended."""

    def __init__(self, pid: int) -> None:
        """Begin to look."""
        self._root, self._peak = psutil.Process(pid), 0.0
        self._cpu: dict[tuple[int, float], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> tuple[float, float]:
        """Return the peak of the memory in MB, and the seconds of the cores."""
        self._over.set()
        self._thread.join()
        return self._peak / MEGABYTE, sum(self._cpu.values())

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with suppress(psutil.NoSuchProcess):
                family = [self._root, *self._root.children(recursive=True)]
                self._peak = max(self._peak, sum(map(self._memory, family)))

    def _memory(self, process: psutil.Process) -> int:
        """Return the memory of a process, 0 once it is gone, and keep its time of the cores."""
        with suppress(psutil.Error, FileNotFoundError):
            memory = int(process.memory_full_info().pss)
            times = process.cpu_times()
            self._cpu[process.pid, process.create_time()] = times.user + times.system
            return memory
        return 0


def copy_of_work_tree(below: Path) -> Path:
    """Make a copy of the work tree as it is, without what git ignores, ready to run."""
    folder = Path(tempfile.mkdtemp(dir=below))
    _git(Path.cwd(), "clone", "--quiet", "--shared", "--no-checkout", ".", str(folder))
    listed = _git(Path.cwd(), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if Path(name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, folder / name)
    _git(folder, "reset", "--quiet")
    # As a user's second run finds it.
    for package in ("pipeline", "benchmarks"):
        compileall.compile_dir(folder / package, quiet=1)
    return folder


def machine() -> dict[str, str]:
    """Return what is to be known about where, when and with what was measured."""
    memory = psutil.virtual_memory().total / MEGABYTE / 1000
    tree = git.work_tree(Path.cwd(), config.FILE)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": tree.commit + (", modified" if tree.modified else ""),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {memory:.0f} GB, {platform.system()}",
        "versions": ", ".join([f"Python {platform.python_version()}", *_versions(VERSIONS)]),
    }


def last_line(log: Path) -> str:
    """Return the last line that a program wrote."""
    return (log.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"])[-1]


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=git_settings.reading(os.environ),
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchmarkError(f"cannot copy the work tree: {error}") from error
    return done.stdout


def _reaped() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _versions(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            yield f"{name} {metadata.version(name)}"


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
