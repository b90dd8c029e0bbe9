"""What tests of images share: a real engine and registry, and what to do without them."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing, contextmanager, suppress

import docker
import pytest

from pipeline.base.errors import ImageError
from pipeline.image.docker import Engine

SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def needs(reason):
    """Skip the test for want of a component; where CI is set, all of them must be there.

    ``reason`` names what is missing, for a person whose laptop has no Docker, say.
    """
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def compose():
    """Return the command of compose, as far as its name, or skip the test where there is none."""
    for program in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(program[0]) and not subprocess.call([*program, "version"], **SILENT):
            return program
    return needs("neither `docker compose` nor `docker-compose` is installed")


@contextmanager
def client_of_engine():
    """Return a client of the engine, or skip the test where none answers."""
    try:
        Engine()
    except ImageError as error:
        needs(str(error))
    with closing(docker.from_env()) as client:
        yield client


def remove_images(client, part):
    """Remove every image that has ``part`` in one of its names; another process may do the same."""
    for found in client.api.images():
        names = [*(found["RepoTags"] or ()), *(found["RepoDigests"] or ())]
        if any(part in name for name in names):
            with suppress(docker.errors.NotFound):
                client.images.remove(found["Id"], force=True)


def free_port():
    """Return a port at which no process listens."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def _is_open(port):
    with socket.socket() as door:
        return door.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def registry_of_images(folder):
    """Run an empty registry, which keeps its images in ``folder``, and return its address."""
    program = shutil.which("docker-registry")
    if program is None:
        needs("docker-registry is not installed: it is a package of Debian")
    port = free_port()
    settings = folder / "registry.yml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}}}\n"
    )
    with (folder / "registry.log").open("w") as log:
        process = subprocess.Popen([program, "serve", settings], stdout=log, stderr=log)
    try:
        for _ in range(200):
            if _is_open(port):
                break
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
