"""A real engine, one image built once, and nothing left of either afterwards."""

import os
import shutil
import uuid

import pytest

from pipeline.base import artifacts
from pipeline.base.context import RunContext
from pipeline.image.build import build
from pipeline.image.docker import Engine
from tests import prepared
from tests.conftest import ROOT
from tests.containers import client_of_engine, registry_of_images, remove_images

# Every image that is made here has this in its name, so that no other one is touched: neither a
# person's, nor those of another process of the run, which may not be at its end yet.
TESTED = f"heart-disease-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}-test"


def ours(client):
    """Return the containers of images that the tests made."""
    return [
        one for one in client.containers.list(all=True) if TESTED in one.attrs["Config"]["Image"]
    ]


@pytest.fixture(scope="session")
def factory(tmp_path_factory):
    """Return a clone with the champion's package and one of the forest, and what an image needs."""
    below = tmp_path_factory.getbasetemp()
    clone = shutil.copytree(prepared.registered(below), tmp_path_factory.mktemp("image") / "clone")
    for name in ("bentofile.yaml", "requirements-serving.txt", "docker"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, clone / name)
    packages = prepared.packaged(below) / artifacts.PACKAGES
    shutil.copytree(packages, clone / artifacts.PACKAGES)
    return clone


@pytest.fixture
def place(factory, tmp_path, monkeypatch):
    """Return a copy of the clone as the current folder."""
    made = shutil.ignore_patterns(".bentoml", "images")
    folder = shutil.copytree(factory, tmp_path / "clone", ignore=made)
    prepared.be_in(folder, monkeypatch)
    return folder


@pytest.fixture
def champion(place):
    """Return the champion's package."""
    return place / "packages" / "heart_disease_model_v1"


@pytest.fixture(scope="session")
def client():
    """Return a client of the engine; images and containers that the tests made go with it."""
    with client_of_engine() as client:
        yield client
        for container in ours(client):
            container.remove(force=True, v=True)
        remove_images(client, TESTED)


@pytest.fixture(scope="session")
def built(factory, client):
    """Return the name of the champion's image, built by the command's own function."""
    assert client.ping()
    name = f"{TESTED}:{uuid.uuid4().hex[:12]}"
    with pytest.MonkeyPatch.context() as patch:
        prepared.be_in(factory, patch)
        build(RunContext.read(), chosen=factory / "packages" / "heart_disease_model_v1", tag=name)
    return name


@pytest.fixture
def derived(built):
    """Return a function that builds an image of a few lines over the champion's."""

    def build(lines, **files):
        name = f"{TESTED}:{uuid.uuid4().hex[:12]}"
        content = {"Dockerfile": f"FROM {built}\nUSER root\n{lines}\nUSER 10001:10001\n".encode()}
        Engine().build(content | files, name, {}, {}, lambda _: None)
        return name

    return build


@pytest.fixture
def oci_registry(tmp_path):
    """Return the address of an empty registry of images."""
    with registry_of_images(tmp_path) as address:
        yield address
