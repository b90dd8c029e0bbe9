"""Task 3: register the four trained families as new versions and decide who is champion.

The only command that creates model versions.
"""

import re
import uuid
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import pandas as pd
import typer

from pipeline.base import artifacts, cli, config, environment, git, pages
from pipeline.base.arithmetic import reproducible
from pipeline.base.config import Settings
from pipeline.base.errors import ArtifactError, NotPromotedError, OvertakenError, RegistryError
from pipeline.base.manifest import Files
from pipeline.base.names import (
    FAMILY_TITLES,
    METRIC_TITLES,
    SERVED,
    Family,
    Metric,
    registered_name,
)
from pipeline.gate.decision import Verdict, best_family, decide
from pipeline.gate.examiner import Examiner
from pipeline.registry import mlflow_model, provenance
from pipeline.registry.client import Registry, Version
from pipeline.registry.history import CHAMPION
from pipeline.registry.publishing import Submission
from pipeline.table.contract import FEATURES
from pipeline.training import fitting, workspace
from pipeline.training.fitting import Data
from pipeline.training.trained_model import TrainedModel

Models = Mapping[Family, TrainedModel]
Versions = Mapping[Family, Version]
# By the name of the registered model.
Champions = Mapping[str, Version | None]
# How often others may be faster before a promoter gives up.
DECISIONS = 10
TAGGED_METRICS: tuple[Metric, ...] = ("roc_auc", "brier", "log_loss", "calibration_error")


@dataclass(frozen=True)
class Decision:
    """The verdict on every family, and on the best family as the model that is served."""

    families: Mapping[Family, Verdict]
    winner: Family
    served: Verdict


@reproducible()
def run(
    settings: Settings,
    *,
    dry_run: bool = False,
    once_per: str = "",
    reuse: bool = False,
    require_promotion: bool = False,
) -> float:
    """Publish ``models/``, run the gate and move the aliases; ``dry_run`` only decides.

    With ``reuse``, a family whose newest version is the same model, byte for byte, gets no new one.

    Returns:
        The seconds spent on examining champions again.

    Raises:
        NotPromotedError: ``require_promotion`` is set and the champion stays.

    """
    data, models = workspace.read_data(), workspace.read_models()
    _refuse_stale(models, settings, data)
    registry = Registry(**dict(settings.registry))
    examiner = Examiner(data, settings.training, settings.workers, cli.watch)
    examiner.know(models.values())

    key = once_per or uuid.uuid4().hex
    known = _unchanged(models, registry) if reuse else {}
    versions = {} if dry_run else {**known, **_publish(models, data, registry, key, set(known))}
    decision, seconds = _promote(models, versions, registry, examiner, settings)
    _show(models, versions, decision)
    if known:
        cli.say(f"unchanged     {', '.join(known)}: no new version")
    if dry_run:
        cli.say("dry run: nothing was registered and no alias moved")
    else:
        _show_champion(registry)
    summary = _summary(models, versions, known, decision)
    artifacts.add_to(config.CiRun().step_summary, summary)
    if require_promotion and not decision.served.moves_alias:
        raise NotPromotedError(f"the champion stays: {decision.served.reason}")
    return seconds


def _refuse_stale(models: Models, settings: Settings, data: Data) -> None:
    """Refuse models that a training today would not give again: their commit would be a lie."""
    for family, model in models.items():
        today = fitting.parameters(family, settings.training, data.digest)
        if changed := today.differing(model.parameters):
            raise ArtifactError(
                f"{artifacts.MODELS / family} is of another time ({', '.join(changed)} changed "
                "since): run `python -m pipeline.feature_engineering`"
            )


def _key_of_commit() -> str:
    """Return the key that every run of this commit and its data has in common."""
    data, tree = workspace.read_data(), git.work_tree(Path.cwd())
    if tree.modified or tree.commit == "unknown":
        raise RegistryError(
            "--once-per-commit needs a commit that holds everything: commit your changes, or give "
            "a key with --once-per"
        )
    return f"{tree.commit}-{data.digest[:12]}"


def _unchanged(models: Models, registry: Registry) -> dict[Family, Version]:
    """Return the newest version of each family whose model, figures and parameters are these."""
    newest = {family: registry.newest(registered_name(family)) for family in models}
    return {
        family: version
        for family, version in newest.items()
        if version is not None and version.holds(models[family].files())
    }


