"""What GitHub is asked about who wrote the registry branch."""

import re
from pathlib import Path

import pytest

from pipeline.base import config
from pipeline.base.config import CiRun
from pipeline.base.errors import RegistryError
from pipeline.registry import attestation

SERVER, REPOSITORY = "https://github.com", "ann/heart.disease"


@pytest.mark.parametrize(
    ("signed_by", "trusted"),
    [
        ("ann/heart.disease/.github/workflows/train.yml@refs/heads/main", True),
        ("ann/heart.disease/.github/workflows/rollback.yml@refs/heads/main", True),
        ("ann/heart.disease/.github/workflows/release.yml@refs/tags/v1.2.3-rc.1", True),
        ("ann/heart.disease/.github/workflows/train.yml@refs/heads/mine", False),
        ("ann/heart.disease/.github/workflows/release.yml@refs/heads/v1", False),
        ("ann/heart.disease/.github/workflows/mine.yml@refs/heads/main", False),
        # The rule for tags v* holds no tag with a slash.
        ("ann/heart.disease/.github/workflows/release.yml@refs/tags/v0/mine", False),
        ("ann/heart.disease/.github/workflows/train.yml@refs/heads/main2", False),
        ("ann/heart-disease/.github/workflows/train.yml@refs/heads/main", False),
        ("bob/heart.disease/.github/workflows/train.yml@refs/heads/main", False),
        ("bob/x/https://github.com/ann/heart.disease/.github/workflows/train.yml", False),
    ],
)
def test_only_the_writers_are_trusted_each_where_it_is_reviewed(signed_by, trusted):
    """Whoever may push a branch can sign as a workflow of that branch."""
    command = attestation.question(Path("SHA256SUMS"), SERVER, REPOSITORY)
    identity = command[command.index("--cert-identity-regex") + 1]

    assert bool(re.search(identity, f"{SERVER}/{signed_by}")) is trusted


def test_without_githubs_program_nothing_is_taken_for_proven(tmp_path, monkeypatch):
    """It is named."""
    monkeypatch.setenv("PATH", str(tmp_path))
    plan = config.load().registry_branch
    run = CiRun(server_url=SERVER, repository=REPOSITORY, token="t0ken")  # noqa: S106

    with pytest.raises(RegistryError, match="cannot tell who wrote the registry: cannot run gh"):
        attestation.verify(tmp_path / "SHA256SUMS", "0" * 64, plan, run)
