"""A connection's transport that sends all that one turn of the loop writes as one packet."""

from asyncio import AbstractEventLoop, Transport
from collections.abc import Callable
from contextlib import suppress
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any, Final

# Tells the system to drop unsent bytes when a connection is closed.
NO_LINGERING: Final = pack("ii", 1, 0)


class BatchedTransport(Transport):
    """A transport that sends all that is written in a turn at once, and closes as its user does."""

    def __init__(
        self, inner: Transport, loop: AbstractEventLoop, close: Callable[[], None]
    ) -> None:
        """Wrap ``inner``; ``close`` ends the connection."""
        super().__init__()
        self.inner, self._loop, self._close = inner, loop, close
        self.is_closed = self.is_full = self._is_paused = False
        self._held: list[bytes] = []

    def write(self, data: Any) -> None:
        """Hold ``data`` to the end of the turn: head and body of an answer are one packet.

        To send with the body instead would answer a lone client sooner, and a crowd more slowly:
        each answer would wake its client before the next one is computed.
        """
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        """Send the held data."""
        if self._held and not self.inner.is_closing():
            self.inner.write(b"".join(self._held))
        self._held.clear()

    def close(self) -> None:
        """Close as the user of the transport does."""
        self._close()

    def is_closing(self) -> bool:
        """Say whether it is too late to write."""
        return self.is_closed or self.inner.is_closing()

    def abort(self) -> None:
        """Close at once."""
        # Some systems refuse where the client is gone already.
        with suppress(OSError):
            self.inner.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, NO_LINGERING)
        self.inner.abort()

    def pause_reading(self) -> None:
        """Take in no more of a body."""
        self._is_paused = True
        self.inner.pause_reading()

    def resume_reading(self) -> None:
        """Take in more of a body, unless it stands behind other requests."""
        self._is_paused = False
        if not self.is_full:
            self.inner.resume_reading()

    def set_full(self, *, is_full: bool) -> None:
        """Take in nothing while requests wait for their turn."""
        self.is_full = is_full
        if is_full:
            self.inner.pause_reading()
        elif not self._is_paused:
            self.inner.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return a fact that the inner transport knows."""
        return self.inner.get_extra_info(name, default)
