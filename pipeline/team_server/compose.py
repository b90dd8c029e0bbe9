"""The services of a compose file, by `docker compose` or by the program that came before it."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pipeline.base import command
from pipeline.base.errors import PipelineError, RegistryError


class Compose:
    """The services of one profile of a file, on this machine's engine."""

    def __init__(self, file: Path, profile: str) -> None:
        """Find the program.

        Raises:
            RegistryError: there is none.

        """
        self._file, self._profile = file, profile
        self._command = (*program(), "--file", str(file), "--profile", profile)

    def require(self, *services: str) -> None:
        """Make sure that services run.

        Raises:
            RegistryError: one does not.

        """
        for service in services:
            code, _ = command.between([*self._command, "exec", "-T", service, "true"])
            if code:
                raise RegistryError(
                    f"{service} does not run: `docker compose --file {self._file} --profile "
                    f"{self._profile} up --detach` starts it"
                )

    def within(
        self,
        service: str,
        asked: Sequence[str],
        source: IO[bytes] | None = None,
        target: IO[bytes] | None = None,
    ) -> None:
        """Run a command in the container of a service, from one file to another.

        Raises:
            RegistryError: it failed.

        """
        self._run(f"{asked[0]} in {service}", ["exec", "-T", service, *asked], source, target)

    def restart(self, service: str) -> None:
        """Start a service again.

        Raises:
            RegistryError: it does not start.

        """
        self._run(f"a restart of {service}", ["restart", service])

    def _run(
        self,
        what: str,
        arguments: Sequence[str],
        source: IO[bytes] | None = None,
        target: IO[bytes] | None = None,
    ) -> None:
        code, said = command.between([*self._command, *arguments], source, target)
        if code:
            raise RegistryError(f"{what} failed: {said or f'exit code {code}'}")


def program() -> tuple[str, ...]:
    """Return the command line of compose, as far as its name.

    Raises:
        RegistryError: it is not installed.

    """
    for program in (("docker", "compose"), ("docker-compose",)):
        try:
            code, _ = command.between([*program, "version"])
        except PipelineError:
            continue
        if not code:
            return program
    raise RegistryError("neither `docker compose` nor `docker-compose` is installed")
