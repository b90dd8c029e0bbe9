"""How each server wants patients, and how its answer is read."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.table.contract import FEATURES

Patient = Mapping[str, float | None]
Patients = Sequence[Patient]


@dataclass(frozen=True)
class Dialect:
    """How a server wants patients, and where in its answer their probabilities are.

    ``path_of_many`` is for more than one patient, where that has a path of its own.
    """

    path: str
    body: Callable[[Patients], Any]
    probabilities: Callable[[Any], list[float]]
    path_of_many: str = ""

    def path_for(self, patients: int) -> str:
        """Return where so many patients are sent."""
        return self.path_of_many or self.path if patients > 1 else self.path


def _one_or_many(patients: Patients) -> Patient | list[Patient]:
    return patients[0] if len(patients) == 1 else [*patients]


def _rows(patients: Patients) -> list[list[float | None]]:
    return [[*map(patient.get, FEATURES)] for patient in patients]


def _tensor(patients: Patients) -> dict[str, Any]:
    shape = [len(patients), len(FEATURES)]
    data = [*itertools.chain(*_rows(patients))]
    return {"name": "patients", "shape": shape, "datatype": "FP32", "data": data}


OURS: Final = Dialect(
    "/predict",
    _one_or_many,
    lambda answer: [prediction["probability"] for prediction in answer["predictions"]],
)
BARE: Final = Dialect("/predict", _one_or_many, lambda answer: answer["probabilities"])
BENTOML: Final = Dialect(
    "/predict", lambda patients: {"patients": _rows(patients)}, lambda answer: answer
)
FASTAPI: Final = Dialect(
    "/predict",
    _one_or_many,
    lambda answer: [
        prediction["probability"]
        for prediction in (answer if isinstance(answer, list) else [answer])
    ],
    path_of_many="/predict-batch",
)
MLFLOW: Final = Dialect(
    "/invocations",
    lambda patients: {"dataframe_split": {"columns": FEATURES, "data": _rows(patients)}},
    lambda answer: [probability for _, probability in answer["predictions"]],
)
MLSERVER: Final = Dialect(
    "/v2/models/heart_disease/infer",
    lambda patients: {"inputs": [_tensor(patients)]},
    lambda answer: answer["outputs"][0]["data"],
)
