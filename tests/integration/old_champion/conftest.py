"""What an old commit left, unpacked, and a clone in which the code of today has trained."""

import shutil
import tarfile

import pytest

from pipeline.registry import branch
from tests import prepared
from tests.integration.old_champion.make import ARCHIVE


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """Return a folder with the old registry and the old package."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    branch.unpack(folder / "registry")
    return folder


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Return a clone with the models of today, as the current folder."""
    trained = prepared.trained(tmp_path_factory.getbasetemp())
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("today") / "clone")
    with pytest.MonkeyPatch.context() as patch:
        prepared.be_in(folder, patch)
        yield folder
