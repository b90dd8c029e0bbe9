"""The team's server, brought up once from its compose file, with what a maintainer types."""

import os
import re
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
import requests
from docker.errors import APIError
from mlflow import MlflowClient

from pipeline.registry.client import Registry
from tests.conftest import ROOT
from tests.containers import client_of_engine, compose, free_port, needs

IMAGES = ("python:3.11-slim", "postgres:17")
START_SECONDS = 90
# A shell block of the page, as it is printed.
BLOCK = re.compile(r"^```\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SET_UP, BACK_UP, RESTORE = BLOCK.findall((ROOT / "docs" / "team-server.md").read_text())


@dataclass
class Team:
    """The commands of a maintainer, and the server that they are about."""

    secrets: Path
    address: str
    environment: dict[str, str]
    compose_command: tuple[str, ...]

    def make(self, target, *options):
        """Run a target with the Python of the tests, and return how it ended."""
        python = f"BIN={Path(sys.executable).parent}"
        quietly = ("--silent", "--no-print-directory", "--old-file=setup")
        return self._run("make", *quietly, python, target, *options)

    def accounts(self):
        """Set the accounts up, which succeeds, and return what was said about each."""
        done = self.make("mlflow-accounts")
        assert not done.returncode, done.stderr
        return done.stdout.splitlines()

    def shell(self, lines, folder=ROOT):
        """Run lines of the page, and return how they ended."""
        here = lines.replace("docker compose", " ".join(self.compose_command))
        return self._run("bash", "-ec", SET_UP.splitlines(keepends=True)[0] + here, folder=folder)

    def compose(self, arguments):
        """Do something to the services, which succeeds, and return what they printed."""
        done = self.shell(f"docker compose {arguments}")
        assert not done.returncode, done.stderr
        return done.stdout

    def _run(self, *command, folder=ROOT):
        # The tests may be run by `make` themselves, whose options are not for this one.
        outer = ("MAKE", "ARGS")
        theirs = {k: v for k, v in self.environment.items() if not k.startswith(outer)}
        return subprocess.run(
            command, cwd=folder, env=theirs, capture_output=True, text=True, check=False
        )

    def wait(self):
        """Wait until the server answers."""
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            try:
                if requests.get(f"{self.address}/health", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        pytest.fail(self.compose("logs --tail 40"))

    def containers(self):
        """Return the container of each service."""
        project = self.environment["COMPOSE_PROJECT_NAME"]
        found = docker.from_env().containers.list(
            filters={"label": f"com.docker.compose.project={project}"}
        )
        return {one.labels["com.docker.compose.service"]: one for one in found}

    @contextmanager
    def signed_in(self, account):
        """Return MLflow's client for an account, or for a request that names none."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
            if account:
                patch.setenv("MLFLOW_TRACKING_USERNAME", account)
                patch.setenv("MLFLOW_TRACKING_PASSWORD", self.password(account))
            yield MlflowClient(self.address, self.address)

    @contextmanager
    def registry(self, account):
        """Return the registry as the pipeline sees it with an account."""
        with self.signed_in(account):
            yield Registry(self.address, "heart-disease")

    def password(self, account):
        """Return the password of an account, a stranger's too."""
        path = self.secrets / f"{account}_password"
        return path.read_text() if path.exists() else "a-long-password"


@pytest.fixture(scope="session")
def images():
    """Make sure that the images which the server stands on are here."""
    with client_of_engine() as client:
        for name in [name for name in IMAGES if not client.images.list(name)]:
            try:
                client.images.pull(name)
            except APIError:
                needs(f"{name} is neither here nor to be pulled: .ci/docker makes a stand-in")
    return IMAGES


@contextmanager
def serving(folder):
    """Run a server, set up as the page says, in a project and at a port of its own."""
    command, address = compose(), f"127.0.0.1:{free_port()}"
    secrets = folder / "secrets"
    ours = {
        "COMPOSE_PROJECT_NAME": f"heart-team-test-{uuid.uuid4().hex[:8]}",
        "MLFLOW_ADDRESS": address,
        "MLFLOW_ALLOWED_HOSTS": address,
        "MLFLOW_SECRETS": str(secrets),
        "MLFLOW_TAG": "test",
        "MLFLOW_TRACKING_URI": f"http://{address}",
        # Each takes seconds to start.
        "MLFLOW_WORKERS": "1",
    }
    if command == ("docker-compose",):
        # It builds by the client, which may lack the plugin for the other builder.
        ours["DOCKER_BUILDKIT"] = "0"
    team = Team(secrets, f"http://{address}", {**os.environ, **ours}, command)
    assert not team.make("mlflow-secrets").returncode
    try:
        team.compose("up --detach --build")
        team.wait()
        team.accounts()
        yield team
    finally:
        team.compose("down --volumes")


@pytest.fixture(scope="session")
def team(images, tmp_path_factory):
    """Return the server that the tests share."""
    assert images
    with serving(tmp_path_factory.mktemp("team")) as team:
        yield team
