"""What a client may do on a connection, and what it may not: real sockets, a real process."""

import contextlib
import json
import select
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.integration.serving.servers import (
    BATCH,
    CHUNKED,
    GET,
    MANY_PATIENTS,
    MEBIBYTE,
    ONE_PATIENT,
    PAGE,
    POST,
    Answer,
    answer_in,
    answers,
    chunk,
    send_for_ever,
    serving,
    sized,
    to_the_end,
    until,
)
from tests.serving.hostile import PATIENT, WORD

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells a process's memory"
)
UPGRADE = b"connection: Upgrade, HTTP2-Settings\r\nhttp2-settings: AAMAAABk\r\nupgrade: h2c\r\n"
WEBSOCKET = b"connection: Upgrade\r\nsec-websocket-version: 13\r\nupgrade: websocket\r\n"
AGAIN = b"GET /info HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"

NO_HTTP = {
    "text": f"{WORD} says hello\r\n\r\n".encode(),
    "bytes": bytes(range(256)),
    "a greeting of TLS": bytes.fromhex("16030100c8010000c40303") + WORD.encode() * 20,
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "HTTP/0.9": b"GET /livez\r\n",
    "HTTP/0.9 and an empty line": b"GET /livez\r\n\r\n",
    "HTTP/1.2": b"GET /livez HTTP/1.2\r\nhost: a\r\n\r\n",
    "HTTP/2.0": b"GET /livez HTTP/2.0\r\nhost: a\r\n\r\n",
    "another protocol": b"GET /livez QUETZAL/1.1\r\nhost: a\r\n\r\n",
    "a method of its own": b"QUETZAL /livez HTTP/1.1\r\nhost: a\r\n\r\n",
    "a method in small letters": b"get /livez HTTP/1.1\r\nhost: a\r\n\r\n",
    "CONNECT": b"CONNECT quetzal:443 HTTP/1.1\r\nhost: a\r\n\r\n",
    "CONNECT to a path": b"CONNECT /predict HTTP/1.1\r\nhost: a\r\n\r\n",
    "a target without a slash": b"GET livez HTTP/1.1\r\nhost: a\r\n\r\n",
    "a target without a path": b"GET http://quetzal HTTP/1.1\r\nhost: a\r\n\r\n",
    "a target with a space": b"GET /live z HTTP/1.1\r\nhost: a\r\n\r\n",
    "a target in UTF-8": "GET /liv\u00e9z HTTP/1.1\r\nhost: a\r\n\r\n".encode(),
    "a query in Latin-1": "GET /livez?\u00e9 HTTP/1.1\r\nhost: a\r\n\r\n".encode("latin-1"),
    "a null byte in the target": b"GET /livez\0 HTTP/1.1\r\nhost: a\r\n\r\n",
    "a null byte in a name": GET + b"quet\0zal: a\r\n\r\n",
    "a null byte in a value": GET + b"a: quet\0zal\r\n\r\n",
    "an escape in a value": GET + b"a: \x1b[31mquetzal\r\n\r\n",
    "a folded value": GET + b"a: b\r\n quetzal\r\n\r\n",
    "a folded first line": b"GET /livez HTTP/1.1\r\n quetzal: a\r\nhost: a\r\n\r\n",
    "no colon": GET + b"quetzal\r\n\r\n",
    "no name": GET + b": quetzal\r\n\r\n",
    "a space before the colon": GET + b"a : quetzal\r\n\r\n",
    "a line that ends with CR": GET + b"a: quetzal\rb: c\r\n\r\n",
    "lines that end with LF": b"GET /livez HTTP/1.1\nhost: a\n\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"host: quetzal\r\n\r\n",
    "two lengths": POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "two lengths in one": POST + b"content-length: 2, 3\r\n\r\n{}",
    "a length and chunks": POST
    + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": POST
    + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "a length below zero": POST + b"content-length: -2\r\n\r\n{}",
    "a length with a sign": POST + b"content-length: +2\r\n\r\n{}",
    "a length in hexadecimal": POST + b"content-length: 0x2\r\n\r\n{}",
    "a length of a word": POST + b"content-length: quetzal\r\n\r\n{}",
    "no length": POST + b"content-length: \r\n\r\n{}",
    "a length beyond all": POST + b"content-length: 99999999999999999999\r\n\r\n{}",
    "an unknown encoding": POST + b"transfer-encoding: quetzal\r\n\r\n0\r\n\r\n",
    "chunks that are not last": POST + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks, almost": POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks after a control": POST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks twice": POST + b"transfer-encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "a chunk's size is a word": CHUNKED + b"quetzal\r\n{}\r\n0\r\n\r\n",
    "a chunk's size is below zero": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "a chunk's size is beyond all": CHUNKED + b"f" * 20 + b"\r\n{}\r\n0\r\n\r\n",
    "a chunk is longer than its size": CHUNKED + b"2\r\n{} quetzal\r\n0\r\n\r\n",
    "a trailer is no field": CHUNKED + chunk(PATIENT) + b"0\r\nquetzal\r\n\r\n",
}
# Odd, and still HTTP/1.1: the application answers, and the connection stays open.
ODD = {
    "an absolute target": (b"GET http://a/livez HTTP/1.1\r\nhost: a\r\n\r\n", 200),
    "an asterisk": (b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 404),
    "no percent encoding": (b"GET /%zz%f HTTP/1.1\r\nhost: a\r\n\r\n", 404),
    "a percent encoding that is no UTF-8": (b"GET /%ff%fe HTTP/1.1\r\nhost: a\r\n\r\n", 404),
    "empty lines before the request": (b"\r\n\r\n\r\n" + PAGE, 200),
    "a GET with a body": (GET + b"content-length: 7\r\n\r\nquetzal", 200),
    "an unknown expectation": (POST + b"expect: quetzal\r\n" + sized(PATIENT), 200),
    "chunks with an extension": (
        CHUNKED + chunk(PATIENT).replace(b"\r", b";a=b\r", 1) + b"0\r\n\r\n",
        200,
    ),
    "a media type in a trailer": (
        b"POST /predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        + chunk(PATIENT)
        + b"0\r\ncontent-type: application/json\r\n\r\n",
        415,
    ),
    "a trailer": (CHUNKED + chunk(PATIENT) + b"0\r\ncontent-type: text/quetzal\r\n\r\n", 200),
    "h2c is wished for": (GET + UPGRADE + b"\r\n", 200),
    "h2c is wished for with a body": (POST + UPGRADE + sized(PATIENT), 200),
    "h2c is wished for with chunks": (
        POST + UPGRADE + b"transfer-encoding: chunked\r\n\r\n" + chunk(PATIENT) + b"0\r\n\r\n",
        200,
    ),
    "a websocket is wished for": (GET + WEBSOCKET + b"\r\n", 200),
    "a websocket is wished for with a body": (POST + WEBSOCKET + sized(PATIENT), 200),
}


