"""Replace a champion by a person's decision, where the gate cannot compare."""

from pipeline.base import artifacts, cli, pages
from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.base.names import FAMILIES, SERVED, registered_name
from pipeline.gate import trial
from pipeline.registry import provenance
from pipeline.registry.client import Registry, connect
from pipeline.registry.history import Promotion
from pipeline.registry.promotion import serve
from pipeline.registry.rollback import stands_already, was_refused
from pipeline.registry.version import Version

OF_FAMILIES = tuple(map(registered_name, FAMILIES))


def run(
    context: RunContext, title: str, reason: str, *, family_only: bool = False, force: bool = False
) -> None:
    """Make a version of a family its champion, and the served one unless ``family_only`` is set.

    Nothing of the champions before is read. Repeating it changes nothing more.

    Raises:
        RegistryError: there is no such version, it is not what was published, it gives no answers
            here, or the gate had refused it and ``force`` is not set. The champions stay.
        OvertakenError: another promoter moved an alias at the same time.

    """
    registry = connect(context.settings.registry)
    version = _version(registry, title)
    refused = was_refused(version, force=force)
    found = registry.incumbent(version)
    if found and (problem := trial.problem(found)):
        raise RegistryError(f"{version.title} cannot be champion: {problem}")
    promotion = provenance.promotion(context, "promoted", reason, forced=refused)
    lines = [_champion_of_its_family(registry, version, promotion)]
    if not family_only:
        lines.append(_served(registry, version, promotion))
    for line in lines:
        cli.fact("champion", line)
    summary = f"## Promotion by hand\n\n**{'; '.join(lines)}.** {pages.cell(reason)}\n"
    artifacts.add_to(context.ci.step_summary, summary)


def _version(registry: Registry, title: str) -> Version:
    name, _, number = title.rpartition("/")
    if name not in OF_FAMILIES or not number.isdecimal():
        raise RegistryError(
            f"{title} is no version of a family: name one as {OF_FAMILIES[0]}/3; an earlier "
            f"version of {SERVED} is put back by `python -m pipeline.registry rollback`"
        )
    return registry.version(name, int(number))


def _champion_of_its_family(registry: Registry, version: Version, promotion: Promotion) -> str:
    if already := stands_already(registry, version):
        return already
    before = registry.last_champion(version.model_name)
    registry.promote(version, promotion, over=before)
    return _change(version, before)


def _served(registry: Registry, version: Version, promotion: Promotion) -> str:
    before = registry.last_champion(SERVED)
    if before and before.tags.get("promoted_from") == version.title:
        already = stands_already(registry, before)
        if already:
            return f"{already} (from {version.title})"
    description = f"promoted by {promotion.by}: {promotion.reason}"
    served = serve(version, promotion, registry, over=before, tags={}, description=description)
    return _change(served, before)


def _change(version: Version, before: Version | None) -> str:
    return f"{version.title}, was {before.title if before else 'none'}"
