"""How fast the service answers, beside the least code that could and what others offer.

`python -m benchmarks.serving` starts every server with the same model, checks the answers of each,
and loads one after the other in rounds, so that what else the machine does meets all of them.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from benchmarks import ending
from benchmarks.ending import Ending
from benchmarks.rivals import servers
from benchmarks.rivals.findings import (
    BARE,
    BENTOML,
    IN_CONTAINER,
    MLFLOW,
    OURS,
    Figures,
    Findings,
    Image,
    Starts,
    Table,
    spread,
    tables,
)
from benchmarks.rivals.servers import MEGABYTE, BenchmarkError, Server
from pipeline import artifacts, cli, config
from pipeline.adapters.docker import Engine
from pipeline.core import package
from pipeline.core.encoding import json_bytes
from pipeline.core.package import GoldenPatient, Manifest
from pipeline.core.promotion import SERVED
from pipeline.errors import ImageError, PipelineError
from pipeline.packager import ModelPackager

RESULTS: Final = Path("benchmarks/results")
SCRIPT: Final = Path(__file__).with_name("patients.lua")
CONNECTIONS: Final = 8
WARM_UP_SECONDS: Final = 1
PAUSE_SECONDS: Final = 0.2
# What a core's housekeeping may take between the rounds.
CALM_PERCENT: Final = 10
# What the slowest may take for one answer; wrk counts more as lost.
TIMEOUT_SECONDS: Final = 10
VERSIONS: Final = ("bentoml", "mlflow", "onnxruntime", "scikit-learn", "starlette", "uvicorn")
CODE_IN_IMAGE: Final = "/app/pipeline"
COUNT_PACKAGES: Final = "from importlib import metadata; print(len([*metadata.distributions()]))"
INTERRUPTED: Final = 130

EXAMPLES = f"""
examples:
  python -m benchmarks.serving
  python -m benchmarks.serving --model heart_disease_random_forest
  python -m benchmarks.serving --package packages/heart_disease_model_v1 --seconds 10 --rounds 7
  python -m benchmarks.serving --quick

The tables are printed, and written to {RESULTS}/ except with --quick. Containers are measured
where a Docker engine has the image of the package: python -m pipeline.image --package PATH
"""


@dataclass(frozen=True)
class Effort:
    """How long is measured: ``rounds`` of ``seconds`` for each server, ``starts`` of containers."""

    seconds: int
    rounds: int
    starts: int


THOROUGH: Final = Effort(seconds=4, rounds=5, starts=9)
QUICK: Final = Effort(seconds=1, rounds=2, starts=3)


@dataclass(frozen=True)
class Subject:
    """A package, where it is, and the questions and answers that every server is proven with."""

    folder: Path
    about: Manifest
    golden: tuple[GoldenPatient, ...]


@dataclass(frozen=True)
class Containers:
    """An engine, and the names of the two images that are compared on it."""

    engine: Engine
    ours: str
    bare: str

    def starts(self) -> dict[str, Callable[[], servers.Contained]]:
        """Return how a container of each image is started."""
        return {
            OURS: lambda: servers.container(self.engine, self.ours, servers.OURS),
            BARE: lambda: servers.container(self.engine, self.bare, servers.BARE),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write; what was started ends with it, however it ends."""
    chosen = _parser().parse_args(arguments)
    ending.heed_signals()
    try:
        run(chosen)
    except PipelineError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was written, and all that was started has ended\n")
        sys.exit(INTERRUPTED)


def run(chosen: argparse.Namespace) -> None:
    """Measure one package.

    Raises:
        PipelineError: wrk or the package is missing, or a server does not answer as it must.

    """
    if shutil.which("wrk") is None:
        raise BenchmarkError("wrk, which makes the load, is missing: apt-get install wrk")
    usual = QUICK if chosen.quick else THOROUGH
    effort = Effort(chosen.seconds or usual.seconds, chosen.rounds or usual.rounds, usual.starts)
    settings = config.load()
    folder = chosen.package or _package_of(chosen.model)
    about = ModelPackager(settings).validate_package(folder)
    subject = Subject(folder, about, package.read_golden(artifacts.files_below(folder)))
    findings, machine = Findings(about), _machine()
    image = chosen.image or f"{settings.packaging.image}:{about.folder}"
    containers = _containers(image, findings)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        _measure_servers(findings, effort, subject, containers, Path(scratch))
    if containers:
        _measure_starts(findings, effort, subject, containers)
        _measure_image(findings, subject, containers)
    if median(findings.else_busy_percent) > CALM_PERCENT:
        findings.notes.append("the machine was busy with something else: measure again when not")
    cli.say(f"what else ran {spread(findings.else_busy_percent)} % of the cores between the rounds")
    found = tables(findings)
    for table in found:
        cli.show_table(table.title, table.columns, table.rows)
    for note in findings.notes:
        cli.say(f"note          {note}")
    if not chosen.quick:
        _write(findings, effort, machine, found)


