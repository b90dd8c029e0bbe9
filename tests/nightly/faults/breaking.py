"""The faults: what may go wrong with one call between a client and the registry."""

import json
import os
import signal

from tests.nightly.faults.proxy import Answer

SECONDS_LATE = 1.0


def _error(status, code, *headers):
    body = json.dumps({"error_code": code, "message": "broken on purpose"}).encode()
    return Answer(status, (("Content-Type", "application/json"), *headers), body)


GATEWAY = Answer(502, (("Content-Type", "text/html"),), b"<html>502 Bad Gateway</html>")
INTERNAL = _error(500, "INTERNAL_ERROR")
TOO_MANY = _error(429, "REQUEST_LIMIT_EXCEEDED", ("Retry-After", "1"))


def gateway_before(exchange):
    """The gateway refuses, and the server never hears of the call."""
    exchange.send(GATEWAY)


def gateway_after(exchange):
    """The server does what it is asked, and the gateway loses the answer."""
    exchange.forward()
    exchange.send(GATEWAY)


def reset_before(exchange):
    """The connection breaks before the server hears of the call."""
    exchange.reset()


def reset_after(exchange):
    """The server does what it is asked, and the connection breaks."""
    exchange.forward()
    exchange.reset()


def cut(exchange):
    """The answer is shorter than it says."""
    exchange.send(exchange.forward(), claim=100)


def hang_before(exchange):
    """There is no answer, and the server never receives the call."""
    exchange.hang()


def hang_after(exchange):
    """The server does what it is asked, and no answer arrives."""
    exchange.forward()
    exchange.hang()


def late(exchange):
    """The server does what it is asked only after the client gave up and had asked again."""
    exchange.hang()
    exchange.proxy.wait_for_repetition(exchange.call, SECONDS_LATE)
    exchange.forward()


def internal(exchange):
    """The server fails."""
    exchange.send(INTERNAL)


def too_many(exchange):
    """The server asks for a second's peace."""
    exchange.send(TOO_MANY)


# By the name of the column; one that lasts breaks every later call too.
ONCE = {
    "502 before": gateway_before,
    "502 after": gateway_after,
    "reset before": reset_before,
    "reset after": reset_after,
    "cut": cut,
    "hang before": hang_before,
    "hang after": hang_after,
    "late": late,
    "500": internal,
    "429": too_many,
}
LASTING = {"500 for good": internal}
FAULTS = ONCE | LASTING
LATE = {"late"}


def killed_before(client):
    """Return the fault that kills ``client`` before the server hears of its call."""

    def kill(exchange):
        os.kill(client(), signal.SIGKILL)
        exchange.hang()

    return kill


def killed_after(client):
    """Return the fault that kills ``client`` when the server has done what it is asked."""

    def kill(exchange):
        exchange.forward()
        os.kill(client(), signal.SIGKILL)
        exchange.hang()

    return kill


KILLS = {"killed before": killed_before, "killed after": killed_after}
