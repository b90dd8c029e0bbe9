"""The team's server, brought up once from its compose file, with what a maintainer types."""

import functools
import hashlib
import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest
import requests
from docker.errors import APIError, ImageNotFound

from pipeline.base.errors import PipelineError
from pipeline.team_server.compose import program
from tests.conftest import ROOT
from tests.containers import client_of_engine, free_port, needs
from tests.integration.team_server.routes import PROXY, World

IMAGES = ("python:3.11-slim", "postgres:17")
START_SECONDS = 90


@dataclass
class Team:
    """The commands of a maintainer, and the server that they are about."""

    secrets: Path
    environment: dict[str, str]
    compose_command: tuple[str, ...]
    world: World = field(init=False)

    def command(self, *arguments):
        """Run the command of the team's server and return how it ended."""
        command = [sys.executable, "-m", "pipeline.team_server", *map(str, arguments)]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )

    def says(self, *arguments):
        """Run the command, which succeeds, and return what it printed."""
        done = self.command(*arguments)
        assert not done.returncode, done.stderr
        return done.stdout

    def compose(self, *arguments):
        """Do something to the services, and return what they printed."""
        files = ["--file", f"{ROOT}/docker/compose.yaml", "--profile", "team"]
        done = subprocess.run(
            [*self.compose_command, *files, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, done.stderr
        return done.stdout

    def up(self):
        """Start the services, and wait for an answer."""
        self.compose("up", "--detach", "--build")
        self.wait()

    def wait(self):
        """Wait until the server answers."""
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            try:
                if requests.get(f"{self.environment['MLFLOW_TRACKING_URI']}/health", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        pytest.fail(self.compose("logs", "--tail", "40"))

    def containers(self):
        """Return the container of each service."""
        project = self.environment["COMPOSE_PROJECT_NAME"]
        found = docker.from_env().containers.list(
            filters={"label": f"com.docker.compose.project={project}"}
        )
        return {one.labels["com.docker.compose.service"]: one for one in found}

    def holds(self):
        """Return everything that a registry is: versions, aliases, tags, digests of files."""
        # Many versions share their files.
        digests = functools.cache(lambda folder: dict(self._digests(folder)))
        world, found = self.world, {}
        models = world.ask("GET", "registered-models/search")["registered_models"]
        for model in models:
            name = model["name"]
            condition = {"filter": f"name='{name}'", "max_results": 1000}
            listed = world.ask("GET", "model-versions/search", params=condition)
            found[name] = {
                "aliases": sorted(
                    (one["alias"], one["version"]) for one in model.get("aliases", ())
                ),
                "versions": sorted(
                    (self._version(one, digests) for one in listed.get("model_versions", ())),
                    key=str,
                ),
            }
        return found

    def _version(self, version, digests):
        folder = version["source"]
        if folder.startswith("models:"):
            asked = {"name": version["name"], "version": version["version"]}
            stored = self.world.ask("GET", "model-versions/get-download-uri", params=asked)
            folder = stored["artifact_uri"]
        kept = {key: version[key] for key in ("name", "version", "run_id", "source")}
        tags = sorted((tag["key"], tag["value"]) for tag in version.get("tags", ()))
        return {**kept, "tags": tags, "files": digests(folder)}

    def _digests(self, folder):
        path = folder.removeprefix("mlflow-artifacts:").strip("/")
        listed = self.world.send("admin", "GET", PROXY, params={"path": path}).json()["files"]
        for one in listed:
            below = f"{path}/{one['path'].rpartition('/')[2]}"
            if one["is_dir"]:
                yield from self._digests(below)
            else:
                file = self.world.send("admin", "GET", f"{PROXY}/{below}")
                assert file.ok, file.text
                yield below, hashlib.sha256(file.content).hexdigest()


@pytest.fixture(scope="session")
def images():
    """Make sure that the images which the server stands on are here."""
    with client_of_engine() as client:
        for name in IMAGES:
            try:
                client.images.get(name)
            except ImageNotFound:
                try:
                    client.images.pull(name)
                except APIError:
                    needs(f"{name} is neither here nor to be pulled: .ci/docker makes a stand-in")
    return IMAGES


@pytest.fixture(scope="session")
def team(images, tmp_path_factory):
    """Return the server, set up as the page says, in a project and at a port of its own."""
    assert images
    try:
        compose_command = program()
    except PipelineError as error:
        needs(str(error))
    secrets, address = tmp_path_factory.mktemp("team") / "secrets", f"127.0.0.1:{free_port()}"
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
    if compose_command == ("docker-compose",):
        # It builds by the client, which may lack the plugin for the other builder.
        ours["DOCKER_BUILDKIT"] = "0"
    team = Team(secrets, {**os.environ, **ours}, compose_command)
    team.says("secrets")
    try:
        team.up()
        team.says("users")
        passwords = {
            name: (secrets / f"{name}_password").read_text() for name in ("admin", "ci", "reader")
        }
        team.world = World(f"http://{address}", passwords)
        team.world.fill()
        yield team
    finally:
        team.compose("down", "--volumes")
