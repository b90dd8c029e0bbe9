"""Serve the model of a package over HTTP.

The manifest is checked first, and the golden patients must get their answers. After SIGTERM, what
is under way is answered, and the service stops; a second signal skips the wait.

Exit codes: 0 stopped; 1 the package is not valid, or the address is taken; 2 an option does not
exist.

Examples:
  python -m pipeline.serving --package packages/heart_disease_model_v1
  python -m pipeline.serving --package packages/heart_disease_model_v1 --port 8080

"""

import argparse
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from pipeline.base.errors import PackageError, SettingsError
from pipeline.serving import app, environment, model, server

log = logging.getLogger("pipeline.serving")

# The image has the package beside the code.
PACKAGE = Path(__file__).parents[2] / "package"
HOUR = 3600
PROBE_HELP = "another port, at which probes do not wait behind clients (default: none)"
CAPACITY_HELP = "requests under way at once; more get 429"
CONNECTIONS_HELP = "connections open at once, as far as the process may open files"
REQUEST_HELP = "time in which a client must bring a whole request"
DRAIN_HELP = "time between SIGTERM and the closed door"


def main(arguments: Sequence[str] | None = None) -> None:
    """Verify a package, open its model, and answer until a signal comes."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        port = environment.port() if chosen.port is None else chosen.port
        served = model.load(chosen.package)
        ports = (port, chosen.probe_port)
        doors = [_door(chosen.host, each) for each in ports if each is not None]
    except (PackageError, SettingsError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    lifecycle = app.Lifecycle()
    application = app.create(served, lifecycle, chosen.capacity)
    limits = server.Limits(chosen.request_seconds, chosen.drain_seconds, chosen.connections)
    server.serve(application, served.title, doors, lifecycle, limits)
    log.info("stopped")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.serving",
        usage="%(prog)s [OPTIONS]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ports = _within(int, 0, environment.HIGHEST_PORT)
    add, limit = parser.add_argument, partial(_add_limit, parser)
    add("--package", type=Path, default=PACKAGE, metavar="PATH", help="folder of a package")
    add(
        "--host",
        default="127.0.0.1",
        help="address of IPv4 or IPv6 (default: %(default)s)",
    )
    add("--port", type=ports, help="port; 0 takes a free one (default: the variable PORT, or 3000)")
    add("--probe-port", type=ports, help=PROBE_HELP)
    limit("--capacity", _within(int, 1, sys.maxsize), app.CAPACITY, CAPACITY_HELP)
    limit("--connections", _within(int, 1, sys.maxsize), server.CONNECTIONS, CONNECTIONS_HELP)
    limit("--request-seconds", _within(float, 0.1, HOUR), server.REQUEST_SECONDS, REQUEST_HELP)
    limit("--drain-seconds", _within(float, 0, HOUR), server.DRAIN_SECONDS, DRAIN_HELP)
    return parser


def _door(host: str, port: int) -> socket.socket:
    """Return a socket that listens; at ``::`` for IPv4 too, where the system can."""
    is_6 = ":" in host
    both = is_6 and not host.strip(":") and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if is_6 else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)


def _add_limit(
    parser: argparse.ArgumentParser,
    name: str,
    kind: Callable[[str], float],
    default: float,
    help_: str,
) -> None:
    parser.add_argument(name, type=kind, default=default, help=f"{help_} (default: %(default)s)")


def _within(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        with suppress(ValueError):
            if low <= (value := kind(text)) <= high:
                return value
        raise argparse.ArgumentTypeError(f"must be a number from {low} to {high}")

    return number


if __name__ == "__main__":
    main()
