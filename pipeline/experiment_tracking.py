"""Task 3: register the four trained families as new versions and decide who is champion.

The only command that creates model versions.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Annotated

import pandas as pd
import typer

from pipeline import artifacts, cli, config
from pipeline.adapters import environment, git, mlflow_model
from pipeline.adapters.registry import CHAMPION, PREVIOUS_CHAMPION, Registry, Submission, Version
from pipeline.config import Settings
from pipeline.core import evaluation, exam, manifest, promotion, report, schema, trained_model
from pipeline.core.contract import FEATURES
from pipeline.core.encoding import read_table
from pipeline.core.evaluation import METRIC_TITLES
from pipeline.core.manifest import Files
from pipeline.core.model_figures import FAMILY_TITLES
from pipeline.core.policies import FAMILIES, Family, Metric
from pipeline.core.promotion import SERVED, Comparison, Outcome, Verdict, registered_name
from pipeline.core.trained_model import REQUIREMENTS, TrainedModel
from pipeline.errors import ArtifactError, RegistryError

Models = Mapping[Family, TrainedModel]
Versions = Mapping[Family, Version]
TAGGED_METRICS: tuple[Metric, ...] = ("roc_auc", "brier", "log_loss", "calibration_error")


@dataclass(frozen=True)
class Decision:
    """The verdict on every family, and on the best family as the model that is served."""

    families: Mapping[Family, Verdict]
    winner: Family
    served: Verdict


@dataclass
class Examiner:
    """Lets champions sit the challengers' exam; equal models sit it once."""

    table: pd.DataFrame
    settings: Settings
    known: dict[str, pd.DataFrame] = field(default_factory=dict)
    seconds: float = 0.0

    def answers(self, model: TrainedModel, title: str) -> pd.DataFrame:
        """Return the answers of ``model``'s recipe, refitted on today's data and folds."""
        started = perf_counter()
        if model.digest not in self.known:
            plan, workers = self.settings.evaluation, self.settings.workers
            self.known[model.digest] = exam.sit(
                model.pipeline, self.table, plan, workers, cli.watch(title)
            )
        self.seconds += perf_counter() - started
        return self.known[model.digest]


def run(settings: Settings, *, dry_run: bool = False, once_per: str = "") -> float:
    """Publish ``models/``, run the gate and move the aliases; ``dry_run`` only decides.

    Returns:
        The seconds spent on fitting champions again.

    """
    data = artifacts.read_folder(artifacts.PROCESSED, made_by="data_acquisition_eda")
    table = schema.check_training(read_table(data["training.parquet"]))
    models = _models(settings, manifest.folder_digest(manifest.digests(data)))
    registry = Registry(settings.registry.tracking_uri, settings.registry.experiment)
    examiner = Examiner(table, settings, {m.digest: m.answers for m in models.values()})

    versions = {} if dry_run else _publish(models, table, registry, once_per or uuid.uuid4().hex)
    decision = _decide(models, registry, examiner, settings)
    _show(models, versions, decision)
    if dry_run:
        cli.say("dry run: nothing was registered and no alias moved")
    else:
        _apply(versions, decision, registry)
        _show_champion(registry)
    return examiner.seconds


def _models(settings: Settings, data_digest: str) -> dict[Family, TrainedModel]:
    """Read ``models/`` and refuse what was trained on other data or sat another exam."""
    files = artifacts.read_folder(artifacts.MODELS, made_by="feature_engineering")
    remedy = "run `python -m pipeline.feature_engineering`"
    models = {}
    for family in FAMILIES:
        folder = {name.removeprefix(f"{family}/"): content for name, content in files.items()}
        model = trained_model.read(folder, f"{artifacts.MODELS / family}")
        if model.parameters.data_digest != data_digest:
            raise ArtifactError(f"{artifacts.MODELS}/ was trained on other data: {remedy}")
        if model.parameters.exam != settings.evaluation:
            raise ArtifactError(f"{artifacts.MODELS}/ sat another exam than config.yaml: {remedy}")
        models[family] = model
    return models


def _publish(
    models: Models, table: pd.DataFrame, registry: Registry, key: str
) -> dict[Family, Version]:
    figures = artifacts.read_folder(artifacts.MODEL_FIGURES, made_by="feature_engineering")
    example = table[list(FEATURES)].head(2)
    tags = _lineage_tags()
    submissions = cli.track(
        (_submission(model, example, figures, tags, key) for model in models.values()),
        "Registering",
        len(models),
    )
    return dict(zip(models, map(registry.publish, submissions), strict=True))