def _publish(
    models: Models, data: Data, registry: Registry, key: str, known: Collection[Family]
) -> dict[Family, Version]:
    figures = artifacts.read_folder(artifacts.MODEL_FIGURES, made_by="feature_engineering")
    example = data.training[list(FEATURES)].head(2)
    tags = provenance.lineage_tags()
    models = {family: model for family, model in models.items() if family not in known}
    submissions = (_submission(model, example, figures, tags, key) for model in models.values())
    # Closed before an error is printed, so that the error is the last line.
    with closing(cli.track(submissions, "Registering", len(models))) as tracked:
        return dict(zip(models, map(registry.publish, tracked), strict=True))


def _submission(
    model: TrainedModel, example: pd.DataFrame, figures: Files, tags: Mapping[str, str], key: str
) -> Submission:
    family, found = model.evaluation.family, model.evaluation
    requirements = environment.snapshot(mlflow_model.REQUIREMENTS).requirements()
    return Submission(
        model_name=registered_name(family),
        description=f"{FAMILY_TITLES[family]}: probability of heart disease from 13 fields",
        run_name=family,
        source_name="pipeline.experiment_tracking",
        key=key,
        files=mlflow_model.build(model.files(), example, requirements),
        figures=figures,
        parameters=model.parameters.flat(),
        metrics=_flat_metrics(model),
        tags={
            **tags,
            "family": family,
            "data_digest": model.parameters.data_digest,
            "model_digest": model.digest,
            "kernel": model.parameters.kernel,
            "threshold": f"{found.threshold:.3f}",
            **{metric: f"{found.metrics[metric].mean:.6f}" for metric in TAGGED_METRICS},
        },
        dataset="uci-heart-disease-cleveland",
        dataset_digest=model.parameters.data_digest,
        dataset_source=str(artifacts.PROCESSED / "training.parquet"),
    )


def _flat_metrics(model: TrainedModel) -> dict[str, float]:
    """Return every figure under one name, as a run shows them."""
    cross_validated = {
        f"{metric}{suffix}": value
        for metric, found in model.evaluation.metrics.items()
        for suffix, value in (("", found.mean), ("_standard_error", found.standard_error))
    }
    external = {
        f"{place.name}_{metric}": getattr(place, metric).mean
        for place in model.evaluation.external
        for metric in ("roc_auc", "brier", "calibration_error")
    }
    return {**cross_validated, **external, "threshold": model.evaluation.threshold}


def _promote(
    models: Models,
    versions: Versions,
    registry: Registry,
    examiner: Examiner,
    settings: Settings,
) -> tuple[Decision, float]:
    """Decide, and apply it, again and again while others move the alias in between.

    Without ``versions`` it is only decided. Also returns the seconds that decisions took.

    Raises:
        OvertakenError: others were faster every time.

    """
    seconds = 0.0
    for left in reversed(range(DECISIONS)):
        champions = _champions(models, registry, settle=bool(versions))
        started = perf_counter()
        decision = _decide(models, champions, registry, examiner, settings)
        seconds += perf_counter() - started
        try:
            if versions:
                _apply(versions, decision, champions, registry)
        except OvertakenError as error:
            if not left:
                raise
            cli.say(f"once more     {error}")
        else:
            break
    return decision, seconds


def _champions(models: Models, registry: Registry, *, settle: bool) -> Champions:
    """Return the champion of each model; ``settle`` first finishes what a promoter left."""
    names = (*map(registered_name, models), SERVED)
    if settle:
        return {name: registry.settle(name) for name in names}
    return {name: registry.find_alias(name, CHAMPION) for name in names}


def _decide(
    models: Models,
    champions: Champions,
    registry: Registry,
    examiner: Examiner,
    settings: Settings,
) -> Decision:
    def verdict(family: Family, model_name: str) -> Verdict:
        champion = registry.incumbent(champions[model_name])
        comparison = examiner.challenge(models[family], champion)
        return decide(evaluations[family], comparison, settings.promotion)

    evaluations = {family: model.evaluation for family, model in models.items()}
    winner = best_family(evaluations, settings.promotion)
    return Decision(
        families={family: verdict(family, registered_name(family)) for family in models},
        winner=winner,
        served=verdict(winner, SERVED),
    )


def _apply(
    versions: Versions, decision: Decision, champions: Champions, registry: Registry
) -> None:
    for family, verdict in decision.families.items():
        version = versions[family]
        # A repeated job finds its own version: the first verdict is the one that counts.
        registry.tag(
            version, {k: v for k, v in _gate_tags(verdict).items() if k not in version.tags}
        )
        if verdict.moves_alias:
            name = version.model_name
            registry.crown(
                version, provenance.crowning("promoted", verdict.reason), over=champions[name]
            )
    if decision.served.moves_alias:
        _crown(versions[decision.winner], decision.served, champions[SERVED], registry)


