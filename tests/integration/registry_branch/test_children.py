"""The server of the branch and the command that works with it, under variables that people have."""

import json
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from pipeline.base import config
from pipeline.base.context import RunContext
from pipeline.base.names import SERVED
from pipeline.registry import branch, mlflow_server
from pipeline.registry.client import Registry

DEAD = "http://127.0.0.1:1"
PROXIES = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), DEAD)
# Settings of programs that the server is made of, and of Python.
SETTINGS = {
    "UVICORN_PORT": "1",
    "WEB_CONCURRENCY": "7",
    "GUNICORN_CMD_ARGS": "--bind 0.0.0.0:1",
    "FORWARDED_ALLOW_IPS": "*",
    "FLASK_DEBUG": "1",
    "SQLALCHEMY_WARN_20": "1",
    "PORT": "tcp://10.0.0.1:3000",
    "MLFLOW_PORT": "1",
    "MLFLOW_HOST": "0.0.0.0",  # noqa: S104 (nothing listens there, as is shown)
    "PYTHONSTARTUP": "/nowhere",
    "PYTHONHASHSEED": "1",
}
SECRETS = ("GITHUB_TOKEN", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
COMMAND = """\
import json, os, sys
from mlflow import MlflowClient
MlflowClient().search_registered_models()
json.dump(dict(os.environ), open(sys.argv[1], "w"))
"""


@pytest.fixture(autouse=True)
def _steered(monkeypatch):
    """Set everything that could lead a child astray."""
    # MLflow sets it in this process.
    monkeypatch.delenv(config.TRACKING_URI, raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "corp.example")
    for name, value in (PROXIES | SETTINGS | dict.fromkeys(SECRETS, "s3cret")).items():
        monkeypatch.setenv(name, value)


def test_a_command_works_with_the_registry_where_all_else_goes_through_a_proxy(
    project, tmp_path, monkeypatch
):
    """Its client and ours reach this machine directly, without the account of a team."""
    monkeypatch.chdir(project)
    seen = tmp_path / "seen.json"
    command = [sys.executable, "-c", COMMAND, str(seen)]

    assert branch.run(RunContext.read(), command) == 0

    environ = json.loads(seen.read_text())
    assert environ["NO_PROXY"] == environ["no_proxy"] == "corp.example,127.0.0.1,localhost,::1"
    assert environ["HTTP_PROXY"] == DEAD
    assert environ["GITHUB_TOKEN"] == "s3cret"  # noqa: S105 (a release asks GitHub)
    given = {name for name in environ if name.startswith("MLFLOW_TRACKING_")}
    assert given == {config.TRACKING_URI}


def test_the_server_is_steered_by_nothing_that_was_set_for_others(tmp_path):
    """It listens where it was told to, holds no secret, and our client reaches it directly."""
    with mlflow_server.serving(tmp_path / "registry") as address:
        assert Registry(address, "tests").versions(SERVED) == []
        started = psutil.Process().children(recursive=True)
        servers = [one for one in started if "mlflow" in " ".join(one.cmdline())]
        assert servers
        for one in servers:
            assert not {*SECRETS, *SETTINGS} & one.environ().keys()


WAITING = """\
import sys
from pathlib import Path
from pipeline.registry import mlflow_server
with mlflow_server.serving(Path(sys.argv[1])) as address:
    print(address, flush=True)
    sys.stdin.read()
"""


def test_a_server_ends_with_the_command_that_is_killed(tmp_path):
    """With all its processes, within seconds, and its port is free."""
    waiting = [sys.executable, "-c", WAITING, str(tmp_path / "registry")]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        port = int(parent.stdout.readline().rpartition(b":")[2])
        started = psutil.Process(parent.pid).children(recursive=True)
        parent.send_signal(signal.SIGKILL)

    assert len(started) > 1
    assert psutil.wait_procs(started, timeout=30)[1] == []
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", port))


def test_a_server_leaves_nothing_behind_when_it_is_no_longer_needed(tmp_path):
    """Not even the process that watches over it."""
    # Other tests of this process may have servers that they share.
    others = {*psutil.Process().children(recursive=True)}
    with mlflow_server.serving(tmp_path / "registry"):
        started = {*psutil.Process().children(recursive=True)} - others
        assert len(started) > 1

    assert psutil.wait_procs(started, timeout=30)[1] == []
