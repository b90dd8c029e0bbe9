"""Who is measured, by the name in the tables: this service, and what else could serve the model."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import ending
from benchmarks.ending import Ending
from benchmarks.findings import BenchmarkError
from benchmarks.measuring import last_line
from benchmarks.rivals import dialects, environment, starting
from benchmarks.rivals.dialects import Dialect
from benchmarks.rivals.results import (
    BARE,
    BENTO_ONNX,
    BENTO_SKLEARN,
    FASTAPI,
    IN_CONTAINER,
    MLFLOW,
    MLSERVER,
    OURS,
)
from benchmarks.rivals.servers import Server
from benchmarks.subject import Subject
from pipeline.base import cli
from pipeline.base.errors import ImageError
from pipeline.image.docker import Engine


@dataclass(frozen=True)
class Contender:
    """How a server with so many workers is started, or how one replica is."""

    start: Callable[[int], AbstractContextManager[Server]]
    by_replicas: bool = False

    def begin(self, ended: Ending, workers: int) -> list[Server]:
        """Start it; ``ended`` ends it."""
        if self.by_replicas:
            return [ended.enter(self.start(1)) for _ in range(workers)]
        return [ended.enter(self.start(workers))]


def few(subject: Subject, scratch: Path) -> dict[str, Contender]:
    """Return those that the goals are about, without containers."""
    folder = subject.folder
    return {
        OURS: Contender(lambda _: starting.ours(folder, scratch), by_replicas=True),
        BARE: Contender(lambda _: starting.bare(folder, scratch), by_replicas=True),
        MLFLOW: Contender(partial(starting.mlflow, folder, scratch)),
    }


def others(subject: Subject, scratch: Path) -> dict[str, Contender]:
    """Return what else could serve the model.

    Raises:
        BenchmarkError: the environment of MLServer cannot be made.

    """
    where = (subject.folder, scratch)
    return {
        BENTO_SKLEARN: Contender(partial(starting.bento_sklearn, *where)),
        BENTO_ONNX: Contender(partial(starting.bento_onnx, *where)),
        FASTAPI: Contender(partial(starting.fastapi_sklearn, *where)),
        MLSERVER: Contender(partial(starting.mlserver_onnx, environment.programs(), *where)),
    }


def in_containers(
    subject: Subject, image: str, scratch: Path, notes: list[str]
) -> dict[str, Contender]:
    """Build ``image`` of the package and the bare one on it; without an engine, note that.

    Raises:
        BenchmarkError: the image cannot be built.

    """
    try:
        engine = Engine()
    except ImageError as error:
        notes.append(f"no container was measured: {error}")
        return {}
    _build_image(subject, scratch / "image.log")
    built = {
        OURS: (image, dialects.OURS),
        BARE: (starting.build_bare_image(engine, image), dialects.BARE),
    }
    return {
        name + IN_CONTAINER: Contender(partial(_contained, engine, *arguments), by_replicas=True)
        for name, arguments in built.items()
    }


def _build_image(subject: Subject, log: Path) -> None:
    cli.say(f"image         {subject.about.folder} is built")
    command = [sys.executable, "-m", "pipeline.image", "--package", str(subject.folder)]
    code, _ = ending.complete(command, log)
    if code:
        raise BenchmarkError(f"the image was not built: {last_line(log)}")


@contextmanager
def _contained(engine: Engine, image: str, dialect: Dialect, workers: int) -> Iterator[Server]:
    del workers  # a container has one
    with starting.container(engine, image, dialect) as (server, _):
        yield server