def _package_of(model: str) -> Path:
    found = artifacts.PACKAGES.glob(f"{model}_model_v*/")
    numbered = {int(folder.name.rpartition("_v")[2]): folder for folder in found}
    if not numbered:
        raise BenchmarkError(
            f"{artifacts.PACKAGES}/ holds no package of {model}: "
            f"run `python -m pipeline.model_packaging --model {model} --version <N>`"
        )
    return numbered[max(numbered)]


def _containers(image: str, findings: Findings) -> Containers | None:
    try:
        engine = Engine()
        engine.image(image)
    except ImageError as error:
        findings.notes.append(f"no container was measured: {error}")
        return None
    code = artifacts.source_code()
    held = engine.read(image, CODE_IN_IMAGE)
    if other := [name for name in held if name.endswith(".py") and code.get(name) != held[name]]:
        findings.notes.append(f"{image} holds other code than the work tree: {', '.join(other)}")
    return Containers(engine, image, servers.build_bare_image(engine, image))


def _measure_servers(
    findings: Findings,
    effort: Effort,
    subject: Subject,
    containers: Containers | None,
    scratch: Path,
) -> None:
    with Ending() as started:
        running = _start(started, subject.folder, containers, scratch)
        for name, server in running.items():
            for one in subject.golden:
                server.expect(one, subject.about.tolerance)
            findings.servers[name] = Figures(idle_mb=server.memory())
            bodies = b"".join(server.body(one.patient) + b"\n" for one in subject.golden)
            (scratch / name).write_bytes(bodies)
            _load(server, scratch / name, WARM_UP_SECONDS)
        plan = _rounds(tuple(running), effort.rounds)
        with closing(cli.track(plan, "Rounds", len(plan))) as watched:
            for name in watched:
                # Nobody is asked now: whatever is busy is something else.
                findings.else_busy_percent.append(psutil.cpu_percent(PAUSE_SECONDS))
                worked = running[name].processor_seconds()
                found = _load(running[name], scratch / name, effort.seconds)
                worked = running[name].processor_seconds() - worked
                figures = findings.servers[name]
                figures.cpu_us.append(1e6 * worked / found["answers"])
                figures.requests_per_second.append(found["answers"] / found["seconds"])
                figures.p50_ms.append(found["p50_ms"])
                figures.p99_ms.append(found["p99_ms"])
        for name, server in running.items():
            findings.servers[name].loaded_mb = server.memory()


def _start(
    started: Ending, folder: Path, containers: Containers | None, scratch: Path
) -> dict[str, Server]:
    """Start every server, each ready when it answers; ``started`` ends them."""
    bento = servers.build_bento(folder, scratch)
    running = {
        MLFLOW: started.enter(servers.mlflow(folder, scratch)),
        BENTOML: started.enter(servers.bentoml(bento, scratch)),
        OURS: started.enter(servers.ours(folder, scratch)),
        BARE: started.enter(servers.bare(folder, scratch)),
    }
    if containers:
        for name, contain in containers.starts().items():
            running[name + IN_CONTAINER], _ = started.enter(contain())
    shown = (OURS, BARE, OURS + IN_CONTAINER, BARE + IN_CONTAINER, BENTOML, MLFLOW)
    return {name: running[name] for name in shown if name in running}


def _rounds(names: tuple[str, ...], rounds: int) -> list[str]:
    """Return whose turn it is: everyone's in each round, and another begins the next one."""
    turned = (names[n % len(names) :] + names[: n % len(names)] for n in range(rounds))
    return [name for names_of_round in turned for name in names_of_round]


def _load(server: Server, bodies: Path, seconds: int) -> dict[str, float]:
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS)]
    command += ["--duration", f"{seconds}s", "--timeout", f"{TIMEOUT_SECONDS}s"]
    command += ["--script", str(SCRIPT), server.url, "--", str(bodies)]
    code, said = ending.complete(command, bodies.with_suffix(".wrk"))
    if code:
        raise BenchmarkError(f"wrk failed: {said}")
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    if found["lost"] or found["refused"]:
        raise BenchmarkError(
            f"{server.url}: {found['lost']} requests without an answer, {found['refused']} refused"
        )
    return found


