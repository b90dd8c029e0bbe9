"""The data contract: what a patient is, and which files hold the patients we know.

One list of fields serves the raw files, the training table, the JSON Schema of a package and the
service. Source: Janosi, Steinbrunn, Pfisterer, Detrano, "Heart Disease", UCI Machine Learning
Repository, 1989, doi 10.24432/C52P4X, file ``heart-disease.names``.
"""

from types import MappingProxyType
from typing import Any, Final

from pipeline.dataset.contract import Cohort, Contract, Kind, coded, measured

MISSING: Final = "?"
RAW_TARGET: Final = "num"
TARGET: Final = "disease"
COHORT: Final = "hospital"

FIELDS: Final = (
    measured("age", "Age", "years", 18, 110, nullable=False),
    coded("sex", "Sex", {0: "female", 1: "male"}, nullable=False),
    coded(
        "cp",
        "Chest pain type",
        {1: "typical angina", 2: "atypical angina", 3: "non-anginal pain", 4: "asymptomatic"},
        nullable=False,
    ),
    measured("trestbps", "Resting blood pressure", "mm Hg", 60, 260, zero_is_missing=True),
    measured("chol", "Serum cholesterol", "mg/dl", 60, 700, zero_is_missing=True),
    coded("fbs", "Fasting blood sugar above 120 mg/dl", {0: "no", 1: "yes"}),
    coded(
        "restecg",
        "Resting electrocardiogram",
        {0: "normal", 1: "ST-T wave abnormality", 2: "left ventricular hypertrophy"},
    ),
    measured("thalach", "Maximum heart rate achieved", "beats/min", 40, 240),
    coded("exang", "Exercise-induced angina", {0: "no", 1: "yes"}),
    measured("oldpeak", "ST depression by exercise relative to rest", "mm", -5, 10),
    coded(
        "slope",
        "Slope of the peak exercise ST segment",
        {1: "upsloping", 2: "flat", 3: "downsloping"},
    ),
    measured("ca", "Major vessels coloured by fluoroscopy", "vessels", 0, 3, kind=Kind.COUNT),
    coded(
        "thal",
        "Thallium stress test",
        {3: "normal", 6: "fixed defect", 7: "reversible defect"},
    ),
)
FEATURES: Final = tuple(field.name for field in FIELDS)
BY_NAME: Final = MappingProxyType({field.name: field for field in FIELDS})
RAW_COLUMNS: Final = (*FEATURES, RAW_TARGET)

# The file of each hospital has no header, 14 columns, and ``?`` for missing.
TRAINING: Final = Cohort(
    name="cleveland",
    title="Cleveland Clinic",
    file="processed.cleveland.data",
    sha256="a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8",
    rows=303,
)
EXTERNAL: Final = (
    Cohort(
        name="hungarian",
        title="Hungary, Institute of Cardiology",
        file="processed.hungarian.data",
        sha256="d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796",
        rows=294,
        repeated_rows=1,
    ),
    Cohort(
        name="switzerland",
        title="Switzerland, Zurich and Basel",
        file="processed.switzerland.data",
        sha256="834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314",
        rows=123,
    ),
    Cohort(
        name="va",
        title="VA Long Beach",
        file="processed.va.data",
        sha256="e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f",
        rows=200,
        repeated_rows=1,
    ),
)
COHORTS: Final = (TRAINING, *EXTERNAL)
CONTRACT: Final = Contract(
    version=1,
    fields=FIELDS,
    target=TARGET,
    cohort=COHORT,
    training=TRAINING,
    external=EXTERNAL,
)


def patient_schema() -> dict[str, Any]:
    """Return the JSON Schema of one patient, as packages and the API publish it."""
    return CONTRACT.json_schema("Patient", "The 13 clinical fields of the UCI Heart Disease data.")
