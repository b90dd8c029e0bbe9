"""FastAPI on scikit-learn, as its documentation shows it: a typed body, a plain function.

MODEL=model.joblib uvicorn fastapi_sklearn:app
"""

import os

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

model = joblib.load(os.environ["MODEL"])
app = FastAPI()


class Patient(BaseModel):
    """What is asked about."""

    age: float
    sex: float
    cp: float
    trestbps: float | None = None
    chol: float | None = None
    fbs: float | None = None
    restecg: float | None = None
    thalach: float | None = None
    exang: float | None = None
    oldpeak: float | None = None
    slope: float | None = None
    ca: float | None = None
    thal: float | None = None


class Prediction(BaseModel):
    """What is answered."""

    probability: float


@app.post("/predict")
def predict(patient: Patient) -> Prediction:
    """Answer about one patient."""
    return _predictions([patient])[0]


@app.post("/predict-batch")
def predict_batch(patients: list[Patient]) -> list[Prediction]:
    """Answer about each patient."""
    return _predictions(patients)


def _predictions(patients: list[Patient]) -> list[Prediction]:
    rows = pd.DataFrame([patient.model_dump() for patient in patients], dtype=float)
    return [Prediction(probability=probability) for probability in model.predict_proba(rows)[:, 1]]
