"""HTTP/1.1 on one connection: uvicorn's, with the limits that it lacks.

A client must send a whole request, and read its answer, in time and within a size. A client that
breaks a limit or does not speak HTTP/1.1 gets an error response if one can still be sent; then the
connection closes.
"""

from asyncio import Transport
from enum import Enum, auto
from math import inf
from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.serving import problem
from pipeline.serving.app import MODEL_HEADER, Lifecycle
from pipeline.serving.refusal import HEAD_BYTES, Refusal
from pipeline.serving.transport import BatchedTransport

REQUEST_BYTES: Final = 4 * 2**20
# The size is checked after each piece of this length.
PIECE_BYTES: Final = 16 * 2**10


class Trailers(list[tuple[bytes, bytes]]):
    """Takes the fields after a body, which are not read."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        """Keep nothing."""


TRAILERS: Final = Trailers()


class Part(Enum):
    """The part of a request that is being read."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection, with limits. The server looks at ``waiting_since``."""

    transport: BatchedTransport
    connections: set["Protocol"]  # type: ignore[assignment]
    # The server sets these: the model version of the answers, what it shares with the application,
    # and how many connections may be open.
    title: str
    lifecycle: Lifecycle
    most_connections: int
    # Since when the client owes a request, or the reading of an answer, by the loop's clock.
    waiting_since = inf
    _part = Part.NOTHING
    # Bytes of the request; and of it those that brought no more of the body.
    _received = _useless = 0
    # Bytes after a request that has to wait for its turn.
    _unread = b""
    # The error response that follows the answers to the requests before.
    _error: bytes | None = None
    _is_given_up = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Expect the first request."""
        super().connection_made(BatchedTransport(transport, self.loop, self.close))
        self.waiting_since = self.loop.time()
        if len(self.connections) > self.most_connections:
            idle = min(self.connections - {self}, key=Protocol.idle_since)
            # Several may come at the same time by the loop's clock, which counts milliseconds.
            leaves = self if idle.idle_since() == inf else idle
            leaves.give_up(Refusal.CROWDED)

    def idle_since(self) -> float:
        """Return since when only the client can bring the connection forward; else infinity."""
        if self._is_given_up:
            return inf
        pause = self.timeout_keep_alive_task
        return self.waiting_since if pause is None else pause.when() - self.timeout_keep_alive

    def data_received(self, data: bytes) -> None:
        """Take part of a request, or of several."""
        self._read(self._unread + data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer the requests so far: a client that has stopped sending may still read."""
        self.transport.flush()
        if self._part is not Part.NOTHING or not self._is_answering() or self.transport.is_closed:
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
        """Begin to answer the next request, read on, or say the error response."""
        was_last = not self.pipeline
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if was_last and self._error is not None:
            self._respond_and_close(self._error)
        elif self.transport.is_full and not self.pipeline:
            self._read(self._unread)

    def pause_writing(self) -> None:
        """Expect the client to read the written bytes."""
        super().pause_writing()
        self._set_clock()

    def resume_writing(self) -> None:
        """Write again."""
        super().resume_writing()
        self._set_clock()

    def shutdown(self) -> None:
        """Close, but not before a request that arrives or is answered has its answer."""
        if self._part is not Part.HEAD:
            super().shutdown()

    def give_up(self, refusal: Refusal) -> None:
        """Wait no longer for the client."""
        self._is_given_up = True
        if self.transport.is_closing():
            self.transport.abort()
        elif self.flow.write_paused:
            self.lifecycle.refused(refusal)
            self.transport.abort()
        elif self._part is Part.NOTHING:
            self.lifecycle.refused(refusal)
            self.close()
        else:
            self._refuse(refusal)

    def close(self) -> None:
        """Close, but read on as long as the client sends: cut off, it would lose its answer."""
        if self.transport.is_closing():
            return
        self.transport.flush()
        self.transport.is_closed = True
        self.waiting_since = min(self.waiting_since, self.loop.time())
        self.pipeline.clear()
        if self._is_given_up or (self._part is Part.NOTHING and self._error is None):
            self.transport.inner.close()
            return
        self.transport.inner.write_eof()
        self.transport.inner.resume_reading()
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
            self._refuse(Refusal.MALFORMED)
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
            raise ValueError(Refusal.MALFORMED.detail)
        if self.parser.get_method() == b"CONNECT":
            raise ValueError(Refusal.MALFORMED.detail)

    def _check_size(self) -> None:
        if self._useless > HEAD_BYTES:
            self._refuse(Refusal.HEAD_TOO_LARGE)
        elif self._received > REQUEST_BYTES:
            self._refuse(Refusal.TOO_LARGE)

    def _refuse_http_0_9(self, piece: bytes) -> None:
        """Refuse a request line without a version: nothing would follow it."""
        is_one_line = self._part is Part.HEAD and not self.headers and piece.endswith(b"\n")
        if is_one_line and self.parser.get_http_version() == "0.0":
            self._refuse(Refusal.MALFORMED)

    def _is_over(self) -> bool:
        return self._error is not None or self.transport.is_closing()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with the reason, after the answers to the requests before, and close."""
        if self._is_over():
            return
        self._error, others = self._response(refusal), self._is_answering()
        if self._part is Part.BODY:
            # The application has the request already.
            others = bool(self.pipeline)
            if others:
                self.pipeline.popleft()
            elif self.cycle.response_started:
                self._error = b""
        if self._error:
            self.lifecycle.refused(refusal)
        if not others:
            self._respond_and_close(self._error)

    def _response(self, refusal: Refusal) -> bytes:
        body = problem.content(refusal.status, refusal.detail)
        head = (
            f"HTTP/1.1 {int(refusal.status)} {refusal.status.phrase}\r\n"
            f"content-type: {problem.MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            f"{MODEL_HEADER}: {self.title}\r\nconnection: close\r\n\r\n"
        )
        return head.encode() + body

    def _respond_and_close(self, response: bytes) -> None:
        self.transport.write(response)
        self.close()
