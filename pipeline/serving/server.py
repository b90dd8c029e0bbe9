"""The server under the application: uvicorn, with the deadlines and the way to stop that it lacks.

A connection must bring a whole request within ``REQUEST_SECONDS``, or it is closed; one that keeps
sending is closed too. SIGTERM first fails readiness and asks every client to leave, and only then
closes the door, so that a caller who asks for readiness loses nothing.
"""

import logging
import socket
from asyncio import TimerHandle, Transport
from http import HTTPStatus
from signal import SIGTERM
from time import monotonic
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.serving import problem
from pipeline.serving.app import Lifecycle

REQUEST_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 15
# A readiness probe every 2 s sees that the service stops, and whoever routes has 3 s to act.
DRAIN_SECONDS: Final = 5.0
# What may still be under way then.
FINISH_SECONDS: Final = 3
HEAD_BYTES: Final = 64 * 2**10
REQUEST_BYTES: Final = 8 * 2**20

log = logging.getLogger(__name__)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection, with a deadline and a size for each request."""

    _deadline: TimerHandle | None = None
    _received = 0
    _in_head = True

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Expect the first request soon."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take part of a request."""
        if self._deadline is None:
            self._expect()
        super().data_received(data)
        self._received += len(data)
        if self._received > (HEAD_BYTES if self._in_head else REQUEST_BYTES):
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too large")

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        super().on_message_begin()
        self._received, self._in_head = 0, True

    def on_headers_complete(self) -> None:
        """Hand the request to the application."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End reading a request: from now on the service's own time runs."""
        super().on_message_complete()
        self._received = 0
        self._expect_nothing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        del msg
        self._refuse(HTTPStatus.BAD_REQUEST, "this is not a request of HTTP/1.1")

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or not self.cycle.response_started:
            body = problem.content(status, detail)
            head = (
                f"HTTP/1.1 {int(status)} {status.phrase}\r\ncontent-type: {problem.MEDIA_TYPE}\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()


class Server(uvicorn.Server):
    """Stops in two steps, and ends with 0."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain_seconds: float) -> None:
        """Drain for ``drain_seconds`` between SIGTERM and the end."""
        super().__init__(config)
        self._lifecycle, self._drain_seconds = lifecycle, drain_seconds
        self._closing_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first SIGTERM; stop at once at any other signal."""
        del frame
        if sig != SIGTERM or self._closing_at is not None:
            self.should_exit = True
            return
        self._lifecycle.draining = True
        self._closing_at = monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Say every tenth of a second whether to stop."""
        drained = self._closing_at is not None and monotonic() >= self._closing_at
        return await super().on_tick(counter) or drained


def serve(app: ASGIApp, lifecycle: Lifecycle, door: socket.socket, drain_seconds: float) -> None:
    """Answer at ``door`` until a signal comes."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    Server(config, lifecycle, drain_seconds).run(sockets=[door])
