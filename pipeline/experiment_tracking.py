"""Task 3: register the four trained families as new versions and decide who is champion.

The only command that creates model versions.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Annotated

import typer

from pipeline.base import artifacts, cli, environment, pages
from pipeline.base.arithmetic import reproducible
from pipeline.base.config import PREFIX
from pipeline.base.context import RunContext
from pipeline.base.errors import ArtifactError, NotPromotedError, RegistryError
from pipeline.base.git import WorkTree
from pipeline.base.manifest import Files
from pipeline.base.names import METRIC_TITLES, SERVED, Family, Metric, registered_name
from pipeline.gate.examiner import Examiner
from pipeline.registry import mlflow_model, provenance
from pipeline.registry.client import Registry, connect
from pipeline.registry.history import CHAMPION
from pipeline.registry.promotion import Decision, Gate, Versions, promote, rehearse, unchanged
from pipeline.registry.publishing import Submission, described
from pipeline.registry.version import Version
from pipeline.table import wording
from pipeline.table.contract import FEATURES
from pipeline.training import fitting, workspace
from pipeline.training.families import FAMILY_TITLES
from pipeline.training.fitting import Data
from pipeline.training.plan import TrainingPlan
from pipeline.training.trained_model import TrainedModel

Models = Mapping[Family, TrainedModel]
TAGGED_METRICS: tuple[Metric, ...] = ("roc_auc", "brier", "log_loss", "calibration_error")


@reproducible()
def run(
    context: RunContext,
    *,
    dry_run: bool = False,
    once_per: str = "",
    reuse: bool = False,
    require_promotion: bool = False,
) -> float:
    """Publish ``models/``, run the gate and move the aliases; ``dry_run`` only decides.

    So does a run whose models variables make or evaluate otherwise than ``config.yaml`` says. With
    ``reuse``, a family whose newest version is the same model gets no new one: byte for byte, or
    but for the libraries that fitted it, as long as it works.

    Returns:
        The seconds spent on evaluating champions again.

    Raises:
        NotPromotedError: ``require_promotion`` is set and the champion stays.

    """
    settings, data, models = context.settings, workspace.read_data(), workspace.read_models()
    plan = workspace.plan(settings)
    _refuse_stale(models, plan, data)
    examiner = Examiner(data, plan, settings.workers, cli.watch)
    examiner.know(models.values())
    gate = Gate(models, connect(settings.registry), examiner, settings.promotion)

    overridden = workspace.overridden(context)
    rehearsal = _rehearsal(overridden, asked=dry_run)
    # Whatever cannot be decided ends here, before anything is registered.
    nothing: Versions = {}
    known, versions, decision = nothing, nothing, rehearse(gate)
    seconds = decision.seconds
    if not rehearsal:
        known, versions, decision = _register(gate, data, context, once_per, reuse=reuse)
    _show(models, versions, decision)
    _show_effect(gate.registry, known, rehearsal)
    summary = _summary(models, versions, known, decision, rehearsal)
    artifacts.add_to(context.ci.step_summary, summary)
    if require_promotion and (overridden or decision.served.stays):
        raise NotPromotedError(f"the champion stays: {decision.served.stays or rehearsal}")
    return seconds


def _refuse_stale(models: Models, plan: TrainingPlan, data: Data) -> None:
    """Refuse models that a training today would not give again: their commit would be a lie."""
    for family, model in models.items():
        today = fitting.parameters(family, plan, data)
        if changed := today.differing(model.parameters):
            raise ArtifactError(
                f"{artifacts.MODELS / family} is stale: {', '.join(changed)} changed since it was "
                "trained; run `.venv/bin/python -m pipeline.feature_engineering`"
            )


def _key_of_commit(tree: WorkTree) -> str:
    """Return the key that every run of this commit and its data has in common."""
    if tree.problem:
        raise RegistryError(f"--once-per-commit needs a commit: {tree.problem}")
    if tree.modified or tree.commit == "unknown":
        raise RegistryError(
            "--once-per-commit needs a commit that holds everything: commit your changes, or give "
            "a key with --once-per"
        )
    return f"{tree.commit}-{workspace.read_data().digest[:12]}"


def _register(
    gate: Gate, data: Data, context: RunContext, once_per: str, *, reuse: bool
) -> tuple[Versions, Versions, Decision]:
    """Publish the models that need it; return the known versions, all of them, and the decision."""
    known = unchanged(gate.models, gate.registry) if reuse else {}
    new = {family: model for family, model in gate.models.items() if family not in known}
    versions = {**known, **_publish(new, data, gate.registry, once_per, context)}
    return known, versions, promote(gate, versions, context, cli.say)


def _publish(
    models: Models, data: Data, registry: Registry, once_per: str, context: RunContext
) -> dict[Family, Version]:
    figures = artifacts.read_folder(artifacts.MODEL_FIGURES, made_by="feature_engineering")
    key = once_per or uuid.uuid4().hex
    submissions = (_submission(model, data, figures, context, key) for model in models.values())
    # Closed before an error is printed, so that the error is the last line.
    with closing(cli.track(submissions, "Registering", len(models))) as tracked:
        return dict(zip(models, map(registry.publish, tracked), strict=True))


def _submission(
    model: TrainedModel, data: Data, figures: Files, context: RunContext, key: str
) -> Submission:
    family, evaluation = model.evaluation.family, model.evaluation
    example = data.training[list(FEATURES)].head(2)
    table = str(artifacts.PROCESSED / "training.parquet")
    requirements = environment.snapshot(mlflow_model.REQUIREMENTS).requirements()
    return Submission(
        model_name=registered_name(family),
        description=f"{FAMILY_TITLES[family]}: {wording.PROBABILITY} from {len(FEATURES)} fields",
        run_name=family,
        source_name="pipeline.experiment_tracking",
        user=provenance.user(context),
        key=key,
        files=mlflow_model.build(model.files(), example, requirements),
        figures=figures,
        parameters=model.parameters.flat(),
        metrics=evaluation.flat(),
        # MLflow's lists show them in this order: first what a person looks for.
        tags={
            "family": family,
            **{metric: f"{evaluation.metrics[metric].mean:.6f}" for metric in TAGGED_METRICS},
            "threshold": f"{evaluation.threshold:.3f}",
            **provenance.lineage_tags(context),
            "kernel": model.parameters.kernel,
            "data_digest": model.parameters.data_digest,
            "model_digest": model.digest,
        },
        dataset=described(data.training, wording.DATASET, model.parameters.data_digest, table),
    )


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
    cli.fact("verdict", served.title)
    if served.way_out:
        cli.fact("next step", served.way_out)


def _summary(
    models: Models, versions: Versions, known: Versions, decision: Decision, rehearsal: str
) -> str:
    """Return the decision as Markdown, for the page of a CI run."""
    return pages.render(
        "training-summary.md.j2",
        models=models,
        versions=versions,
        known=known,
        decision=decision,
        rehearsal=rehearsal,
        served=SERVED,
        family_titles=FAMILY_TITLES,
    )


def _rehearsal(overridden: Sequence[str], *, asked: bool) -> str:
    """Return the line of a dry run, which says why it is one; nothing for a run that counts."""
    line = "dry run: nothing was registered and no alias moved"
    if not overridden:
        return line if asked else ""
    return (
        f"{line}, because variables override {', '.join(overridden)}: unset them, or set "
        f"{PREFIX}REGISTER_OVERRIDDEN=true"
    )


def _show_effect(registry: Registry, known: Versions, rehearsal: str) -> None:
    if known:
        cli.fact("unchanged", f"{', '.join(known)}: no new version")
    if rehearsal:
        cli.say(rehearsal)
        return
    champion = registry.find_champion(SERVED)
    origin = champion and f"{champion.title}, from {champion.tags.get('promoted_from', 'unknown')}"
    cli.fact("champion", origin or "none: no family is fit to serve")


DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Decide and print; register nothing, move no alias.")
]
OncePer = Annotated[
    str,
    typer.Option(
        metavar="KEY",
        help="Register at most once for KEY, for example commit and data digest; "
        "a repeated job finds the versions it has made.",
    ),
]
OncePerCommit = Annotated[
    bool,
    typer.Option(
        "--once-per-commit", help="The same, with the commit and the data's digest as the key."
    ),
]
Reuse = Annotated[
    bool,
    typer.Option(
        "--reuse",
        help="Register no family whose newest version is the same, whatever libraries fitted it.",
    ),
]
RequirePromotion = Annotated[
    bool, typer.Option("--require-promotion", help="End with 3 when the champion stays.")
]


def main(
    *,
    dry_run: DryRun = False,
    once_per: OncePer = "",
    once_per_commit: OncePerCommit = False,
    reuse: Reuse = False,
    require_promotion: RequirePromotion = False,
) -> None:
    """Register four new model versions in MLflow and decide about the champion.

    The registry is `MLFLOW_TRACKING_URI`, or the embedded `mlflow.db` when it is unset. This is the
    only command that creates model versions. Where variables make or evaluate the models otherwise
    than `config.yaml` says, it is a dry run, unless `register_overridden` is set.

    Exit codes: 0 decided, whatever the verdict; 1 something is wrong; 2 a setting or an option does
    not exist; 3 the champion stays and `--require-promotion` is set; 4 the registry does not
    answer.

    Examples:
    - `python -m pipeline.experiment_tracking`
    - `python -m pipeline.experiment_tracking --dry-run` shows the verdict
    - `python -m pipeline.experiment_tracking --once-per-commit --reuse` is what CI runs

    """
    if not re.fullmatch(r"[\w.:@/+-]*", once_per):
        raise typer.BadParameter("letters, digits and . _ : @ / + - only", param_hint="--once-per")
    if once_per and once_per_commit:
        raise typer.BadParameter("give one of them", param_hint="--once-per, --once-per-commit")
    context = RunContext.read()
    run(
        context,
        dry_run=dry_run,
        once_per=_key_of_commit(context.tree) if once_per_commit else once_per,
        reuse=reuse,
        require_promotion=require_promotion,
    )
    if once_per_commit and not dry_run and not workspace.overridden(context):
        connect(context.settings.registry).note_training(context.tree.commit)


if __name__ == "__main__":
    cli.run(main)
