"""How fast the service answers, beside the least code that could and what others offer.

Every server gets the same model, its answers are checked, and they are loaded in turns, so that
what else the machine does meets all of them.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.ending import Ending
from benchmarks.findings import BenchmarkError, Section
from benchmarks.measuring import in_turns
from benchmarks.rivals import contenders, load
from benchmarks.rivals.bare import Model
from benchmarks.rivals.contenders import Contender
from benchmarks.rivals.load import Cell, Sample
from benchmarks.rivals.results import (
    BARE,
    FASTAPI,
    HEADLINE,
    IDLE,
    LOADED,
    LOADED_ALL,
    MANY,
    NO_HTTP,
    WANTED,
    Measured,
)
from benchmarks.rivals.servers import Server
from benchmarks.subject import Subject
from pipeline.base import cli, config
from pipeline.base.config import Settings
from pipeline.base.names import SERVED, registered_name
from pipeline.packaging.package import SERVED_MODEL

FOREST: Final = "random_forest"
CORES: Final = os.cpu_count() or 1
CONNECTIONS: Final = (1, 8, 64)
WARM_UP_SECONDS: Final = 1
ABOUT: Final = """
The package of the random forest, served by this repository and by what else could serve it, on one
machine. Every server answers about the golden patients first, one at a time and in a batch, and is
measured only when every probability is the champion's.

- **ours** is `python -m pipeline.serving`, also in its image; **bare** is the least code that
  answers with the same ONNX file (Starlette, onnxruntime, nothing checked), also in a container;
  **bare without HTTP** is its work alone, in a loop, without any connection.
- The others are what their documentation shows: BentoML on scikit-learn and on ONNX, FastAPI on
  scikit-learn, MLServer with a custom runtime (in its own environment), `mlflow models serve`.
  Their code, and how each is started, is in [rivals](rivals/).
- *One worker* is one process that answers. With *all cores*, what has an option for workers gets
  one a core; ours and bare run a process or a container a core, each at its own port with its part
  of the connections (ours is scaled by replicas): their requests are added up, and the longer of
  their times is shown.
- `wrk` makes the load on the same machine, so it takes part of the cores, most where all are used.
  A round ends after its seconds: what would take longer is not in its p50 and p99, so those of a
  server that is far too slow for its connections are flattered.
