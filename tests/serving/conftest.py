"""What the tests of the service share: packages made once, the application, a running process."""

import asyncio

import httpx
import pytest

from pipeline.base.names import SERVED
from pipeline.serving import app, model, openapi
from tests import prepared


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
