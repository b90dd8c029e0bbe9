"""What the tests of faults share: a server of their own for each file, and its matrix of calls."""

import os
from contextlib import closing

import mlflow
import pytest

from tests.databases import running
from tests.nightly.faults.matrix import Matrix


@pytest.fixture(scope="module", autouse=True)
def _as_before():
    """Leave MLflow's settings as they were: it keeps the address of the last registry in them."""
    before = dict(os.environ)
    yield
    mlflow.set_tracking_uri(None)
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return where the server and its clients write."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def server(folder):
    """Return an MLflow server on SQLite."""
    with running("sqlite", folder) as (server, _):
        yield server


@pytest.fixture(scope="module")
def matrix(server, folder):
    """Return the matrix of the server's calls and faults."""
    with closing(Matrix(server, folder)) as matrix:
        yield matrix
