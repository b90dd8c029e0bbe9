"""The fixtures that these tests share with the fast ones."""

from tests.comparison.conftest import beaten, registered, rivals

__all__ = ["beaten", "registered", "rivals"]
