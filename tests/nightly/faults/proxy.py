"""A proxy between a client and a real server: it records every call, and breaks the one it is told.

It takes real connections at a port of its own. Each call to the server has a connection of its
own, so that the proxy itself never repeats anything.
"""

import contextlib
import http.client
import re
import select
import socket
import struct
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

HOST = "127.0.0.1"
# A call that hangs is let go after this at the latest.
LONGEST = 60
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
IDENTIFIER = re.compile(r"\bm-[0-9a-f]{32}\b|\b[0-9a-f]{32}\b|(?<=/)\d+(?=/)")


class Call(NamedTuple):
    """A call of a client: what it asks, and the how manyeth of its kind it is."""

    title: str
    ordinal: int


def title(method, path):
    """Return what a call asks, without what differs from run to run."""
    plain = IDENTIFIER.sub("*", path.partition("?")[0])
    return f"{method} {plain.removeprefix('/api/2.0/').removeprefix('mlflow/')}"


class Answer(NamedTuple):
    """What a server answers."""

    status: int
    headers: tuple
    body: bytes


class Exchange:
    """A call that has come in and waits for an answer: what a fault may do with it."""

    def __init__(self, handler, call, body) -> None:
        """Keep what was asked."""
        self.call, self.proxy = call, handler.server.proxy
        self._handler, self._body = handler, body

    def forward(self):
        """Ask the server and return its answer; the client does not see it yet."""
        server = http.client.HTTPConnection(*self.proxy.server, timeout=LONGEST)
        given = self._handler.headers.items()
        headers = {k: v for k, v in given if k.lower() not in HOP_BY_HOP}
        headers["Host"] = "{}:{}".format(*self.proxy.server)
        with contextlib.closing(server):
            server.request(self._handler.command, self._handler.path, self._body, headers)
            found = server.getresponse()
            kept = tuple((k, v) for k, v in found.getheaders() if k.lower() not in HOP_BY_HOP)
            return Answer(found.status, kept, found.read())

    def send(self, answer, *, claim=0):
        """Give the client an answer that claims to be ``claim`` bytes longer than it is."""
        handler = self._handler
        handler.send_response(answer.status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body) + claim))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(answer.body)
        handler.wfile.flush()
        handler.close_connection = handler.close_connection or claim > 0

    def reset(self):
        """Break the connection off, as a process does that dies."""
        # To linger for no time makes the kernel send a reset in place of an orderly end.
        now = struct.pack("ii", 1, 0)
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        self._handler.close_connection = True

    def hang(self):
        """Answer nothing until the client has given up."""
        select.select([self._handler.connection], [], [], LONGEST)
        self._handler.close_connection = True


class Proxy:
    """A proxy in front of the server at ``port``, which it leaves alone until it is told."""

    def __init__(self, port) -> None:
        """Listen at a port of its own."""
        self.server = (HOST, port)
        self._changed = threading.Condition()
        self._listener = _Listener((HOST, 0), _Handler)
        self._listener.proxy = self
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()
        self.expect()

    @property
    def uri(self):
        """Return the address at which a client finds the proxy."""
        return f"http://{HOST}:{self._listener.server_port}"

    def expect(self, fault=None, at=None, *, lasts=False, each=None):
        """Count calls from here, and break ``at``; where the fault ``lasts``, all later ones too.

        ``each`` is called with every call before it is forwarded.
        """
        self.wait_until_idle()
        with self._changed:
            self.calls, self.answered, self.broken = [], [], 0
            self._seen = Counter()
            self._fault, self._at, self._lasts, self._each = fault, at, lasts, each

    def wait_until_idle(self):
        """Wait until no call is under way any more, not even one that its client gave up."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._under_way, LONGEST)

    _under_way = 0

    def taken(self, method, path):
        """Return a call that came in, numbered among its kind."""
        with self._changed:
            self._under_way += 1
            name = title(method, path)
            self._seen[name] += 1
            self.calls.append(Call(name, self._seen[name]))
            return self.calls[-1]

    def play(self, exchange):
        """Break the call, or forward it."""
        call = exchange.call
        try:
            if self._fault and (call == self._at or (self._lasts and self.broken)):
                self.broken += 1
                self._fault(exchange)
                return
            if self._each:
                self._each(call)
            exchange.send(exchange.forward())
        finally:
            with self._changed:
                self._under_way -= 1
                self.answered.append(call)
                self._changed.notify_all()

    def wait_for_repetition(self, call, seconds):
        """Wait until the client has repeated a call and had its answer, or for ``seconds``."""

        def repeated():
            return any(c.title == call.title and c.ordinal > call.ordinal for c in self.answered)

        with self._changed:
            self._changed.wait_for(repeated, seconds)

    def close(self):
        """Stop listening."""
        self._listener.shutdown()
        self._listener.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Say nothing of a client that was killed; print what is an error of the proxy."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def shutdown_request(self, request):
        """Close only: an orderly end first would spoil a reset."""
        self.close_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        body = self._read()
        exchange = Exchange(self, self.server.proxy.taken(self.command, self.path), body)
        try:
            self.server.proxy.play(exchange)
        except (OSError, http.client.HTTPException):
            # Of a server that is dead a client hears nothing more either.
            exchange.reset()

    # http.server names them.
    do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def _read(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = iter(lambda: self.rfile.read(int(self.rfile.readline(), 16) + 2)[:-2], b"")
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def log_message(self, *_):
        """Say nothing."""
