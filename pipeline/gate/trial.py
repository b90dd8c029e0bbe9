"""A trial of a stored model by the libraries of today, on made-up patients, in a moment."""

from typing import Final

import numpy as np
import pandas as pd

from pipeline.base.errors import ArtifactError
from pipeline.dataset.drawn import draw
from pipeline.evaluation import cross_validation
from pipeline.gate.examiner import MISFIT, Incumbent
from pipeline.table.contract import CONTRACT, TARGET

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
    """Return patients whom the contract allows, and both outcomes in turns."""
    return draw(CONTRACT, ROWS).assign(**{TARGET: np.arange(ROWS) % 2})