def _submission(
    model: TrainedModel, example: pd.DataFrame, figures: Files, tags: Mapping[str, str], key: str
) -> Submission:
    family, found = model.evaluation.family, model.evaluation
    requirements = environment.snapshot(REQUIREMENTS).requirements()
    return Submission(
        model_name=registered_name(family),
        description=f"{FAMILY_TITLES[family]}: probability of heart disease from 13 fields",
        run_name=family,
        key=key,
        files=mlflow_model.build(model.pipeline, model.files(), example, requirements),
        figures=figures,
        parameters=model.parameters.flat(),
        metrics=_flat_metrics(model),
        tags={
            **tags,
            "family": family,
            "data_digest": model.parameters.data_digest,
            "model_digest": model.digest,
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


def _lineage_tags() -> dict[str, str]:
    tree, ci = git.work_tree(Path.cwd()), config.CiRun()
    tags = {"git_commit": tree.commit, "git_modified": str(tree.modified).lower()}
    return {**tags, "ci_url": ci.url} if ci.url else tags


def _decide(models: Models, registry: Registry, examiner: Examiner, settings: Settings) -> Decision:
    policy = settings.promotion
    metrics = {family: model.evaluation.metrics for family, model in models.items()}
    winner = promotion.best_family(metrics, policy)
    families = {
        family: promotion.decide(
            metrics[family], _compare(model, registered_name(family), registry, examiner), policy
        )
        for family, model in models.items()
    }
    served = _compare(models[winner], SERVED, registry, examiner)
    return Decision(families, winner, promotion.decide(metrics[winner], served, policy))


def _compare(
    challenger: TrainedModel, model_name: str, registry: Registry, examiner: Examiner
) -> Comparison | None:
    """Hold the challenger against the champion of ``model_name``, on equal folds."""
    version = registry.find_alias(model_name, CHAMPION)
    if version is None:
        return None
    champion = trained_model.read(registry.files(version), version.title)
    if champion.digest == challenger.digest:
        return Comparison(champion=version.title, differences={}, identical=True)
    differences = evaluation.paired_differences(
        challenger.answers,
        examiner.answers(champion, f"{version.title} sits the exam"),
        examiner.settings.evaluation,
    )
    return Comparison(champion=version.title, differences=differences)


def _apply(versions: Versions, decision: Decision, registry: Registry) -> None:
    for family, verdict in decision.families.items():
        version = versions[family]
        # A repeated job finds its own version: the first verdict is the one that counts.
        registry.tag(
            version, {k: v for k, v in _gate_tags(verdict).items() if k not in version.tags}
        )
        if verdict.outcome is Outcome.PROMOTE:
            registry.set_alias(version, CHAMPION)
    if decision.served.outcome is Outcome.PROMOTE:
        _crown(versions[decision.winner], decision.served, registry)


def _crown(version: Version, verdict: Verdict, registry: Registry) -> None:
    """Copy ``version`` into the served model, say why, and move the alias in one call."""
    registry.ensure_registered(SERVED, "The model that is served; its versions are its champions")
    previous = registry.find_alias(SERVED, CHAMPION)
    copied = registry.copy(version, SERVED)
    ci, tree = config.CiRun(), git.work_tree(Path.cwd())
    promoted = {
        "promoted_from": version.title,
        "promoted_by": ci.actor or tree.user,
        "promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    registry.tag(copied, {**_gate_tags(verdict), **promoted})
    if previous is not None:
        registry.set_alias(previous, PREVIOUS_CHAMPION)
    registry.set_alias(copied, CHAMPION)
    if (now := registry.champion(SERVED)).version != copied.version:
        raise RegistryError(f"{now.title} became champion while {copied.title} was promoted")


def _gate_tags(verdict: Verdict) -> dict[str, str]:
    return {
        "gate_outcome": verdict.outcome,
        "gate_reason": verdict.reason,
        "gate_verdict": verdict.model_dump_json(),
    }


def _show(models: Models, versions: Versions, decision: Decision) -> None:
    rows = (
        (
            FAMILY_TITLES[family],
            str(versions[family].version) if family in versions else "-",
            report.estimate(model.evaluation.metrics["roc_auc"]),
            decision.families[family].outcome,
            decision.families[family].reason,
        )
        for family, model in models.items()
    )
    columns = ("family", "version", METRIC_TITLES["roc_auc"], "verdict", "reason")
    cli.show_table("Each family against its own champion", columns, rows)
    checks = ((c.name, c.limit, c.actual, c.status) for c in decision.served.checks)
    winner = FAMILY_TITLES[decision.winner]
    title = f"The gate: {winner.lower()} for {SERVED}@{CHAMPION}"
    cli.show_table(title, ("check", "limit", "actual", "result"), checks)
    cli.say(f"verdict       {decision.served.outcome}: {decision.served.reason}")


def _show_champion(registry: Registry) -> None:
    champion = registry.find_alias(SERVED, CHAMPION)
    origin = champion and f"{champion.title}, from {champion.tags['promoted_from']}"
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
) -> None:
    """Register four new model versions in MLflow and decide about the champion.

    The registry is `MLFLOW_TRACKING_URI`, or the embedded `mlflow.db` when it is unset. This is the
    only command that creates model versions.

    Examples:
        python -m pipeline.experiment_tracking

        python -m pipeline.experiment_tracking --dry-run

        python -m pipeline.experiment_tracking --once-per "$(git rev-parse HEAD)"
    """
    run(config.load(), dry_run=dry_run, once_per=once_per)


if __name__ == "__main__":
    cli.run(main)
