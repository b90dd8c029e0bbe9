"""Whom a model must serve well, and which changes of a patient should not lower the risk."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.table.contract import BY_NAME
from pipeline.table.engineered import FeatureRecipe

ONE_MORE_VESSEL: Final = "one more vessel"
DEEPER: Final = "1 mm more ST depression"
NO_PAIN: Final = "no pain instead of typical angina"
CHANGES: Final = (ONE_MORE_VESSEL, DEEPER, NO_PAIN)
TYPICAL_ANGINA, ASYMPTOMATIC = 1.0, 4.0


class Change(NamedTuple):
    """The same patients before a change that should not lower the risk, and after it."""

    title: str
    before: pd.DataFrame
    after: pd.DataFrame


def changes(patients: pd.DataFrame) -> Iterator[Change]:
    """Yield each of `CHANGES`, with the patients whom it leaves within the contract."""
    for title, name in ((ONE_MORE_VESSEL, "ca"), (DEEPER, "oldpeak")):
        more = patients.assign(**{name: patients[name] + 1})
        known = more[name] <= BY_NAME[name].high
        yield Change(title, patients[known], more[known])
    yield Change(NO_PAIN, patients.assign(cp=TYPICAL_ANGINA), patients.assign(cp=ASYMPTOMATIC))


def slices(table: pd.DataFrame, recipe: FeatureRecipe) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which rows belong to each sex and to each age band, each of shape (rows,)."""
    sexes = {sex: (table["sex"] == code).to_numpy() for code, sex in BY_NAME["sex"].codes.items()}
    edges = recipe.age_bands
    bands = np.searchsorted(edges, table["age"], side="right")
    inner = [f"age {start:g} to {end - 1:g}" for start, end in pairwise(edges)]
    names = [f"age below {edges[0]:g}", *inner, f"age {edges[-1]:g} and over"]
    return sexes | {name: bands == band for band, name in enumerate(names)}
