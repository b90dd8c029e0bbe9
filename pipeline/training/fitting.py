"""Training: from the tables and a plan to a trained model and all that is known about it."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy
import sklearn
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pipeline.base import arithmetic, manifest
from pipeline.base.names import Family
from pipeline.evaluation import behaviour, cross_validation, metrics
from pipeline.evaluation.cross_validation import Watch
from pipeline.evaluation.metrics import Ablation, Evaluation
from pipeline.table import expectations
from pipeline.training import conversion, families, persistence
from pipeline.training.plan import TrainingPlan
from pipeline.training.trained_model import Parameters, TrainedModel


class Data(NamedTuple):
    """The checked tables of task 1, and the digest of the files they stand in."""

    training: pd.DataFrame
    external: pd.DataFrame
    digest: str


class Fitted(NamedTuple):
    """A fitted family: its out-of-fold predictions, the pipeline, the threshold."""

    predictions: pd.DataFrame
    pipeline: Pipeline
    threshold: float


def parameters(family: Family, plan: TrainingPlan, data_digest: str) -> Parameters:
    """Return all that a training today would depend on.

    Raises:
        KernelError: it would not be reproducible.

    """
    return Parameters(
        data_digest=data_digest,
        recipe_digest=manifest.sha256(persistence.dump(families.build(family, plan))),
        libraries={module.__name__: module.__version__ for module in (np, pd, scipy, sklearn)},
        seed=plan.seed,
        hyperparameters=plan.models.get(family, {}),
        features=plan.features,
        exam=plan.evaluation,
        kernel=arithmetic.kernel(),
    )


def fit(family: Family, data: Data, plan: TrainingPlan, workers: int, watch: Watch) -> Fitted:
    """Cross-validate a family, then fit it to the whole training table."""
    model = families.build(family, plan)
    return Fitted(
        predictions=cross_validation.cross_validate(
            model, data.training, plan.evaluation, workers, watch
        ),
        pipeline=cross_validation.fit(model, data.training),
        threshold=cross_validation.choose_threshold(model, data.training, plan.evaluation),
    )


def describe(family: Family, fitted: Fitted, data: Data, plan: TrainingPlan) -> TrainedModel:
    """Return a fitted family with its files and everything the gate asks about it."""
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
            metrics=metrics.summarise(fitted.predictions, plan.evaluation),
            slices=metrics.by_slice(fitted.predictions, slices, plan.evaluation),
            external=metrics.by_cohort(external, data.external, plan.evaluation),
            behaviour=behaviour.observe(fitted.pipeline, data.training),
            leaks=behaviour.leaks(data.training),
        )


def ablate(  # noqa: PLR0913
    family: Family,
    feature: str,
    predictions: pd.DataFrame,
    data: Data,
    plan: TrainingPlan,
    *,
    repeats: int,
    workers: int,
    watch: Watch,
) -> Ablation:
    """Cross-validate fewer repeats without ``feature``, in the first folds of the whole plan.

    ``predictions`` are those of the whole family.
    """
    shorter = {"repeats": min(repeats, plan.evaluation.repeats), "threshold_folds": None}
    short = plan.evaluation.model_copy(update=shorter)
    model = families.build(family, plan, without=[feature])
    without = cross_validation.cross_validate(model, data.training, short, workers, watch)
    complete = predictions[predictions["repeat"] < short.repeats]
    differences = metrics.paired_differences(
        complete.assign(threshold=cross_validation.UNCHOSEN_THRESHOLD), without, short
    )
    return Ablation(family=family, feature=feature, differences=differences)
