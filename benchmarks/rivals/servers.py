"""The servers that are compared: how each is started, asked, and its answer read."""

import itertools
import json
import math
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks import ending
from benchmarks.findings import BenchmarkError
from benchmarks.measuring import MEGABYTE, last_line
from benchmarks.rivals import mlflow_sklearn
from pipeline.base.errors import ImageError
from pipeline.image.docker import Engine, Running
from pipeline.image.http import JSON, Service
from pipeline.packaging.package import MODEL, SERVED_MODEL, GoldenPatient
from pipeline.table.contract import FEATURES

HERE: Final = Path(__file__).parent
HOST: Final = "127.0.0.1"
# Below those that a system hands out by itself: none is taken before its server has started.
PORTS: Final = itertools.count(20_000 + os.getpid() % 10_000)
PORT_IN_IMAGE: Final = 3000
JOBLIB: Final = f"{MODEL}model.joblib"
# Where the service is, and the classes that a joblib file names.
CODE: Final[Mapping[str, str]] = {"PYTHONPATH": str(HERE.parents[1])}
START_SECONDS: Final = 90.0
POLL_SECONDS: Final = 0.005
# A server is still when it works less than this part of such a time.
STILL_PART: Final = 0.2
STILL_SECONDS: Final = 0.1
SETTLE_SECONDS: Final = 20.0

Patient = Mapping[str, float | None]
Patients = Sequence[Patient]


@dataclass(frozen=True)
class Dialect:
    """How a server wants patients, and where in its answer their probabilities are.

    ``path_of_many`` is for more than one patient, where that has a path of its own.
    """

    path: str
    body: Callable[[Patients], Any]
    probabilities: Callable[[Any], list[float]]
    path_of_many: str = ""

    def path_for(self, patients: int) -> str:
        """Return where so many patients are sent."""
        return self.path_of_many or self.path if patients > 1 else self.path


def _one_or_many(patients: Patients) -> Patient | list[Patient]:
    return patients[0] if len(patients) == 1 else [*patients]


def _rows(patients: Patients) -> list[list[float | None]]:
    return [[*map(patient.get, FEATURES)] for patient in patients]


def _tensor(patients: Patients) -> dict[str, Any]:
    shape = [len(patients), len(FEATURES)]
    data = [*itertools.chain(*_rows(patients))]
    return {"name": "patients", "shape": shape, "datatype": "FP32", "data": data}


