"""Who wrote the registry branch: GitHub signs the checksums that the workflows leave there."""

import json
import re
from pathlib import Path
from typing import Final

import tenacity

from pipeline.base import cli, command
from pipeline.base.config import CiRun
from pipeline.base.errors import PipelineError, RegistryError
from pipeline.base.registry_settings import RegistryBranchSettings

# The workflows that write the branch, each where the rules of .github/rulesets/ let it be.
WRITERS: Final = r"((train|rollback)\.yml@refs/heads/main|release\.yml@refs/tags/v[^/]+)"
# The messages of `gh` for a file without an attestation.
NONE: Final = "HTTP 404|no attestations found"
_BETWEEN_QUESTIONS: Final = 10


def verify(sums: Path, digest: str, plan: RegistryBranchSettings, ci: CiRun) -> None:
    """Ask ``gh`` whether a workflow of this repository signed a file of checksums.

    A state that was just pushed is signed by the next job of the same run, so it is waited for.

    Raises:
        RegistryError: none did, or ``gh`` cannot tell.
        SettingsError: no repository is named.

    """
    if digest == plan.trusted:
        return
    ci.must_have("server_url", "repository", "token")
    asking = tenacity.Retrying(
        stop=tenacity.stop_after_delay(plan.attested_within),
        wait=tenacity.wait_fixed(_BETWEEN_QUESTIONS),
        retry=tenacity.retry_if_result(lambda signed: not signed),
        before_sleep=lambda _: cli.fact("registry", "waiting until it is signed"),
        retry_error_callback=lambda _: False,
    )
    try:
        signed = asking(_is_signed, question(sums, ci.server_url, ci.repository), ci.token)
    except PipelineError as error:
        raise RegistryError(f"cannot tell who wrote the registry: {error}") from None
    if not signed:
        raise RegistryError(
            f"no workflow of {ci.repository} signed the registry: look for the run that wrote it, "
            "and run its job attest again; or set registry_branch.trusted in config.yaml to "
            f"{digest}, if you know that it is right"
        )


def _is_signed(asked: list[str], token: str) -> bool:
    answer = command.ask(asked, nothing=NONE, account={"GH_TOKEN": token})
    return bool(answer and json.loads(answer))


def question(sums: Path, server: str, repository: str) -> list[str]:
    """Return the command that verifies the attestation of a file of checksums."""
    workflows = re.escape(f"{server}/{repository}/.github/workflows/")
    identity = f"^{workflows}{WRITERS}$"
    return [
        *("gh", "attestation", "verify", str(sums), "--repo", repository),
        *("--cert-identity-regex", identity, "--format", "json"),
    ]
