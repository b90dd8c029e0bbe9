"""Check that a service keeps to its OpenAPI document, with thousands of generated requests.

Schemathesis sends what the document allows and what it forbids, and checks status, type, headers
and shape of every answer, and that nothing allowed is refused and nothing forbidden is answered.

Exit codes: 0 it does; 1 it does not, or something is wrong; 2 an option does not exist.

Examples:
  python -m benchmarks.contract
  python -m benchmarks.contract packages/heart_disease_model_v1 --cases 2000 --seed 7

"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from typing import Any, Final, NamedTuple

from pipeline.base import artifacts, cli
from pipeline.base.errors import PipelineError
from pipeline.image.http import Service

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
SCHEMATHESIS: Final = Path(sys.executable).with_name("schemathesis")


class Route(NamedTuple):
    """How often a route was asked, and how many of the answers failed a check."""

    name: str
    cases: int
    failures: int


class Examination(NamedTuple):
    """The routes of a document, and what schemathesis says about those that fail."""

    routes: list[Route]
    report: str


def examine(
    address: str, document: dict[str, Any], cases: int, seed: int, folder: Path
) -> Examination:
    """Ask a service what a document says about it; ``folder`` takes the reports.

    A route with parameters is asked ``cases`` times and a few hundred more; one without has few
    requests that differ.
    """
    # From a file: a document that was loaded from a path is not asked for at that path.
    (folder / "openapi.json").write_text(json.dumps(document))
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "run", "openapi.json", "--url", address),
            # Some of them find nothing to look at: no header is required, nobody logs in, and no
            # request makes anything that a later one could ask for, so there is no stateful phase.
            *("--checks", "all"),
            *("--mode", "all", "--max-examples", str(cases), "--seed", str(seed)),
            *("--continue-on-failure", "--generation-database", "none", "--no-color"),
            *("--report", "ndjson", "--report-ndjson-path", "report.ndjson"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    routes = _routes(folder / "report.ndjson")
    failed = any(route.failures for route in routes)
    if not routes or failed != bool(done.returncode):
        raise PipelineError(f"schemathesis ended with {done.returncode}: {done.stdout[-2000:]}")
    return Examination(routes, done.stdout)


def _routes(report: Path) -> list[Route]:
    asked: dict[str, set[str]] = {}
    failed: dict[str, set[str]] = {}
    with report.open() as lines:
        events = [event for line in lines if (event := json.loads(line).get("ScenarioFinished"))]
    for recorder in (event["recorder"] for event in events if "cases" in event["recorder"]):
        asked.setdefault(recorder["label"], set()).update(recorder["cases"])
        failed.setdefault(recorder["label"], set()).update(
            case
            for case, checks in recorder["checks"].items()
            if any(check["status"] != "success" for check in checks)
        )
    return [Route(name, len(cases), len(failed[name])) for name, cases in sorted(asked.items())]


@contextmanager
def serving(package: Path) -> Iterator[Service]:
    """Serve a package at a free port.

    Raises:
        PipelineError: it is not served; the service has said why.

    """
    with socket.create_server((HOST, 0)) as door:
        port = door.getsockname()[1]
    command = (sys.executable, "-m", "pipeline.serving", "--package", package, "--port", str(port))
    with subprocess.Popen(command) as process:
        try:
            service = Service(HOST, port)
            service.wait(START_SECONDS, lambda: "" if process.poll() is None else "see above")
            yield service
        finally:
            process.send_signal(SIGINT)


def newest() -> Path:
    """Return the champion's package with the highest version.

    Raises:
        PipelineError: there is none.

    """
    matches = sorted(
        artifacts.PACKAGES.glob("heart_disease_model_v*/"),
        key=lambda folder: int(folder.name.rpartition("v")[2]),
    )
    if not matches:
        raise PipelineError(f"{artifacts.PACKAGES}/ holds no package: run `make pipeline` first")
    return matches[-1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a package, examine the service, and end with 1 when a check failed."""
    chosen = _parser().parse_args(arguments)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            serving(chosen.package or newest()) as service,
        ):
            address = f"http://{service.host}:{service.port}"
            document = service.get("/openapi.json").json()
            examined = examine(address, document, chosen.cases, chosen.seed, Path(folder))
    except PipelineError as error:
        sys.exit(f"error: {error}")
    total = Route(
        "all", sum(r.cases for r in examined.routes), sum(r.failures for r in examined.routes)
    )
    rows = (
        (name, f"{cases:,}", f"{failures:,}") for name, cases, failures in [*examined.routes, total]
    )
    columns = ("route", "cases", "failures")
    cli.show_table(f"The service against its document, seed {chosen.seed}", columns, rows)
    if total.failures:
        sys.exit(examined.report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.contract",
        usage="%(prog)s [OPTIONS] [PACKAGE]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("package", type=Path, nargs="?", help="folder of a package (default: the newest)")
    add("--cases", type=int, default=20_000, help="requests, at least (default: %(default)s)")
    add("--seed", type=int, default=1, help="chooses the requests (default: %(default)s)")
    return parser


if __name__ == "__main__":
    main()
