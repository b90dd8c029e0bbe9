"""Models of the four families as the last two minor versions of scikit-learn left them.

They were stored before recipes were kept: the nightly tests store new ones, with one.
"""

import tarfile
from pathlib import Path

import pytest

from pipeline.base.names import FAMILIES
from pipeline.training import trained_model

ARCHIVES = {path.name.removesuffix(".tar.xz"): path for path in Path(__file__).parent.glob("*.xz")}
every_library = pytest.mark.parametrize("library", sorted(ARCHIVES))


def files_of(library):
    """Return the files of each family's model, by their names."""
    with tarfile.open(ARCHIVES[library]) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
    return {
        family: {
            name.removeprefix(f"{family}/"): content
            for name, content in members.items()
            if name.startswith(f"{family}/")
        }
        for family in FAMILIES
    }


def models_of(library):
    """Return each family's model."""
    return {f: trained_model.read(files, library) for f, files in files_of(library).items()}
