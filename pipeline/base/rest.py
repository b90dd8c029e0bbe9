"""Requests to a server's API: bounded retries where they change nothing, errors of one line.

Neither body nor header of a request is repeated in an error: tokens and foreign texts stay out.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import tenacity
from requests.auth import AuthBase

from pipeline.base import proxies
from pipeline.base.errors import PipelineError

SECONDS: Final = 30.0
ATTEMPTS: Final = 4
SHOWN: Final = 200
# Sent again when there was no answer: the second time changes nothing more.
REPEATABLE: Final = frozenset({"GET", "PUT", "PATCH", "DELETE"})
LATER: Final = frozenset({429, 500, 502, 503, 504})

Response = requests.Response

_NO_ANSWER: Final = tenacity.retry_if_exception_type((requests.ConnectionError, requests.Timeout))


class Bearer(AuthBase):
    """A token as a header; it is not sent on to another host that an answer leads to."""

    def __init__(self, token: str) -> None:
        """Keep the token; without one, nothing is sent, and none is looked for in a file."""
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True)
class Server:
    """A server, as people call it, and the error that says that it refused or did not answer.

    ``wait`` is the first of the seconds between attempts, which double.
    """

    name: str
    error: type[PipelineError]
    wait: float = 1.0

    def ask(
        self,
        method: str,
        address: str,
        expected: Collection[int] = (),
        *,
        repeat: bool = False,
        **content: Any,
    ) -> Response:
        """Send a request and return the answer, which is a good one or has an expected status.

        Without an answer, or with one of trouble, it is sent again where that changes nothing more
        or ``repeat`` says so.

        Raises:
            PipelineError: of the server's kind: no answer, or one that refuses.

        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS if repeat or method in REPEATABLE else 1),
            wait=tenacity.wait_exponential(multiplier=self.wait),
            retry=_NO_ANSWER | tenacity.retry_if_result(lambda answer: answer.status_code in LATER),
            retry_error_callback=lambda last: last.outcome and last.outcome.result(),
        )
        proxies.spare_this_machine()
        what = f"{method} {urlsplit(address).path}"
        try:
            answer: Response = retrying(
                requests.request, method, address, timeout=SECONDS, **content
            )
        except requests.RequestException as error:
            kind = type(error).__name__
            raise self.error(f"{self.name} gave no answer to {what}: {kind}") from None
        if not answer.ok and answer.status_code not in expected:
            raise self.error(f"{self.name} answered {answer.status_code} to {what}{_why(answer)}")
        return answer


def _why(answer: Response) -> str:
    """Return what the server says in the way of GitHub or of a registry of images."""
    try:
        document = answer.json()
        message = document.get("message") or document["errors"][0]["message"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return f": {' '.join(str(message).split())[:SHOWN]}"
