"""The container's health check: an exit code, one line, and soon."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time

import pytest

from pipeline.serving.probe import SECONDS
from tests.integration.serving.servers import PATIENCE, serving, start, until

HEAVY = {"numpy", "onnxruntime", "pydantic", "starlette", "uvicorn", "prometheus_client"}
MODULES = "import json, sys, pipeline.serving.probe; print(json.dumps([*sys.modules]))"


def start_probe(port):
    """Start the check of a port."""
    return start(
        module="pipeline.serving.probe",
        environment={"PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def probe(port):
    """Return the exit code of a check and what it printed."""
    process = start_probe(port)
    printed, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, printed


@contextlib.contextmanager
def listening():
    """Listen at a free port, for what is no service."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield door, door.getsockname()[1]


def test_a_ready_service_is_healthy(package_folder, tmp_path):
    """Without a word: Docker keeps what a health check prints."""
    with serving(package_folder, tmp_path) as server:
        assert probe(server.port) == (0, "")


def test_a_stopping_service_is_not_ready(package_folder, tmp_path):
    """The container shows the service's own reason."""
    with serving(package_folder, tmp_path) as server:
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not server.is_ready())

        assert probe(server.port) == (1, "not ready: 503 the service is stopping\n")


def test_nothing_at_the_port_is_not_ready():
    """As before the service listens."""
    with listening() as (_, port):
        pass
    code, printed = probe(port)

    assert code == 1
    assert printed.startswith("not ready: ")
    assert "refused" in printed
    assert printed.count("\n") == 1


def test_a_service_that_hangs_is_not_ready():
    """The check ends by itself after 5 s: Docker, after 10 s, would give no reason."""
    with listening() as (_, port):
        started = time.monotonic()
        found = probe(port)
        seconds = time.monotonic() - started

    assert found == (1, "not ready: timed out\n")
    assert seconds >= SECONDS
    assert SECONDS < 10


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (b"", "not ready: Remote end closed connection without response\n"),
        (b"quetzal\r\n\r\n", "not ready: quetzal\n"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n<html>", "not ready: 404 Not Found\n"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n[]", "not ready: 503 Service Unavailable\n"),
    ],
    ids=["nothing", "no HTTP", "a page", "a list"],
)
def test_something_else_at_the_port_is_not_ready(answer, line):
    """In one line, whatever it says."""
    with listening() as (door, port), start_probe(port) as process:
        connection, _ = door.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(answer)
        printed, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert printed == line


def test_a_port_that_is_none_is_not_ready():
    """The service itself says the same of it."""
    assert probe("http") == (1, "not ready: the variable PORT must be a number from 0 to 65535\n")


def test_the_check_loads_the_standard_library_alone():
    """It runs every few seconds beside the service, on the same processor."""
    done = subprocess.run(
        [sys.executable, "-c", MODULES], capture_output=True, check=True, timeout=PATIENCE
    )

    ours = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert ours.isdisjoint(HEAVY)
