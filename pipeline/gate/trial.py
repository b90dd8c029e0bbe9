"""A trial of a stored model by the libraries of today, on made-up patients, in a moment."""

from typing import Final

import numpy as np
import pandas as pd

from pipeline.base.errors import ArtifactError
from pipeline.evaluation import cross_validation
from pipeline.gate.examiner import MISFIT, Incumbent
from pipeline.table.contract import FIELDS, TARGET

ROWS: Final = 60


def problem(stored: Incumbent) -> str:
    """Say why a stored model cannot be read, asked or fitted again; nothing for a sound one."""
    if stored.model is None:
        return stored.problem
    patients = _patients()
    try:
        stored.model.answer(patients)
    except ArtifactError as error:
        return str(error)
    try:
        cross_validation.fit(stored.model.recipe.build(), patients)
    except Exception as error:  # noqa: BLE001 (whatever a library says to an older recipe)
        return f"{MISFIT}: {' '.join(str(error).split())}"
    return ""


def _patients() -> pd.DataFrame:
    """Return patients with values that the contract allows, and both outcomes in turns."""
    allowed = {f.name: [*f.codes] or np.linspace(f.low, f.high, 7).tolist() for f in FIELDS}
    columns = {name: np.resize(values, ROWS) for name, values in allowed.items()}
    table = pd.DataFrame(columns, dtype=float)
    table[TARGET] = np.arange(ROWS) // 7 % 2
    return table
