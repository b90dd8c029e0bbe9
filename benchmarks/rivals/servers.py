"""The servers that are compared: how each is started, asked, and its answer read."""

import itertools
import json
import math
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks import ending
from pipeline import artifacts
from pipeline.adapters.docker import Engine, Running
from pipeline.adapters.http import JSON, Service
from pipeline.core.contract import FEATURES
from pipeline.core.package import SERVED_MODEL, GoldenPatient
from pipeline.errors import ImageError, PipelineError

HERE: Final = Path(__file__).parent
HOST: Final = "127.0.0.1"
# Below those that a system hands out by itself: none is taken before its server has started.
PORTS: Final = itertools.count(20_000 + os.getpid() % 10_000)
PORT_IN_IMAGE: Final = 3000
START_SECONDS: Final = 90.0
POLL_SECONDS: Final = 0.005
MEGABYTE: Final = 1_000_000

Patient = Mapping[str, float | None]


class BenchmarkError(PipelineError):
    """Something could not be measured."""


@dataclass(frozen=True)
class Dialect:
    """How a server wants a patient, and where in its answer the probability is."""

    path: str
    body: Callable[[Patient], Any]
    probability: Callable[[Any], float]


OURS: Final = Dialect("/predict", dict, lambda answer: answer["predictions"][0]["probability"])
BARE: Final = Dialect("/predict", dict, lambda answer: answer["probability"])
MLFLOW: Final = Dialect(
    "/invocations",
    lambda patient: {
        "dataframe_split": {"columns": FEATURES, "data": [[*map(patient.get, FEATURES)]]}
    },
    lambda answer: answer["predictions"][0][1],
)


