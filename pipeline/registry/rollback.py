"""Put an earlier champion back, or show who was champion when."""

from collections.abc import Mapping
from datetime import datetime

from pipeline.base import artifacts, cli, pages
from pipeline.base.config import Settings
from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.base.names import SERVED
from pipeline.gate.decision import Outcome
from pipeline.registry import history, provenance
from pipeline.registry.client import Registry, connect
from pipeline.registry.history import CHAMPION
from pipeline.registry.version import Version

COLUMNS = ("version", "family", "ROC-AUC", "from (UTC)", "until", "commit", "why")


def run(context: RunContext, reason: str, to: int | None = None, *, force: bool = False) -> None:
    """Make version ``to`` of the served model champion again, by default the one before.

    Raises:
        NoChampionError: nothing was promoted yet.
        RegistryError: there is no such version, its files are not what was published, or the gate
            had refused it and ``force`` is not set. The champion stays.
        OvertakenError: another promoter moved the alias at the same time.

    """
    registry = connect(context.settings.registry)
    champion = registry.last_champion(SERVED) or registry.champion(SERVED)
    promotions = [entry.promotion for entry in registry.valid_entries(SERVED)][-1:]
    # A command that was interrupted and is repeated must not go back once more.
    done = to is None and any(
        (last.action, last.reason) == ("restored", reason) for last in promotions
    )
    version = champion if done else _target(registry, to)
    if already := stands_already(registry, version):
        cli.fact("champion", already)
        return
    refused = was_refused(version, force=force)
    registry.promote(
        version, provenance.promotion(context, "restored", reason, forced=refused), over=champion
    )
    change = f"{version.title}, was {champion.title}"
    cli.fact("champion", change)
    summary = f"## Rollback\n\n**Champion: {change}.** {pages.cell(reason)}\n"
    artifacts.add_to(context.ci.step_summary, summary)


def stands_already(registry: Registry, version: Version) -> str:
    """Say that a version is champion as it was promoted, and put the aliases back; else nothing."""
    standing, name = registry.standing(version.model_name), version.model_name
    if standing.champion != version.version or standing.problem:
        return ""
    before = registry.aliases(name)
    registry.settle(name)
    changed = "its alias stands on it again" if registry.aliases(name) != before else ""
    return f"{version.title} already; {changed or 'nothing was changed'}"


def was_refused(version: Version, *, force: bool) -> bool:
    """Say whether the gate had refused a version.

    Raises:
        RegistryError: it had, and ``force`` is not set.

    """
    refused = version.tags.get("gate_outcome") == Outcome.REFUSE
    if refused and not force:
        raise RegistryError(
            f"the gate refused {version.title}: {version.tags.get('gate_reason', '')}; "
            "choose another (`make history` shows who was champion), or insist with --force"
        )
    return refused


def _target(registry: Registry, to: int | None) -> Version:
    if to is not None:
        return registry.version(SERVED, to)
    if previous := registry.standing(SERVED).previous:
        return registry.version(SERVED, previous)
    raise RegistryError(f"{SERVED} has had one champion only: there is none to go back to")


def show(settings: Settings) -> None:
    """Print the history of champions, oldest first."""
    registry = connect(settings.registry)
    tags = {(one.version, one.run_id): one.tags for one in registry.versions(SERVED)}
    rows = [
        _row(tenure, tags.get((tenure.version, tenure.identity.run), {}))
        for tenure in history.tenures(registry.valid_entries(SERVED))
    ]
    cli.show_table(f"{SERVED}@{CHAMPION}", COLUMNS, rows)


def _row(tenure: history.Tenure, tags: Mapping[str, str]) -> tuple[str, ...]:
    promotion = tenure.promotion
    forced = " (forced)" if promotion.forced else ""
    return (
        str(tenure.version),
        tags.get("family", "deleted" if not tags else "unknown"),
        f"{float(tags['roc_auc']):.3f}" if "roc_auc" in tags else "",
        _minute(promotion.at),
        _minute(tenure.until) if tenure.until else "now",
        tags.get("git_commit", "")[:7],
        f"{promotion.action} by {promotion.by}{forced}: {promotion.reason}",
    )


def _minute(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M")
