"""The server under the application: uvicorn, with deadlines and a way to stop that loses nothing.

SIGTERM first fails readiness and asks every client to leave, and only then closes the door, so
that a caller who asks for readiness loses nothing.
"""

import logging
import resource
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
from pipeline.serving.refusal import Refusal

REQUEST_SECONDS: Final = 10.0
# Longer than the 60 s of most load balancers: who would send the next request closes first.
IDLE_SECONDS: Final = 75
# A readiness probe every 2 s sees that the service stops, and the load balancer has 3 s to act.
DRAIN_SECONDS: Final = 5.0
# Requests may still be under way then.
FINISH_SECONDS: Final = 3
# Each may hold a third of a MiB while a large body arrives that has to be refused.
CONNECTIONS: Final = 500
# The event loop accepts one connection a turn at each listener, and its turns are long in an
# overload: at a single one, clients that come last wait until most others have all their answers.
# Each connection wakes all of them, which is felt where every request brings a connection.
LISTENERS: Final = 4
# File descriptors for all else: the listeners, what the process has open, and connections that are
# being closed for new ones.
OTHER_FILES: Final = 100

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What a client may take of the server, and seconds from SIGTERM to the closed door."""

    request_seconds: float = REQUEST_SECONDS
    drain_seconds: float = DRAIN_SECONDS
    connections: int = CONNECTIONS


class Server(uvicorn.Server):
    """Stops in two steps, and ends with 0."""

    def __init__(
        self, config: uvicorn.Config, title: str, lifecycle: Lifecycle, limits: Limits
    ) -> None:
        """Answer as ``title``, and tell ``lifecycle`` when to stop."""
        super().__init__(config)
        self._title, self._lifecycle, self._limits = title, lifecycle, limits
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
        self._closing_at = monotonic() + self._limits.drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Give up late clients, and say whether to stop: every tenth of a second."""
        overdue = get_running_loop().time() - self._limits.request_seconds
        for connection in self._connections():
            if connection.waiting_since < overdue:
                connection.give_up(Refusal.LATE)
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
    app: ASGIApp, title: str, doors: list[socket.socket], lifecycle: Lifecycle, limits: Limits
) -> None:
    """Answer at all ``doors`` until a signal comes; clients crowd at the first."""
    most = _connections_within(limits.connections)
    shared = {"title": title, "lifecycle": lifecycle, "most_connections": most}
    config = uvicorn.Config(
        app,
        http=type("Protocol", (Protocol,), shared),
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
    more = [doors[0].dup() for _ in range(LISTENERS - 1)]
    Server(config, title, lifecycle, limits).run(sockets=[*doors, *more])


def _connections_within(wished: int) -> int:
    """Return how many connections may be open, as far as the process may open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wished if files == resource.RLIM_INFINITY else max(1, min(wished, files - OTHER_FILES))
