"""How many connections a service keeps, and how it counts whom it refuses: a real process."""

import re
import signal
import socket
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.containers import free_port
from tests.integration.serving.servers import (
    CHUNKED,
    GET,
    MANY_PATIENTS,
    ONE_PATIENT,
    PAGE,
    POST,
    answers,
    chunk,
    send_for_ever,
    serving,
    to_the_end,
)
from tests.serving.hostile import PATIENT

REFUSALS = re.compile(r'^heart_disease_refusals_total\{.*reason="(\w+)"\} (\d+)\.0$', re.MULTILINE)
PAGES = re.compile(rb'^heart_disease_requests_total\{.*route="/livez".*\} (\d+)\.0$', re.MULTILINE)
METRICS = GET.replace(b"livez", b"metrics") + b"\r\n"
# The files that a service may open; a hundred are not for connections.
FILES = 150

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="only Linux tells which files a process has open"
)


@pytest.fixture
def small(package_folder, tmp_path):
    """Return a service that keeps three connections, and waits long for a request."""
    options = ("--connections", "3", "--request-seconds", "600")
    with serving(package_folder, tmp_path, *options) as server:
        yield server


@pytest.fixture(scope="module")
def roomy(package_folder, tmp_path_factory):
    """Return a service that waits one second for a request."""
    folder = tmp_path_factory.mktemp("roomy")
    with serving(package_folder, folder, "--request-seconds", "1") as server:
        yield server


@pytest.fixture
def opened():
    """Return the connections of a test, which are closed at its end."""
    with ExitStack() as stack:
        yield stack


def status_of(connection, sent=PAGE):
    """Return the status of the answer to one request."""
    connection.sendall(sent)
    return answers(connection, "GET")[0].status


def refusals(server):
    """Return how many clients the service has refused, each with its reason."""
    page = server.ask("GET", "/metrics").body.decode()
    return Counter({reason: int(count) for reason, count in REFUSALS.findall(page)})


def test_over_the_limit_the_connection_that_idles_longest_is_closed(small, opened):
    """The new one is answered, and so are those that were used since."""
    first, second, third = (opened.enter_context(small.connect()) for _ in range(3))
    for connection in (first, second, third, first):
        assert status_of(connection) == 200
        # The event loop's clock counts milliseconds.
        time.sleep(0.01)

    assert status_of(opened.enter_context(small.connect())) == 200

    assert to_the_end(second) == b""
    assert status_of(first) == status_of(third) == 200


def test_a_client_that_has_sent_half_a_request_is_told_that_it_gives_way(package_folder, tmp_path):
    """Or those that send slowly would keep all others away."""
    options = ("--connections", "1", "--request-seconds", "600")
    with serving(package_folder, tmp_path, *options) as server, server.connect() as slow:
        slow.sendall(PAGE + GET)
        assert answers(slow, "GET")[0].status == 200

        assert server.ask("GET", "/livez").status == 200

        (answer,) = answers(slow, "GET")

    assert answer.status == 503
    assert answer.leaves
    assert b"too many connections" in answer.body


def test_who_comes_last_is_answered_however_little_later(package_folder, tmp_path, opened):
    """The event loop's clock counts milliseconds: several may come within one."""
    server = opened.enter_context(serving(package_folder, tmp_path, "--connections", "1"))
    for _ in range(100):
        assert status_of(opened.enter_context(server.connect())) == 200


def test_a_request_that_is_being_answered_gives_way_to_none(small, opened):
    """The new connection is closed instead."""
    busy = [opened.enter_context(small.connect()) for _ in range(3)]
    for connection in busy:
        connection.sendall(MANY_PATIENTS * 20)
    for connection in busy:
        assert connection.recv(4) == b"HTTP"

    assert to_the_end(opened.enter_context(small.connect())) == b""

    for connection in busy:
        connection.shutdown(socket.SHUT_WR)
        assert to_the_end(connection).count(b"/1.1 200 OK") == 20


