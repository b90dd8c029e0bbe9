"""The facts about an embedded registry, at a server."""

from tests.registry.test_champions import *  # noqa: F403 (as the next)
from tests.registry.test_registry import *  # noqa: F403 (the same tests, with the `store` of this folder)
