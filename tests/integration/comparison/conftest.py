"""The fixtures that these tests share with the fast ones."""

from tests.report.comparison.conftest import beaten, registered, rivals

__all__ = ["beaten", "registered", "rivals"]
