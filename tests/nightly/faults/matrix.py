"""Every call of a promotion, broken in every way: what comes of it, and of a run after it."""

import random
from concurrent.futures import Future
from typing import NamedTuple

from pipeline.base.errors import PipelineError
from tests.nightly.faults.breaking import FAULTS, KILLS, LASTING, LATE
from tests.nightly.faults.promotion import HURRIED, PATIENT, RESIGNED, STAGES, Base, Names
from tests.nightly.faults.proxy import Call, Proxy
from tests.nightly.faults.witness import Witness
from tests.nursery import KILLED, Nursery

RETRY, AGAIN, DUPLICATE, LOST = "retry", "again", "duplicate", "LOST"


class Row(NamedTuple):
    """A call of a stage, and where it comes in an undisturbed run."""

    stage: str
    number: int
    call: Call

    @property
    def changes(self):
        """Say whether it changes something in the registry."""
        return not self.call.title.startswith("GET") and not self.call.title.endswith("search")


class Cell(NamedTuple):
    """One call, and the way in which it is broken."""

    row: Row
    fault: str


class Result(NamedTuple):
    """What came of a cell; ``why`` says what was lost, or how the first run failed."""

    cell: Cell
    outcome: str
    why: str = ""


class Matrix:
    """The cells of one server."""

    def __init__(self, server, folder) -> None:
        """Learn from undisturbed runs which calls there are, and what comes of them."""
        self._server, self._log = server, folder / "clients.log"
        self.proxy, self._witness = Proxy(server.port), Witness(server)
        self._base, self._nursery = Base(server.uri), None
        self.rows, self.whole = [], {}
        # Twice: some things MLflow asks only once in a process.
        for stage in ("publish", "publish", "promote"):
            names = self._prepared(stage)
            self.proxy.expect()
            STAGES[stage].run(self.proxy.uri, names, PATIENT)
            self.rows = [row for row in self.rows if row.stage != stage]
            self.rows += [Row(stage, n, call) for n, call in enumerate(self.proxy.calls, 1)]
            self.whole[stage] = self._witness.state(names)

    def cells(self, faults, *, every_call):
        """Return the cells of these faults, by name.

        Without ``every_call``, of the calls that only read there is the first of each kind.
        """
        first = {row.call.title: row for row in reversed(self.rows)}
        chosen = [r for r in self.rows if every_call or r.changes or first[r.call.title] is r]
        return [Cell(row, fault) for row in chosen for fault in faults]

    def play(self, cell):
        """Break a call, run again without a fault, and return what came of it."""
        stage, names = cell.row.stage, self._prepared(cell.row.stage)
        play = self._killed if cell.fault in KILLS else self._broken
        succeeded, message, breaches = play(cell, names)
        breaches += self._witness.breaches(names)
        if succeeded:
            breaches += self._differences(stage, names)
        if not succeeded or cell.fault in LATE:
            breaches += self._again(stage, names)
        duplicates = self._witness.duplicates(names, models=succeeded)
        if duplicates and cell.fault not in LATE:
            breaches.append(f"{duplicates} made twice")
        if breaches:
            return Result(cell, LOST, "; ".join(breaches))
        outcome = DUPLICATE if duplicates else RETRY if succeeded else AGAIN
        return Result(cell, outcome, message)

    def _prepared(self, stage):
        names = Names.new()
        STAGES[stage].prepare(self._server.uri, names, self._base)
        return names

    def _again(self, stage, names):
        self.proxy.expect()
        try:
            STAGES[stage].run(self.proxy.uri, names, PATIENT)
        except PipelineError as error:
            return [f"the run after it fails: {error}"]
        return self._differences(stage, names)

    def _broken(self, cell, names):
        """Run with the fault: return whether it succeeded, what it said, and what was wrong."""
        succeeded, message, wrong = False, "", []
        lasts = cell.fault in LASTING
        self.proxy.expect(FAULTS[cell.fault], cell.row.call, lasts=lasts)
        try:
            STAGES[cell.row.stage].run(self.proxy.uri, names, RESIGNED if lasts else HURRIED)
            succeeded = True
        except PipelineError as error:
            message = str(error)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is the finding)
            wrong = [f"a traceback: {type(error).__name__}: {error}"]
        self.proxy.wait_until_idle()
        if "\n" in message:
            wrong.append(f"a message of several lines: {message}")
        if not self.proxy.broken:
            wrong.append("the call that was to be broken did not come")
        return succeeded, message, wrong

    def _killed(self, cell, names):
        """Kill a process at the call: it has not succeeded, and can have said nothing wrong."""
        self._nursery = self._nursery or Nursery("tests.nightly.faults.clients", self._log)
        child = Future()
        self.proxy.expect(KILLS[cell.fault](child.result), cell.row.call)
        child.set_result(self._nursery.start("run", cell.row.stage, self.proxy.uri, names))
        code = self._nursery.wait(child.result())
        self.proxy.wait_until_idle()
        return False, "", [] if code == KILLED else [f"the client ended with {code}, not killed"]

    def _differences(self, stage, names):
        found, whole = self._witness.state(names), self.whole[stage]
        return [
            f"{name}: {found[name]}, not {whole[name]}"
            for name in whole
            if found[name] != whole[name]
        ]

    def close(self):
        """Stop the proxy and the parent of the clients."""
        self.proxy.close()
        if self._nursery:
            self._nursery.close()


def sample(cells, count, seed):
    """Return ``count`` of the cells, the same for the same seed, in their order."""
    chosen = random.Random(seed).sample(cells, min(count, len(cells)))  # noqa: S311
    return sorted(chosen, key=cells.index)
