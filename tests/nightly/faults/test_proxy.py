"""Each fault does to a call what its name says, and no more."""

import uuid
from contextlib import closing

import pytest
import requests

from tests.nightly.faults.breaking import FAULTS, LASTING
from tests.nightly.faults.proxy import Call, Proxy, title

SECONDS = 1
CREATE = Call("POST experiments/create", 1)


@pytest.fixture(scope="module")
def proxy(server):
    """Return a proxy in front of the server."""
    with closing(Proxy(server.port)) as proxy:
        yield proxy


def create(proxy, name):
    """Ask for an experiment and return what a client sees: a status, or an error."""
    address = f"{proxy.uri}/api/2.0/mlflow/experiments/create"
    try:
        return requests.post(address, json={"name": name}, timeout=SECONDS).status_code
    except requests.RequestException as error:
        return type(error)


def is_made(server, name):
    """Say whether the server has an experiment of this name."""
    address = f"{server.uri}/api/2.0/mlflow/experiments/get-by-name"
    return requests.get(address, {"experiment_name": name}, timeout=60).ok


@pytest.mark.parametrize(
    ("fault", "seen", "made"),
    [
        ("502 before", 502, False),
        ("502 after", 502, True),
        ("reset before", requests.ConnectionError, False),
        ("reset after", requests.ConnectionError, True),
        ("cut", requests.exceptions.ChunkedEncodingError, True),
        ("hang before", requests.ReadTimeout, False),
        ("hang after", requests.ReadTimeout, True),
        ("late", requests.ReadTimeout, True),
        ("500", 500, False),
        ("429", 429, False),
        ("500 for good", 500, False),
    ],
)
def test_a_fault_is_what_its_name_says(server, proxy, fault, seen, made):
    """To the client, and to the server behind its back."""
    name = uuid.uuid4().hex
    proxy.expect(FAULTS[fault], CREATE, lasts=fault in LASTING)

    assert create(proxy, name) == seen
    proxy.wait_until_idle()
    assert is_made(server, name) == made


@pytest.mark.parametrize(("fault", "second"), [("500", 200), ("500 for good", 500)])
def test_only_a_lasting_fault_breaks_the_next_call_too(proxy, fault, second):
    """That is what tells them apart."""
    proxy.expect(FAULTS[fault], CREATE, lasts=fault in LASTING)
    create(proxy, uuid.uuid4().hex)

    assert create(proxy, uuid.uuid4().hex) == second


def test_a_late_call_arrives_after_its_repetition(server, proxy):
    """So the server does the same twice, in the order that hurts."""
    name = uuid.uuid4().hex
    proxy.expect(FAULTS["late"], CREATE)

    assert create(proxy, name) is requests.ReadTimeout
    assert not is_made(server, name)
    assert create(proxy, name) == 200


def test_an_undisturbed_call_passes_as_it_is(server, proxy):
    """A file of any bytes, there and back over one connection."""
    proxy.expect()
    path, content = "/api/2.0/mlflow-artifacts/artifacts/9/any.bin", bytes(range(256)) * 999
    with requests.Session() as session:
        assert session.put(proxy.uri + path, data=content, timeout=60).ok
        assert session.get(proxy.uri + path, timeout=60).content == content
    assert (server.artifacts / "9" / "any.bin").read_bytes() == content


def test_a_call_is_known_by_what_it_asks():
    """Numbers of runs and models, which differ from run to run, are left out."""
    path = f"/api/2.0/mlflow-artifacts/artifacts/12/models/m-{'a' * 32}/artifacts/code/a.py?x=1"
    assert title("PUT", path) == "PUT mlflow-artifacts/artifacts/*/models/*/artifacts/code/a.py"
