"""The Docker engine: images, containers, pushes. It needs the engine alone, and no client."""

import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import docker
import requests
from docker.credentials.errors import StoreError
from docker.errors import DockerException, ImageNotFound, NotFound
from docker.models.containers import Container

from pipeline.base import archives, proxies
from pipeline.base.addresses import redacted
from pipeline.base.artifacts import write_chunks
from pipeline.base.errors import ImageError
from pipeline.base.manifest import Files
from pipeline.base.records import Record
from pipeline.image.saved import readable
from pipeline.packaging.container import LIMITS

BUILD_SECONDS: Final = 1800
# As the docs tell users to run it: little can be taken, and nothing written but a small /tmp.
HARDENED: Final[Mapping[str, Any]] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "tmpfs": {"/tmp": f"size={LIMITS.tmp_mib}m"},  # noqa: S108 (the container's own)
    "nano_cpus": LIMITS.cores * 10**9,
    "mem_limit": f"{LIMITS.memory_mib}m",
    "pids_limit": LIMITS.processes,
}

# The engine shows what a step writes to standard error in red.
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_TAG: Final = re.compile(r":[^:/]+$")
# Errors of the client: the engine's, the network's, a credential helper's.
_REFUSED: Final = (DockerException, requests.RequestException, StoreError)

Log = Callable[[str], None]


class Image(Record):
    """An image as the engine knows it; ``size`` is in bytes, with all layers."""

    name: str
    id: str
    labels: dict[str, str]
    size: int
    user: str


@dataclass(frozen=True)
class Running:
    """A container that was started, and where its service can be reached from here."""

    container: Container
    host: str
    port: int

    @property
    def logs(self) -> str:
        """Return everything it has written so far."""
        return str(self.container.logs().decode(errors="replace"))

    @property
    def exit_code(self) -> int | None:
        """Return the code it ended with, or None while it runs."""
        self.container.reload()
        state = self.container.attrs["State"]
        return None if state["Running"] else int(state["ExitCode"])

    def stop(self, seconds: int) -> int:
        """Send SIGTERM, wait, and return the exit code; 137 when it had to be killed."""
        self.container.stop(timeout=seconds)
        return int(self.container.wait()["StatusCode"])


