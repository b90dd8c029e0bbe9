"""Servers in processes of their own, and clients that say anything over a bare socket."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT
from tests.serving.hostile import PATIENT, WORD

ADDRESS = re.compile(r"answers at http://(?:127\.0\.0\.1|\[::\]):(\d+)")
# What nothing takes on a machine that is busy with other tests too.
PATIENCE = 30
MEBIBYTE = 2**20

BATCH = f"[{', '.join([PATIENT] * 1000)}]"
# The beginnings of requests. Their host is what no log may hold.
GET = f"GET /livez HTTP/1.1\r\nhost: {WORD}\r\n".encode()
POST = f"POST /predict HTTP/1.1\r\nhost: {WORD}\r\ncontent-type: application/json\r\n".encode()
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


def sized(body):
    """Return the end of a request's head, and a body of a known length."""
    return b"content-length: %d\r\n\r\n%s" % (len(body), body.encode())


def chunk(body):
    """Return a part of a body of an unknown length."""
    return b"%x\r\n%s\r\n" % (len(body), body.encode())


PAGE = GET + b"\r\n"
ONE_PATIENT = POST + sized(PATIENT)
MANY_PATIENTS = POST + sized(BATCH)


class Answer(NamedTuple):
    """One response; the names of its headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def leaves(self):
        """Say whether the server asks the client to leave."""
        return self.headers.get("connection") == "close"


class Server(NamedTuple):
    """A running service and the file with everything it printed."""

    process: subprocess.Popen
    log: Path
    port: int

    def connect(self, seconds=PATIENCE):
        """Return a new connection, which has to be closed."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def ask(self, method, path, body=None, headers=()):
        """Return the answer to one request, as an ordinary client sends and reads it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers))
            return read(connection.getresponse())

    def predict(self, body):
        """Return the answer to patients."""
        return self.ask("POST", "/predict", body, {"content-type": "application/json"})

    def is_ready(self):
        """Say whether the service wants requests."""
        return self.ask("GET", "/readyz").status == 200

    def end(self, sent=signal.SIGTERM):
        """Send a signal and return the exit code."""
        self.process.send_signal(sent)
        return self.process.wait(PATIENCE)

    def printed(self):
        """Return the lines that the service printed, without their times."""
        return [line.split(" ", 2)[-1] for line in self.log.read_text().splitlines()]

    def memory(self, name="VmRSS"):
        """Return the bytes that the process holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) * 1024


@contextlib.contextmanager
def serving(package, folder, *options, port="0", files=None, patient=False, **environment):
    """Serve a package at a free port; the server may have been ended when this is left.

    It may open as many ``files`` as its shell allows, if any are given: these tests may have more.
    A ``patient`` one ends what is under way also where the machine stands still for seconds.
    """
    log = folder / f"server-{time.monotonic_ns()}.log"
    arguments = ["--package", package, *options, *(["--port", port] if port else [])]
    with log.open("wb") as output:
        process = start(
            *arguments,
            module="tests.integration.serving.patient" if patient else "pipeline.serving",
            files=files,
            environment=environment,
            stderr=output,
        )
    try:
        yield Server(process, log, port_of(process, log))
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def start(*arguments, module="pipeline.serving", files=None, **more):
    """Start a module of the service, as a person or a container does."""
    limit = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"] if files else []
    environment = {name: value for name, value in os.environ.items() if name != "PORT"}
    environment |= {"COLUMNS": "200", **more.pop("environment", {})}
    return subprocess.Popen(
        [*limit, sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        **more,
    )


def port_of(process, log):
    """Return the port that a server prints when it answers."""
    until(lambda: process.poll() is not None or ADDRESS.search(log.read_text()))
    found = ADDRESS.search(log.read_text())
    assert found is not None, log.read_text()
    return int(found[1])


def until(happened, seconds=PATIENCE):
    """Wait until something is so, and return how long that took."""
    started = time.monotonic()
    while not happened():
        assert time.monotonic() < started + seconds, "it did not happen"
        time.sleep(0.01)
    return time.monotonic() - started


def read(response):
    """Return what ``http.client`` received."""
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def answers(connection, *methods):
    """Return the answers that come on a connection, one to each method."""
    with connection.makefile("rb") as stream:
        return [answer_in(stream, method) for method in methods]


def answer_in(stream, method="GET"):
    """Return the next answer in what comes on a connection."""
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name.lower()] = value
    length = 0 if method == "HEAD" else int(headers["content-length"])
    return Answer(status, headers, stream.read(length))


def send_for_ever(connection, data):
    """Send until the connection breaks."""
    while True:
        connection.sendall(data)


def to_the_end(connection):
    """Return everything that comes until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65_536):
            received += part
    return received
