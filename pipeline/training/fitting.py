"""Training: from the tables and a plan to a trained model and all that is known about it."""

import math
import timeit
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import scipy
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pipeline.base import arithmetic
from pipeline.base.names import Family, Metric
from pipeline.base.policies import ThresholdRule
from pipeline.base.records import Estimate
from pipeline.dataset.drawn import draw
from pipeline.dataset.tables import rows_digest
from pipeline.evaluation import (
    behaviour,
    cross_validation,
    groups,
    incomplete,
    leaks,
    metrics,
    threshold,
)
from pipeline.evaluation.behaviour import Conversion
from pipeline.evaluation.cross_validation import Answer, Watch
from pipeline.evaluation.incomplete import Yardsticks
from pipeline.evaluation.metrics import Ablation, Evaluation
from pipeline.table import expectations
from pipeline.table.contract import CONTRACT
from pipeline.table.engineered import engineered
from pipeline.training import families, persistence, recipe
from pipeline.training.features import preprocessing
from pipeline.training.plan import TrainingPlan
from pipeline.training.trained_model import Parameters, TrainedModel, answering

# Beside all known patients, they are answered by both forms of a model.
RANDOM_PATIENTS: Final = 10_000
CALLS: Final = 20


class Data(NamedTuple):
    """The checked tables of task 1, and the digest of the files they stand in."""

    training: pd.DataFrame
    external: pd.DataFrame
    digest: str

    @property
    def patients(self) -> pd.DataFrame:
        """Return every row that there is."""
        return pd.concat([self.training, self.external], ignore_index=True)


class Fitted(NamedTuple):
    """A fitted family: its out-of-fold predictions, the pipeline, the threshold and its rule."""

    predictions: pd.DataFrame
    pipeline: Pipeline
    threshold: float
    rule: ThresholdRule


class Subject(NamedTuple):
    """What is evaluated: out-of-fold predictions, the frozen model, the threshold and its rule."""

    predictions: pd.DataFrame
    answer: Answer
    threshold: float
    rule: ThresholdRule


def parameters(family: Family, plan: TrainingPlan, data: Data) -> Parameters:
    """Return all that a training today would depend on.

    Raises:
        KernelError: it would not be reproducible.

    """
    return Parameters(
        data_digest=data.digest,
        training_digest=rows_digest(data.training),
        recipe_digest=recipe.of(families.build(family, plan)).digest,
        libraries={module.__name__: module.__version__ for module in (np, pd, scipy, sklearn)},
        seed=plan.model_seed,
        hyperparameters=plan.models.get(family, {}),
        features=plan.features,
        exam=plan.evaluation,
        kernel=arithmetic.kernel(),
        threshold=plan.threshold,
    )


def yardsticks(data: Data, plan: TrainingPlan, workers: int) -> Yardsticks:
    """Cross-validate a logistic regression that never has the fields of a pattern, for each.

    In the first repeat of the plan alone: what it is compared with is as good or plainly worse.
    """
    folds = shortened(plan, 1).evaluation
    features = preprocessing(plan.features, scaled=True)
    model = Pipeline([("features", features), ("classifier", LogisticRegression(max_iter=1000))])
    return {
        fields: cross_validation.cross_validate(
            {fields: model},
            cross_validation.without(data.training, fields),
            folds,
            workers,
        )[fields]
        for fields in plan.fields_left_out.patterns
    }


def fit(
    chosen: Sequence[Family], data: Data, plan: TrainingPlan, workers: int, watch: Watch
) -> dict[Family, Fitted]:
    """Cross-validate families side by side, then fit each to the whole training table."""
    models = {family: families.build(family, plan) for family in chosen}
    predictions = cross_validation.cross_validate(
        models,
        data.training,
        plan.evaluation,
        workers,
        watch,
        patterns=plan.fields_left_out.patterns,
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


def describe(
    family: Family, fitted: Fitted, data: Data, plan: TrainingPlan, known: Yardsticks
) -> TrainedModel:
    """Return a fitted family with its files and everything the gate asks about it."""
    # To import skl2onnx takes half a second, which the commands that only judge do not need.
    from pipeline.training import conversion  # noqa: PLC0415

    onnx = conversion.convert(fitted.pipeline)
    subject = Subject(fitted.predictions, answering(onnx), fitted.threshold, fitted.rule)
    evaluation = evaluate(family, subject, data, plan, known)
    return TrainedModel(
        recipe=recipe.of(fitted.pipeline),
        skops=persistence.dump(fitted.pipeline),
        onnx=onnx,
        predictions=fitted.predictions,
        parameters=parameters(family, plan, data),
        evaluation=evaluation.model_copy(
            update={"conversion": compare(fitted.pipeline, onnx, data.patients)}
        ),
    )


def compare(pipeline: Pipeline, onnx: bytes, known: pd.DataFrame) -> Conversion:
    """Return how far a converted model's answers are from those of the fitted pipeline.

    For all ``known`` patients and for random ones, of whom some have few fields or nearly none.
    """
    answer = answering(onnx)
    patients = pd.concat([known, draw(CONTRACT, RANDOM_PATIENTS)], ignore_index=True)
    difference = behaviour.gap(answer(patients), cross_validation.probability(pipeline, patients))
    return Conversion(
        rows=len(patients),
        difference=difference,
        size=len(onnx),
        milliseconds=_milliseconds(answer, patients.head(1)),
    )


def _milliseconds(answer: Answer, patient: pd.DataFrame) -> int:
    """Return in how many milliseconds one patient is answered: 1, 10, 100 and so on.

    The quickest of some calls decides, so that a busy machine makes no model slow.
    """
    seconds = min(timeit.repeat(lambda: answer(patient), number=1, repeat=CALLS))
    return int(10 ** max(0, math.ceil(math.log10(seconds * 1000))))


def evaluate(
    family: Family, subject: Subject, data: Data, plan: TrainingPlan, known: Yardsticks
) -> Evaluation:
    """Return everything the gate asks about a model, on ``data``.

    One thread, as `cross_validation.fit`; for such small products, a second one would mostly wait.
    """
    slices = expectations.slices(data.training, plan.features)
    external = subject.answer(data.external)
    with threadpool_limits(1):
        return Evaluation(
            family=family,
            threshold=subject.threshold,
            threshold_rule=subject.rule,
            metrics=metrics.summarise(subject.predictions, plan.evaluation),
            slices=groups.by_slice(subject.predictions, slices, plan.evaluation),
            external=groups.by_cohort(external, data.external, plan.evaluation),
            behaviour=behaviour.observe(subject.answer, data.training),
            leaks=leaks.leaks(data.training, data.external),
            incomplete=incomplete.by_pattern(subject.predictions, known, plan.evaluation),
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
