"""A registry of images that breaks off: what is between the pipeline and a real one."""

import http.client
import re
from http.server import ThreadingHTTPServer

from tests import stand_ins

CHUNK = 1 << 20
DENIED = b'{"errors": [{"code": "DENIED", "message": "injected by the test"}]}'
MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<tag>[^/]+)")


class Proxy(ThreadingHTTPServer):
    """A way to the registry at ``port``.

    From the ``fail_at``-th manifest on that is put, every change is refused; that one itself
    is still done when ``done_before`` is set. ``put`` are the tags that reached the registry.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        """Listen."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = port
        self.fail_at = 0
        self.done_before = False
        self.changes = 0
        self.put: list[str] = []

    @property
    def address(self) -> str:
        """Return the host and the port that images are named after."""
        return f"127.0.0.1:{self.server_port}"

    def fail(self, at: int, *, done_before: bool) -> None:
        """Count anew, and refuse from there on; 0 refuses nothing."""
        self.fail_at, self.done_before, self.changes = at, done_before, 0


class Handler(stand_ins.Handler):
    """One request after the other, passed on with its body."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def answer(self) -> None:
        """Pass the request on, unless it is one to break off."""
        body = b"".join(self._body())
        if self.command != "PUT" or not (found := MANIFEST.fullmatch(self.path)):
            return self._say(*self._asked(body))
        self.server.changes += 1
        failing = 0 < self.server.fail_at <= self.server.changes
        if failing and not (self.server.done_before and self.server.changes == self.server.fail_at):
            return self._say(403, {"Content-Type": "application/json"}, DENIED)
        answer = self._asked(body)
        self.server.put.append(found["tag"])
        if failing:
            return self._say(403, {"Content-Type": "application/json"}, DENIED)
        return self._say(*answer)

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        elif length := int(self.headers.get("Content-Length") or 0):
            yield self.rfile.read(length)

    def _asked(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=60)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _say(self, status, headers, body) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        # An answer to HEAD tells the length of what it does not send.
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def in_front_of(address):
    """Serve while the block runs, in front of the registry at an address."""
    return stand_ins.serving(Proxy(int(address.rpartition(":")[2])))
