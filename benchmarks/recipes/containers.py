"""The images and containers of the recipes: all are gone when the benchmark ends."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, NamedTuple

import docker
from docker import DockerClient
from docker.errors import APIError
from docker.models.containers import Container

from benchmarks.findings import BenchmarkError
from benchmarks.measuring import MEGABYTE
from benchmarks.recipes.contexts import REPOSITORY, Recipe
from benchmarks.rivals import starting
from benchmarks.rivals.dialects import Dialect
from benchmarks.rivals.servers import Server
from pipeline.image.docker import Engine, Running

COUNT: Final = "from importlib import metadata; print(len([*metadata.distributions()]))"
# A gigabyte of small files takes its time.
REMOVE_SECONDS: Final = 600
# Everything built on the base of a run inherits its label.
OURS_ALONE: Final = {"label": REPOSITORY}


class Contained(NamedTuple):
    """A server in a container, and the Python there that has its packages."""

    server: Server
    container: Container
    python: str

    def memory(self) -> float:
        """Return what `docker stats` shows and the container's limit counts, in MB."""
        found = self.container.stats(stream=False, one_shot=True)["memory_stats"]
        # The first control groups have another name for it than the second.
        files = found["stats"].get("total_inactive_file", found["stats"].get("inactive_file", 0))
        return float(found["usage"] - files) / MEGABYTE

    def packages(self) -> int:
        """Return how many packages its Python finds.

        Raises:
            BenchmarkError: there is no such Python.

        """
        code, said = self.container.exec_run([self.python, "-c", COUNT])
        if code:
            raise BenchmarkError(f"{self.python} failed in the container: {said.decode()}")
        return int(said)


@contextmanager
def hardened(engine: Engine, image: str, dialect: Dialect, python: str) -> Iterator[Contained]:
    """Run one of our images as its users are told to."""
    with starting.container(engine, image, dialect) as (server, running):
        yield Contained(server, running.container, python)


@contextmanager
def plain(client: DockerClient, recipe: Recipe) -> Iterator[Contained]:
    """Run an image as its recipe tells to: with a published port, and no other flag."""
    door = f"{recipe.port}/tcp"
    container = client.containers.create(recipe.image, ports={door: (starting.HOST, None)})
    try:
        container.start()
        container.reload()
        port = int(container.ports[door][0]["HostPort"])
        why_gone = partial(starting.why_gone, Running(container, starting.HOST, port))
        server = Server(recipe.dialect, starting.HOST, port, None, why_gone)
        yield Contained(server, container, "python")
    finally:
        container.remove(force=True, v=True)


@contextmanager
def cleared() -> Iterator[DockerClient]:
    """Return a client of the engine; what the recipes made goes with it, whole or half."""
    client = docker.from_env(timeout=REMOVE_SECONDS)
    try:
        yield client
    finally:
        _clear(client)
        client.close()


def _clear(client: DockerClient) -> None:
    for container in client.containers.list(all=True, filters=OURS_ALONE):
        # A build that was given up removes its own.
        with suppress(APIError):
            container.remove(force=True, v=True)
    for image in client.images.list(name=REPOSITORY):
        for name in image.tags:
            # The same image has a name of its own where it was not built here.
            if name.startswith(f"{REPOSITORY}:"):
                client.images.remove(name, force=True)
    client.images.prune(filters={"dangling": True, **OURS_ALONE})
