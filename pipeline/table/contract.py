"""The data contract: what a patient is, and which files hold the patients we know.

One list of fields serves the raw files, the training table, the JSON Schema of a package and the
service. Source: Janosi, Steinbrunn, Pfisterer, Detrano, "Heart Disease", UCI Machine Learning
Repository, 1989, doi 10.24432/C52P4X, file ``heart-disease.names``.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from pydantic import Field as PydanticField

from pipeline.base.records import Record

CONTRACT_VERSION: Final = 1
MISSING: Final = "?"
RAW_TARGET: Final = "num"
TARGET: Final = "disease"
HOSPITAL: Final = "hospital"


class Kind(StrEnum):
    """How the values of a field are to be read."""

    CONTINUOUS = "continuous"
    COUNT = "count"
    BINARY = "binary"
    NOMINAL = "nominal"


class Field(Record):
    """One clinical field: its meaning, its unit and the values it may take.

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


def _measured(name: str, title: str, unit: str, low: float, high: float, **more: Any) -> Field:
    more = {"kind": Kind.CONTINUOUS, **more}
    return Field(name=name, title=title, unit=unit, low=low, high=high, **more)


def _coded(name: str, title: str, codes: dict[int, str], **more: Any) -> Field:
    kind = Kind.BINARY if set(codes) == {0, 1} else Kind.NOMINAL
    low, high = min(codes), max(codes)
    return Field(
        name=name, title=title, kind=kind, unit="", low=low, high=high, codes=codes, **more
    )


FIELDS: Final = (
    _measured("age", "Age", "years", 18, 110, nullable=False),
    _coded("sex", "Sex", {0: "female", 1: "male"}, nullable=False),
    _coded(
        "cp",
        "Chest pain type",
        {1: "typical angina", 2: "atypical angina", 3: "non-anginal pain", 4: "asymptomatic"},
        nullable=False,
    ),
    _measured("trestbps", "Resting blood pressure", "mm Hg", 60, 260, zero_is_missing=True),
    _measured("chol", "Serum cholesterol", "mg/dl", 60, 700, zero_is_missing=True),
    _coded("fbs", "Fasting blood sugar above 120 mg/dl", {0: "no", 1: "yes"}),
    _coded(
        "restecg",
        "Resting electrocardiogram",
        {0: "normal", 1: "ST-T wave abnormality", 2: "left ventricular hypertrophy"},
    ),
    _measured("thalach", "Maximum heart rate achieved", "beats/min", 40, 240),
    _coded("exang", "Exercise-induced angina", {0: "no", 1: "yes"}),
    _measured("oldpeak", "ST depression by exercise relative to rest", "mm", -5, 10),
    _coded(
        "slope",
        "Slope of the peak exercise ST segment",
        {1: "upsloping", 2: "flat", 3: "downsloping"},
    ),
    _measured("ca", "Major vessels coloured by fluoroscopy", "vessels", 0, 3, kind=Kind.COUNT),
    _coded(
        "thal",
        "Thallium stress test",
        {3: "normal", 6: "fixed defect", 7: "reversible defect"},
    ),
)
FEATURES: Final = tuple(field.name for field in FIELDS)
BY_NAME: Final = MappingProxyType({field.name: field for field in FIELDS})
RAW_COLUMNS: Final = (*FEATURES, RAW_TARGET)


class Hospital(Record):
    """One hospital's file as UCI publishes it: no header, 14 columns, ``?`` for missing."""

    name: str
    title: str
    sha256: str
    rows: int
    repeated_rows: int = 0

    @property
    def file(self) -> str:
        """Return the name of the file, which is also its name in UCI's archive."""
        return f"processed.{self.name}.data"


TRAINING: Final = Hospital(
    name="cleveland",
    title="Cleveland Clinic",
    sha256="a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8",
    rows=303,
)
EXTERNAL: Final = (
    Hospital(
        name="hungarian",
        title="Hungary, Institute of Cardiology",
        sha256="d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796",
        rows=294,
        repeated_rows=1,
    ),
    Hospital(
        name="switzerland",
        title="Switzerland, Zurich and Basel",
        sha256="834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314",
        rows=123,
    ),
    Hospital(
        name="va",
        title="VA Long Beach",
        sha256="e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f",
        rows=200,
        repeated_rows=1,
    ),
)
HOSPITALS: Final = (TRAINING, *EXTERNAL)


def patient_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one patient, as packages and the API publish it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Patient",
        "description": "The 13 clinical fields of the UCI Heart Disease data.",
        "type": "object",
        "additionalProperties": False,
        "required": [field.name for field in FIELDS if not field.nullable],
        "properties": {field.name: _property_schema(field) for field in FIELDS},
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
