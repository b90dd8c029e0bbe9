"""The settings that a training depends on, as one value."""

from typing import Annotated

from pydantic import Field

from pipeline.base.encoding import flat
from pipeline.base.policies import EvaluationPlan, FieldsLeftOut, ModelParameters, ThresholdRule
from pipeline.base.records import Record
from pipeline.table.engineered import FeatureRecipe


class TrainingPlan(Record):
    """The features and models to train, and their evaluation, named as in ``config.yaml``."""

    features: FeatureRecipe
    models: ModelParameters
    model_seed: Annotated[int, Field(ge=0, lt=2**32)]
    fields_left_out: FieldsLeftOut
    evaluation: EvaluationPlan
    threshold: ThresholdRule

    def changes(self, since: "TrainingPlan") -> list[str]:
        """Return each setting that has another value in this plan, with both values."""
        before, after = (flat(plan.model_dump(mode="json")) for plan in (since, self))
        return [
            f"{name} ({before.get(name, 'unset')} -> {value})"
            for name, value in after.items()
            if value != before.get(name)
        ]