@needs_proc
def test_idle_connections_do_not_use_up_the_files_of_the_process(package_folder, tmp_path, opened):
    """Four times as many come at once as it may open; who comes then is answered."""
    server = opened.enter_context(serving(package_folder, tmp_path, files=FILES))
    server.process.send_signal(signal.SIGSTOP)
    for _ in range(4 * FILES):
        opened.enter_context(server.connect())
    server.process.send_signal(signal.SIGCONT)

    assert server.is_ready()
    assert len([*Path(f"/proc/{server.process.pid}/fd").iterdir()]) < FILES
    assert len(server.printed()) == 1


def pages_before(server, port):
    """Let 300 clients come at once for 64 pages each, and then one at ``port`` for the counts.

    Return how many pages were answered before those counts.
    """
    server.process.send_signal(signal.SIGSTOP)
    with ExitStack() as opened:
        for _ in range(300):
            opened.enter_context(server.connect()).sendall(PAGE * 64)
        last = opened.enter_context(server._replace(port=port).connect())
        last.sendall(METRICS)
        server.process.send_signal(signal.SIGCONT)
        (counts,) = answers(last, "GET")
    return int(PAGES.search(counts.body)[1])


def test_connections_that_come_at_once_are_accepted_in_a_few_turns(package_folder, tmp_path):
    """The last one does not wait until most of the others have all that they want."""
    with serving(package_folder, tmp_path) as server:
        assert pages_before(server, server.port) < 300 * 64 * 3 / 4


def test_a_probe_does_not_wait_behind_clients_at_a_port_of_its_own(package_folder, tmp_path):
    """However many there are."""
    port = free_port()
    with serving(package_folder, tmp_path, "--probe-port", str(port)) as server:
        assert pages_before(server, port) < 300


# What is sent, and the reason for which it is counted: none, if the application knows of it.
COUNTED = {
    "not HTTP": (b"\0", "malformed"),
    "a greeting of TLS": (bytes.fromhex("16030100c8010000c40303"), "malformed"),
    "nothing": (b"", "late"),
    "half a head": (GET, "late"),
    "half a body": (POST + b"content-length: 1000\r\n\r\n[", "late"),
    "the rest of a body that is too large": (POST + b"content-length: 9999999\r\n\r\n", None),
    "a long head": (GET + b"a: " + b"a" * 99_999, "head_too_large"),
    "a long extension": (CHUNKED + b"1;" + b"a" * 99_999, "head_too_large"),
    "a second request after a patient": (ONE_PATIENT + b"\0", "malformed"),
    "chunks, then none": (CHUNKED + chunk(PATIENT) + b"quetzal\r\n", "malformed"),
    "extensions": (CHUNKED + (b"1;" + b"a" * 9_000 + b"\r\n \r\n") * 500, "too_large"),
}


@pytest.mark.parametrize(("sent", "reason"), COUNTED.values(), ids=COUNTED)
def test_a_client_that_the_application_does_not_hear_of_is_counted(roomy, sent, reason):
    """Once, by its reason."""
    before = refusals(roomy)

    with roomy.connect() as connection:
        connection.sendall(sent)
        to_the_end(connection)

    assert refusals(roomy) - before == Counter([reason] if reason else [])


def test_a_connection_that_gives_way_is_counted(small, opened):
    """Whether it is closed without a word or told so."""
    for _ in range(5):
        assert status_of(opened.enter_context(small.connect())) == 200

    assert refusals(small)["crowded"] == 3


@needs_proc
def test_a_client_that_never_reads_is_counted(roomy, opened):
    """It is cut off after the second that it has."""
    before, connection = refusals(roomy), opened.enter_context(roomy.connect())
    pages = GET.replace(b"livez", b"openapi.json") + b"\r\n"
    with pytest.raises(ConnectionError):
        send_for_ever(connection, pages)

    assert refusals(roomy) - before == Counter(["late"])
