"""What is installed is described with its exact versions."""

import platform
import sys
from importlib import metadata

import pytest

from pipeline.base import environment


def test_a_snapshot_names_the_running_interpreter():
    """Down to the patch release."""
    found = environment.snapshot([])
    assert found.python.startswith(".".join(map(str, sys.version_info[:3])))
    assert (found.implementation, found.machine) == ("CPython", platform.machine())
    assert found.system == platform.system()


def test_a_requirement_is_an_exact_version():
    """The one that is installed."""
    found = environment.snapshot(["skops"])
    assert found.requirements() == [f"skops=={metadata.version('skops')}"]


def test_the_order_of_the_packages_does_not_matter():
    """Equal environments have equal snapshots."""
    one = environment.snapshot(["skops", "numpy", "pandas"])
    other = environment.snapshot(["pandas", "skops", "numpy"])
    assert one.requirements() == other.requirements()
    assert [line.partition("==")[0] for line in one.requirements()] == ["numpy", "pandas", "skops"]


def test_only_what_was_asked_for_is_listed():
    """Neither pytest nor anything else that happens to be there."""
    assert list(environment.snapshot(["numpy"]).packages) == ["numpy"]


def test_a_package_that_is_not_installed_is_a_defect():
    """A model that names what it was not made with could not be made again."""
    with pytest.raises(metadata.PackageNotFoundError, match="no-such-package"):
        environment.snapshot(["no-such-package"])
