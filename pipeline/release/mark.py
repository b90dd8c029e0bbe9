"""The version that was shipped, marked in the registry of models."""

from datetime import UTC, datetime

from pipeline.base import cli
from pipeline.base.config import Settings
from pipeline.base.errors import ReleaseError
from pipeline.base.names import RELEASED_AS
from pipeline.registry.client import connect
from pipeline.release import folder
from pipeline.release.plan import releases_with


def run(settings: Settings) -> None:
    """Set the alias and the tags of the version that was shipped.

    Raises:
        ReleaseError: the image is not published yet, or the registry's version is another model.

    """
    plan = folder.read_plan("publish")
    registry = connect(settings.registry)
    version = registry.version(plan.model_name, plan.model_version)
    digest = version.tags.get("model_digest", plan.model_digest)
    if digest != plan.model_digest:
        raise ReleaseError(f"{version.title} of this registry is another model than was shipped")
    if plan.highest:
        registry.set_alias(version, plan.alias)
    # The list comes last: a release that is in it is finished.
    listed = releases_with(version.tags.get(RELEASED_AS, ""), plan.tag)
    tags = {
        "released_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "released_image": plan.pinned,
        RELEASED_AS: listed,
    }
    if version.tags.get(RELEASED_AS) != listed:
        registry.tag(version, tags)
    alias = f", {plan.alias}" if plan.highest else f"; {plan.alias} stays with a higher release"
    cli.fact("marked", f"{version.title}: {plan.tag}{alias}")
