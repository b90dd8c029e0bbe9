"""What the story needs of the machine, and how it leaves it: as it was."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from tests.nightly.workflows.github import REPOSITORY, ROOT, SERVER

BASE_IMAGE = "python:3.11-slim"
# Every image of the story says where it comes from, and no other image says that.
OURS = {"label": f"org.opencontainers.image.source={SERVER}/{REPOSITORY}"}
CANDIDATE = "heart-disease:candidate"
# Where a person finds what each job printed.
LOGS = ROOT / "reports" / "workflows"


def missing() -> str:
    """Say what the machine lacks, or nothing."""
    if sys.version_info[:2] != (3, 11):
        return "the workflows are executed on Python 3.11, the Python of the image"
    if not (Path(sys.executable).parent / "act").exists():
        return "act is not in the environment: make setup"
    if shutil.which("docker-registry") is None:
        return "docker-registry is not installed: it is a package of Debian"
    try:
        with contextlib.closing(docker.from_env()) as client:
            return _base(client)
    except DockerException as error:
        return f"no Docker engine answers ({str(error)[:200]})"


def _base(client: docker.DockerClient) -> str:
    """Say why there is no image to build on, or nothing."""
    with contextlib.suppress(ImageNotFound):
        client.images.get(BASE_IMAGE)
        return ""
    try:
        client.images.pull(BASE_IMAGE)
    except DockerException as error:
        return f"there is no {BASE_IMAGE}, and it cannot be pulled ({str(error)[:200]})"
    return ""


@contextlib.contextmanager
def left_as_it_was() -> Iterator[None]:
    """Take away the containers and images that the story made; give back a tag that it took.

    An earlier story that was killed left its own: they go first.
    """
    with contextlib.closing(docker.from_env()) as client:
        _clear(client)
        try:
            before = client.images.get(CANDIDATE)
        except ImageNotFound:
            before = None
        try:
            yield
        finally:
            _clear(client)
            if before:
                before.tag(CANDIDATE)


def _clear(client: docker.DockerClient) -> None:
    """Take away every container and image of a story."""
    for container in client.containers.list(all=True, filters=OURS):
        container.remove(force=True, v=True)
    for image in client.images.list(filters=OURS):
        # Another's image may stand on it, or a tag of it was the last one.
        with contextlib.suppress(APIError):
            client.images.remove(image.id, force=True)


@contextlib.contextmanager
def terminal_zero_locked() -> Iterator[None]:
    """Keep terminal 0 from being opened, where it is free.

    Once in a while act's library reads the number of a step's new terminal as 0 (creack/pty#214),
    and takes the one that another step runs in: root robs it, others get "operation not
    permitted". A step whose terminal cannot be opened runs without one.
    """
    door = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    try:
        yield
    finally:
        os.close(door)


@contextlib.contextmanager
def kept_logs(folder: Path) -> Iterator[None]:
    """Keep what each job printed that is played in ``folder``."""
    logs = folder / "logs"
    logs.mkdir()
    try:
        yield
    finally:
        shutil.rmtree(LOGS, ignore_errors=True)
        shutil.copytree(logs, LOGS)