def _crown(
    version: Version, verdict: Verdict, champion: Version | None, registry: Registry
) -> None:
    """Copy ``version`` into the served model, say why, and make it champion there."""
    registry.ensure_registered(SERVED, "The model that is served; its versions are its champions")
    crowning = provenance.crowning("promoted", verdict.reason)
    promoted = {
        "promoted_from": version.title,
        "promoted_by": crowning.by,
        "promoted_at": crowning.at,
    }
    copied = registry.copy(version, SERVED, {**_gate_tags(verdict), **promoted})
    registry.crown(copied, crowning, over=champion)


def _gate_tags(verdict: Verdict) -> dict[str, str]:
    return {
        "gate_outcome": verdict.outcome,
        "gate_reason": verdict.reason,
        "gate_verdict": verdict.model_dump_json(),
    }


def _show(models: Models, versions: Versions, decision: Decision) -> None:
    served = decision.served
    rows = (
        (
            FAMILY_TITLES[family],
            str(versions[family].version) if family in versions else "-",
            pages.estimate(model.evaluation.metrics["roc_auc"]),
            decision.families[family].outcome,
            decision.families[family].reason,
        )
        for family, model in models.items()
    )
    columns = ("family", "version", METRIC_TITLES["roc_auc"], "verdict", "reason")
    cli.show_table("Each family against its own champion", columns, rows)
    winner = FAMILY_TITLES[decision.winner].lower()
    checks = ((c.name, c.limit, f"{c.actual} {c.interval}", c.status) for c in served.checks)
    title = f"The gate ({served.mode}): {winner} for {SERVED}@{CHAMPION}"
    cli.show_table(title, ("check", "limit", "actual", "result"), checks)
    cli.say(f"verdict       {served.outcome}: {served.reason}")


def _summary(models: Models, versions: Versions, known: Versions, decision: Decision) -> str:
    """Return the decision as Markdown, for the page of a CI run."""
    return pages.render(
        "training-summary.md.j2",
        models=models,
        versions=versions,
        known=known,
        decision=decision,
        served=SERVED,
        family_titles=FAMILY_TITLES,
    )


def _show_champion(registry: Registry) -> None:
    champion = registry.find_alias(SERVED, CHAMPION)
    origin = champion and f"{champion.title}, from {champion.tags.get('promoted_from', 'unknown')}"
    cli.say(f"champion      {origin or 'none: no family is fit to serve'}")


def main(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide and print; register nothing, move no alias.")
    ] = False,
    once_per: Annotated[
        str,
        typer.Option(
            metavar="KEY",
            help="Register at most once for KEY, for example commit and data digest; "
            "a repeated job finds the versions it has made.",
        ),
    ] = "",
    once_per_commit: Annotated[
        bool,
        typer.Option(
            "--once-per-commit", help="The same, with the commit and the data's digest as the key."
        ),
    ] = False,
    reuse: Annotated[
        bool,
        typer.Option(
            "--reuse", help="Register no family whose newest version is the same, byte for byte."
        ),
    ] = False,
    require_promotion: Annotated[
        bool, typer.Option("--require-promotion", help="End with 3 when the champion stays.")
    ] = False,
) -> None:
    """Register four new model versions in MLflow and decide about the champion.

    The registry is `MLFLOW_TRACKING_URI`, or the embedded `mlflow.db` when it is unset. This is the
    only command that creates model versions.

    Exit codes: 0 decided, whatever the verdict; 1 something is wrong; 3 the champion stays and
    `--require-promotion` is set; 4 the registry does not answer.

    Examples:
    - `python -m pipeline.experiment_tracking`
    - `python -m pipeline.experiment_tracking --dry-run` shows the verdict
    - `python -m pipeline.experiment_tracking --once-per-commit --reuse` is what CI runs

    """
    if not re.fullmatch(r"[\w.:@/+-]*", once_per):
        raise typer.BadParameter("letters, digits and . _ : @ / + - only", param_hint="--once-per")
    if once_per and once_per_commit:
        raise typer.BadParameter("give one of them", param_hint="--once-per, --once-per-commit")
    run(
        config.load(),
        dry_run=dry_run,
        once_per=_key_of_commit() if once_per_commit else once_per,
        reuse=reuse,
        require_promotion=require_promotion,
    )


if __name__ == "__main__":
    cli.run(main)
