"""The engineered features of a patient, as records: which columns, which block, which numbers.

`pipeline.training.features` builds them from the blocks of `pipeline.training.blocks`.
"""

from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from pipeline.base.records import Record
from pipeline.table.contract import FIELDS

NULLABLE: Final = tuple(field.name for field in FIELDS if field.nullable)


class FeatureRecipe(Record):
    """The numbers behind the engineered features: years and beats per minute."""

    age_bands: Annotated[tuple[float, ...], Field(max_length=15)]
    maximum_heart_rate_intercept: Annotated[float, Field(gt=110, le=260)]

    @field_validator("age_bands")
    @classmethod
    def _rising(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        if not edges or list(edges) != sorted(set(edges)):
            raise ValueError("needs at least one edge, each above the one before")
        return edges


class Engineered(Record):
    """A feature: a class of `BLOCKS` by its name, its ``parameters``, and the ``columns`` it takes.

    What is ``measured`` is imputed by the median before the block, and scaled after it.
    """

    name: str
    block: str
    columns: tuple[str, ...]
    parameters: dict[str, Any] = Field(default_factory=dict)
    measured: bool = False


def engineered(recipe: FeatureRecipe) -> tuple[Engineered, ...]:
    """Return the features in the order of their columns in the pipeline."""
    return (
        Engineered(
            name="heart_rate_share",
            block="ShareOfPrediction",
            columns=("thalach", "age"),
            parameters={"intercept": recipe.maximum_heart_rate_intercept},
            measured=True,
        ),
        Engineered(
            name="age_bands",
            block="Bands",
            columns=("age",),
            parameters={"edges": recipe.age_bands},
        ),
        Engineered(
            name="missing_flags",
            block="MissingFlags",
            columns=NULLABLE,
        ),
    )
