"""The words of a data contract: fields, cohorts, and what a table of them must hold."""

from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import Field as PydanticField

from pipeline.base.records import Record


class Kind(StrEnum):
    """The type of a field's values."""

    CONTINUOUS = "continuous"
    COUNT = "count"
    BINARY = "binary"
    NOMINAL = "nominal"


class Field(Record):
    """One field: its meaning, its unit and the values it may take.

    ``low`` and ``high`` are inclusive and in ``unit``. ``codes`` maps each allowed value to its
    meaning and is empty for measured fields.
    """

    name: str
    title: str
    kind: Kind
    unit: str
    low: float
    high: float
    codes: dict[int, str] = PydanticField(default_factory=dict)
    nullable: bool = True
    zero_is_missing: bool = False

    @property
    def allowed(self) -> str:
        """Say which values are allowed, in the words of an error message."""
        if self.codes:
            return "one of " + ", ".join(f"{code} ({name})" for code, name in self.codes.items())
        return f"{self.low:g} to {self.high:g} {self.unit}".rstrip()


def measured(name: str, title: str, unit: str, low: float, high: float, **more: Any) -> Field:
    """Return a field of numbers in ``unit``, from ``low`` to ``high``, both included."""
    more = {"kind": Kind.CONTINUOUS, **more}
    return Field(name=name, title=title, unit=unit, low=low, high=high, **more)


def coded(name: str, title: str, codes: dict[int, str], **more: Any) -> Field:
    """Return a field whose values are ``codes``, each with its meaning."""
    kind = Kind.BINARY if set(codes) == {0, 1} else Kind.NOMINAL
    low, high = min(codes), max(codes)
    return Field(
        name=name, title=title, kind=kind, unit="", low=low, high=high, codes=codes, **more
    )


class Cohort(Record):
    """Rows that were collected together: a file, its sha256, and how many rows it has.

    ``repeated_rows`` is how many of them may be equal to an earlier one.
    """

    name: str
    title: str
    file: str
    sha256: str
    rows: int
    repeated_rows: int = 0


class Contract(Record):
    """A table's columns: ``fields``, then ``target``, which is 1 or 0.

    Models are trained on the rows of the cohort ``training``. The external table holds those of
    all others, with the name of its cohort before the fields, in the column ``cohort``.
    """

    version: int
    fields: tuple[Field, ...]
    target: str
    cohort: str
    training: Cohort
    external: tuple[Cohort, ...]

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Return the names of the fields."""
        return tuple(field.name for field in self.fields)

    def of_kind(self, *kinds: Kind) -> tuple[Field, ...]:
        """Return the fields of these kinds, in order."""
        return tuple(field for field in self.fields if field.kind in kinds)

    def json_schema(self, title: str, description: str) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of one row without its target."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
            "description": description,
            "type": "object",
            "additionalProperties": False,
            "required": [field.name for field in self.fields if not field.nullable],
            "properties": {field.name: _property_schema(field) for field in self.fields},
        }


def _property_schema(field: Field) -> dict[str, Any]:
    null = ["null"] if field.nullable else []
    missing = "; null, or left out, when it is missing" if field.nullable else ""
    about = {"title": field.title, "description": f"Allowed: {field.allowed}{missing}."}
    if field.codes:
        return {**about, "enum": [*field.codes, *([None] if field.nullable else [])]}
    number = "integer" if field.kind is Kind.COUNT else "number"
    limits = {"minimum": field.low, "maximum": field.high}
    return {**about, "type": [number, *null], **limits, "x-unit": field.unit}