- CPU is the time of a core for one request, memory the resident memory of all processes.
"""


class Effort(NamedTuple):
    """How long is measured: rounds in the headline cell and in the others, and seconds of each."""

    headline_rounds: int
    headline_seconds: int
    rounds: int = 3


THOROUGH: Final = Effort(headline_rounds=5, headline_seconds=3)
BRIEF: Final = Effort(headline_rounds=5, headline_seconds=1)
QUICK: Final = Effort(headline_rounds=2, headline_seconds=1)
# Those that the goals hang on are measured longer in the headline cell.
PATIENTLY: Final = frozenset(
    {wanted.server for wanted in WANTED} | {wanted.rival for wanted in WANTED}
)
# Its 40 threads take turns: with as many connections, no answer comes in the first second.
CROWDED_SECONDS: Final = {FASTAPI: 3}


class Turn(NamedTuple):
    """Who is loaded next, how, and for how long."""

    name: str
    cell: Cell
    seconds: int


def measure(*, quick: bool) -> Section:
    """Measure everybody with the random forest, and a few with the champion.

    Raises:
        PipelineError: wrk or the registry is missing, or a server does not answer as it must.

    """
    if shutil.which("wrk") is None:
        raise BenchmarkError("wrk, which makes the load, is missing: apt-get install wrk")
    settings, notes = config.load(), list[str]()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        scratch = Path(name)
        if quick:
            measured = [_the_few(settings, registered_name(FOREST), QUICK, scratch)]
        else:
            measured = [
                _whole_grid(settings, scratch, notes),
                _the_few(settings, SERVED, BRIEF, scratch),
            ]
    return Section(
        name="serving",
        title="Serving",
        about=ABOUT,
        figures={what: values for part in measured for what, values in part.figures().items()},
        tables=[table for part in measured for table in part.tables()],
        goals=measured[0].goals(),
        plots=measured[0].plots(),
        notes=notes,
    )


def _the_few(settings: Settings, model: str, effort: Effort, scratch: Path) -> Measured:
    """Measure what the goals are about, without containers, in the headline cell."""
    subject = Subject.registered(model, settings)
    return _measured(contenders.few(subject, scratch), subject, [HEADLINE], effort, scratch)


def _whole_grid(settings: Settings, scratch: Path, notes: list[str]) -> Measured:
    subject = Subject.registered(registered_name(FOREST), settings)
    image = f"{settings.packaging.image}:{subject.about.folder}"
    everybody = {
        **contenders.few(subject, scratch),
        **contenders.in_containers(subject, image, scratch, notes),
        **contenders.others(subject, scratch),
    }
    cells = [Cell(n, all_cores=False, patients=p) for p in (1, MANY) for n in CONNECTIONS]
    measured = _measured(everybody, subject, cells, THOROUGH, scratch)
    if CORES > 1:
        # One connection keeps one core busy.
        wide = [cell._replace(all_cores=True) for cell in cells if cell.connections > 1]
        more = _measured(everybody, subject, wide, THOROUGH, scratch)
        measured.samples |= more.samples
        measured.memory |= {
            (name, LOADED_ALL): value
            for (name, when), value in more.memory.items()
            if when == LOADED
        }
    return measured


def _measured(
    everybody: Mapping[str, Contender],
    subject: Subject,
    cells: Sequence[Cell],
    effort: Effort,
    scratch: Path,
) -> Measured:
    """Start everybody with the workers that the cells want, and load them in turns."""
    measured, workers = Measured(subject.title), CORES if cells[0].all_cores else 1
    with Ending() as ended:
        fleets = {name: one.begin(ended, workers) for name, one in everybody.items()}
        for name, fleet in fleets.items():
            _prove(fleet, subject)
            measured.memory[name, IDLE] = _memory(fleet)
            _write_bodies(scratch / name, fleet[0], cells, subject)
            load.over_http(fleet, cells[0], _bodies(scratch / name, cells[0]), WARM_UP_SECONDS)
        ask = {name: partial(_ask, scratch / name, fleet) for name, fleet in fleets.items()}
        ask[NO_HTTP] = partial(_loop, scratch / BARE, Model(str(subject.folder / SERVED_MODEL)))
        plan = [turn for cell in cells for turn in _turns(cell, [*fleets], effort)]
        with closing(cli.track(plan, f"Load on {subject.folder.name}", len(plan))) as watched:
            for name, cell, seconds in watched:
                measured.samples.setdefault((name, cell), []).append(ask[name](cell, seconds))
        for name, fleet in fleets.items():
            measured.memory[name, LOADED] = _memory(fleet)
    return measured


def _turns(cell: Cell, names: list[str], effort: Effort) -> list[Turn]:
    if not cell.all_cores and (cell == HEADLINE or cell.connections == 1):
        names = [*names, NO_HTTP]
    rounds = effort.headline_rounds if cell == HEADLINE else effort.rounds
    return [Turn(name, cell, _seconds(name, cell, effort)) for name in in_turns(names, rounds)]


def _seconds(name: str, cell: Cell, effort: Effort) -> int:
    if cell == HEADLINE and name in PATIENTLY:
        return effort.headline_seconds
    return CROWDED_SECONDS.get(name, 1) if cell.connections == max(CONNECTIONS) else 1


def _prove(fleet: Sequence[Server], subject: Subject) -> None:
    (batch, *_), tolerance = subject.asked(MANY), subject.about.tolerance
    for server in fleet:
        for patient in subject.golden:
            server.expect([patient], tolerance)
        server.expect(batch, tolerance)


def _write_bodies(name: Path, server: Server, cells: Sequence[Cell], subject: Subject) -> None:
    for cell in cells:
        asked = subject.asked(cell.patients)
        lines = [server.body([golden.patient for golden in patients]) + b"\n" for patients in asked]
        _bodies(name, cell).write_bytes(b"".join(lines))


def _bodies(name: Path, cell: Cell) -> Path:
    return name.with_suffix(f".{cell.patients}")


def _ask(name: Path, fleet: Sequence[Server], cell: Cell, seconds: int) -> Sample:
    return load.over_http(fleet, cell, _bodies(name, cell), seconds)


def _loop(name: Path, model: Model, cell: Cell, seconds: int) -> Sample:
    return load.in_a_loop(model, _bodies(name, cell), seconds)


def _memory(fleet: Sequence[Server]) -> float:
    return sum(server.memory() for server in fleet)
