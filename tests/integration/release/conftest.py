"""The fixtures that these tests share with the fast ones."""

from tests.release.conftest import github, images, shelf

__all__ = ["github", "images", "shelf"]