OURS: Final = Dialect(
    "/predict",
    _one_or_many,
    lambda answer: [prediction["probability"] for prediction in answer["predictions"]],
)
BARE: Final = Dialect("/predict", _one_or_many, lambda answer: answer["probabilities"])
BENTOML: Final = Dialect(
    "/predict", lambda patients: {"patients": _rows(patients)}, lambda answer: answer
)
FASTAPI: Final = Dialect(
    "/predict",
    _one_or_many,
    lambda answer: [
        prediction["probability"]
        for prediction in (answer if isinstance(answer, list) else [answer])
    ],
    path_of_many="/predict-batch",
)
MLFLOW: Final = Dialect(
    "/invocations",
    lambda patients: {"dataframe_split": {"columns": FEATURES, "data": _rows(patients)}},
    lambda answer: [probability for _, probability in answer["predictions"]],
)
MLSERVER: Final = Dialect(
    "/v2/models/heart_disease/infer",
    lambda patients: {"inputs": [_tensor(patients)]},
    lambda answer: answer["outputs"][0]["data"],
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

    def url(self, patients: int) -> str:
        """Return where so many patients are sent."""
        return f"http://{self.host}:{self.port}{self.dialect.path_for(patients)}"

    def body(self, patients: Patients) -> bytes:
        """Return the request about patients."""
        return json.dumps(self.dialect.body(patients)).encode()

    def expect(self, golden: GoldenPatient, tolerance: float) -> None:
        """Ask about one patient until the answer comes, and compare it with the champion's.

        Raises:
            BenchmarkError: the answer is wrong, or none comes.

        """
        self.expect_all((golden,), tolerance)

    def expect_all(self, golden: Sequence[GoldenPatient], tolerance: float) -> None:
        """Ask about patients in one request until the answer comes, and compare it.

        Raises:
            BenchmarkError: the answer is wrong, or none comes.

        """
        deadline, said = time.monotonic() + START_SECONDS, "nothing"
        while time.monotonic() < deadline:
            with suppress(ImageError):
                said = self._ask(golden, tolerance)
                if not said:
                    return
            if reason := self.why_gone():
                raise BenchmarkError(f"{self.url(len(golden))}: the server ended: {reason}")
            time.sleep(POLL_SECONDS)
        raise BenchmarkError(
            f"{self.url(len(golden))}: no answer within {START_SECONDS:g} s, the last was {said}"
        )

    def settle(self) -> None:
        """Wait until it has worked off what nobody waits for any more."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            worked = self.processor_seconds()
            time.sleep(STILL_SECONDS)
            # Where the time is not seen, there is nothing to wait for.
            if not self.processor_seconds() - worked > STILL_PART * STILL_SECONDS:
                return

    def memory(self) -> float:
        """Return the resident memory of all its processes, in MB; NaN where they are elsewhere."""
        if self.pid is None:
            return math.nan
        return float(sum(process.memory_info().rss for process in self._processes()) / MEGABYTE)

    def processor_seconds(self) -> float:
        """Return the time that a core worked for it so far; NaN where that is elsewhere."""
        if self.pid is None:
            return math.nan
        return float(sum(sum(process.cpu_times()[:2]) for process in self._processes()))

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]

    def _ask(self, golden: Sequence[GoldenPatient], tolerance: float) -> str:
        """Return nothing where the answer is right, and what came where there is none yet."""
        path = self.dialect.path_for(len(golden))
        body = self.body([patient.patient for patient in golden])
        answer = Service(self.host, self.port).ask("POST", path, JSON, body)
        if answer.status != HTTPStatus.OK:
            return f"{answer.status}: {answer.body[:200]!r}"
        url, expected = self.url(len(golden)), [patient.probability for patient in golden]
        try:
            answers = self.dialect.probabilities(answer.json())
            gaps = [abs(a - b) for a, b in zip(answers, expected, strict=True)]
        except (LookupError, TypeError, ValueError) as error:
            raise BenchmarkError(f"{url} answers {answer.body[:200]!r}: {error!r}") from error
        if not all(gap < tolerance for gap in gaps):
            raise BenchmarkError(f"{url} answers {answers}, the champion {expected}")
        return ""


Contained = AbstractContextManager[tuple[Server, Running]]


@contextmanager
def ours(package: Path, scratch: Path) -> Iterator[Server]:
    """Serve with `python -m pipeline.serving`: one process, as every replica."""
    port = _free_port()
    command = [sys.executable, "-m", "pipeline.serving"]
    command += ["--package", str(package.absolute()), "--port", str(port)]
    with _process(command, OURS, port, scratch, CODE) as server:
        yield server


@contextmanager
def bare(package: Path, scratch: Path) -> Iterator[Server]:
    """Serve the same ONNX file with the bare endpoint: one process."""
    port = _free_port()
    model = str((package / SERVED_MODEL).absolute())
    command = [sys.executable, str(HERE / "bare.py"), model, HOST, str(port)]
    with _process(command, BARE, port, scratch, {}) as server:
        yield server


@contextmanager
def bento_sklearn(package: Path, scratch: Path, workers: int) -> Iterator[Server]:
    """Serve the scikit-learn model with a plain BentoML endpoint."""
    with _bentoml("bento_sklearn", package / JOBLIB, scratch, workers) as server:
        yield server


@contextmanager
def bento_onnx(package: Path, scratch: Path, workers: int) -> Iterator[Server]:
    """Serve the ONNX file with a plain BentoML endpoint."""
    with _bentoml("bento_onnx", package / SERVED_MODEL, scratch, workers) as server:
        yield server


@contextmanager
def fastapi_sklearn(package: Path, scratch: Path, workers: int) -> Iterator[Server]:
    """Serve the scikit-learn model with FastAPI and uvicorn's defaults."""
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", "fastapi_sklearn:app", "--app-dir", str(HERE)]
    command += ["--host", HOST, "--port", str(port), "--workers", str(workers)]
    variables = {"MODEL": str((package / JOBLIB).absolute()), **CODE}
    with _process(command, FASTAPI, port, scratch, variables) as server:
        yield server


@contextmanager
def mlflow(package: Path, scratch: Path, workers: int) -> Iterator[Server]:
    """Serve the scikit-learn model with `mlflow models serve`, as `log_model` would store it."""
    port = _free_port()
    model = scratch.absolute() / f"mlflow-{port}"
    mlflow_sklearn.save(package, model)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model)]
    command += ["--env-manager", "local", "--host", HOST, "--port", str(port)]
    command += ["--workers", str(workers)]
    # The model brings its own copy of our code, which ours on the path would hide.
    with _process(command, MLFLOW, port, scratch, {}) as server:
        yield server


