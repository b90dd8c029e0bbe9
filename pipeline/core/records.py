"""The base of every value that crosses a border between modules or is written to a file."""

import math

from pydantic import BaseModel, ConfigDict, field_serializer


class Record(BaseModel):
    """A frozen, strict value: an unknown key is an error that carries the key's name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(Record):
    """A figure with its standard error and the interval at the plan's confidence.

    All four may be NaN: a figure that the answers do not define is a finding, and the gate's to
    judge.
    """

    model_config = ConfigDict(allow_inf_nan=True)

    mean: float
    standard_error: float
    low: float
    high: float

    @field_serializer("*", when_used="json")
    def _as_json(self, value: float) -> float | str:
        return value if math.isfinite(value) else str(value)
