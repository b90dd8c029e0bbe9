"""The one shape of every error: problem details for HTTP APIs (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from pipeline.serving.patients import Breach

MEDIA_TYPE: Final = "application/problem+json"


def content(status: HTTPStatus, detail: str, breaches: Sequence[Breach] = ()) -> bytes:
    """Return a problem as JSON, with ``errors`` if single fields are wrong."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
    }
    if breaches:
        problem["errors"] = [breach.model_dump() for breach in breaches]
    return json.dumps(problem).encode()


def response(
    status: HTTPStatus,
    detail: str,
    breaches: Sequence[Breach] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem as a response."""
    return Response(content(status, detail, breaches), status, headers, MEDIA_TYPE)
