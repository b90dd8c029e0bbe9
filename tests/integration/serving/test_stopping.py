"""A service that is told to stop loses nothing that a caller who asks for readiness has sent."""

import contextlib
import http.client
import itertools
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.serving.server import DRAIN_SECONDS, FINISH_SECONDS
from tests.integration.serving.servers import (
    BATCH,
    CHUNKED,
    GET,
    MANY_PATIENTS,
    ONE_PATIENT,
    PAGE,
    PATIENCE,
    answers,
    chunk,
    read,
    serving,
    to_the_end,
    until,
)
from tests.serving.hostile import PATIENT

STOPPED = "INFO stopped"


@pytest.fixture
def server(package_folder, tmp_path):
    """Return a service with default settings."""
    with serving(package_folder, tmp_path) as found:
        yield found


def is_closed(server):
    """Say whether clients can no longer connect."""
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_fails_readiness_at_once_and_goes_on_answering(server):
    """Each answer asks its client to leave; the process itself counts as alive."""
    assert server.is_ready()
    server.process.send_signal(signal.SIGTERM)
    until(lambda: not server.is_ready())
    found = {path: server.ask("GET", path) for path in ("/readyz", "/healthz", "/livez", "/info")}
    found["/predict"] = server.predict(PATIENT)

    assert {path: answer.status for path, answer in found.items()} == {
        "/readyz": 503,
        "/healthz": 503,
        "/livez": 200,
        "/info": 200,
        "/predict": 200,
    }
    assert all(answer.leaves for answer in found.values())


def test_a_kept_connection_is_answered_once_more_and_closed(server):
    """Its client could not know; the next request goes to another service."""
    with server.connect() as connection:
        connection.sendall(PAGE)
        answers(connection, "GET")
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not server.is_ready())
        connection.sendall(PAGE)
        (answer,) = answers(connection, "GET")
        rest = to_the_end(connection)

    assert answer.status == 200
    assert answer.leaves
    assert rest == b""


def test_sigterm_before_the_first_request_ends_with_0(package_folder, tmp_path):
    """As soon as the service says that it answers, it hears signals."""
    with serving(package_folder, tmp_path, "--drain-seconds", "0") as server:
        code = server.end()

    assert code == 0
    assert server.printed()[1:] == [STOPPED]


# The part of a request before the service is told to stop, and the part after it stops listening.
UNFINISHED = {
    "a word": (b"GE", b"T /livez HTTP/1.1\r\nhost: a\r\n\r\n"),
    "a head": (GET, b"\r\n"),
    "a body": (ONE_PATIENT[:-1], ONE_PATIENT[-1:]),
    "chunks": (CHUNKED + chunk(PATIENT), b"0\r\n\r\n"),
    "half of 1,000 patients": (MANY_PATIENTS[:80_000], MANY_PATIENTS[80_000:]),
    **{f"1,000 patients, {n}. time": (MANY_PATIENTS, b"") for n in range(1, 11)},
}
LATE = 5
STOPS = {
    "SIGTERM": ("0.2", [signal.SIGTERM]),
    "SIGTERM twice": ("60", [signal.SIGTERM, signal.SIGTERM]),
    "SIGTERM and SIGINT": ("60", [signal.SIGTERM, signal.SIGINT]),
    "SIGINT": ("60", [signal.SIGINT]),
}


