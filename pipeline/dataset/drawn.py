"""Random rows that a contract allows."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.dataset.contract import Contract, Field, Kind

# Of each third of the rows, the share of the values that are missing, where they may be.
MISSING: Final = (0.0, 0.3, 0.9)


def draw(contract: Contract, rows: int, seed: int = 0) -> pd.DataFrame:
    """Return random rows, each value as likely as any other that its field allows.

    A third of them misses nothing, the others three and nine tenths of what they may miss.
    """
    random = np.random.default_rng(seed)
    table = pd.DataFrame({f.name: _values(f, rows, random) for f in contract.fields})
    missing = np.resize(MISSING, rows)
    for field in contract.fields:
        if field.nullable:
            table.loc[random.random(rows) < missing, field.name] = np.nan
    return table


def _values(field: Field, rows: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    if field.codes:
        return random.choice([float(code) for code in field.codes], rows)
    if field.kind is Kind.COUNT:
        return random.integers(int(field.low), int(field.high), rows, endpoint=True).astype(float)
    return random.uniform(field.low, field.high, rows)
