"""An MLflow server over a folder, for as long as a command needs it.

It hands out and takes files itself, so that no path of this machine gets into the registry.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import requests

from pipeline.base import addresses, variables
from pipeline.base.errors import RegistryUnavailableError
from pipeline.registry import new_database

DATABASE: Final = "mlflow.db"
ARTIFACTS: Final = "artifacts"
START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.1
# Becomes the server, and leaves a process beside it that kills both when the other end of its input
# closes, however this process ends.
_LEASH: Final = 'exec 3<&0; { read _ <&3; kill -s KILL 0; } & exec "$@" 3<&- </dev/null'


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the registry in ``folder``, made if there is none, and give its address.

    Raises:
        RegistryUnavailableError: the server ended or does not answer; the message names its log.

    """
    folder.mkdir(parents=True, exist_ok=True)
    new_database.lay(folder / DATABASE)
    port, log = _free_port(), folder.with_name(f"{folder.name}.log")
    command = [
        *("/bin/sh", "-c", _LEASH, "sh"),
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", addresses.of_database(str((folder / DATABASE).absolute()))),
        *("--serve-artifacts", "--artifacts-destination", str((folder / ARTIFACTS).absolute())),
    ]
    ours = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment = variables.for_tool(os.environ) | ours
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (fixed arguments, no shell)
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    with process:
        try:
            _wait(address, process, log)
            yield address
        finally:
            _stop(process)


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        if _is_healthy(address):
            return
        time.sleep(POLL_SECONDS)
    state = "does not answer" if process.poll() is None else "ended"
    raise RegistryUnavailableError(f"the MLflow server over {log.stem} {state}: {log} says why")


def _is_healthy(address: str) -> bool:
    with requests.Session() as session:
        # No proxy stands between this process and its own server.
        session.trust_env = False
        try:
            return session.get(f"{address}/health", timeout=START_SECONDS).ok
        except requests.RequestException:
            return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server and its workers, gently first."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(STOP_SECONDS)
    except ProcessLookupError:
        process.wait()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])