def _measure_starts(
    findings: Findings, effort: Effort, subject: Subject, containers: Containers
) -> None:
    starts = containers.starts()
    findings.starts.update({name: Starts() for name in starts})
    plan = _rounds(tuple(starts), effort.starts)
    with closing(cli.track(plan, "Starts", len(plan))) as watched:
        for name in watched:
            with Ending() as started:
                began = time.perf_counter()
                server, _ = started.enter(starts[name]())
                findings.starts[name].engine.append(time.perf_counter() - began)
                server.expect(subject.golden[0], subject.about.tolerance)
                findings.starts[name].answer.append(time.perf_counter() - began)


def _measure_image(findings: Findings, subject: Subject, containers: Containers) -> None:
    packaged = json.loads((subject.folder / package.PACKAGED_WITH).read_bytes())
    base = f"python:{'.'.join(packaged['python'].split('.')[:2])}-slim"
    size, over = containers.engine.image(containers.ours).size, None
    try:
        over = (size - containers.engine.image(base).size) / MEGABYTE
    except ImageError as error:
        findings.notes.append(f"the image was not compared with its base: {error}")
    with Ending() as started:
        _, running = started.enter(containers.starts()[OURS]())
        _, output = running.container.exec_run(["/opt/venv/bin/python", "-c", COUNT_PACKAGES])
    findings.image = Image(containers.ours, base, size / MEGABYTE, over, int(output))


def _machine() -> dict[str, str]:
    memory = psutil.virtual_memory().total / MEGABYTE / 1000
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": f"python -m benchmarks.serving {shlex.join(sys.argv[1:])}".strip(),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {memory:.0f} GB, {platform.system()}",
        "versions": ", ".join(
            [f"Python {platform.python_version()}"]
            + [f"{name} {metadata.version(name)}" for name in VERSIONS]
        ),
    }


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _write(
    findings: Findings, effort: Effort, machine: Mapping[str, str], found: Sequence[Table]
) -> None:
    about = findings.about
    name = "serving" if about.model_name == SERVED else f"serving-{about.family}"
    facts = {
        **machine,
        "model": f"{about.model_name}/{about.version}, {about.family}",
        "load": f"wrk, {effort.rounds} rounds of {effort.seconds} s for each server",
        "what else ran": f"{spread(findings.else_busy_percent)} % of the cores between the rounds",
    }
    page = [
        "# Serving, measured",
        "",
        "Each figure is the median of the rounds, with the lowest and the highest in brackets; a",
        "ratio is that of the same round. A container is compared with the bare endpoint in a",
        "container. CPU is the time of a core for one request, which other work disturbs least.",
        "What the servers are, and how they run: [servers.py](../rivals/servers.py).",
        "",
        *(f"- {what}: {fact}" for what, fact in facts.items()),
        *(f"- note: {note}" for note in findings.notes),
        *(f"\n{table.markdown()}" for table in found),
        "",
    ]
    figures = {
        **facts,
        "servers": {server: asdict(one) for server, one in findings.servers.items()},
        "container_start_seconds": {one: asdict(seen) for one, seen in findings.starts.items()},
        "image": asdict(findings.image) if findings.image else None,
        "else_busy_percent": findings.else_busy_percent,
        "notes": findings.notes,
    }
    artifacts.write_file(RESULTS / f"{name}.md", "\n".join(page).encode())
    # What was not seen is NaN, which JSON cannot say.
    plain = json.loads(json.dumps(figures), parse_constant=lambda _: None)
    artifacts.write_file(RESULTS / f"{name}.json", json_bytes(plain))
    cli.say(f"written       {RESULTS}/{name}.md and .json")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=(
            "Measure the service beside a bare endpoint, bentoml serve and mlflow models serve, "
            "all with the same model. It wants the machine for itself: close what else runs."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--model",
        default=SERVED,
        metavar="NAME",
        help="take the newest package of this registered model (default: %(default)s)",
    )
    which.add_argument("--package", type=Path, metavar="PATH", help="take this package")
    add("--image", metavar="NAME", help="its image (default: as pipeline.image names it)")
    add(
        "--seconds",
        type=_positive,
        metavar="N",
        help=f"load in a round (default: {THOROUGH.seconds}, with --quick {QUICK.seconds})",
    )
    add(
        "--rounds",
        type=_positive,
        metavar="N",
        help=f"rounds (default: {THOROUGH.rounds}, with --quick {QUICK.rounds})",
    )
    add("--quick", action="store_true", help="a look in under a minute; writes nothing")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1 on")
    return int(text)


if __name__ == "__main__":
    main()
