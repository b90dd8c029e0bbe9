"""From the hospitals' files as bytes to tables that keep the contract, or to all its breaches.

The rows keep the order of the file. ``?``, and a zero where no patient can have one, become NaN;
``num``, 0 to 4, becomes the target.
"""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from pipeline.dataset import rules
from pipeline.dataset.contract import Cohort
from pipeline.dataset.profile import ParsedFile
from pipeline.table.contract import (
    COHORT,
    COHORTS,
    CONTRACT,
    EXTERNAL,
    FEATURES,
    FIELDS,
    MISSING,
    RAW_COLUMNS,
    RAW_TARGET,
    TARGET,
    TRAINING,
)

# Stricter than float(), which also reads "nan", "inf", "1e9" and "1_000".
NUMBER: Final = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
MISSING_OR_NUMBER: Final = rf"\{MISSING}|{NUMBER}"
SEVERITY: Final = r"[0-4]"
CELL_SHOWN: Final = 20
ZERO_IS_MISSING: Final = tuple(field.name for field in FIELDS if field.zero_is_missing)


def parse(contents: Mapping[str, bytes]) -> dict[str, ParsedFile]:
    """Read the files of all hospitals, by hospital name, in the order of the contract.

    Raises:
        ContractError: lists every breach of every file.

    """
    files = [parse_file(hospital, contents[hospital.name]) for hospital in COHORTS]
    all_breaches = [
        f"{parsed.cohort.file} {breach}" for parsed, breaches in files for breach in breaches
    ]
    rules.refuse("the raw data", all_breaches)
    return {parsed.cohort.name: parsed for parsed, _ in files}


def parse_file(hospital: Cohort, content: bytes) -> tuple[ParsedFile, list[str]]:
    """Return the readable part of a hospital's file, and every breach of the contract in it."""
    # Every byte is a character of latin-1: one that is not ASCII is named as not a number.
    texts = (line.decode("latin-1") for line in content.splitlines(keepends=True))
    lines = dict(enumerate(texts, start=1))
    text = _cells(lines)
    unreadable = pd.DataFrame({column: ~_is_readable(text[column]) for column in RAW_COLUMNS})
    published = text.mask(unreadable | text.isin([MISSING])).astype("float64")
    zeros = published[list(FEATURES)].eq(0)
    zeros[[name for name in FEATURES if name not in ZERO_IS_MISSING]] = False
    table = published[list(FEATURES)].mask(zeros)
    table[TARGET] = (published[RAW_TARGET] > 0).astype("int64")
    breaches = [
        *_line_breaches(lines),
        *rules.count_breaches(hospital, len(lines)),
        *_text_breaches(text, unreadable),
        *rules.content_breaches(CONTRACT, hospital, table, named=_places(unreadable)),
    ]
    counts = {name: int(zeros[name].sum()) for name in ZERO_IS_MISSING}
    return ParsedFile(hospital, table.reset_index(drop=True), counts), breaches


def training_table(parsed: Mapping[str, ParsedFile]) -> pd.DataFrame:
    """Return the patients that models train on: 303 rows, features then target."""
    return rules.check_training(CONTRACT, parsed[TRAINING.name].table)


def external_table(parsed: Mapping[str, ParsedFile]) -> pd.DataFrame:
    """Return the patients that no model trains on: 617 rows, hospital, features, target."""
    tables = {hospital.name: parsed[hospital.name].table for hospital in EXTERNAL}
    table = pd.concat(tables, names=[COHORT]).reset_index(COHORT)
    return rules.check_external(CONTRACT, table.reset_index(drop=True))


def _fields(line: str) -> list[str]:
    return line.rstrip("\r\n").split(",")


def _cells(lines: Mapping[int, str]) -> pd.DataFrame:
    """Return the text of every cell, of the lines that have the right number of cells."""
    fields = {row: _fields(line) for row, line in lines.items()}
    right = {row: cells for row, cells in fields.items() if len(cells) == len(RAW_COLUMNS)}
    return pd.DataFrame(right.values(), index=list(right), columns=list(RAW_COLUMNS), dtype="str")


def _is_readable(text: "pd.Series[str]") -> "pd.Series[bool]":
    pattern = SEVERITY if text.name == RAW_TARGET else MISSING_OR_NUMBER
    return text.str.fullmatch(pattern).astype(bool)


def _places(cells: pd.DataFrame) -> set[rules.Cell]:
    marked = ((row, name) for name in RAW_COLUMNS for row in cells.index[cells[name]])
    return set(marked)


def _line_breaches(lines: Mapping[int, str]) -> list[str]:
    counts = {row: len(_fields(line)) for row, line in lines.items()}
    wrong = [(row, f"has {n}") for row, n in counts.items() if n != len(RAW_COLUMNS)]
    returns = [(row, "") for row, line in lines.items() if "\r" in line]
    return [
        *rules.breach(f"must have {len(RAW_COLUMNS)} fields in each line", wrong),
        *rules.breach("must end its lines with LF alone", returns),
    ]


def _text_breaches(text: pd.DataFrame, unreadable: pd.DataFrame) -> list[str]:
    breaches = []
    for column in RAW_COLUMNS:
        rule = "0, 1, 2, 3 or 4" if column == RAW_TARGET else f"a number or {MISSING}"
        cells = text.loc[unreadable[column], column]
        shown = [(row, f"has {cell[:CELL_SHOWN]!a}") for row, cell in cells.items()]
        breaches += rules.breach(f"{column} must be {rule}", shown)
    return breaches
