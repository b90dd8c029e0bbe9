"""Look at the whole registry, and repair what can be repaired without losing anything."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from pipeline.base import cli
from pipeline.base.addresses import shown
from pipeline.base.context import RunContext
from pipeline.base.errors import PartlyRepairedError, RegistryError
from pipeline.registry import mlflow_calls, provenance
from pipeline.registry.care import RegistryCare
from pipeline.registry.findings import Finding
from pipeline.registry.look import look

COLUMNS = ("what", "is wrong", "repaired by", "otherwise")
# A repair can make another one possible: a version that is complete now has files to give.
ROUNDS = 5


def run(
    context: RunContext, *, repair: bool = False, everything: bool = False, grace: float = 3600
) -> None:
    """Show the faults of the registry, and repair them with ``repair``.

    With ``everything`` it reads the files of every version, else those of the champions, the
    shipped ones and what came after the last look that found nothing wrong. Versions and runs that
    are younger than ``grace`` seconds may be under way.

    Raises:
        PartlyRepairedError: something was repaired, and something is left.
        RegistryError: something is wrong.

    """
    settings = context.settings.registry
    if not mlflow_calls.is_made(settings.tracking_uri):
        cli.fact("healthy", "there is no registry yet: `make pipeline` makes one")
        return
    registry, began = RegistryCare(**dict(settings)), datetime.now(UTC)
    since = 0 if everything else registry.last_look()
    findings = look(registry, grace, since)
    _show("The registry", findings)
    repaired = 0
    for _ in range(ROUNDS if repair else 0):
        if not (repairable := [finding for finding in findings if finding.repair]):
            break
        repaired += sum(_repair(registry, finding, context) for finding in repairable)
        findings = look(registry, grace, since)
    wrong = [finding for finding in findings if not finding.harmless]
    if repair and wrong:
        _show("What is left", wrong)
    if wrong:
        error = PartlyRepairedError if repaired else RegistryError
        raise error(_summary(wrong, shown(settings.tracking_uri), repair=repair))
    # Whoever may only read the registry looks at the same versions again.
    with suppress(RegistryError):
        registry.note_look(int((began.timestamp() - grace) * 1000))
    cli.fact("healthy", "nothing is wrong with the registry")


def _summary(wrong: Sequence[Finding], registry: str, *, repair: bool) -> str:
    count = "1 thing is" if len(wrong) == 1 else f"{len(wrong)} things are"
    repairs = sum(bool(finding.repair) for finding in wrong)
    hint = f"; `--repair` repairs {repairs} of them" if repairs and not repair else ""
    return f"{count} wrong with the registry at {registry}, in the table above{hint}"


def _repair(registry: RegistryCare, finding: Finding, context: RunContext) -> bool:
    reason = f"registry doctor: {finding.problem}"
    try:
        registry.repair(finding, provenance.promotion(context, "restored", reason))
    except RegistryError as error:
        cli.fact("not repaired", f"{finding.subject}: {error}")
        return False
    cli.fact("repaired", f"{finding.subject}: {finding.repair}")
    return True


def _named(finding: Finding) -> str:
    return f"{finding.subject} (harmless)" if finding.harmless else finding.subject


def _show(title: str, findings: Sequence[Finding]) -> None:
    if findings:
        rows = (
            (_named(finding), finding.problem, finding.repair, finding.advice)
            for finding in findings
        )
        cli.show_table(title, COLUMNS, rows)
