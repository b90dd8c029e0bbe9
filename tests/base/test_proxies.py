"""A proxy that is set for the world: this machine is asked past it, every other one through it."""

import json
from http.server import ThreadingHTTPServer

import pytest

from pipeline.base import proxies
from pipeline.base.errors import PipelineError, SourceError
from pipeline.base.policies import DownloadPlan
from pipeline.base.rest import Server
from pipeline.image.docker import Engine
from pipeline.table import source
from tests import stand_ins

DEAD = "http://127.0.0.1:1"


class _Handler(stand_ins.Handler):
    """Answers everything, as an engine of Docker would say which one it is."""

    def answer(self):
        self.server.asked.append(self.path)
        body = json.dumps({"ApiVersion": "1.45"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server():
    """Return a server of this machine that answers everything."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.asked = []
    with stand_ins.serving(made):
        yield made


@pytest.fixture(autouse=True)
def _behind_a_proxy(monkeypatch):
    """Set a proxy that is not there."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, DEAD)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_of_this_machine_is_asked_directly(server, host):
    """A registry of images, a team's server, a stand-in."""
    stand_in = Server("the server", PipelineError, wait=0)

    assert stand_in.ask("GET", f"http://{host}:{server.server_port}/x").ok
    assert server.asked == ["/x"]


def test_an_engine_of_this_machine_is_asked_directly(server, monkeypatch):
    """Also where it listens at a port."""
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")

    Engine()

    assert server.asked[-1].endswith("/_ping")


def test_a_server_elsewhere_is_asked_through_the_proxy(server, tmp_path, monkeypatch):
    """The way to the world stays what it was."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    proxies.spare_this_machine()
    url = "http://archive.example/heart.zip"
    plan = DownloadPlan(url=url, timeout_seconds=5, attempts=1, wait_seconds=0)

    with pytest.raises(SourceError, match="no intact zip"):
        source.download(plan, tmp_path, lambda chunks, _: chunks)
    assert server.asked == [url]
