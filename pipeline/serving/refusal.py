"""The reasons for which the server refuses a client before the application hears of it."""

from enum import Enum
from http import HTTPStatus
from typing import Final

# Of a request without its body.
HEAD_BYTES: Final = 64 * 2**10


class Refusal(Enum):
    """A reason: its label in the metrics, and the status and detail of the error response."""

    MALFORMED = ("malformed", HTTPStatus.BAD_REQUEST, "this is not a request of HTTP/1.1")
    LATE = ("late", HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive")
    TOO_LARGE = ("too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large")
    HEAD_TOO_LARGE = (
        "head_too_large",
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"a request without its body holds at most {HEAD_BYTES} bytes",
    )
    CROWDED = (
        "crowded",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too many connections are open: try again later",
    )

    def __init__(self, label: str, status: HTTPStatus, detail: str) -> None:
        """Give the parts their names."""
        self.label, self.status, self.detail = label, status, detail
