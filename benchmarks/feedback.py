"""The time from a push to a pull request to the verdict, by step."""

import json
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from benchmarks import ending, plots
from benchmarks.findings import BenchmarkError, Section, Table, number
from benchmarks.measuring import last_line
from pipeline.report import drawing

RECORD: Final = Path("reports/tests.xml")
PLAY: Final = (sys.executable, "-m", "tests.nightly.workflows.verdict")
# To take away the containers and images that the workflows made.
TIDY_SECONDS: Final = 60
SLOWEST_TESTS: Final = 20
SLOWEST_FILES: Final = 15
# Of a line in a table; every step is among the figures.
SHORT_SECONDS: Final = 0.5

# Jobs of the way to the comment, in their order; no other job is on it.
COMMENT: Final = ("report", "comment")
REQUIRED: Final = "required-checks-pass"
# Steps that test: of the second, each folder of integration tests has a machine of its own.
FAST: Final = ("fast", "Run the fast tests")
INTEGRATION: Final = ("integration", "Run the tests")
SLOWER: Final = ("tests/integration/", "tests/nightly/")
TO_COMMENT: Final = "to the comment"
TO_REQUIRED: Final = f"to {REQUIRED}"
ABOUT: Final = f"""\
A pull request is opened on a repository that has a champion, and the real workflow files are
executed by `act` on this machine, from the push to the comment and to `{REQUIRED}`. The candidate's
training with the settings as they are, the comparison with the champion, the checks, the image and
its verification are what GitHub would execute. Left out is: of the tests, all but a few, and those
of other Pythons; the making of the environment, which is there already; the transfer of the clone,
caches and artifacts; the time in GitHub's queue. As many jobs as there are cores run at a time
here, and slow each other down.

Every job has a machine of its own on GitHub. So the way to the comment is the report and the
comment, and the way to `{REQUIRED}` the job that takes longest. With every test, the jobs that test
take their share of what `make test` took last.
"""


class Step(NamedTuple):
    """A step of a job."""

    job: str
    name: str
    seconds: float


class Played(NamedTuple):
    """A pull request that was executed: its steps, and the seconds from the push to the comment."""

    steps: Sequence[Step]
    seconds: float


class Tests(NamedTuple):
    """The whole suite, run once: when, for how long, and how long each test took."""

    date: str
    seconds: float
    each: Mapping[str, float]

    @classmethod
    def of(cls, record: bytes) -> Self:
        """Return what a record of pytest holds.

        Raises:
            BenchmarkError: it is none.

        """
        try:
            suite = next(ET.fromstring(record).iter("testsuite"))  # noqa: S314 (pytest wrote it)
        except (ET.ParseError, StopIteration) as error:
            raise BenchmarkError(f"{RECORD} is no record of tests: run `make test`") from error
        each = {_name(case): _seconds(case) for case in suite.iter("testcase")}
        return cls(suite.get("timestamp", "")[: len("2026-01-01T12:00")], _seconds(suite), each)

    @property
    def groups(self) -> set[str]:
        """Return the folders of the integration tests."""
        return {"/".join(name.split("/")[:3]) for name in self.each if name.startswith(SLOWER[0])}

    def share(self, chosen: Callable[[str], bool]) -> float:
        """Return how long some of the tests would take by themselves, on as many processes."""
        all_of_them = sum(self.each.values()) or 1.0
        return self.seconds * sum(t for name, t in self.each.items() if chosen(name)) / all_of_them

    def share_below(self, folder: str) -> float:
        """Return how long the tests of a folder would take by themselves."""
        return self.share(lambda name: name.startswith(f"{folder}/"))

    @property
    def files(self) -> Mapping[str, float]:
        """Return how long the tests of each file took."""
        return _added((name.partition("::")[0], time) for name, time in self.each.items())


def measure(*, quick: bool) -> Section:
    """Execute what a pull request starts, and look at the record of the tests.

    Quick, it looks at the record alone.

    Raises:
        BenchmarkError: something is missing to execute it, or a step fails.

    """
    tests = Tests.of(RECORD.read_bytes()) if RECORD.exists() else None
    return section(None if quick else play(), tests)


def play() -> Played:
    """Execute a pull request, after a first training that makes the champion.

    Raises:
        BenchmarkError: something is missing, or a step fails.

    """
    with tempfile.TemporaryDirectory() as folder, ending.Ending() as ended:
        record, log = Path(folder, "record.json"), Path(folder, "log")
        command = (*PLAY, str(record))
        process = ended.enter(ending.process(command, log, Path.cwd(), {}, TIDY_SECONDS))
        if process.wait():
            raise BenchmarkError(f"no pull request can be executed: {last_line(log)}")
        return read(record.read_bytes())


def read(record: bytes) -> Played:
    """Return what the executed jobs tell.

    Raises:
        BenchmarkError: a job failed.

    """
    jobs = json.loads(record)
    for job in jobs:
        if job["result"] != "success":
            raise BenchmarkError(f"the job {job['job']} ended in {job['result']}: see {job['log']}")
    steps = [
        Step(job["job"], step["name"], step["seconds"]) for job in jobs for step in job["steps"]
    ]
    return Played(steps, sum({job["workflow"]: job["seconds"] for job in jobs}.values()))


