"""The table in words for a reader: the sentences that pages, figures and documents say about it."""

from typing import Final

from pipeline.table.contract import TARGET

TITLE: Final = "Heart disease"
PROBABILITY: Final = "probability of heart disease"
ABOUT: Final = "The probability that coronary angiography would find heart disease."
CAUTION: Final = "Not a medical device: it must not decide about a patient."
DATASET: Final = "uci-heart-disease-cleveland"

# --- single words

DATA: Final = "UCI Heart Disease"
SOURCE: Final = "UCI"
HOME: Final = "Cleveland"
COHORT: Final = "hospital"
COHORTS: Final = "hospitals"
OUTCOME: Final = "disease"
POSITIVE: Final = "ill"
NEGATIVE: Final = "healthy"
SLICES: Final = "sex and age"
REFERENCE: Final = "The angiogram says"
# Titles of the columns whose own title does not say which of two values is the higher one.
AXES: Final = {TARGET: "Heart disease", "sex": "Sex (male)"}

# --- the data

OUTCOME_NOTE: Final = (
    "Disease means that angiography found a diameter narrowed by more than half (`num` above 0 in "
    "UCI's files; Hungary only tells 0 from 1)."
)
VALUES_NOTE: Final = (
    "A serum cholesterol or a resting blood pressure of 0 is not a measurement: it counts as "
    "missing. A negative ST depression is an elevation, and is kept."
)
EXTERNAL_NOTE: Final = (
    "Hardly a patient elsewhere has `ca`, most have no `thal` and half have no `slope`: what was "
    "not measured is imputed from Cleveland. Switzerland has only 8 patients without disease, so "
    "its ROC-AUC ranks nothing."
)
CITATION: Final = (
    "Janosi, A., Steinbrunn, W., Pfisterer, M., Detrano, R. (1989). Heart Disease [Dataset]. "
    "UCI Machine Learning Repository. [doi:10.24432/C52P4X](https://doi.org/10.24432/C52P4X), "
    "CC BY 4.0."
)

# --- the figures of the data: what each shows, and the finding in its headline

MEASURED_FIELDS: Final = (
    "age, resting blood pressure, cholesterol, maximum heart rate, ST depression and vessels"
)
SPREAD: Final = "With disease, patients reach lower heart rates and show deeper ST depression"
MISSING: Final = "Vessel counts are missing outside Cleveland, cholesterol in Switzerland"
MISSING_DETAIL: Final = (
    "Patients whose value is missing. Zero cholesterol or blood pressure counts as missing."
)
CORRELATED: Final = (
    "Vessels, heart rate, angina and ST depression go with disease; none alone decides it"
)
RATES: Final = (
    "Asymptomatic chest pain, thallium defects and coloured vessels mark the highest rates"
)

# --- the model card

USE: Final = (
    "Gives the probability that coronary angiography would find a diameter narrowed by more than "
    "half, from 13 fields of a clinical examination (`patient.schema.json`). Made to show how a "
    "model lives in a repository and to compare models. **It is not a medical device and must not "
    "decide about a patient**: it has seen 303 patients of one hospital from the 1980s."
)
ORIGIN: Final = (
    "UCI Heart Disease (Janosi, Steinbrunn, Pfisterer, Detrano; doi 10.24432/C52P4X; CC BY 4.0). "
    "Trained on the 303 patients of the Cleveland Clinic, all referred for angiography. Missing "
    "values are imputed inside the model."
)
LIMITS: Final = """\
- 303 training patients: the four model families cannot be told apart, and every figure above is
  uncertain by about twice its standard error.
- Probabilities are calibrated for Cleveland. Elsewhere they are not: see the Brier scores and
  calibration errors above.
- `ca`, `slope` and `thal` are nearly absent outside Cleveland and are then imputed.
- Switzerland has 8 patients without disease: its figures rank nothing.
- Few women and few patients below 45: see the intervals of the slices.
"""
