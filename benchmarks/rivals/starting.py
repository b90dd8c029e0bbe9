"""How each of the compared servers is started, as a process or in a container."""

import itertools
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import ending
from benchmarks.measuring import last_line
from benchmarks.rivals import dialects, mlflow_sklearn
from benchmarks.rivals.dialects import Dialect
from benchmarks.rivals.servers import Server
from pipeline.image.docker import Engine, Running
from pipeline.packaging.package import MODEL, SERVED_MODEL

HERE: Final = Path(__file__).parent
HOST: Final = "127.0.0.1"
# Below those that a system hands out by itself: none is taken before its server has started.
PORTS: Final = itertools.count(20_000 + os.getpid() % 10_000)
PORT_IN_IMAGE: Final = 3000
JOBLIB: Final = f"{MODEL}model.joblib"
# Where the service is, and the classes that a joblib file names.
CODE: Final[Mapping[str, str]] = {"PYTHONPATH": str(HERE.parents[1])}

Started = AbstractContextManager[Server]


def ours(package: Path, scratch: Path) -> Started:
    """Serve with `python -m pipeline.serving`: one process, as every replica."""
    port = _free_port()
    command = [sys.executable, "-m", "pipeline.serving"]
    command += ["--package", str(package.absolute()), "--port", str(port)]
    return _process(command, dialects.OURS, port, scratch, CODE)


def bare(package: Path, scratch: Path) -> Started:
    """Serve the same ONNX file with the bare endpoint: one process."""
    port = _free_port()
    model = str((package / SERVED_MODEL).absolute())
    command = [sys.executable, str(HERE / "bare.py"), model, HOST, str(port)]
    return _process(command, dialects.BARE, port, scratch, {})


def bento_sklearn(package: Path, scratch: Path, workers: int) -> Started:
    """Serve the scikit-learn model with a plain BentoML endpoint."""
    return _bentoml("bento_sklearn", package / JOBLIB, scratch, workers)


def bento_onnx(package: Path, scratch: Path, workers: int) -> Started:
    """Serve the ONNX file with a plain BentoML endpoint."""
    return _bentoml("bento_onnx", package / SERVED_MODEL, scratch, workers)


def fastapi_sklearn(package: Path, scratch: Path, workers: int) -> Started:
    """Serve the scikit-learn model with FastAPI and uvicorn's defaults."""
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", "fastapi_sklearn:app", "--app-dir", str(HERE)]
    command += ["--host", HOST, "--port", str(port), "--workers", str(workers)]
    variables = {"MODEL": str((package / JOBLIB).absolute()), **CODE}
    return _process(command, dialects.FASTAPI, port, scratch, variables)


def mlflow(package: Path, scratch: Path, workers: int) -> Started:
    """Serve the scikit-learn model with `mlflow models serve`, as `log_model` would store it."""
    port = _free_port()
    model = scratch.absolute() / f"mlflow-{port}"
    mlflow_sklearn.save(package, model)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model)]
    command += ["--env-manager", "local", "--host", HOST, "--port", str(port)]
    command += ["--workers", str(workers)]
    # The model brings its own copy of our code, which ours on the path would hide.
    return _process(command, dialects.MLFLOW, port, scratch, {})


def mlserver_onnx(programs: Path, package: Path, scratch: Path, workers: int) -> Started:
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
    return _process(command, dialects.MLSERVER, port, scratch, variables)


@contextmanager
def container(engine: Engine, image: str, dialect: Dialect) -> Iterator[tuple[Server, Running]]:
    """Serve with an image under the hardened flags.

    A container is asked at its own address where that can be reached: the proxy before a published
    port takes a third of the throughput.
    """
    with engine.running(image, PORT_IN_IMAGE) as running:
        state = running.container.attrs
        (network, *_) = state["NetworkSettings"]["Networks"].values()
        host, port, pid = network["IPAddress"], PORT_IN_IMAGE, state["State"]["Pid"]
        if not _is_reachable(host, port):
            host, port, pid = running.host, running.port, None
        yield Server(dialect, host, port, pid, partial(why_gone, running)), running


def why_gone(running: Running) -> str:
    """Return how a container ended and its last words, or nothing while it runs."""
    code = running.exit_code
    return "" if code is None else f"exit code {code}: {running.logs.strip()[-300:]}"


def build_bare_image(engine: Engine, image: str) -> str:
    """Build the bare endpoint on our image, and return its name."""
    name = f"{image}-bare"
    context = {file: (HERE / file).read_bytes() for file in ("Dockerfile", "bare.py")}
    engine.build(context, name, {"OURS": image}, {}, lambda _: None)
    return name


def _bentoml(name: str, model: Path, scratch: Path, workers: int) -> Started:
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
    return _process(command, dialects.BENTOML, port, scratch, variables)


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

        def last_words() -> str:
            return "" if started.poll() is None else last_line(log)

        yield Server(dialect, HOST, port, started.pid, last_words)


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
