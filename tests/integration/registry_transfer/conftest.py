"""The fixtures that these tests share with the fast ones."""

from tests.registry.transfer.conftest import origin, place, template

__all__ = ["origin", "place", "template"]
