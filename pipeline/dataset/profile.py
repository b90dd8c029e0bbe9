"""The facts of the data-quality report, as values."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, TypeVar

import pandas as pd

from pipeline.base.records import Record
from pipeline.dataset.contract import Cohort, Contract, Field, Kind

CONFIDENCE: Final = 0.95
_CATEGORICAL: Final = (Kind.COUNT, Kind.BINARY, Kind.NOMINAL)


@dataclass(frozen=True)
class ParsedFile:
    """A cohort's rows, and how many zeros of each field were read as missing."""

    cohort: Cohort
    table: pd.DataFrame
    zeros: Mapping[str, int]


class OutcomeRate(Record):
    """The share of rows whose target is 1, with its Wilson interval at 95 % confidence."""

    rows: int
    positives: int
    rate: float
    low: float
    high: float


class CohortFacts(Record):
    """One cohort's rows. ``missing`` and ``zeros`` count cells by field.

    ``zeros`` are those among the missing cells that the file has as 0.
    """

    name: str
    title: str
    file: str
    sha256: str
    outcome: OutcomeRate
    repeated_rows: int
    missing: dict[str, int]
    zeros: dict[str, int]

    @property
    def missing_share(self) -> float:
        """Return the share of all feature cells that is missing, in [0, 1]."""
        return sum(self.missing.values()) / (self.outcome.rows * len(self.missing))


class MeasuredFacts(Record):
    """The spread of a measured field in one cohort, in its unit; None if no value is known."""

    field: str
    cohort: str
    known: int
    minimum: float | None
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None
    maximum: float | None


class CategoricalFacts(Record):
    """The rows of one cohort by their value of a coded or counted field."""

    field: str
    cohort: str
    known: int
    counts: dict[int, int]


class CategoryFacts(Record):
    """The outcome of the training rows with one value of a field."""

    field: str
    code: int
    meaning: str
    outcome: OutcomeRate


Facts = TypeVar("Facts", MeasuredFacts, CategoricalFacts)


class Profile(Record):
    """Everything the data-quality report says. ``data_digest`` names the processed tables."""

    contract_version: int
    data_digest: str
    cohorts: tuple[CohortFacts, ...]
    measured: tuple[MeasuredFacts, ...]
    categorical: tuple[CategoricalFacts, ...]
    categories: tuple[CategoryFacts, ...]


def describe(contract: Contract, parsed: Mapping[str, ParsedFile], data_digest: str) -> Profile:
    """Return the facts of all cohorts, in their order and the fields' order of the contract."""
    tables = {name: file.table for name, file in parsed.items()}
    training = tables[contract.training.name]
    return Profile(
        contract_version=contract.version,
        data_digest=data_digest,
        cohorts=tuple(_cohort(contract, file) for file in parsed.values()),
        measured=tuple(
            _measured(field, name, table)
            for field in contract.of_kind(Kind.CONTINUOUS)
            for name, table in tables.items()
        ),
        categorical=tuple(
            _categorical(field, name, table)
            for field in contract.of_kind(*_CATEGORICAL)
            for name, table in tables.items()
        ),
        categories=tuple(outcome_by_category(contract, training)),
    )


def outcome_rate(target: "pd.Series[int]") -> OutcomeRate:
    """Return the rate of 1 in ``target``, which must not be empty."""
    rows, positives = len(target), int(target.sum())
    low, high = wilson_interval(positives, rows)
    return OutcomeRate(rows=rows, positives=positives, rate=positives / rows, low=low, high=high)


def wilson_interval(positives: float, rows: float) -> tuple[float, float]:
    """Return the Wilson score interval of a share at 95 % confidence, within [0, 1]."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, scale = positives / rows, 1 + z**2 / rows
    centre = (share + z**2 / (2 * rows)) / scale
    half = z / scale * (share * (1 - share) / rows + z**2 / (4 * rows**2)) ** 0.5
    # Rounding alone could put the share of none or of all outside.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def outcome_by_category(contract: Contract, table: pd.DataFrame) -> Iterator[CategoryFacts]:
    """Yield the outcome of each value that is in ``table``, field by field, lowest code first."""
    for field in contract.of_kind(*_CATEGORICAL):
        for code, meaning in meanings(field).items():
            members = table.loc[table[field.name] == code, contract.target]
            if len(members):
                outcome = outcome_rate(members)
                yield CategoryFacts(field=field.name, code=code, meaning=meaning, outcome=outcome)


def by_field(facts: Iterable[Facts]) -> dict[str, list[Facts]]:
    """Return the facts of each field, in the order in which they come."""
    groups: dict[str, list[Facts]] = {}
    for fact in facts:
        groups.setdefault(fact.field, []).append(fact)
    return groups


def meanings(field: Field) -> dict[int, str]:
    """Return the meaning of each value of a coded or counted field; a count means itself."""
    return field.codes or {n: str(n) for n in range(int(field.low), int(field.high) + 1)}


def _cohort(contract: Contract, parsed: ParsedFile) -> CohortFacts:
    cohort, table = parsed.cohort, parsed.table
    return CohortFacts(
        name=cohort.name,
        title=cohort.title,
        file=cohort.file,
        sha256=cohort.sha256,
        outcome=outcome_rate(table[contract.target]),
        repeated_rows=int(table.duplicated().sum()),
        missing={name: int(table[name].isna().sum()) for name in contract.features},
        zeros=dict(parsed.zeros),
    )


def _measured(field: Field, cohort: str, table: pd.DataFrame) -> MeasuredFacts:
    values = table[field.name].dropna()
    points = [float(values.quantile(q)) if len(values) else None for q in (0, 0.25, 0.5, 0.75, 1)]
    minimum, lower, median, upper, maximum = points
    return MeasuredFacts(
        field=field.name,
        cohort=cohort,
        known=len(values),
        minimum=minimum,
        lower_quartile=lower,
        median=median,
        upper_quartile=upper,
        maximum=maximum,
    )


def _categorical(field: Field, cohort: str, table: pd.DataFrame) -> CategoricalFacts:
    values = table[field.name].dropna()
    counts = {code: int((values == code).sum()) for code in meanings(field)}
    return CategoricalFacts(field=field.name, cohort=cohort, known=len(values), counts=counts)
