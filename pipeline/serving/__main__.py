"""The command that serves a package over HTTP: `python -m pipeline.serving`."""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PackageError
from pipeline.serving import app, model, server

log = logging.getLogger("pipeline.serving")

EXAMPLES = """
examples:
  python -m pipeline.serving --package packages/heart_disease_model_v1
  python -m pipeline.serving --package packages/heart_disease_model_v1 --port 8080
"""
# The image has the package beside the code.
PACKAGE = Path(__file__).parents[2] / "package"


def main(arguments: Sequence[str] | None = None) -> None:
    """Verify a package, open its model, and answer until a signal comes."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    try:
        served = model.load(chosen.package)
        door = socket.create_server((chosen.host, chosen.port), backlog=2048)
    except (PackageError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    lifecycle = app.Lifecycle()
    host, port = door.getsockname()[:2]
    log.info("%s answers at http://%s:%d", served.title, host, port)
    server.serve(
        app.create(served, lifecycle, chosen.capacity), lifecycle, door, chosen.drain_seconds
    )
    log.info("stopped")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.serving",
        description="Serve the model of a package over HTTP.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--package", type=Path, default=PACKAGE, metavar="PATH", help="folder of a package")
    add("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    add(
        "--port",
        type=int,
        default=int(os.environ.get("PORT", "3000")),
        help="port; 0 takes a free one (default: the variable PORT, or 3000)",
    )
    add(
        "--capacity",
        type=int,
        default=app.CAPACITY,
        help="requests under way at once; more get 429 (default: %(default)s)",
    )
    add(
        "--drain-seconds",
        type=float,
        default=server.DRAIN_SECONDS,
        help="time between SIGTERM and the closed door (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    main()
