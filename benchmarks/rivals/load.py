"""Load on what is compared, and what came of it."""

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, NamedTuple

from benchmarks.ending import Ending, process
from benchmarks.findings import BenchmarkError
from benchmarks.measuring import last_line
from benchmarks.rivals.bare import Model
from benchmarks.rivals.servers import Server

SCRIPT: Final = Path(__file__).parents[1] / "patients.lua"
# What the slowest may take for one answer; wrk counts more as lost.
TIMEOUT_SECONDS: Final = 10


class Cell(NamedTuple):
    """How a server is loaded: the requests of how many connections, to how many workers."""

    connections: int
    all_cores: bool
    patients: int

    @property
    def crowd(self) -> str:
        """Say who asks whom."""
        many = "connection" if self.connections == 1 else "connections"
        return f"{self.connections} {many}, {'all cores' if self.all_cores else 'one worker'}"

    @property
    def title(self) -> str:
        """Say it all."""
        asked = "one patient" if self.patients == 1 else f"{self.patients} patients"
        return f"{self.crowd}, {asked}"


class Sample(NamedTuple):
    """What one round of load found; what was not seen is NaN.

    ``cpu_us`` is the time of a core for one request, which other work disturbs least.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


UNSEEN: Final = Sample(math.nan, math.nan, math.nan, math.nan)


def over_http(servers: Sequence[Server], cell: Cell, bodies: Path, seconds: int) -> Sample:
    """Load the replicas of one server at once, each with its part of the connections.

    Raises:
        BenchmarkError: a request was refused, or got no answer.

    """
    worked = _processor_seconds(servers)
    loads = _asked(servers, cell, bodies, seconds)
    worked = _processor_seconds(servers) - worked
    for server in servers:
        server.settle()
    answers = sum(load["answers"] for load in loads)
    if not answers:
        return UNSEEN
    return Sample(
        sum(load["answers"] / load["seconds"] for load in loads),
        max(load["p50_ms"] for load in loads),
        max(load["p99_ms"] for load in loads),
        1e6 * worked / answers,
    )


def in_a_loop(model: Model, bodies: Path, seconds: int) -> Sample:
    """Let the bare endpoint's work be done for each body in turn, in this process."""
    requests, took = bodies.read_bytes().splitlines(), list[float]()
    worked, began = time.process_time(), time.perf_counter()
    ended = began
    while ended - began < seconds:
        asked = ended
        model.answer(requests[len(took) % len(requests)])
        ended = time.perf_counter()
        took.append(1e3 * (ended - asked))
    cpu = time.process_time() - worked
    (*_, p99) = quantiles(took, n=100)
    return Sample(len(took) / (ended - began), median(took), p99, 1e6 * cpu / len(took))


def _asked(
    servers: Sequence[Server], cell: Cell, bodies: Path, seconds: int
) -> list[dict[str, Any]]:
    shares = _shares(cell.connections, len(servers))
    commands = [
        _command(server, cell, share, bodies, seconds)
        for server, share in zip(servers, shares, strict=True)
    ]
    logs = [bodies.with_suffix(f".{n}.wrk") for n in range(len(servers))]
    with Ending() as ended:
        running = [
            ended.enter(process(command, log, Path.cwd(), {}))
            for command, log in zip(commands, logs, strict=True)
        ]
        codes = [wrk.wait() for wrk in running]
    ends = zip(servers, logs, codes, strict=True)
    return [_read(server, log, code) for server, log, code in ends]


def _shares(connections: int, parts: int) -> list[int]:
    return [len(range(n, connections, parts)) for n in range(parts)]


def _command(server: Server, cell: Cell, connections: int, bodies: Path, seconds: int) -> list[str]:
    command = ["wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", f"{TIMEOUT_SECONDS}s"]
    return [*command, "--script", str(SCRIPT), server.url(cell.patients), "--", str(bodies)]


def _read(server: Server, log: Path, code: int) -> dict[str, Any]:
    if code:
        raise BenchmarkError(f"wrk failed: {last_line(log)}")
    answer: dict[str, Any] = json.loads(last_line(log))
    if answer["lost"] or answer["refused"]:
        raise BenchmarkError(
            f"{server.host}:{server.port}: {answer['lost']} requests without an answer, "
            f"{answer['refused']} refused"
        )
    return answer


def _processor_seconds(servers: Sequence[Server]) -> float:
    return sum(server.processor_seconds() for server in servers)
