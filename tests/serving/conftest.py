"""What the tests of the service share: packages made once, the application, a running process."""

import asyncio
import signal
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from pipeline.adapters import http
from pipeline.core import hostile
from pipeline.core.promotion import SERVED
from pipeline.serving import app, model, openapi
from tests import prepared
from tests.serving import servers


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """Return a folder with the packages of the champion and of version 1 of each family."""
    return prepared.packaged(tmp_path_factory.getbasetemp()) / "packages"


@pytest.fixture(scope="session")
def package_folder(packages):
    """Return the champion's package; no test changes it."""
    return packages / f"{SERVED}_model_v1"


@pytest.fixture(scope="session")
def served(package_folder):
    """Return the champion's model as the service opens it."""
    return model.load(package_folder)


@pytest.fixture(scope="session")
def document(served):
    """Return the OpenAPI document of the champion's service."""
    return openapi.document(served.about, served.golden[0])


class Application:
    """An application in this process, asked as a client asks it."""

    def __init__(self, served, capacity=app.CAPACITY):
        """Serve a model."""
        self.lifecycle = app.Lifecycle()
        self.app = app.create(served, self.lifecycle, capacity)

    def client(self):
        """Return a client, which has to be entered."""
        transport = httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://service")

    def ask(self, method, path, **more):
        """Return the response to one request."""

        async def asked():
            """Return the answer of the client's loop."""
            async with self.client() as client:
                return await client.request(method, path, **more)

        return asyncio.run(asked())

    def get(self, path):
        """Return the response to a GET."""
        return self.ask("GET", path)

    def predict(self, patients):
        """Return the response to a patient or a list of them."""
        return self.ask("POST", "/predict", json=patients)


@pytest.fixture
def application(served):
    """Return an application whose counts begin at zero."""
    return Application(served)


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


@pytest.fixture(scope="session")
def answers(process):
    """Return the answer to each request of the corpus, and then all that the service printed."""
    found = {probe.name: process.send(probe) for probe in hostile.REFUSED}
    # It handles one request after the other: what it had to print about those is printed.
    process.send(hostile.ACCEPTED[0])
    return found, process.log.read_text()