@pytest.mark.parametrize(("drain", "signals"), STOPS.values(), ids=STOPS)
def test_whatever_is_under_way_is_answered(package_folder, tmp_path, drain, signals):
    """What waits for its turn, and what still arrives; then it ends with 0 and without a word."""
    with (
        serving(package_folder, tmp_path, "--drain-seconds", drain, patient=True) as server,
        contextlib.ExitStack() as stack,
    ):
        idle, *others = [stack.enter_context(server.connect()) for _ in range(len(UNFINISHED) + 1)]
        for connection, (before, _) in zip(others, UNFINISHED.values(), strict=True):
            connection.sendall(before)
        # It reads its connections in turn: it has begun with all of these when it answers another.
        assert server.is_ready()
        *first, last = signals
        for one in first:
            server.process.send_signal(one)
            until(lambda: not server.is_ready())
        server.process.send_signal(last)
        until(lambda: is_closed(server))
        for connection, (_, late) in zip(others, UNFINISHED.values(), strict=True):
            connection.sendall(late)
        found = [answers(connection, "GET")[0] for connection in others]
        rests = [to_the_end(connection) for connection in (*others, idle)]
        code = server.process.wait(PATIENCE)

    assert [answer.status for answer in found] == [200] * len(UNFINISHED)
    assert found[-1].body.count(b"probability") == 1000
    # The others may have had their answer before.
    assert all(answer.leaves for answer in found[:LATE])
    assert not any(rests)
    assert code == 0
    assert server.printed()[1:] == [STOPPED]


def test_a_service_ends_within_10_seconds_whatever_its_clients_do(server):
    """After that Docker kills it; who never finishes is cut off, and the log says so."""
    with server.connect() as body, server.connect() as head, server.connect():
        body.sendall(ONE_PATIENT[:-1])
        head.sendall(GET)
        code = server.end()

    assert code == 0
    assert DRAIN_SECONDS + FINISH_SECONDS < 10
    assert server.printed()[1:] == [
        *["WARNING a connection was cut off: it took more than 3 s to end"] * 2,
        STOPPED,
    ]


class Balancer:
    """Asks every replica for readiness five times a second, and sends only to those that are ready.

    It keeps its connections and repeats no request.
    """

    def __init__(self):
        """Begin without replicas."""
        self.ready, self.replicas = [], []
        self.answered, self.errors = {}, []
        self.is_over = threading.Event()

    def add(self, server):
        """Add a replica, and wait until it is ready."""
        self.replicas.append(server)
        until(lambda: server in self.ready)

    def watch(self):
        """Ask for readiness until all is over."""
        while not self.is_over.wait(0.2):
            self.ready = [server for server in self.replicas if is_ready(server)]

    def load(self, seed):
        """Send requests one after the other until all is over."""
        kept = {}
        for turn in itertools.takewhile(lambda _: not self.is_over.is_set(), itertools.count(seed)):
            ready = self.ready
            server = ready[turn % len(ready)]
            body = PATIENT if turn % 20 else BATCH
            try:
                kept[server.port] = self.send(kept.pop(server.port, None), server, body)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.errors.append(repr(error))
        for connection in kept.values():
            connection.close()

    def send(self, connection, server, body):
        """Send one request, and return the connection for the next one."""
        if connection is None or connection.sock is None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("POST", "/predict", body, {"content-type": "application/json"})
        assert read(connection.getresponse()).status == 200
        self.answered[server.port] = self.answered.get(server.port, 0) + 1
        return connection


def is_ready(server):
    """Say whether a replica is ready; one that is gone is not."""
    try:
        return server.is_ready()
    except OSError:
        return False


def test_a_rolling_restart_under_load_loses_no_request(package_folder, tmp_path):
    """Two replicas are replaced one after the other, as a cluster does it."""
    balancer = Balancer()
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(6) as threads:
        stack.callback(balancer.is_over.set)
        threads.submit(balancer.watch)

        def replica():
            server = stack.enter_context(serving(package_folder, tmp_path, patient=True))
            balancer.add(server)
            return server

        old = [replica(), replica()]
        load = [threads.submit(balancer.load, seed) for seed in range(4)]
        for server in old:
            time.sleep(1)
            replica()
            assert server.end() == 0
        time.sleep(1)
        balancer.is_over.set()
        for one in load:
            one.result()

    assert balancer.errors == []
    assert sum(balancer.answered.values()) > 500
    assert set(balancer.answered) == {server.port for server in balancer.replicas}
    assert len(balancer.replicas) == 4
