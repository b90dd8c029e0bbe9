"""Training: from the tables and a plan to a trained model and all that is known about it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy
import sklearn
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pipeline.base import arithmetic, manifest
from pipeline.base.names import Family, Metric
from pipeline.base.policies import ThresholdRule
from pipeline.base.records import Estimate
from pipeline.evaluation import behaviour, cross_validation, metrics, threshold
from pipeline.evaluation.cross_validation import Watch
from pipeline.evaluation.metrics import Ablation, Evaluation
from pipeline.table import expectations
from pipeline.table.engineered import engineered
from pipeline.training import families, persistence
from pipeline.training.plan import TrainingPlan
from pipeline.training.trained_model import Parameters, TrainedModel


class Data(NamedTuple):
    """The checked tables of task 1, and the digest of the files they stand in."""

    training: pd.DataFrame
    external: pd.DataFrame
    digest: str


class Fitted(NamedTuple):
    """A fitted family: its out-of-fold predictions, the pipeline, the threshold and its rule."""

    predictions: pd.DataFrame
    pipeline: Pipeline
    threshold: float
    rule: ThresholdRule


def parameters(family: Family, plan: TrainingPlan, data_digest: str) -> Parameters:
    """Return all that a training today would depend on.

    Raises:
        KernelError: it would not be reproducible.

    """
    return Parameters(
        data_digest=data_digest,
        recipe_digest=manifest.sha256(persistence.dump(families.build(family, plan))),
        libraries={module.__name__: module.__version__ for module in (np, pd, scipy, sklearn)},
        seed=plan.model_seed,
        hyperparameters=plan.models.get(family, {}),
        features=plan.features,
        exam=plan.evaluation,
        kernel=arithmetic.kernel(),
        threshold=plan.threshold,
    )


def fit(
    chosen: Sequence[Family], data: Data, plan: TrainingPlan, workers: int, watch: Watch
) -> dict[Family, Fitted]:
    """Cross-validate families side by side, then fit each to the whole training table."""
    models = {family: families.build(family, plan) for family in chosen}
    predictions = cross_validation.cross_validate(
        models, data.training, plan.evaluation, workers, watch
    )
    return {
        family: Fitted(
            predictions=threshold.decide(predictions[family], plan.threshold),
            pipeline=cross_validation.fit(model, data.training),
            threshold=threshold.choose(predictions[family], plan.threshold),
            rule=plan.threshold,
        )
        for family, model in models.items()
    }


def describe(family: Family, fitted: Fitted, data: Data, plan: TrainingPlan) -> TrainedModel:
    """Return a fitted family with its files and everything the gate asks about it."""
    # To import skl2onnx takes half a second, which the commands that only judge do not need.
    from pipeline.training import conversion  # noqa: PLC0415

    return TrainedModel(
        pipeline=fitted.pipeline,
        skops=persistence.dump(fitted.pipeline),
        onnx=conversion.convert(fitted.pipeline),
        predictions=fitted.predictions,
        parameters=parameters(family, plan, data.digest),
        evaluation=evaluate(family, fitted, data, plan),
    )


def evaluate(family: Family, fitted: Fitted, data: Data, plan: TrainingPlan) -> Evaluation:
    """Return everything the gate asks about a fitted family, on ``data``.

    One thread, as `cross_validation.fit`; for such small products, a second one would mostly wait.
    """
    slices = expectations.slices(data.training, plan.features)
    external = cross_validation.probability(fitted.pipeline, data.external)
    with threadpool_limits(1):
        return Evaluation(
            family=family,
            threshold=fitted.threshold,
            threshold_rule=fitted.rule,
            metrics=metrics.summarise(fitted.predictions, plan.evaluation),
            slices=metrics.by_slice(fitted.predictions, slices, plan.evaluation),
            external=metrics.by_cohort(external, data.external, plan.evaluation),
            behaviour=behaviour.observe(fitted.pipeline, data.training),
            leaks=behaviour.leaks(data.training),
        )


def shortened(plan: TrainingPlan, repeats: int) -> TrainingPlan:
    """Return the plan with only the first ``repeats`` of its cross-validation."""
    fewer = {"repeats": min(repeats, plan.evaluation.repeats)}
    return plan.model_copy(update={"evaluation": plan.evaluation.model_copy(update=fewer)})


def ablate(
    fitted: Mapping[Family, Fitted], data: Data, plan: TrainingPlan, workers: int, watch: Watch
) -> list[Ablation]:
    """Cross-validate each family without each engineered feature, side by side.

    The plan may be `shortened`: its folds are among those of ``fitted``, whose predictions are
    their pair.
    """
    models = {
        (feature.name, family): families.build(family, plan, without=[feature.name])
        for feature in engineered(plan.features)
        for family in fitted
    }
    predictions = cross_validation.cross_validate(
        models, data.training, plan.evaluation, workers, watch
    )
    return [
        Ablation(
            family=family,
            feature=feature,
            differences=_gain(fitted[family].predictions, without, plan),
        )
        for (feature, family), without in predictions.items()
    ]


def _gain(
    complete: pd.DataFrame, without: pd.DataFrame, plan: TrainingPlan
) -> dict[Metric, Estimate]:
    pair = complete[complete["repeat"] < plan.evaluation.repeats]
    decided = threshold.decide(without, plan.threshold)
    return metrics.paired_differences(pair, decided, plan.evaluation)
