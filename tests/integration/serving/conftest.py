"""A service in a process of its own, and its answers to what it must refuse."""

import signal
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.image import http
from tests.integration.serving import servers
from tests.serving.conftest import document, package_folder, packages, served

__all__ = ["document", "package_folder", "packages", "served"]


class Process(NamedTuple):
    """A service in a process of its own, and the file that holds everything it printed."""

    port: int
    log: Path

    @property
    def address(self):
        """Return where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def send(self, probe):
        """Return the answer to a request that is sent as it stands, on its own connection."""
        service = http.Service("127.0.0.1", self.port)
        return service.ask(probe.method, probe.path, probe.headers, probe.body)

    def connect(self):
        """Return a connection, which has to be closed."""
        return closing(HTTPConnection("127.0.0.1", self.port, timeout=30))


@pytest.fixture(scope="session")
def process(package_folder, tmp_path_factory):
    """Return the champion's service, started as the image starts it."""
    log = tmp_path_factory.mktemp("process") / "log"
    with log.open("wb") as output:
        arguments = ("--package", package_folder, "--port", "0")
        started = servers.start(*arguments, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Process(servers.port_of(started, log), log)
    finally:
        started.send_signal(signal.SIGINT)
        assert started.wait(servers.PATIENCE) == 0
