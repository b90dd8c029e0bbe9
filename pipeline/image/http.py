"""A service over HTTP, asked exactly as told: no path is put right and no header is added."""

import http.client
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pipeline.base.errors import ImageError

SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.05
JSON: Final = (("content-type", "application/json"),)

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Response:
    """An answer; ``headers`` by their names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as a value.

        Raises:
            ValueError: it is no JSON.

        """
        return json.loads(self.body)


@dataclass(frozen=True)
class Service:
    """A service at one address."""

    host: str
    port: int

    def get(self, path: str) -> Response:
        """Ask for a page."""
        return self.ask("GET", path)

    def post(self, path: str, document: object) -> Response:
        """Send a value as JSON."""
        return self.ask("POST", path, JSON, json.dumps(document).encode())

    def ask(self, method: str, path: str, headers: Headers = (), body: bytes = b"") -> Response:
        """Send one request on a connection of its own.

        Raises:
            ImageError: there was no answer, or none of HTTP.

        """
        connection = http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body or method == "POST":
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            received = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, received, answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise ImageError(f"the service gave no answer to {method}: {error}") from error
        finally:
            connection.close()

    def wait(self, seconds: float, gone: Callable[[], str]) -> float:
        """Wait until /readyz answers 200 and return how long that took, in seconds.

        Raises:
            ImageError: it does not within ``seconds``, or ``gone`` says why it never will.

        """
        started = time.perf_counter()
        while (passed := time.perf_counter() - started) < seconds:
            if reason := gone():
                raise ImageError(f"the service ended before it was ready: {reason}")
            with suppress(ImageError):
                if self.get("/readyz").status == http.client.OK:
                    return passed
            time.sleep(POLL_SECONDS)
        raise ImageError(f"the service was not ready within {seconds:g} s")
