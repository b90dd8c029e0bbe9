"""What an image costs to keep, to build and to start, beside what others recommend.

Each recipe is built by the same engine over the same base, with the same package. Each answer is
compared with the champion's.
"""

import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Final, NamedTuple

from docker import DockerClient

from benchmarks import contract, plots
from benchmarks.ending import Ending
from benchmarks.findings import BenchmarkError, Goal, Samples, Section, Table, ratios, spread
from benchmarks.measuring import MEGABYTE, in_turns
from benchmarks.recipes import containers, contexts
from benchmarks.recipes.containers import Contained
from benchmarks.recipes.contexts import BASE, OURS, OURS_IMAGE, OURS_PYTHON, Recipe
from benchmarks.rivals import dialects, starting
from benchmarks.subject import Subject
from pipeline.base import cli, config
from pipeline.base.errors import ImageError
from pipeline.base.manifest import Files
from pipeline.image import build
from pipeline.image.docker import Engine
from pipeline.report import drawing

BARE: Final = "bare endpoint"
SIZE: Final = "MB over base"
PACKAGES: Final = "packages"
COLD: Final = "cold build, s"
WARM: Final = "warm build, s"
START: Final = "start to first answer, s"
IDLE: Final = "idle, MB"
LOADED: Final = "after load, MB"
SHOWN: Final = (SIZE, PACKAGES, COLD, WARM, START, IDLE, LOADED)

MOST_MEGABYTES: Final = 200
MOST_STARTS: Final = 1.5
WHY_SIZE: Final = "numpy with its BLAS, onnxruntime and uvloop are most of it"
WHY_START: Final = (
    "importing the data contract (pydantic) and the metrics, and asking the golden patients first"
)

ABOUT: Final = """
The champion's package as an image. Everything is built by the same engine over the same base, and
no layer of an earlier run is used again. **ours** is what `python -m pipeline.image` builds. The
others serve the package's scikit-learn model: **FastAPI** with the Dockerfile of a tutorial,
**BentoML** with what `bentoml containerize` builds, **MLflow** with what
`mlflow models build-docker` builds. The **bare endpoint** is Starlette and onnxruntime in our
image. What goes into each: [recipes](recipes/).

A cold build has no layer to begin with; before a warm one only the code changed. A start counts
from the order to create the container to the first answer, which must be the champion's. Memory is
that of `docker stats`, after the first answer and after 300.
"""
NOTES: Final = (
    (
        "a build is the engine's own time, without `bentoml build`, `mlflow models "
        "generate-dockerfile` and our SBOM, but with what it downloads"
    ),
    (
        "adapted: the base gets a `python` and an apt without caches where it has none, and names "
        "its certificates to pip and uv; every Dockerfile begins with that base"
    ),
    (
        "BentoML's Dockerfile is the one in its Bento, which needs no BuildKit (uv's cache stays "
        "in the image, as hard links); the build resolves its packages (lock_packages: false)"
    ),
    (
        "ours and the bare endpoint run locked down (read-only, no capabilities, 512 MB), the "
        "others as `docker run` starts them, MLflow with its default of a process for each core"
    ),
)


class Effort(NamedTuple):
    """How much is done: warm builds, starts of everybody, and further ones of ours and bare."""

    warm_builds: int
    starts: int
    more_starts: int
    requests: int


THOROUGH: Final = Effort(warm_builds=3, starts=3, more_starts=4, requests=300)
QUICK: Final = Effort(warm_builds=0, starts=3, more_starts=0, requests=100)

Start = Callable[[], AbstractContextManager[Contained]]
Starts = Mapping[str, Start]


@dataclass(frozen=True)
class Measured:
    """What was measured, by the name of a recipe and of a figure."""

    samples: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)

    def of(self, name: str, what: str) -> Samples:
        """Return a figure, one value for each round, or nothing."""
        return self.samples.get((name, what), ())

    def ratio(self, name: str, other: str, what: str) -> Samples:
        """Return how many times the other's figure it is, in each round that both have."""
        pairs = [*zip(self.of(name, what), self.of(other, what), strict=False)]
        return ratios([figure for figure, _ in pairs], [figure for _, figure in pairs])

    @property
    def names(self) -> list[str]:
        """Return who was measured, ours first."""
        return [*dict.fromkeys(name for name, _ in self.samples)]

    @property
    def kinds(self) -> list[str]:
        """Return which figures were measured at all."""
        return [what for what in SHOWN if any(self.of(name, what) for name in self.names)]


def measure(*, quick: bool) -> Section:
    """Build, weigh and start the image of the champion's package, and its rivals.

    Quickly, ours alone is built, once, and the bare endpoint on it.

    Raises:
        PipelineError: there is no engine or no package, our image does not build, or a container
            does not answer as it must.

    """
    try:
        engine = Engine()
    except ImageError as error:
        raise BenchmarkError(f"no image is measured: {error}") from error
    subject, measured = Subject.of(contract.newest(), config.load()), Measured()
    with Ending() as ended, tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        client = ended.enter(containers.cleared())
        recipes = _recipes(subject, Path(scratch), quick=quick)
        rivals = _build_all(engine, subject, recipes, measured)
        starts = _starts(engine, client, rivals)
        _start_all(starts, subject, QUICK if quick else THOROUGH, measured)
    return _section(measured)


