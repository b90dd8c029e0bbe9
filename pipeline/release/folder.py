"""The folder ``release/``: the plan, and the files that each step of a release leaves to the next.

Whatever interrupts a step, running them again ends where they would have ended, and replaces
nothing that was published.
"""

from typing import Final

from pydantic import ValidationError

from pipeline.base import artifacts
from pipeline.base.artifacts import RELEASE
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import ReleaseError
from pipeline.image.build import SBOM as SBOM_NAME
from pipeline.packaging import package
from pipeline.release.plan import Plan

PLAN: Final = RELEASE / "plan.json"
PACKAGE: Final = RELEASE / "package"
IMAGE: Final = RELEASE / "image.tar"
SBOM: Final = RELEASE / SBOM_NAME
SUMS: Final = RELEASE / artifacts.CHECKSUMS
# The attestations of the image, and their file on the Release: one in each line.
ATTESTATIONS: Final = RELEASE / "attestations"
ATTESTED: Final = "image.intoto.jsonl"


def read_plan(step: str) -> Plan:
    """Return the plan as the given step leaves it.

    Raises:
        ReleaseError: that step was not finished.

    """
    remedy = f"run `.venv/bin/python -m pipeline.release {step}` first"
    try:
        plan = Plan.model_validate_json(PLAN.read_bytes())
    except OSError:
        raise ReleaseError(f"there is no {PLAN}: {remedy}") from None
    except ValidationError:
        raise ReleaseError(f"{PLAN} is damaged: prepare the release again") from None
    ready = {"prepare": True, "build": bool(plan.image_id), "publish": bool(plan.digest)}
    if not ready[step]:
        raise ReleaseError(f"{plan.tag} has not got that far: {remedy}")
    return plan


def write_plan(plan: Plan) -> None:
    """Put a plan in the place of the one that is there."""
    artifacts.write_file(PLAN, json_bytes(plan))


def assets(plan: Plan) -> dict[str, bytes]:
    """Return the files of the GitHub Release that are summed.

    Raises:
        ReleaseError: one of them cannot be read.

    """
    name = f"{plan.package}.tar.gz"
    paths = {name: RELEASE / name, SBOM.name: SBOM, package.CARD: PACKAGE / package.CARD}
    try:
        return {name: path.read_bytes() for name, path in paths.items()}
    except OSError as error:
        raise ReleaseError(f"cannot read {error.filename}: build the release again") from None


def attested() -> dict[str, bytes]:
    """Return the attestations of the image as a file of the Release, or no file without any."""
    signed = [path.read_bytes().strip() for path in sorted(ATTESTATIONS.rglob("*.json"))]
    return {ATTESTED: b"".join(one + b"\n" for one in signed)} if signed else {}