def chains(played: Played, tests: Tests | None) -> dict[str, list[Step]]:
    """Return the steps that a person waits for, by what is waited for."""
    to_comment = [step for job in COMMENT for step in played.steps if step.job == job]
    found = {TO_COMMENT: to_comment, TO_REQUIRED: _longest(played.steps)}
    if tests:
        whole = [_with_tests(step, tests) for step in played.steps]
        found[f"{TO_REQUIRED}, with every test"] = _longest(whole)
    return found


def _longest(steps: Sequence[Step]) -> list[Step]:
    jobs = _jobs(step for step in steps if step.job not in {*COMMENT, REQUIRED})
    longest = max(jobs, key=lambda name: jobs[name])
    return [step for job in (longest, REQUIRED) for step in steps if step.job == job]


def _with_tests(step: Step, tests: Tests) -> Step:
    if step[:2] == FAST:
        return step._replace(seconds=tests.share(lambda name: not name.startswith(SLOWER)))
    if step[:2] == INTEGRATION:
        return step._replace(seconds=max(map(tests.share_below, tests.groups), default=0.0))
    return step


def section(played: Played | None, tests: Tests | None) -> Section:
    """Return the figures and tables of what was executed, and of the tests."""
    waits = chains(played, tests) if played else {}
    figures = {f"seconds {what}": _sum(steps) for what, steps in waits.items()}
    tables = [_chain_table(f"From the push {what}", steps) for what, steps in waits.items()]
    if played:
        figures["seconds of everything, on these cores"] = played.seconds
        figures |= {f"seconds of {step.job}: {step.name}": step.seconds for step in played.steps}
        tables.append(_steps_table(played))
    if tests:
        figures["seconds of every test"] = tests.seconds
        figures |= {f"seconds of {file}": seconds for file, seconds in tests.files.items()}
        tables += _tests_tables(tests)
    missing = f"there is no {RECORD}: `make test` makes it, with how long each test takes"
    return Section(
        name="feedback",
        title="From a push to the verdict",
        about=ABOUT,
        figures={name: [value] for name, value in figures.items()},
        tables=tables,
        plots={"feedback": _drawn(played, waits)} if played else {},
        notes=[] if tests else [missing],
    )


def _chain_table(title: str, steps: Sequence[Step]) -> Table:
    rows = [(*step[:2], number(step.seconds)) for step in steps if _is_long(step)]
    return Table(title, ("job", "step", "seconds"), [*rows, ("in all", "", number(_sum(steps)))])


def _steps_table(played: Played) -> Table:
    rows = []
    for job, seconds in _jobs(played.steps).items():
        mine = [step for step in played.steps if step.job == job and _is_long(step)]
        rows += [("", step.name, number(step.seconds)) for step in mine]
        rows.insert(len(rows) - len(mine), (job, "", number(seconds)))
    return Table("Each job, and its steps", ("job", "step", "seconds"), rows)


def _tests_tables(tests: Tests) -> list[Table]:
    of_all = f"of {tests.date}: {len(tests.each):,} in {number(tests.seconds)} s"
    return [
        Table(f"The slowest tests, {of_all}", ("test", "seconds"), _top(tests.each, SLOWEST_TESTS)),
        Table("The slowest files of tests", ("file", "seconds"), _top(tests.files, SLOWEST_FILES)),
    ]


def _top(times: Mapping[str, float], count: int) -> list[tuple[str, str]]:
    slowest = sorted(times, key=lambda name: -times[name])[:count]
    return [(name.removeprefix("tests/"), number(times[name])) for name in slowest]


def _drawn(played: Played, waits: Mapping[str, Sequence[Step]]) -> bytes:
    comment, required = (_sum(waits[what]) for what in (TO_COMMENT, TO_REQUIRED))
    title = (
        f"{comment:.0f} seconds from a push to the comment, {required:.0f} to the required check"
    )
    detail = "The jobs of a pull request, of which each has a machine of its own on GitHub"
    jobs = {name: [seconds] for name, seconds in _jobs(played.steps).items()}
    return drawing.figure_bytes(plots.bars(title, detail, "seconds", jobs))


def _jobs(steps: Iterable[Step]) -> dict[str, float]:
    return _added((step.job, step.seconds) for step in steps)


def _added(times: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for name, seconds in times:
        sums[name] = sums.get(name, 0.0) + seconds
    return sums


def _sum(steps: Sequence[Step]) -> float:
    return sum(step.seconds for step in steps)


def _is_long(step: Step) -> bool:
    return step.seconds >= SHORT_SECONDS


def _name(case: ET.Element) -> str:
    # pytest writes the path of the file with dots, and the class behind it.
    parts = case.get("classname", "").split(".")
    end = next((n for n, part in enumerate(parts, 1) if part.startswith("test_")), len(parts))
    return "::".join([f"{'/'.join(parts[:end])}.py", *parts[end:], case.get("name", "")])


def _seconds(element: ET.Element) -> float:
    return float(element.get("time", "nan"))
