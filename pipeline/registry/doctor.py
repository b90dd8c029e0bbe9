"""Look at the whole registry, and repair what can be repaired without losing anything."""

from collections.abc import Sequence
from contextlib import closing

from pipeline.base import cli
from pipeline.base.addresses import shown
from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.base.names import FAMILIES, SERVED, registered_name
from pipeline.registry import diagnosis, mlflow_calls, provenance
from pipeline.registry.care import RegistryCare
from pipeline.registry.diagnosis import Finding

MODELS = (*map(registered_name, FAMILIES), SERVED)
COLUMNS = ("what", "is wrong", "repaired by", "otherwise")
# A repair can make another one possible: a version that is complete now has files to give.
ROUNDS = 3


def run(context: RunContext, *, repair: bool = False, grace: float = 3600) -> None:
    """Show the faults of the registry, and repair them with ``repair``.

    Raises:
        RegistryError: something is left.

    """
    settings = context.settings.registry
    if not mlflow_calls.is_made(settings.tracking_uri):
        cli.fact("healthy", "there is no registry yet: `make pipeline` makes one")
        return
    registry = RegistryCare(**dict(settings))
    findings = _look(registry, grace)
    _show("The registry", findings)
    for _ in range(ROUNDS if repair else 0):
        repairable = [finding for finding in findings if finding.repair]
        if not repairable:
            break
        for finding in repairable:
            _repair(registry, finding, context)
        findings = _look(registry, grace)
    if not findings:
        cli.fact("healthy", "nothing is wrong with the registry")
    elif repair:
        _show("What is left", findings)
    if findings:
        count = "1 thing is" if len(findings) == 1 else f"{len(findings)} things are"
        repairs = sum(bool(finding.repair) for finding in findings)
        hint = f"; `--repair` repairs {repairs} of them" if repairs and not repair else ""
        raise RegistryError(
            f"{count} wrong with the registry at {shown(settings.tracking_uri)}, in the "
            f"table above{hint}"
        )


def _repair(registry: RegistryCare, finding: Finding, context: RunContext) -> None:
    reason = f"registry doctor: {finding.problem}"
    try:
        registry.repair(finding, provenance.promotion(context, "restored", reason))
    except RegistryError as error:
        cli.fact("not repaired", f"{finding.subject}: {error}")
    else:
        cli.fact("repaired", f"{finding.subject}: {finding.repair}")


def _look(registry: RegistryCare, grace: float) -> list[Finding]:
    # The versions last: those that a run or an alias has by then are among them.
    runs, models = registry.runs(), [registry.model(name) for name in MODELS]
    versions = [version for name in MODELS for version in registry.versions(name)]
    with closing(cli.track(versions, "Reading versions", len(versions))) as tracked:
        states = [registry.state(version) for version in tracked]
    return diagnosis.diagnose(runs, states, models, grace)


def _show(title: str, findings: Sequence[Finding]) -> None:
    if findings:
        rows = (
            (finding.subject, finding.problem, finding.repair, finding.advice)
            for finding in findings
        )
        cli.show_table(title, COLUMNS, rows)
