"""The server under the application: uvicorn, with deadlines and a way to stop that loses nothing.

SIGTERM first fails readiness and asks every client to leave, and only then closes the door, so
that a caller who asks for readiness loses nothing.
"""

import logging
import socket
from asyncio import get_running_loop
from dataclasses import dataclass
from math import inf
from signal import SIGTERM
from time import monotonic
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from pipeline.serving.app import Lifecycle
from pipeline.serving.protocol import Protocol

REQUEST_SECONDS: Final = 10.0
# Longer than the 60 s of most load balancers: who would send the next request closes first.
IDLE_SECONDS: Final = 75
# A readiness probe every 2 s sees that the service stops, and the load balancer has 3 s to act.
DRAIN_SECONDS: Final = 5.0
# Requests may still be under way then.
FINISH_SECONDS: Final = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deadlines:
    """Seconds in which a client brings a request, and between SIGTERM and the closed door."""

    request: float = REQUEST_SECONDS
    drain: float = DRAIN_SECONDS


class Server(uvicorn.Server):
    """Stops in two steps, and ends with 0."""

    def __init__(
        self, config: uvicorn.Config, title: str, lifecycle: Lifecycle, deadlines: Deadlines
    ) -> None:
        """Answer as ``title``, and tell ``lifecycle`` when to stop."""
        super().__init__(config)
        self._title, self._lifecycle, self._deadlines = title, lifecycle, deadlines
        # Small bodies are answered one after the other: here are those that wait for their turn.
        lifecycle.under_way = self.server_state.tasks
        self._closing_at = inf

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where the door is; from now on signals are heard too."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        written = f"[{host}]" if ":" in host else host
        log.info("%s answers at http://%s:%d", self._title, written, port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first SIGTERM; stop at once at any other signal."""
        del frame
        if sig != SIGTERM or self._lifecycle.draining:
            self.should_exit = True
            return
        self._lifecycle.draining = True
        self._closing_at = monotonic() + self._deadlines.drain

    async def on_tick(self, counter: int) -> bool:
        """Give up late clients, and say whether to stop: every tenth of a second."""
        overdue = get_running_loop().time() - self._deadlines.request
        for connection in self._connections():
            if connection.waiting_since < overdue:
                connection.give_up()
        return await super().on_tick(counter) or monotonic() >= self._closing_at

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the door, and let the requests under way end."""
        self._lifecycle.draining = True
        get_running_loop().call_later(FINISH_SECONDS, self._abandon)
        await super().shutdown(sockets)

    def _abandon(self) -> None:
        for connection in self._connections():
            log.warning("a connection was cut off: it took more than %d s to end", FINISH_SECONDS)
            connection.transport.abort()

    def _connections(self) -> list[Protocol]:
        return [
            connection
            for connection in self.server_state.connections
            if isinstance(connection, Protocol)
        ]


def serve(
    app: ASGIApp, title: str, door: socket.socket, lifecycle: Lifecycle, deadlines: Deadlines
) -> None:
    """Answer at ``door`` until a signal comes."""
    config = uvicorn.Config(
        app,
        http=type("Protocol", (Protocol,), {"title": title}),
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        # The application logs requests and defects itself, without values.
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    Server(config, title, lifecycle, deadlines).run(sockets=[door])
