"""What the data looks like: the facts of the data-quality report, as values."""

from collections.abc import Iterable, Iterator, Mapping
from statistics import NormalDist
from typing import Final, TypeVar

import pandas as pd

from pipeline.base.records import Record
from pipeline.table.contract import (
    CONTRACT_VERSION,
    FEATURES,
    FIELDS,
    TARGET,
    TRAINING,
    Field,
    Kind,
)
from pipeline.table.parsing import ParsedFile

CONFIDENCE: Final = 0.95
MEASURED: Final = tuple(field for field in FIELDS if field.kind is Kind.CONTINUOUS)
CATEGORICAL: Final = tuple(field for field in FIELDS if field.kind is not Kind.CONTINUOUS)


class OutcomeRate(Record):
    """The share of patients with disease, with its Wilson interval at 95 % confidence."""

    rows: int
    positives: int
    rate: float
    low: float
    high: float


class HospitalFacts(Record):
    """One hospital's patients. ``missing`` and ``zeros`` count cells by field.

    ``zeros`` are those among the missing cells that UCI's file has as 0.
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
        return sum(self.missing.values()) / (self.outcome.rows * len(FEATURES))


class MeasuredFacts(Record):
    """Where a measured field lies at one hospital, in its unit; None where nobody has a value."""

    field: str
    hospital: str
    known: int
    minimum: float | None
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None
    maximum: float | None


class CategoricalFacts(Record):
    """How many patients of one hospital have each value of a coded or counted field."""

    field: str
    hospital: str
    known: int
    counts: dict[int, int]


class CategoryFacts(Record):
    """How often the training patients with one value of a field have disease."""

    field: str
    code: int
    meaning: str
    outcome: OutcomeRate


Facts = TypeVar("Facts", MeasuredFacts, CategoricalFacts)


class Profile(Record):
    """Everything the data-quality report says. ``data_digest`` names the processed tables."""

    contract_version: int
    data_digest: str
    hospitals: tuple[HospitalFacts, ...]
    measured: tuple[MeasuredFacts, ...]
    categorical: tuple[CategoricalFacts, ...]
    categories: tuple[CategoryFacts, ...]


def describe(parsed: Mapping[str, ParsedFile], data_digest: str) -> Profile:
    """Return the facts of all hospitals, in their order and the fields' order of the contract."""
    tables = {name: file.table for name, file in parsed.items()}
    return Profile(
        contract_version=CONTRACT_VERSION,
        data_digest=data_digest,
        hospitals=tuple(map(_hospital, parsed.values())),
        measured=tuple(_measured(f, n, t) for f in MEASURED for n, t in tables.items()),
        categorical=tuple(_categorical(f, n, t) for f in CATEGORICAL for n, t in tables.items()),
        categories=tuple(outcome_by_category(tables[TRAINING.name])),
    )


def outcome_rate(disease: "pd.Series[int]") -> OutcomeRate:
    """Return the rate of 1 in ``disease``, which must not be empty."""
    rows, positives = len(disease), int(disease.sum())
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


def outcome_by_category(table: pd.DataFrame) -> Iterator[CategoryFacts]:
    """Yield the outcome rate of each value that somebody has, field by field, lowest code first."""
    for field in CATEGORICAL:
        for code, meaning in meanings(field).items():
            disease = table.loc[table[field.name] == code, TARGET]
            if len(disease):
                outcome = outcome_rate(disease)
                yield CategoryFacts(field=field.name, code=code, meaning=meaning, outcome=outcome)


def by_field(facts: Iterable[Facts]) -> dict[str, list[Facts]]:
    """Return the facts of each field, in the order in which they come."""
    groups: dict[str, list[Facts]] = {}
    for fact in facts:
        groups.setdefault(fact.field, []).append(fact)
    return groups


def meanings(field: Field) -> dict[int, str]:
    """Return what each value of a coded or counted field means; a count means itself."""
    return field.codes or {n: str(n) for n in range(int(field.low), int(field.high) + 1)}


def _hospital(parsed: ParsedFile) -> HospitalFacts:
    hospital, table = parsed.hospital, parsed.table
    return HospitalFacts(
        name=hospital.name,
        title=hospital.title,
        file=hospital.file,
        sha256=hospital.sha256,
        outcome=outcome_rate(table[TARGET]),
        repeated_rows=int(table.duplicated().sum()),
        missing={name: int(table[name].isna().sum()) for name in FEATURES},
        zeros=dict(parsed.zeros),
    )


def _measured(field: Field, hospital: str, table: pd.DataFrame) -> MeasuredFacts:
    values = table[field.name].dropna()
    points = [float(values.quantile(q)) if len(values) else None for q in (0, 0.25, 0.5, 0.75, 1)]
    minimum, lower, median, upper, maximum = points
    return MeasuredFacts(
        field=field.name,
        hospital=hospital,
        known=len(values),
        minimum=minimum,
        lower_quartile=lower,
        median=median,
        upper_quartile=upper,
        maximum=maximum,
    )


def _categorical(field: Field, hospital: str, table: pd.DataFrame) -> CategoricalFacts:
    values = table[field.name].dropna()
    counts = {code: int((values == code).sum()) for code in meanings(field)}
    return CategoricalFacts(field=field.name, hospital=hospital, known=len(values), counts=counts)