@contextmanager
def mlserver_onnx(programs: Path, package: Path, scratch: Path, workers: int) -> Iterator[Server]:
    """Serve the ONNX file with MLServer, from the environment with these programs.

    One worker is the server's own process, which is faster than one beside it.
    """
    port = _free_port()
    folder = _folder(scratch / f"mlserver-{port}")
    settings = {
        "debug": False,
        "host": HOST,
        "http_port": port,
        "grpc_port": _free_port(),
        "metrics_port": _free_port(),
        "parallel_workers": workers if workers > 1 else 0,
    }
    model = {
        "name": "heart_disease",
        "implementation": "mlserver_onnx.OnnxModel",
        "parameters": {"uri": str((package / SERVED_MODEL).absolute())},
    }
    for name, content in (("settings", settings), ("model-settings", model)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    command = [str(programs / "mlserver"), "start", str(folder)]
    variables = {"PYTHONPATH": str(HERE)}
    with _process(command, MLSERVER, port, scratch, variables) as server:
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
            return "" if code is None else f"exit code {code}: {running.logs.strip()[-300:]}"

        (network, *_) = state["NetworkSettings"]["Networks"].values()
        host, port, pid = network["IPAddress"], PORT_IN_IMAGE, state["State"]["Pid"]
        if not _is_reachable(host, port):
            host, port, pid = running.host, running.port, None
        yield Server(dialect, host, port, pid, why_gone), running


def build_bare_image(engine: Engine, image: str) -> str:
    """Build the bare endpoint on our image, and return its name."""
    name = f"{image}-bare"
    context = {file: (HERE / file).read_bytes() for file in ("Dockerfile", "bare.py")}
    engine.build(context, name, {"OURS": image}, {}, lambda _: None)
    return name


@contextmanager
def _bentoml(name: str, model: Path, scratch: Path, workers: int) -> Iterator[Server]:
    port = _free_port()
    command = [sys.executable, "-m", "bentoml", "serve", f"{name}:HeartDisease"]
    command += ["--working-dir", str(HERE), "--host", HOST, "--port", str(port)]
    variables = {
        "MODEL": str(model.absolute()),
        "WORKERS": str(workers),
        **CODE,
        "BENTOML_HOME": str(scratch / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    with _process(command, BENTOML, port, scratch, variables) as server:
        yield server


@contextmanager
def _process(
    command: list[str], dialect: Dialect, port: int, scratch: Path, variables: Mapping[str, str]
) -> Iterator[Server]:
    log = scratch / f"{port}.log"
    set_for_all = {
        # MLflow finds uvicorn by its name.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "TMPDIR": str(_folder(scratch / "tmp")),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": "",
    }
    with ending.process(command, log, scratch, {**set_for_all, **variables}) as started:

        def why_gone() -> str:
            return "" if started.poll() is None else last_line(log)

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
