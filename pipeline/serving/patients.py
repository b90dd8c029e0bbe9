"""From the body of a request to a matrix of patients, or to all its faults.

A refusal never repeats a value or an unknown name of the request, which may be about a patient. It
names the contract's fields, and says which values are allowed there.
"""

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, Final, NoReturn

import numpy as np

from pipeline.base.records import Record
from pipeline.dataset.contract import Field, Kind
from pipeline.scoring.onnx_model import Matrix
from pipeline.table.contract import BY_NAME, FEATURES, FIELDS

MAXIMUM_PATIENTS: Final = 1000
BREACHES_SHOWN: Final = 100
REQUIRED: Final = tuple(field.name for field in FIELDS if not field.nullable)
UNKNOWN: Final = f"holds an unknown field; known: {', '.join(FEATURES)}"

# JSON's numbers: true and false are of another type.
NUMBERS: Final = frozenset((int, float))

Admits = Callable[[Any], bool]


class Breach(Record):
    """One fault of a request: its place, as a JSON pointer, and the values allowed there."""

    pointer: str
    detail: str


class RefusedError(Exception):
    """A request that gets no answer, with the reason."""

    def __init__(self, status: HTTPStatus, detail: str, breaches: tuple[Breach, ...] = ()) -> None:
        """Keep the status and the text of the response."""
        super().__init__(detail)
        self.status, self.detail, self.breaches = status, detail, breaches


def read(body: bytes) -> Matrix:
    """Return the patients of a request, shape (patients, 13), in order, NaN for missing.

    The body is one patient, or a list of 1 to 1,000, each an object with the contract's fields.

    Raises:
        RefusedError: with 400, the body is not JSON; with 422, it does not hold patients.

    """
    document = _parse(body)
    patients = document if isinstance(document, list) else [document]
    if not 1 <= len(patients) <= MAXIMUM_PATIENTS:
        raise RefusedError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"a request holds 1 to {MAXIMUM_PATIENTS} patients, not {len(patients)}",
        )
    stems = (f"#/{n}" for n in range(len(patients))) if document is patients else ["#"]
    breaches = [
        breach
        for stem, patient in zip(stems, patients, strict=True)
        for breach in _breaches(stem, patient)
    ]
    if breaches:
        # Of a large body that is all wrong, records of the rest would take most of the time.
        shown = (
            Breach(pointer=pointer, detail=detail) for pointer, detail in breaches[:BREACHES_SHOWN]
        )
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, _summary(len(breaches)), tuple(shown))
    # None becomes NaN.
    return np.array([[*map(patient.get, FEATURES)] for patient in patients], dtype=np.float32)


def _parse(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode(), object_pairs_hook=_without_repetition, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError:
        detail = "the body is not UTF-8"
    except RecursionError:
        detail = "the body is nested too deeply"
    except json.JSONDecodeError as error:
        detail = f"the body is not JSON from line {error.lineno}, column {error.colno} on"
    except ValueError:
        # Python reads integers of up to 4,300 digits.
        detail = "the body holds a number of too many digits"
    raise RefusedError(HTTPStatus.BAD_REQUEST, detail)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        # Either of the two values may be the one that was meant.
        raise RefusedError(HTTPStatus.BAD_REQUEST, "an object of the body repeats a name")
    return record


def _refuse_constant(constant: str) -> NoReturn:
    raise RefusedError(
        HTTPStatus.BAD_REQUEST, f"{constant} is not JSON: leave a missing value out, or use null"
    )


def _breaches(stem: str, patient: object) -> Iterator[tuple[str, str]]:
    """Yield the pointer and the detail of every fault of a patient."""
    if not isinstance(patient, dict):
        yield stem, "must be an object with the fields of a patient"
        return
    for name in REQUIRED:
        if name not in patient:
            yield f"{stem}/{name}", f"is required: {BY_NAME[name].allowed}"
    if patient.keys() - ADMITS.keys():
        yield stem, UNKNOWN
    for name, value in patient.items():
        if (admits := ADMITS.get(name)) and not admits(value):
            field = BY_NAME[name]
            null = ", or null" if field.nullable else ""
            yield f"{stem}/{name}", f"must be {field.allowed}{null}"


def _admits(field: Field) -> Admits:
    """Return the test of whether a value of a request is allowed; None means missing.

    A whole number may be written with a fraction of 0, as tables with missing values do. Each
    field has a function with only its own questions: they take most of the time of a large body.
    """
    nullable, low, high, codes = field.nullable, field.low, field.high, frozenset(field.codes)

    def coded(value: Any) -> bool:
        return value in codes if type(value) in NUMBERS else value is None and nullable

    def measured(value: Any) -> bool:
        # False for NaN too.
        return low <= value <= high if type(value) in NUMBERS else value is None and nullable

    def counted(value: Any) -> bool:
        return measured(value) and (value is None or value == int(value))

    if codes:
        return coded
    return counted if field.kind is Kind.COUNT else measured


ADMITS: Final = {field.name: _admits(field) for field in FIELDS}


def _summary(count: int) -> str:
    if count == 1:
        return "1 thing is wrong with the patients of the request"
    more = f", the first {BREACHES_SHOWN} are listed" if count > BREACHES_SHOWN else ""
    return f"{count} things are wrong with the patients of the request{more}"
