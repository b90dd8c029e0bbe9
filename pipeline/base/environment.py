"""This interpreter, and the packages installed in it."""

import platform
from collections.abc import Iterable
from importlib import metadata

from pipeline.base.records import Record


class Environment(Record):
    """An interpreter and the exact versions of some of its packages."""

    python: str
    implementation: str
    system: str
    machine: str
    packages: dict[str, str]

    def requirements(self) -> list[str]:
        """Return the packages as pip's requirements, each with its exact version."""
        return [f"{name}=={version}" for name, version in self.packages.items()]


def snapshot(packages: Iterable[str]) -> Environment:
    """Describe the running interpreter with the installed versions of ``packages``."""
    return Environment(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        system=platform.system(),
        machine=platform.machine(),
        packages={name: metadata.version(name) for name in sorted(packages)},
    )
