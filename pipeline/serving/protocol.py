"""HTTP/1.1 on one connection: uvicorn's, with the limits that it lacks.

A client must bring a whole request, and take its answer, in time and within a size. Whoever does
not, or sends what is no HTTP, is told so if there is a way to, and the connection is closed.
"""

from asyncio import AbstractEventLoop, Transport
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from http import HTTPStatus
from math import inf
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.serving import problem
from pipeline.serving.app import MODEL_HEADER

# Of a request without its body.
HEAD_BYTES: Final = 64 * 2**10
REQUEST_BYTES: Final = 4 * 2**20
# What is read between two looks at how much it was.
PIECE_BYTES: Final = 16 * 2**10
# What the system is told, to forget what is unsent when a connection is closed.
NO_LINGERING: Final = pack("ii", 1, 0)
NO_HTTP: Final = "this is not a request of HTTP/1.1"


class Line(Transport):
    """A transport that sends all that is written in a turn at once, and closes as its user does."""

    def __init__(self, wire: Transport, loop: AbstractEventLoop, leave: Callable[[], None]) -> None:
        """Stand before ``wire``."""
        super().__init__()
        self.wire, self._loop, self._leave = wire, loop, leave
        self.left = self.is_full = self._is_paused = False
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
        """Send what is held."""
        if self._held and not self.wire.is_closing():
            self.wire.write(b"".join(self._held))
        self._held.clear()

    def close(self) -> None:
        """Leave."""
        self._leave()

    def is_closing(self) -> bool:
        """Say whether it is too late to write."""
        return self.left or self.wire.is_closing()

    def abort(self) -> None:
        """Close at once."""
        # Some systems refuse where the client is gone already.
        with suppress(OSError):
            self.wire.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, NO_LINGERING)
        self.wire.abort()

    def pause_reading(self) -> None:
        """Take in no more of a body."""
        self._is_paused = True
        self.wire.pause_reading()

    def resume_reading(self) -> None:
        """Take in more of a body, unless it stands behind other requests."""
        self._is_paused = False
        if not self.is_full:
            self.wire.resume_reading()

    def set_full(self, *, is_full: bool) -> None:
        """Take in nothing while requests wait for their turn."""
        self.is_full = is_full
        if is_full:
            self.wire.pause_reading()
        elif not self._is_paused:
            self.wire.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the wire knows."""
        return self.wire.get_extra_info(name, default)


class Trailers(list[tuple[bytes, bytes]]):
    """Where the fields after a body go: nobody reads them."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        """Keep nothing."""


TRAILERS: Final = Trailers()


class Part(Enum):
    """What has come of a request."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection, with limits. The server looks at ``waiting_since``."""

    transport: Line
    # Which model answers.
    title = ""
    # Since when the client owes a request, or the reading of an answer, by the loop's clock.
    waiting_since = inf
    _part = Part.NOTHING
    # Bytes of the request; and of it those that brought no more of the body.
    _received = _useless = 0
    # What came after a request that has to wait for its turn.
    _unread = b""
    # What to say when the requests before are answered.
    _last_words: bytes | None = None
    _is_late = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Expect the first request."""
        super().connection_made(Line(transport, self.loop, self.leave))
        self.waiting_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Take part of a request, or of several."""
        self._read(self._unread + data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what was asked: who has stopped sending may still listen."""
        self.transport.flush()
        if self._part is not Part.NOTHING or not self._is_answering() or self.transport.left:
            return False
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        super().on_message_begin()
        self._part = Part.HEAD

    def on_headers_complete(self) -> None:
        """Hand the request to the application."""
        self._check_head()
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self._part, self.headers = Part.BODY, TRAILERS

    def on_body(self, body: bytes) -> None:
        """Read more of the body."""
        self._useless = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End reading the request: from now on the service's own time runs."""
        if not self.parser.should_upgrade():
            super().on_message_complete()
            self._part, self._received, self._useless = Part.NOTHING, 0, 0
            self.waiting_since = inf

    def on_response_complete(self) -> None:
        """Begin to answer the next request, read on, or say the last words."""
        was_last = not self.pipeline
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if was_last and self._last_words is not None:
            self._say_and_leave(self._last_words)
        elif self.transport.is_full and not self.pipeline:
            self._read(self._unread)

    def pause_writing(self) -> None:
        """Expect that what was written is read."""
        super().pause_writing()
        self._set_clock()

    def resume_writing(self) -> None:
        """Write again."""
        super().resume_writing()
        self._set_clock()

    def shutdown(self) -> None:
        """Leave, but not before a request that arrives or is answered has its answer."""
        if self._part is not Part.HEAD:
            super().shutdown()

    def give_up(self) -> None:
        """Wait no longer for the client."""
        self._is_late = True
        if self.transport.is_closing() or self.flow.write_paused:
            self.transport.abort()
        elif self._part is Part.NOTHING:
            self.leave()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive")

    def leave(self) -> None:
        """Close, but hear out who still sends: an answer is lost when its client is cut off."""
        if self.transport.is_closing():
            return
        self.transport.flush()
        self.transport.left = True
        self.waiting_since = min(self.waiting_since, self.loop.time())
        self.pipeline.clear()
        if self._is_late or (self._part is Part.NOTHING and self._last_words is None):
            self.transport.wire.close()
            return
        self.transport.wire.write_eof()
        self.transport.wire.resume_reading()
        if self._is_answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _read(self, data: bytes) -> None:
        """Read until a request has to wait for its turn; then take in no more."""
        self._unset_keepalive_if_required()
        start, self._unread = 0, b""
        try:
            while start < len(data) and not (self.pipeline or self._is_over()):
                self._feed(data[start : start + PIECE_BYTES])
                start += PIECE_BYTES
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST, NO_HTTP)
        if self.pipeline and not self._is_over():
            self._unread = data[start:]
            self.transport.set_full(is_full=True)
        elif self.transport.is_full:
            self.transport.set_full(is_full=False)
        self._set_clock()

    def _feed(self, piece: bytes) -> None:
        while piece and not self._is_over():
            self._received += len(piece)
            self._useless += len(piece)
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                piece = self._head_without_upgrade() + piece[upgrade.args[0] :]
            else:
                self._check_size()
                self._refuse_http_0_9(piece)
                return

    def _set_clock(self) -> None:
        """Let the client's time run while the next step is the client's."""
        owes_request = self._part is not Part.NOTHING or not self._is_answering()
        if self.flow.write_paused or (owes_request and not self.pipeline):
            self.waiting_since = min(self.waiting_since, self.loop.time())
        elif not self.transport.is_closing():
            self.waiting_since = inf

    def _head_without_upgrade(self) -> bytes:
        """Return the head for a second reading: this server ignores the wish for another protocol.

        The parser ends such a request after its head, and some clients ask with every request.
        """
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % field for field in self.headers if field[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _check_head(self) -> None:
        version, hosts = self.parser.get_http_version(), [n for n, _ in self.headers].count(b"host")
        if (version, hosts) not in {("1.1", 1), ("1.0", 0), ("1.0", 1)}:
            raise ValueError(NO_HTTP)
        if self.parser.get_method() == b"CONNECT":
            raise ValueError(NO_HTTP)

    def _check_size(self) -> None:
        if self._useless > HEAD_BYTES:
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"a request without its body holds at most {HEAD_BYTES} bytes",
            )
        elif self._received > REQUEST_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large")

    def _refuse_http_0_9(self, piece: bytes) -> None:
        """Refuse a request line without a version: nothing would follow it."""
        is_one_line = self._part is Part.HEAD and not self.headers and piece.endswith(b"\n")
        if is_one_line and self.parser.get_http_version() == "0.0":
            self._refuse(HTTPStatus.BAD_REQUEST, NO_HTTP)

    def _is_over(self) -> bool:
        return self._last_words is not None or self.transport.is_closing()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Say in its turn why the connection ends."""
        if self._is_over():
            return
        body = problem.content(status, detail)
        head = (
            f"HTTP/1.1 {int(status)} {status.phrase}\r\ncontent-type: {problem.MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\n{MODEL_HEADER}: {self.title}\r\n"
            "connection: close\r\n\r\n"
        )
        self._last_words, others = head.encode() + body, self._is_answering()
        if self._part is Part.BODY:
            # The application has the request already.
            others = bool(self.pipeline)
            if others:
                self.pipeline.popleft()
            elif self.cycle.response_started:
                self._last_words = b""
        if not others:
            self._say_and_leave(self._last_words)

    def _say_and_leave(self, words: bytes) -> None:
        self.transport.write(words)
        self.leave()
