"""What the load found, and the tables, goals and plots that say it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import median
from typing import Final, Literal, NamedTuple

from benchmarks import plots
from benchmarks.findings import Goal, Samples, Table, number, ratios, spread
from benchmarks.rivals.load import Cell, Sample
from pipeline.report import drawing

OURS: Final = "ours"
BARE: Final = "bare"
MLFLOW: Final = "mlflow models serve"
BENTO_SKLEARN: Final = "BentoML, scikit-learn"
BENTO_ONNX: Final = "BentoML, ONNX"
FASTAPI: Final = "FastAPI, scikit-learn"
MLSERVER: Final = "MLServer, ONNX"
NO_HTTP: Final = "bare without HTTP"
IN_CONTAINER: Final = ", container"
# In the order of the tables.
SHOWN: Final = (
    *(OURS, BARE, OURS + IN_CONTAINER, BARE + IN_CONTAINER, NO_HTTP),
    *(BENTO_ONNX, MLSERVER, BENTO_SKLEARN, FASTAPI, MLFLOW),
)

HEADLINE: Final = Cell(8, all_cores=False, patients=1)
MANY: Final = 100

RATE, P50, P99, CPU = "requests/s", "p50, ms", "p99, ms", "CPU, us a request"
LABELS: Final = (RATE, P50, P99, CPU)
IDLE: Final = "idle, MB"
LOADED: Final = "after load, MB"
LOADED_ALL: Final = "all cores, after load, MB"


class Wanted(NamedTuple):
    """What is wanted of a server in the headline cell, as a ratio to a rival's figure."""

    server: str
    rival: str
    label: str
    sign: Literal["at least", "at most"]
    limit: float


WHY: Final = "docs/performance.md has the profile of a request"
WANTED: Final = (
    Wanted(OURS, MLFLOW, RATE, "at least", 150),
    Wanted(OURS, BARE, RATE, "at least", 0.6),
    Wanted(OURS, BARE, P99, "at most", 3),
    Wanted(OURS + IN_CONTAINER, BARE + IN_CONTAINER, RATE, "at least", 0.6),
    Wanted(OURS + IN_CONTAINER, BARE + IN_CONTAINER, P99, "at most", 3),
)


@dataclass
class Measured:
    """Everything that was measured with one model: samples of the load, and memory in MB."""

    model: str
    samples: dict[tuple[str, Cell], list[Sample]] = field(default_factory=dict)
    memory: dict[tuple[str, str], float] = field(default_factory=dict)

    def servers(self, cell: Cell = HEADLINE) -> list[str]:
        """Return who was measured in a cell, in the order of the tables."""
        return [name for name in SHOWN if (name, cell) in self.samples]

    def of(self, name: str, label: str, cell: Cell = HEADLINE) -> list[float]:
        """Return one figure of each round."""
        return [sample[LABELS.index(label)] for sample in self.samples[name, cell]]

    def ratio(self, name: str, rival: str, label: str) -> list[float]:
        """Return the ratio of a figure of the headline cell to a rival's, of each round."""
        return ratios(self.of(name, label), self.of(rival, label))

    def figures(self) -> dict[str, Samples]:
        """Return everything by a name of its own."""
        return {
            **{
                f"{self.model}: {name}, {cell.title}: {label}": self.of(name, label, cell)
                for name, cell in self.samples
                for label in LABELS
            },
            **{
                f"{self.model}: {name}, memory {when}": [value]
                for (name, when), value in self.memory.items()
                if not math.isnan(value)
            },
        }

    def tables(self) -> Iterator[Table]:
        """Return what is shown of it, in order."""
        yield self._headline()
        yield self._compared()
        cells = {cell for _, cell in self.samples}
        if len(cells) > 1:
            wide = sorted(cells, key=lambda cell: (cell.all_cores, cell.connections))
            for patients, label in product((1, MANY), (RATE, P99)):
                yield self._grid(label, [cell for cell in wide if cell.patients == patients])
        yield self._memory()

    def _headline(self) -> Table:
        rows = [
            (name, *(spread(self.of(name, label)) for label in LABELS)) for name in self.servers()
        ]
        return Table(f"{self.model}: {HEADLINE.title}", ("server", *LABELS), rows)

    def _compared(self) -> Table:
        """Return the headline cell as ratios; a container is compared with the bare one in one."""
        rows = []
        for name in self.servers():
            bare = BARE + IN_CONTAINER if name.endswith(IN_CONTAINER) else BARE
            pairs = [(bare, label) for label in (RATE, P99, CPU)] + [(MLFLOW, RATE)]
            rows.append((name, *(spread(self.ratio(name, *pair)) for pair in pairs)))
        columns = [f"{label.partition(',')[0]}, x bare" for label in (RATE, P99, CPU)]
        return Table(
            f"{self.model}: the same as ratios", ("server", *columns, "requests/s, x mlflow"), rows
        )

    def goals(self) -> list[Goal]:
        """Return what is wanted, of what was measured."""
        return [
            Goal(
                f"{self.model}, {goal.server}: {goal.label.partition(',')[0]}, x {goal.rival}",
                goal.sign,
                goal.limit,
                self.ratio(goal.server, goal.rival, goal.label),
                WHY,
            )
            for goal in WANTED
            if {goal.server, goal.rival} <= {*self.servers()}
        ]

    def plots(self) -> dict[str, bytes]:
        """Return the headline cell as bars."""
        detail = f"{self.model}: {HEADLINE.title}; logarithmic, median and range of the rounds"
        return {
            f"serving-{name}": drawing.figure_bytes(
                plots.bars(
                    title,
                    detail,
                    label,
                    {server: self.of(server, label) for server in self.servers()},
                    logarithmic=True,
                )
            )
            for name, title, label in (
                ("throughput", "How many requests are answered in a second", RATE),
                ("p99", "How long one in a hundred waits", P99),
            )
        }

    def _grid(self, label: str, cells: Sequence[Cell]) -> Table:
        asked = "one patient a request" if cells[0].patients == 1 else f"{MANY} patients a request"
        names = [name for name in SHOWN if any((name, cell) in self.samples for cell in cells)]
        rows = [(name, *(self._middle(name, label, cell) for cell in cells)) for name in names]
        columns = ("server", *(cell.crowd for cell in cells))
        return Table(f"{self.model}: {label}, {asked}; medians", columns, rows)

    def _middle(self, name: str, label: str, cell: Cell) -> str:
        if (name, cell) not in self.samples:
            return ""
        values = self.of(name, label, cell)
        return number(math.nan if any(map(math.isnan, values)) else median(values))

    def _memory(self) -> Table:
        whens = [when for when in (IDLE, LOADED, LOADED_ALL) if when in {w for _, w in self.memory}]
        rows = [
            (name, *(number(self.memory.get((name, when), math.nan)) for when in whens))
            for name in SHOWN
            if (name, IDLE) in self.memory
        ]
        return Table(f"{self.model}: resident memory of all processes", ("server", *whens), rows)