@dataclass(frozen=True)
class Server:
    """A server that runs.

    ``pid`` is of its first process, None where that is not on this machine; ``why_gone`` is empty
    while it lives.
    """

    dialect: Dialect
    host: str
    port: int
    pid: int | None
    why_gone: Callable[[], str] = field(repr=False)

    @property
    def url(self) -> str:
        """Return where patients are sent."""
        return f"http://{self.host}:{self.port}{self.dialect.path}"

    def body(self, patient: Patient) -> bytes:
        """Return the request about one patient."""
        return json.dumps(self.dialect.body(patient)).encode()

    def expect(self, golden: GoldenPatient, tolerance: float) -> None:
        """Ask about one patient until the answer comes, and compare it with the champion's.

        Raises:
            BenchmarkError: the answer is wrong, or none comes.

        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(ImageError):
                if self._answers(golden, tolerance):
                    return
            if reason := self.why_gone():
                raise BenchmarkError(f"{self.url}: the server ended: {reason}")
            time.sleep(POLL_SECONDS)
        raise BenchmarkError(f"{self.url}: no answer within {START_SECONDS:g} s")

    def memory(self) -> float:
        """Return the resident memory of all its processes, in MB; NaN where they are elsewhere."""
        if self.pid is None:
            return math.nan
        return float(sum(one.memory_info().rss for one in self._processes()) / MEGABYTE)

    def processor_seconds(self) -> float:
        """Return the time that a core worked for it so far; NaN where that is elsewhere."""
        if self.pid is None:
            return math.nan
        return float(sum(sum(one.cpu_times()[:2]) for one in self._processes()))

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]

    def _answers(self, golden: GoldenPatient, tolerance: float) -> bool:
        service = Service(self.host, self.port)
        answer = service.ask("POST", self.dialect.path, JSON, self.body(golden.patient))
        if answer.status != HTTPStatus.OK:
            return False
        found = self.dialect.probability(answer.json())
        if abs(found - golden.probability) < tolerance:
            return True
        raise BenchmarkError(f"{self.url} answers {found}, the champion {golden.probability}")


Contained = AbstractContextManager[tuple[Server, Running]]


@contextmanager
def ours(package: Path, scratch: Path) -> Iterator[Server]:
    """Serve with `python -m pipeline.serving`."""
    port = _free_port()
    arguments = ["-m", "pipeline.serving", "--package", str(package), "--port", str(port)]
    with _python(arguments, OURS, port, scratch / "ours.log", Path.cwd()) as server:
        yield server


@contextmanager
def bare(package: Path, scratch: Path) -> Iterator[Server]:
    """Serve the same ONNX file with the bare endpoint."""
    port = _free_port()
    arguments = [str(HERE / "bare.py"), str(package / SERVED_MODEL), HOST, str(port)]
    with _python(arguments, BARE, port, scratch / "bare.log", Path.cwd()) as server:
        yield server


@contextmanager
def bentoml(bento: Path, scratch: Path) -> Iterator[Server]:
    """Serve a Bento with `bentoml serve`."""
    port = _free_port()
    arguments = [
        "-m",
        "bentoml",
        "serve",
        str(bento.absolute()),
        "--host",
        HOST,
        "--port",
        str(port),
    ]
    # Beside the repository's own code, the code in the Bento would not be what is imported.
    elsewhere = _folder(scratch / "bentoml")
    with _python(arguments, OURS, port, scratch / "bentoml.log", elsewhere) as server:
        yield server


@contextmanager
def mlflow(package: Path, scratch: Path) -> Iterator[Server]:
    """Serve the model folder of the package with `mlflow models serve`.

    MLflow trusts the types that the folder itself lists.
    """
    port = _free_port()
    model = (package / "model" / "mlflow").absolute()
    arguments = ["-m", "mlflow", "models", "serve", "--model-uri", str(model)]
    arguments += ["--env-manager", "local", "--host", HOST, "--port", str(port)]
    elsewhere = _folder(scratch / "mlflow")
    with _python(arguments, MLFLOW, port, scratch / "mlflow.log", elsewhere) as server:
        yield server


@contextmanager
def container(engine: Engine, image: str, dialect: Dialect) -> Iterator[tuple[Server, Running]]:
    """Serve with an image under the hardened flags.

    A container is asked at its own address where that can be reached: the proxy before a published
    port takes a third of the throughput.
    """
    with engine.running(image, PORT_IN_IMAGE) as running:
        state = running.container.attrs

        def why_gone() -> str:
            code = running.exit_code
            return "" if code is None else f"exit code {code}: {_last_line(running.logs)}"

        (network, *_) = state["NetworkSettings"]["Networks"].values()
        host, port, pid = network["IPAddress"], PORT_IN_IMAGE, state["State"]["Pid"]
        if not _is_reachable(host, port):
            host, port, pid = running.host, running.port, None
        yield Server(dialect, host, port, pid, why_gone), running


def build_bento(package: Path, scratch: Path) -> Path:
    """Build the Bento of a package unless it is there, and return its folder.

    Raises:
        BenchmarkError: the command refused.

    """
    command = [sys.executable, "-m", "pipeline.image", "--only-bento", "--package", str(package)]
    code, said = ending.complete(command, scratch / "bento-build.log")
    told = [line.split(maxsplit=1)[1] for line in said.splitlines() if line.startswith("Bento ")]
    if code or not told:
        raise BenchmarkError(f"the Bento was not built: {_last_line(said)}")
    return Path(told[0])


def build_bare_image(engine: Engine, image: str) -> str:
    """Build the bare endpoint on our image, and return its name."""
    name = f"{image}-bare"
    context = {file: (HERE / file).read_bytes() for file in ("Dockerfile", "bare.py")}
    engine.build(context, name, {"OURS": image}, {}, lambda _: None)
    return name


@contextmanager
def _python(
    arguments: list[str], dialect: Dialect, port: int, log: Path, cwd: Path
) -> Iterator[Server]:
    environment = {
        # MLflow finds uvicorn by its name.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "TMPDIR": str(_folder(log.parent / "tmp")),
        "BENTOML_HOME": str(artifacts.BENTOML_HOME.absolute()),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": "",
    }
    with ending.process([sys.executable, *arguments], log, cwd, environment) as started:

        def why_gone() -> str:
            return "" if started.poll() is None else _last_line(log.read_text(errors="replace"))

        yield Server(dialect, HOST, port, started.pid, why_gone)


def _is_reachable(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except ConnectionRefusedError:
        # The host is there; nobody listens yet.
        return True
    except OSError:
        return False
    return True


def _free_port() -> int:
    return next(port for port in PORTS if not _is_taken(port))


def _is_taken(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return True
    return False


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it wrote nothing"])[-1]
