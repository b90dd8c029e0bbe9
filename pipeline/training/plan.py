"""The settings that a training depends on, as one value."""

from typing import Annotated

from pydantic import Field

from pipeline.base.policies import EvaluationPlan, ModelParameters, ThresholdRule
from pipeline.base.records import Record
from pipeline.table.engineered import FeatureRecipe


class TrainingPlan(Record):
    """The features and models to train, and their evaluation. ``seed`` is the models' own."""

    features: FeatureRecipe
    models: ModelParameters
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    evaluation: EvaluationPlan
    threshold: ThresholdRule
