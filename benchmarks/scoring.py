"""How many patients a second a model scores, and what memory that takes.

`python -m benchmarks.scoring rates FOLDER ROWS...` prints, as JSON, the rows per second of the
model in FOLDER (its `model.skops` and its `model.onnx`) for each way to ask it and each number of
rows. `python -m benchmarks.scoring stream FOLDER PATIENTS ANSWERS` reads a file of float32 rows in
chunks and writes the probabilities. Both are processes of their own, so that each one's memory and
threads are its own.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import numpy as np
import pandas as pd
import skops.io

from pipeline.base import artifacts
from pipeline.base.names import ONNX, SKOPS
from pipeline.scoring.onnx_model import Matrix, OnnxModel
from pipeline.table import parsing, source
from pipeline.table.contract import FEATURES
from pipeline.training.persistence import TRUSTED_TYPES

CHUNK_ROWS: Final = 10_000
ROUNDS: Final = 3
SEED: Final = 20260101
SKLEARN: Final = "scikit-learn, as it was fitted"
SKLEARN_CORES: Final = "scikit-learn, a thread for each core"
OURS: Final = "ours, one thread"
OURS_CORES: Final = "ours, a thread for each core"

Score = Callable[[Matrix], object]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure rates, or stream a file; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    rates = commands.add_parser("rates")
    rates.add_argument("folder", type=Path)
    rates.add_argument("rows", type=int, nargs="+")
    stream = commands.add_parser("stream")
    for name in ("folder", "patients", "answers"):
        stream.add_argument(name, type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.command == "rates":
        measured = measure_rates(chosen.folder, chosen.rows)
        sys.stdout.write(f"{json.dumps(measured)}\n")
    else:
        stream_file(chosen.folder, chosen.patients, chosen.answers)


def patients(rows: int) -> Matrix:
    """Return so many patients, drawn from those of all four hospitals, missing values included."""
    parsed = parsing.parse(source.read(artifacts.RAW))
    tables = [parsing.training_table(parsed), parsing.external_table(parsed)]
    known = pd.concat([table[list(FEATURES)] for table in tables]).to_numpy(np.float32)
    return known[np.random.default_rng(SEED).integers(len(known), size=rows)]


def chunks(table: Matrix) -> Iterable[Matrix]:
    """Return a table in parts of at most `CHUNK_ROWS` rows."""
    return (table[start : start + CHUNK_ROWS] for start in range(0, len(table), CHUNK_ROWS))


def measure_rates(folder: Path, rows: Sequence[int]) -> dict[str, dict[str, list[float]]]:
    """Return the rows per second of each round, by the number of rows and the way to ask."""
    everyone, ways = patients(max(rows)), _ways(folder)
    return {str(number): _rates(ways, everyone[:number]) for number in rows}


def _rates(ways: Mapping[str, Score], table: Matrix) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, score in ways.items():
            rates[name].append(len(table) / _seconds(score, table))
    return rates


def _seconds(score: Score, table: Matrix) -> float:
    """Return what a call takes; a short one is repeated until it can be told from the clock."""
    taken: list[float] = []
    while not taken or sum(taken) < 0.1:  # noqa: PLR2004 (seconds)
        started = perf_counter()
        score(table)
        taken.append(perf_counter() - started)
    return median(taken)


def _ways(folder: Path) -> dict[str, Score]:
    fitted = skops.io.load(folder / SKOPS, trusted=list(TRUSTED_TYPES))
    model = OnnxModel((folder / ONNX).read_bytes())
    pool = ThreadPoolExecutor(os.cpu_count())

    def predict(table: Matrix) -> list[Any]:
        return [fitted.predict_proba(_frame(part)) for part in chunks(table)]

    def predict_on_cores(table: Matrix) -> list[Any]:
        return [*pool.map(fitted.predict_proba, map(_frame, chunks(table)))]

    return {
        SKLEARN: predict,
        SKLEARN_CORES: predict_on_cores,
        OURS: lambda table: [model.probabilities(part) for part in chunks(table)],
        OURS_CORES: lambda table: [*pool.map(model.probabilities, chunks(table))],
    }


def _frame(table: Matrix) -> pd.DataFrame:
    return pd.DataFrame(table, columns=list(FEATURES), dtype=float)


def stream_file(folder: Path, asked: Path, answers: Path) -> None:
    """Write the probability of each row of a file of float32 patients as float64."""
    model, width = OnnxModel((folder / ONNX).read_bytes()), len(FEATURES)
    with asked.open("rb") as read, answers.open("wb") as written:
        while len(part := np.fromfile(read, np.float32, CHUNK_ROWS * width)):
            model.probabilities(part.reshape(-1, width)).tofile(written)


if __name__ == "__main__":
    main()