@pytest.fixture(scope="module")
def server(package_folder, tmp_path_factory):
    """Return a service with default settings."""
    with serving(package_folder, tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture(scope="module")
def patient(package_folder, tmp_path_factory):
    """Return a service whose deadline is out of reach, also where it is traced and slow.

    What it refuses, it refuses for its size.
    """
    folder = tmp_path_factory.mktemp("patient")
    with serving(package_folder, folder, "--request-seconds", "600") as found:
        yield found


@pytest.fixture(scope="module")
def strict(package_folder, tmp_path_factory):
    """Return a service that waits one second for a request."""
    folder = tmp_path_factory.mktemp("strict")
    with serving(package_folder, folder, "--request-seconds", "1") as found:
        yield found


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_is_refused_at_once(server, sent):
    """With a problem and no word of the request in the log; the next client is answered."""
    before, started = server.printed(), time.monotonic()
    with server.connect() as connection:
        connection.sendall(sent)
        (answer,) = answers(connection, "POST")
        rest = to_the_end(connection)

    assert time.monotonic() - started < 5
    assert answer.status == 400
    assert json.loads(answer.body)["status"] == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["model-version"] == "heart_disease/1"
    assert answer.leaves
    assert WORD not in answer.body.decode()
    assert rest == b""
    assert server.ask("GET", "/livez").status == 200
    assert server.printed() == before


@pytest.mark.parametrize(("sent", "status"), ODD.values(), ids=ODD)
def test_what_is_odd_but_http_is_answered(server, sent, status):
    """And what follows on the same connection too, in whatever parts it all arrives."""
    for size in (len(sent), 7):
        with server.connect() as connection:
            for start in range(0, len(sent), size):
                connection.sendall(sent[start : start + size])
            (answer,) = answers(connection, "GET")
            connection.sendall(AGAIN)
            (second,) = answers(connection, "GET")

        assert answer.status == status
        assert second.status == 200


def test_what_follows_a_wish_for_another_protocol_is_answered(server):
    """Also when it arrives in one packet with the wish."""
    with server.connect() as connection:
        connection.sendall(POST + UPGRADE + sized(PATIENT) + GET + WEBSOCKET + b"\r\n" + AGAIN)
        found = answers(connection, "POST", "GET", "GET")

    assert [answer.status for answer in found] == [200, 200, 200]
    assert b"predictions" in found[0].body
    assert b"alive" in found[1].body


def test_requests_sent_ahead_are_answered_in_order(server):
    """Also when a later one takes less time than those before."""
    batch = MANY_PATIENTS
    with server.connect() as connection:
        connection.sendall((batch + PAGE + ONE_PATIENT) * 5 + AGAIN)
        found = answers(connection, *["POST"] * 16)
        rest = to_the_end(connection)

    sizes = [answer.body.count(b"probability") for answer in found[:15]]
    assert sizes == [1000, 0, 1] * 5
    assert b"onnx_digest" in found[15].body
    assert found[15].leaves
    assert rest == b""


def test_a_request_before_garbage_is_answered(server):
    """In order: what is wrong is said after the answer."""
    batch = MANY_PATIENTS
    for broken in (b"quetzal\r\n\r\n", CHUNKED + b"quetzal\r\n"):
        with server.connect() as connection:
            connection.sendall(batch + PAGE + broken)
            found = answers(connection, "POST", "GET", "POST")
            rest = to_the_end(connection)

        assert [answer.status for answer in found] == [200, 200, 400]
        assert rest == b""


def test_many_requests_sent_ahead_are_answered(server):
    """They wait outside until it is their turn."""
    with server.connect() as connection:
        sender = threading.Thread(
            target=connection.sendall, args=((PAGE + ONE_PATIENT) * 2000 + AGAIN,)
        )
        sender.start()
        found = answers(connection, *["GET"] * 4001)
        sender.join()

    assert [len(answer.body) > 50 for answer in found[:4000]] == [False, True] * 2000
    assert {answer.status for answer in found} == {200}


def test_a_connection_is_kept_for_the_next_request(server):
    """A new one for each would cost more than a prediction."""
    with server.connect() as connection:
        for _ in range(3):
            connection.sendall(ONE_PATIENT)
            (answer,) = answers(connection, "POST")
            assert answer.status == 200
            assert not answer.leaves


@pytest.mark.parametrize(
    "version", ["HTTP/1.0\r\n", "HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"]
)
def test_a_client_that_wants_one_answer_gets_it_and_is_left(server, version):
    """As HTTP/1.0 does by itself."""
    with server.connect() as connection:
        connection.sendall(f"GET /readyz {version}\r\n".encode())
        (answer,) = answers(connection, "GET")
        rest = to_the_end(connection)

    assert answer.status == 200
    assert answer.leaves
    assert rest == b""


def test_head_gets_the_head_of_what_get_gets(server):
    """And not a byte more, which would be taken for the next answer."""
    with server.connect() as connection:
        connection.sendall(b"HEAD /info HTTP/1.1\r\nhost: a\r\n\r\n" + AGAIN)
        head, page = answers(connection, "HEAD", "GET")

    assert head.status == 200
    assert head.headers["content-length"] == str(len(page.body))


@pytest.mark.parametrize("body", [PATIENT, BATCH], ids=["one patient", "1,000 patients"])
def test_a_client_that_stops_sending_is_answered(server, body):
    """As `nc -N` does: it has said everything and listens."""
    with server.connect() as connection:
        connection.sendall(POST + b"content-length: %d\r\n\r\n%s" % (len(body), body.encode()))
        connection.shutdown(socket.SHUT_WR)
        (answer,) = answers(connection, "POST")
        rest = to_the_end(connection)

    assert answer.status == 200
    assert rest == b""


TOO_LARGE = b" " * 2 * MEBIBYTE
JSON = {"content-type": "application/json"}


def by_http_client(server):
    """Send a large body with the standard library."""
    return server.predict(TOO_LARGE)


def by_requests(server):
    """Send it with requests, which keeps the connection."""
    url = f"http://127.0.0.1:{server.port}"
    with requests.Session() as session:
        found = session.post(f"{url}/predict", TOO_LARGE, headers=JSON)
        assert session.get(f"{url}/livez").status_code == 200
    return Answer(found.status_code, {}, found.content)


def by_chunks(server):
    """Send it without saying how long it is."""
    url = f"http://127.0.0.1:{server.port}/predict"
    parts = (TOO_LARGE[:65_536] for _ in range(32))
    found = requests.post(url, parts, headers=JSON, timeout=30)
    return Answer(found.status_code, {}, found.content)


def by_urllib(server):
    """Send it with urllib, which asks the server to close the connection."""
    url = f"http://127.0.0.1:{server.port}/predict"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(url, TOO_LARGE, JSON))
    with caught.value as found:
        return Answer(found.status, {}, found.read())


