"""The fixtures that these tests share with the fast ones."""

from tests.registry.branch.conftest import _nobody, clone, project, remote

__all__ = ["_nobody", "clone", "project", "remote"]