def _build_all(
    engine: Engine, subject: Subject, recipes: Iterable[Recipe], measured: Measured
) -> list[Recipe]:
    """Build everything, ours first, and return the rivals that could be built."""
    run = uuid.uuid4().hex
    context, arguments = contexts.base(run, build.python_image(subject.folder))
    base = engine.build(context, BASE, arguments, {}, lambda _: None)
    built = []
    for recipe in recipes:
        try:
            seconds = _build(engine, recipe, recipe.context)
        except ImageError as error:
            if recipe.name == OURS:
                raise
            measured.notes.append(f"{recipe.name} was not built: {error}")
            continue
        measured.samples[recipe.name, COLD].append(seconds)
        over_base = engine.image(recipe.image).size - base.size
        measured.samples[recipe.name, SIZE].append(over_base / MEGABYTE)
        built.append(recipe)
    rivals = [recipe for recipe in built if recipe.name != OURS]
    if rivals:
        measured.notes.extend(NOTES)
        _build_again(engine, {recipe.name: recipe for recipe in built}, run, measured)
    return rivals


def _recipes(subject: Subject, scratch: Path, *, quick: bool) -> Iterator[Recipe]:
    yield contexts.ours(subject.files)
    if quick:
        return
    yield contexts.fastapi(subject.files)
    yield contexts.bentoml(subject.files, scratch)
    yield contexts.mlflow(subject.folder, scratch)


def _build_again(engine: Engine, built: Mapping[str, Recipe], run: str, measured: Measured) -> None:
    for turn, name in enumerate(in_turns([*built], THOROUGH.warm_builds)):
        recipe = built[name]
        seconds = _build(engine, recipe, recipe.changed(f"{run} {turn}"))
        measured.samples[name, WARM].append(seconds)


def _build(engine: Engine, recipe: Recipe, context: Files) -> float:
    began = time.perf_counter()
    engine.build(context, recipe.image, recipe.arguments, {}, lambda _: None)
    seconds = time.perf_counter() - began
    cli.say(f"built         {recipe.name} in {seconds:.1f} s")
    return seconds


def _starts(engine: Engine, client: DockerClient, rivals: Sequence[Recipe]) -> Starts:
    bare = starting.build_bare_image(engine, OURS_IMAGE)
    return {
        OURS: partial(containers.hardened, engine, OURS_IMAGE, dialects.OURS, OURS_PYTHON),
        BARE: partial(containers.hardened, engine, bare, dialects.BARE, OURS_PYTHON),
        **{recipe.name: partial(containers.plain, client, recipe) for recipe in rivals},
    }


def _start_all(starts: Starts, subject: Subject, effort: Effort, measured: Measured) -> None:
    plan = in_turns([*starts], effort.starts) + in_turns((OURS, BARE), effort.more_starts)
    with closing(cli.track(plan, "Starts", len(plan))) as watched:
        for turn, name in enumerate(watched, start=1):
            # The first container of an image also counts the files that it reads into memory.
            requests = 0 if name in plan[turn:] else effort.requests
            found = _start(starts[name], subject, requests)
            for what, value in found.items():
                measured.samples[name, what].append(value)


def _start(start: Start, subject: Subject, requests: int) -> dict[str, float]:
    """Return what a start took, and after so many requests, if there are any, what it holds."""
    tolerance = subject.about.tolerance
    with Ending() as started:
        began = time.perf_counter()
        contained = started.enter(start())
        contained.server.expect(subject.golden[:1], tolerance)
        found = {START: time.perf_counter() - began, IDLE: contained.memory()}
        for patient in islice(cycle(subject.golden), requests):
            contained.server.expect([patient], tolerance)
        if requests:
            found |= {LOADED: contained.memory(), PACKAGES: contained.packages()}
    return found


def _section(measured: Measured) -> Section:
    sizes = {name: size for name in measured.names if (size := measured.of(name, SIZE))}
    detail = "on disk, unpacked; what the base holds is not counted"
    weights = plots.bars("What an image adds to its base", detail, "MB", sizes)
    return Section(
        name="image",
        title="The image",
        about=ABOUT,
        figures={f"{name}: {what}": values for (name, what), values in measured.samples.items()},
        tables=[_figures(measured), _compared(measured)],
        goals=_goals(measured),
        plots={"image-size": drawing.figure_bytes(weights)},
        notes=measured.notes,
    )


def _figures(measured: Measured) -> Table:
    rows = [
        [name, *(_cell(measured.of(name, what)) for what in measured.kinds)]
        for name in measured.names
    ]
    return Table("Images and their containers", ("recipe", *measured.kinds), rows)


def _compared(measured: Measured) -> Table:
    rows = [
        [name, *(_cell(measured.ratio(name, OURS, what)) for what in measured.kinds)]
        for name in measured.names
        if name != OURS
    ]
    columns = [what.partition(",")[0] for what in measured.kinds]
    return Table("How many times ours", ("recipe", *columns), rows)


def _goals(measured: Measured) -> list[Goal]:
    start = "container: start to first answer, times the bare endpoint's"
    return [
        Goal(
            "image: MB over its base", "at most", MOST_MEGABYTES, measured.of(OURS, SIZE), WHY_SIZE
        ),
        Goal(start, "at most", MOST_STARTS, measured.ratio(OURS, BARE, START), WHY_START),
    ]


def _cell(values: Samples) -> str:
    return spread(values) if values else ""
