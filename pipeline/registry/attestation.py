"""Who wrote the registry branch: GitHub signs the checksums that the workflows leave there."""

import re
from pathlib import Path
from typing import Final

from pipeline.base import command
from pipeline.base.config import CiRun
from pipeline.base.errors import PipelineError, RegistryError

# The workflows that write the branch, each where nobody can change it without a review.
WRITERS: Final = r"((train|rollback)\.yml@refs/heads/main|release\.yml@refs/tags/v.+)"


def verify(sums: Path, ci: CiRun) -> None:
    """Ask ``gh`` whether a workflow of this repository signed a file of checksums.

    Raises:
        RegistryError: none did, or GitHub does not answer.
        SettingsError: no repository is named.

    """
    ci.must_have("server_url", "repository", "token")
    try:
        command.ask(question(sums, ci.server_url, ci.repository), {"GH_TOKEN": ci.token})
    except PipelineError as error:
        raise RegistryError(
            f"no workflow of {ci.repository} is known to have written the registry: let the last "
            f"that did end, with its job attest, then run this again ({error})"
        ) from None


def question(sums: Path, server: str, repository: str) -> list[str]:
    """Return the command that verifies the attestation of a file of checksums."""
    workflows = re.escape(f"{server}/{repository}/.github/workflows/")
    identity = f"^{workflows}{WRITERS}$"
    return [
        *("gh", "attestation", "verify", str(sums)),
        *("--repo", repository, "--cert-identity-regex", identity),
    ]