def after_asking(server):
    """Ask before sending it, as curl does: the answer comes without the body."""
    with server.connect() as connection:
        length = len(TOO_LARGE)
        connection.sendall(POST + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % length)
        return answers(connection, "POST")[0]


@pytest.mark.parametrize("send", [by_http_client, by_requests, by_chunks, by_urllib, after_asking])
def test_a_client_whose_body_is_too_large_reads_so(server, send):
    """Also one that first sends everything: cut off, it would see a broken connection."""
    answer = send(server)

    assert answer.status == 413
    assert json.loads(answer.body)["detail"] == "a body holds at most 1048576 bytes"


def test_who_asks_before_sending_a_body_is_told_to_go_on(server):
    """As curl asks with bodies of more than 1 MiB, and other clients with any."""
    body = PATIENT.encode()
    with server.connect() as connection:
        connection.sendall(POST + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        (answer,) = answers(connection, "POST")

    assert answer.status == 200


@needs_proc
def test_bodies_of_64_mib_take_no_memory(server):
    """Four at once, each read to its end, and refused in words."""
    before, body = peak_from_now(server), bytes(64 * MEBIBYTE)
    with ThreadPoolExecutor(4) as clients:
        found = list(clients.map(server.predict, [body] * 4))

    assert [answer.status for answer in found] == [413] * 4
    assert server.memory("VmHWM") - before < 16 * MEBIBYTE


def peak_from_now(server):
    """Let the kernel measure the greatest memory anew, and return today's."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    return server.memory()


@pytest.fixture
def crowded(package_folder, tmp_path):
    """Return a service that answers two requests at once."""
    with serving(package_folder, tmp_path, "--capacity", "2") as found:
        yield found


def begin(connection):
    """Bring a request under way: the service asks for its body."""
    head = POST + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(PATIENT)
    connection.sendall(head)
    assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_request_over_the_capacity_is_asked_to_come_back(crowded):
    """Requests under way are answered, the process counts as alive, and then there is room."""
    with crowded.connect() as one, crowded.connect() as two:
        for connection in (one, two):
            begin(connection)
        third = crowded.predict(PATIENT)
        pages = [crowded.ask("GET", path).status for path in ("/livez", "/readyz", "/metrics")]
        found = []
        for connection in (one, two):
            connection.sendall(PATIENT.encode())
            found += answers(connection, "POST")

    assert third.headers["retry-after"] == "1"
    assert third.headers["content-type"] == "application/problem+json"
    assert pages == [200, 200, 200]
    assert [answer.status for answer in found] == [200, 200]
    assert crowded.predict(PATIENT).status == 200


def test_of_small_requests_that_come_at_once_those_over_the_capacity_are_asked_to_come_back(
    crowded,
):
    """They are answered one after the other, and those that wait for their turn count."""
    with contextlib.ExitStack() as connections:
        clients = [connections.enter_context(crowded.connect()) for _ in range(20)]
        for client in clients:
            client.sendall(PAGE)
            assert answers(client, "GET")[0].status == 200
        crowded.process.send_signal(signal.SIGSTOP)
        for client in clients:
            client.sendall(ONE_PATIENT)
        crowded.process.send_signal(signal.SIGCONT)
        found = Counter(answers(client, "POST")[0].status for client in clients)

    assert set(found) == {200, 429}
    assert found[200] >= 2


def test_a_client_that_goes_away_leaves_its_place(crowded):
    """Or two that break off would close the service for good."""
    for _ in range(3):
        with crowded.connect() as one, crowded.connect() as two:
            for connection in (one, two):
                begin(connection)
            assert crowded.predict(PATIENT).status == 429
        until(lambda: crowded.predict(PATIENT).status == 200)


# More than the second that a request may take, and the tenth until the server looks.
GIVEN_UP = 4
# What is sent at once, what follows slowly, and the answers.
SLOW = {
    "nothing": (b"", b"", []),
    "empty lines": (b"", b"\r\n", []),
    "half a word": (b"GE", b"", [408]),
    "a target": (b"GET /", b"a", [408]),
    "fields": (GET, b"a: b\r\n", [408]),
    "a field": (GET + b"a: ", b"b", [408]),
    "an unfinished head": (GET, b"", [408]),
    "a body": (POST + b"content-length: 1000\r\n\r\n[", b" ", [408]),
    "an unfinished body": (POST + b"content-length: 1000\r\n\r\n[", b"", [408]),
    "chunks": (CHUNKED, b"1\r\n \r\n", [408]),
    "a chunk's size": (CHUNKED, b"0", [408]),
    "trailers": (CHUNKED + chunk(PATIENT) + b"0\r\n", b"a: b\r\n", [408]),
    "the rest of a body that is too large": (
        POST + b"content-length: 9999999\r\n\r\n",
        b" ",
        [413],
    ),
    "a second request": (PAGE + GET, b"", [200, 408]),
    "the body of a second request": (
        PAGE + POST + b"content-length: 9\r\n\r\n",
        b"",
        [200, 408],
    ),
    "the body after asking": (
        POST + b"expect: 100-continue\r\n" + CHUNKED[len(POST) :],
        b"",
        [408],
    ),
    "empty lines after an answer": (PAGE, b"\r\n", [200]),
    "what follows garbage": (b"\0", b"a", [400]),
}


def trickle(server, first, then):
    """Send one part at once and another slowly, over and over.

    Return the statuses of the answers, and the seconds until the server closed the connection.
    """
    received, started = b"", time.monotonic()
    with server.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(first)
        while time.monotonic() < started + GIVEN_UP:
            connection.sendall(then)
            if not select.select([connection], [], [], 0.05)[0]:
                continue
            if not (part := connection.recv(65_536)):
                break
            received += part
    return statuses(received), time.monotonic() - started


@pytest.fixture(scope="module")
def slow(strict):
    """Return what came of each slow client, and how long others waited meanwhile."""
    with ThreadPoolExecutor(len(SLOW)) as threads:
        clients = {
            name: threads.submit(trickle, strict, *sent) for name, (*sent, _) in SLOW.items()
        }
        waits = []
        while not all(client.done() for client in clients.values()):
            started = time.monotonic()
            assert strict.predict(PATIENT).status == 200
            waits.append(time.monotonic() - started)
            time.sleep(0.02)
    return {name: client.result() for name, client in clients.items()}, waits


@pytest.mark.parametrize(("name", "expected"), [(n, s) for n, (_, _, s) in SLOW.items()], ids=SLOW)
def test_a_slow_client_is_given_up_in_time(slow, name, expected):
    """And told so, where it had begun to ask for something."""
    found, seconds = slow[0][name]

    assert [status for status in found if status != 100] == expected
    assert seconds < GIVEN_UP


def test_slow_clients_keep_no_other_waiting(slow):
    """Others are answered meanwhile as ever."""
    assert len(slow[1]) > 10
    assert max(slow[1]) < 1


# What is sent over and over, after what, and the refusal.
FLOODS = {
    "a target without end": (b"GET /", b"a" * 65_536, 431),
    "a field without end": (GET + b"a: ", b"a" * 65_536, 431),
    "a name without end": (GET, b"a" * 65_536, 431),
    "fields without end": (GET, b"a: b\r\n" * 10_000, 431),
    "empty lines without end": (b"", b"\r\n" * 30_000, 431),
    "a body without end": (POST + b"content-length: 99999999999\r\n\r\n", b" " * 65_536, 413),
    "chunks without end": (CHUNKED, b"10000\r\n" + b" " * 65_536 + b"\r\n", 413),
    "small chunks without end": (CHUNKED, chunk(" " * 16) * 3_000, 413),
    "an extension without end": (CHUNKED + b"1;", b"a" * 65_536, 431),
    "extensions without end": (CHUNKED, b"1;" + b"a" * 9_000 + b"\r\n \r\n", 413),
    "a trailer without end": (CHUNKED + chunk(PATIENT) + b"0\r\na: ", b"a" * 65_536, 431),
    "trailers without end": (CHUNKED + chunk(PATIENT) + b"0\r\n", b"a: b\r\n" * 10_000, 431),
    "garbage without end": (b"\0", b"a" * 65_536, 400),
}


def flood(server, first, then):
    """Send until there is an answer to read, and return its status."""
    with server.connect() as connection:
        connection.sendall(first)
        while not select.select([connection], [], [], 0)[0]:
            connection.sendall(then)
        return answers(connection, "POST")[0].status


@needs_proc
@pytest.mark.parametrize(("first", "then", "status"), FLOODS.values(), ids=FLOODS)
def test_a_flood_is_refused_and_takes_no_memory(patient, first, then, status):
    """From four clients at once; another one is answered meanwhile."""
    before = peak_from_now(patient)
    with ThreadPoolExecutor(4) as clients:
        floods = [clients.submit(flood, patient, first, then) for _ in range(4)]
        answer = patient.predict(PATIENT)

    assert answer.status == 200
    assert [one.result() for one in floods] == [status] * 4
    assert patient.memory("VmHWM") - before < 16 * MEBIBYTE


# More of its answers than a connection keeps for a client.
LONG_PAGE = GET.replace(b"livez", b"openapi.json") + b"\r\n"
# What is sent over and over by who reads nothing.
DEAF = {
    "pages": (b"", LONG_PAGE),
    "batches": (b"", MANY_PATIENTS),
    "bodies that are too large": (POST + b"content-length: 99999999999\r\n\r\n", b" " * 65_536),
    "garbage": (b"\0", b"a" * 65_536),
}


@needs_proc
@pytest.mark.parametrize(("first", "then"), DEAF.values(), ids=DEAF)
def test_who_never_reads_is_cut_off(strict, first, then):
    """With all that was kept for it, here and in the system; another one is answered meanwhile."""
    before = peak_from_now(strict)
    with strict.connect() as connection, ThreadPoolExecutor(1) as other:
        answer = other.submit(strict.predict, PATIENT)
        connection.sendall(first)
        with pytest.raises(ConnectionError):
            send_for_ever(connection, then)

    assert answer.result().status == 200
    assert strict.memory("VmHWM") - before < 16 * MEBIBYTE


def test_who_reads_slowly_gets_every_answer(strict):
    """In more than the second that may pass without any reading."""
    with strict.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.sendall(LONG_PAGE * 600 + AGAIN)
        found, started = [], time.monotonic()
        with connection.makefile("rb") as stream:
            for _ in range(20):
                found += [answer_in(stream) for _ in range(30)]
                time.sleep(0.1)
            last = answer_in(stream)

    assert time.monotonic() - started > 2
    assert [answer.status for answer in found] == [200] * 600
    assert last.leaves


def test_who_waits_without_reading_is_forgotten_by_the_system_too(strict):
    """A connection that is closed the ordinary way keeps what is unsent, for minutes."""
    with strict.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(LONG_PAGE * 600)
        resets = select.poll()
        resets.register(connection, 0)

        assert resets.poll(GIVEN_UP * 1000)


def statuses(received):
    """Return the status of each answer in what was received."""
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
