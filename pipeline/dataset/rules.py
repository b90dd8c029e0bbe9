"""The rules of the data contract for tables, and every breach of them in words.

A table has the contract's features as float64, NaN for missing, then the target as int64, 0 or 1.
The external table has the name of its cohort before them.
pandera carries the rules for columns and single values; what it lets through is checked besides.
Rows are counted from 1 in every message.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from pipeline.base.errors import ContractError
from pipeline.dataset.contract import Cohort, Contract, Field, Kind

ROWS_SHOWN: Final = 5
# A measurement never ranks the rows as well as this, a copy of the target does.
COPY_AUC: Final = 0.99
# Fewer rows than this on one side may be told apart by chance.
COPY_ROWS: Final = 5
COPY_CATEGORIES: Final = 10

# Row and column of a cell that a message has named already.
Cell = tuple[int, str]


def check_training(contract: Contract, table: pd.DataFrame) -> pd.DataFrame:
    """Return the training table as it came when it keeps the contract.

    Raises:
        ContractError: lists every breach.

    """
    refuse("the training table", table_breaches(contract, contract.training, numbered(table)))
    return table


def check_external(contract: Contract, table: pd.DataFrame) -> pd.DataFrame:
    """Return the external table as it came if it keeps the contract, cohort by cohort.

    Raises:
        ContractError: lists every breach.

    """
    rows, column = numbered(table), contract.cohort
    breaches = _value_breaches(_external_schema(contract), rows)
    for cohort in contract.external if column in rows else ():
        members = rows[rows[column] == cohort.name].drop(columns=column)
        of_cohort = count_breaches(cohort, len(members))
        of_cohort += _whole_breaches(contract, cohort, members)
        breaches += [f"{cohort.name} {breach}" for breach in of_cohort]
    refuse("the external table", breaches)
    return table


def table_breaches(contract: Contract, cohort: Cohort, table: pd.DataFrame) -> list[str]:
    """Name every breach in the rows of one cohort; the index of ``table`` counts them."""
    return [*count_breaches(cohort, len(table)), *content_breaches(contract, cohort, table)]


def count_breaches(cohort: Cohort, rows: int) -> list[str]:
    """Say that the number of rows is not the cohort's; nothing when it is."""
    return [f"has {rows} rows, not {cohort.rows}"] if rows != cohort.rows else []


def content_breaches(
    contract: Contract, cohort: Cohort, table: pd.DataFrame, named: Collection[Cell] = ()
) -> list[str]:
    """Name every breach but a wrong number of rows, leaving out the cells ``named`` already."""
    values = _value_breaches(_table_schema(contract), table, named)
    return [*values, *_whole_breaches(contract, cohort, table)]


def breach(rule: str, cells: Iterable[tuple[int, str]]) -> list[str]:
    """Name the rows that break ``rule``, the first few by number; nothing when none does."""
    rows = [f"row {row} {detail}".rstrip() for row, detail in cells]
    hidden = len(rows) - ROWS_SHOWN
    shown = ", ".join(rows[:ROWS_SHOWN]) + (f" and {hidden} more" if hidden > 0 else "")
    return [f"{rule} ({shown})"] if rows else []


def refuse(table: str, breaches: Collection[str]) -> None:
    """Do nothing without a breach.

    Raises:
        ContractError: there is one; the message lists each.

    """
    if breaches:
        raise ContractError(table, breaches)


def numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``table`` with an index that counts the rows from 1."""
    return table.set_axis(range(1, len(table) + 1), axis="index")


# Columns and single values: pandera, built from the contract.


def _table_schema(contract: Contract) -> pa.DataFrameSchema:
    target = pa.Column("int64", pa.Check.isin([0, 1], error="must be 0 or 1"))
    columns = {**{field.name: _column(field) for field in contract.fields}, contract.target: target}
    return pa.DataFrameSchema(columns, strict=True, ordered=True)


def _external_schema(contract: Contract) -> pa.DataFrameSchema:
    names = [cohort.name for cohort in contract.external]
    known = pa.Check.isin(names, error=f"must be one of {', '.join(names)}")
    columns = {contract.cohort: pa.Column(str, known), **_table_schema(contract).columns}
    return pa.DataFrameSchema(columns, strict=True, ordered=True)


def _column(field: Field) -> pa.Column:
    allowed = f"must be {field.allowed}"
    in_range = pa.Check.in_range(field.low, field.high, error=allowed)
    checks = [pa.Check.isin(list(field.codes), error=allowed) if field.codes else in_range]
    if field.kind is Kind.COUNT:
        checks.append(pa.Check(_is_whole, error="must be a whole number"))
    return pa.Column("float64", checks, nullable=field.nullable)


def _is_whole(values: "pd.Series[float]") -> "pd.Series[bool]":
    return values.mod(1).eq(0)


def _value_breaches(
    schema: pa.DataFrameSchema, table: pd.DataFrame, named: Collection[Cell] = ()
) -> list[str]:
    try:
        schema.validate(table, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        return [*_column_breaches(schema, table, cases), *_cell_breaches(cases, named)]
    return []


def _column_breaches(
    schema: pa.DataFrameSchema, table: pd.DataFrame, cases: pd.DataFrame
) -> Iterator[str]:
    by_check = cases.groupby("check")["failure_case"].agg(list).to_dict()
    yield from (f"has no column {name}" for name in by_check.get("column_in_dataframe", ()))
    yield from (f"has an unknown column {name}" for name in by_check.get("column_in_schema", ()))
    if "column_ordered" in by_check:
        yield f"must have its columns in the order {', '.join(schema.columns)}"
    for name in sorted(_wrongly_typed(cases)):
        yield f"{name} must be of type {schema.columns[name].dtype}, not {table[name].dtype}"


def _cell_breaches(cases: pd.DataFrame, named: Collection[Cell]) -> Iterator[str]:
    # pandera's own checks crash on a column of the wrong type: its values are not judged.
    cells = cases[cases["index"].notna() & ~cases["column"].isin(_wrongly_typed(cases))]
    for (column, check), group in cells.groupby(["column", "check"], sort=False):
        values = zip(group["index"], group["failure_case"], strict=True)
        unnamed = [(row, value) for row, value in values if (row, column) not in named]
        missing = check == "not_nullable"
        rule = f"{column} {'must not be missing' if missing else check}"
        yield from breach(rule, [(row, "" if missing else _shown(value)) for row, value in unnamed])


def _shown(value: object) -> str:
    return f"has {str(value).removesuffix('.0')}"


def _wrongly_typed(cases: pd.DataFrame) -> set[str]:
    return set(cases.loc[cases["check"].str.startswith("dtype("), "column"])


# Whole tables: the faults that pandera lets through.


def _whole_breaches(contract: Contract, cohort: Cohort, table: pd.DataFrame) -> list[str]:
    if [*table.columns] != [*contract.features, contract.target] or not _is_numeric(table):
        return []
    features, target = table[list(contract.features)], table[contract.target]
    return [*_repeated(cohort, table), *_single_class(target), *_copies(features, target)]


def _is_numeric(table: pd.DataFrame) -> bool:
    return all(pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes)


def _repeated(cohort: Cohort, table: pd.DataFrame) -> list[str]:
    rows = [(int(row), "") for row in table.index[table.duplicated()]]
    rule = f"must not have more than {cohort.repeated_rows} rows that repeat an earlier one"
    return breach(rule, rows) if len(rows) > cohort.repeated_rows else []


def _single_class(target: "pd.Series[int]") -> list[str]:
    classes = target.unique()
    only = f"has only one class: {target.name} is always {classes[0]}" if len(classes) == 1 else ""
    return [only] if only else []


def _copies(features: pd.DataFrame, target: "pd.Series[int]") -> list[str]:
    positive = target.to_numpy() == 1
    copies = [name for name in features if _tells_all(features[name], positive)]
    return [f"{name} copies the target: it alone separates the classes" for name in copies]


def _tells_all(values: "pd.Series[float]", positive: np.ndarray) -> bool:
    return _decides(values, positive) or _ranks(values, positive)


def _decides(values: "pd.Series[float]", positive: np.ndarray) -> bool:
    """Say whether every value, missing included, occurs in one class only."""
    if positive.all() or not positive.any() or values.nunique() > COPY_CATEGORIES:
        return False
    classes = pd.Series(positive, index=values.index).groupby(values, dropna=False).nunique()
    return bool((classes == 1).all())


def _ranks(values: "pd.Series[float]", positive: np.ndarray) -> bool:
    """Say whether the known values rank the classes apart, in either direction."""
    known = values.notna().to_numpy()
    ranks = values[known].rank().to_numpy()
    positives = int(positive[known].sum())
    negatives = len(ranks) - positives
    if min(positives, negatives) < COPY_ROWS:
        return False
    above = ranks[positive[known]].sum() - positives * (positives + 1) / 2
    auc = above / (positives * negatives)
    return bool(max(auc, 1 - auc) >= COPY_AUC)