class Engine:
    """The Docker engine that the environment names, by default the one of this machine."""

    def __init__(self) -> None:
        """Connect.

        Raises:
            ImageError: none answers.

        """
        proxies.spare_this_machine()
        try:
            self._client = docker.from_env(timeout=BUILD_SECONDS)
            self._client.ping()
        except _REFUSED as error:
            raise ImageError(
                "no Docker engine answers: install Docker and start it, or name another engine "
                f"with DOCKER_HOST ({_line(error)})"
            ) from None

    def build(
        self,
        context: Files,
        tag: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        log: Log,
    ) -> Image:
        """Build ``Dockerfile`` of ``context``, passing each line of the build to ``log``.

        Raises:
            ImageError: a step failed; the message holds what it said.

        """
        with explained(f"cannot build {tag}"):
            lines = self._client.api.build(
                fileobj=io.BytesIO(archives.tar(context)),
                custom_context=True,
                tag=tag,
                buildargs=dict(arguments),
                labels=dict(labels),
                rm=True,
                forcerm=True,
                decode=True,
            )
            for text in _said(lines, tag):
                log(text)
        return self.image(tag)

    def image(self, name: str) -> Image:
        """Return an image.

        Raises:
            ImageError: the engine has none of that name.

        """
        with explained(f"cannot read {name}"):
            try:
                attributes = self._client.images.get(name).attrs
            except ImageNotFound:
                raise ImageError(
                    f"the engine has no image {name}: build it with `make image`, or pull it"
                ) from None
        return Image(
            name=name,
            id=attributes["Id"],
            labels=attributes["Config"]["Labels"] or {},
            size=attributes["Size"],
            user=attributes["Config"]["User"],
        )

    def push(self, tag: str, log: Log) -> str:
        """Push an image to the registry that its tag names and return its digest there.

        Raises:
            ImageError: the registry refused or is out of reach.

        """
        digest = ""
        with explained(f"cannot push {tag}"):
            for line in self._client.api.push(tag, stream=True, decode=True):
                if "error" in line:
                    raise ImageError(f"cannot push {tag}: {line['error']}")
                if "progress" not in line and "status" in line:
                    log(" ".join((line.get("id", ""), line["status"])).strip())
                digest = line.get("aux", {}).get("Digest", digest)
        return digest

    def pull(self, name: str) -> Image:
        """Pull an image by its tag or its digest, which is checked.

        Raises:
            ImageError: the registry has none, refuses or is out of reach.

        """
        with explained(f"cannot pull {name}"):
            self._client.images.pull(name)
        return self.image(name)

    def pinned(self, name: str) -> str:
        """Return a name with the digest that its registry gave the image, or the name alone."""
        with explained(f"cannot read {name}"):
            references = self._client.images.get(name).attrs["RepoDigests"]
        repository = _TAG.sub("", name)
        own = [each for each in references if each.startswith(f"{repository}@")]
        return name + own[0].removeprefix(repository) if own else name

    def tag(self, name: str, tag: str) -> None:
        """Give an image a further name."""
        repository, _, version = tag.rpartition(":")
        with explained(f"cannot tag {name}"):
            self._client.images.get(name).tag(repository, version)

    def remove(self, name: str) -> None:
        """Remove an image with all its names, unless there is none."""
        with explained(f"cannot remove {name}"), suppress(ImageNotFound):
            self._client.images.remove(self._client.images.get(name).id, force=True)

    def save(self, name: str, path: Path) -> None:
        """Write an image with its name to a file that any engine loads.

        Raises:
            ImageError: there is no such image.
            ArtifactError: the file system refuses.

        """
        with explained(f"cannot save {name}"):
            write_chunks(path, self._client.api.get_image(name))

    def load(self, path: Path) -> None:
        """Take the images from a file of `save`.

        Raises:
            ImageError: the file is missing or holds none.

        """
        with explained(f"cannot load {path}"), readable(path), path.open("rb") as file:
            self._client.images.load(file)

    def read(self, name: str, folder: str) -> dict[str, bytes]:
        """Return the files below ``folder`` of an image, without starting it.

        Raises:
            ImageError: there is no such folder.

        """
        with explained(f"cannot read {name}"):
            container = self._client.containers.create(name)
            try:
                chunks, _ = container.get_archive(folder)
                content = io.BytesIO(b"".join(chunks))
            except NotFound:
                raise ImageError(f"{name} holds no {folder}: it is another kind of image") from None
            finally:
                container.remove(force=True)
        with tarfile.open(fileobj=content) as tar:
            members = {member.name.partition("/")[2]: member for member in tar if member.isfile()}
            return {path: tar.extractfile(member).read() for path, member in members.items()}  # type: ignore[union-attr]

    @contextmanager
    def running(self, name: str, port: int) -> Iterator[Running]:
        """Run an image with the hardened flags, its ``port`` at a free one of this machine.

        The container is gone afterwards, whatever happened.

        Raises:
            ImageError: it cannot be started.

        """
        with explained(f"cannot run {name}"):
            container = self._client.containers.create(
                name, ports={f"{port}/tcp": ("127.0.0.1", None)}, **HARDENED
            )
        try:
            with explained(f"cannot run {name}"):
                container.start()
                container.reload()
                bound = container.ports.get(f"{port}/tcp") or [{"HostIp": "", "HostPort": "0"}]
            yield Running(container, bound[0]["HostIp"], int(bound[0]["HostPort"]))
        finally:
            container.remove(force=True, v=True)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Say in one line, which begins with ``what``, that the block did not get it from Docker.

    Raises:
        ImageError: the engine or its client refused.

    """
    try:
        yield
    except _REFUSED as error:
        raise ImageError(f"{what}: {_line(error)}") from error


def _line(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    return redacted(" ".join(str(explanation or error).split()))


def _said(lines: Iterable[dict[str, str]], tag: str) -> Iterator[str]:
    """Yield what the steps of a build print.

    Raises:
        ImageError: a step failed; the message holds the last error that it printed.

    """
    reason = ""
    for line in lines:
        if "error" in line:
            raise ImageError(f"cannot build {tag}: {reason or line['error'].strip()}")
        texts = _COLOUR.sub("", line.get("stream", "")).splitlines()
        errors = [text.removeprefix("error: ") for text in texts if text.startswith("error: ")]
        reason = [reason, *errors][-1]
        yield from filter(str.strip, texts)
