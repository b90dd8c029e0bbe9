"""A dozen requests that the service must refuse, each with the status of its refusal.

They show that an image keeps the limits of the data contract and of the API. A request is sent as
it stands, its path not normalised; the sender adds ``host`` and ``content-length``, nothing else.
"""

import json
from http import HTTPStatus
from typing import Final

from pipeline.base.records import Record
from pipeline.serving.patients import MAXIMUM_PATIENTS, REQUIRED
from pipeline.table.contract import FIELDS

Headers = tuple[tuple[str, str], ...]
JSON: Final[Headers] = (("content-type", "application/json"),)
MAXIMUM_BODY: Final = 2**20


class Probe(Record):
    """One request and the status that it must get. No two have the same name."""

    name: str
    method: str = "POST"
    path: str = "/predict"
    headers: Headers = JSON
    body: bytes = b""
    status: HTTPStatus


# Every field at its lower limit.
LOWEST: Final = {field.name: field.low for field in FIELDS}
_FIRST: Final = FIELDS[0]
_PATIENT: Final = json.dumps(LOWEST)
_WITHOUT: Final = {name: value for name, value in LOWEST.items() if name != REQUIRED[0]}


def _body(name: str, body: str, status: HTTPStatus) -> Probe:
    return Probe(name=name, body=body.encode(), status=status)


REFUSED: Final = (
    _body(
        "a value above its range",
        json.dumps(LOWEST | {_FIRST.name: _FIRST.high + 1}),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    _body("a required field left out", json.dumps(_WITHOUT), HTTPStatus.UNPROCESSABLE_ENTITY),
    _body("an unknown field", json.dumps(LOWEST | {"unknown": 1}), HTTPStatus.UNPROCESSABLE_ENTITY),
    _body(
        "one patient too many",
        json.dumps([LOWEST] * (MAXIMUM_PATIENTS + 1)),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    _body("no body", "", HTTPStatus.BAD_REQUEST),
    _body(
        "not a number",
        json.dumps(LOWEST | {_FIRST.name: float("nan")}),
        HTTPStatus.BAD_REQUEST,
    ),
    _body("a name twice", f'{_PATIENT[:-1]}, "{_FIRST.name}": 1}}', HTTPStatus.BAD_REQUEST),
    _body(
        "1 MiB and 1 byte", _PATIENT.ljust(MAXIMUM_BODY + 1), HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    ),
    Probe(
        name="another media type",
        headers=(("content-type", "text/plain"),),
        body=_PATIENT.encode(),
        status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ),
    Probe(name="another method", method="GET", status=HTTPStatus.METHOD_NOT_ALLOWED),
    Probe(name="an unknown path", method="GET", path="/admin", status=HTTPStatus.NOT_FOUND),
    Probe(
        name="a path out of the folder",
        method="GET",
        path="/../../etc/passwd",
        status=HTTPStatus.NOT_FOUND,
    ),
)
