"""The whole cycle, executed: from an empty fork to a release, a bad model, and the way back.

It happens once. `test_story.py` says what must have come out, and `show.py` prints it.
"""

import contextlib
import hashlib
import io
import json
import shutil
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import docker
from mlflow import MlflowClient

from pipeline.base.names import HISTORY
from pipeline.registry.branch import unpack
from pipeline.registry.git_branch import GitBranch
from pipeline.registry.mlflow_server import DATABASE
from pipeline.report import report_record, rows
from tests.containers import registry_of_images
from tests.nightly.workflows import github, machine
from tests.nightly.workflows.github import ROOT, GitHub, Pull, Run, git
from tests.registry.branch.conftest import remote_at

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
IMAGE = github.REPOSITORY.lower()
WAIT_SECONDS = 60
FEATURES = "pipeline/training/features.py"
ENGINEERED = "pipeline/table/engineered.py"
PROFILE = "pipeline/dataset/profile.py"
# All stand on it.
PAGES = "pipeline/base/pages.py"
CONTRACT = "pipeline/table/contract.py"
CLEVELAND = "data/raw/processed.cleveland.data"
# The fork begins with a model that does without the three fields that hardly any hospital but
# Cleveland records; a pull request brings them.
FEW_FIELDS = {
    "MEASURED": '["age", "trestbps", "chol", "thalach", "oldpeak"]',
    "NOMINAL": '["cp", "restecg"]',
}
# Of the people themselves next to nothing: no such model may serve.
HARDLY_ANY_FIELDS = {
    "MEASURED": '["trestbps", "chol"]',
    "BINARY": '["fbs"]',
    "NOMINAL": '["restecg"]',
}
FEW_FLAGS = {"NULLABLE": '("trestbps", "chol", "fbs")'}
THANKS = "The first one. Thanks to Bob."
REASON = "false positives on the ward"


class Moment(NamedTuple):
    """The registry branch at a moment: its commit, versions and tags by model, aliases."""

    commit: str
    versions: dict[str, dict[int, dict[str, str]]]
    aliases: dict[str, dict[str, int]]

    @property
    def counts(self):
        """Return how many versions each model has; the log of champions is none."""
        return {name: len(found) for name, found in self.versions.items() if name != HISTORY}

    @property
    def served(self):
        """Return the aliases of the model that is served."""
        return self.aliases["heart_disease"]


class Answer(NamedTuple):
    """What an image that was pulled answers, and what its release says that it must."""

    info: dict[str, Any]
    given: list[dict[str, Any]]
    expected: list[dict[str, Any]]


@dataclass
class Story:
    """Everything that came out, by the name that the tests use."""

    runs: dict[str, Run] = field(default_factory=dict)
    moments: dict[str, Moment] = field(default_factory=dict)
    issues: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    comments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    reports: dict[str, str] = field(default_factory=dict)
    refs: dict[str, list[str]] = field(default_factory=dict)
    drafts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    images: dict[str, dict[str, str]] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)
    commits: dict[str, str] = field(default_factory=dict)


class Stage:
    """Where the story is played: GitHub, the people's clones, a registry of images."""

    def __init__(self, gh: GitHub, story: Story, images: str) -> None:
        """Begin with the empty fork and Ann's clone of it."""
        self.gh, self.story, self.images = gh, story, images
        self.ann = gh.clone("ann")

    def keep(self, name: str, run: Run) -> None:
        """Remember a run under a name."""
        self.story.runs[name] = run

    def look(self, name: str) -> None:
        """Remember the registry as a reader finds it now."""
        folder = self.gh.folder / f"registry-{name.replace(' ', '-')}"
        branch = GitBranch(remote_at(self.gh.remote), "mlflow-registry", folder)
        commit = branch.read()
        unpack(folder)
        client = MlflowClient(f"sqlite:///{folder / DATABASE}", f"sqlite:///{folder / DATABASE}")
        versions: dict[str, dict[int, dict[str, str]]] = {}
        for found in client.search_model_versions():
            versions.setdefault(found.name, {})[int(found.version)] = dict(found.tags)
        aliases = {name: client.get_registered_model(name).aliases for name in versions}
        numbers = {
            name: {alias: int(number) for alias, number in found.items()}
            for name, found in aliases.items()
        }
        self.story.moments[name] = Moment(commit, versions, numbers)

    def commit(self, clone: Path, message: str, branch: str = "HEAD") -> str:
        """Commit everything in a clone and return the commit."""
        git(clone, "add", "--all")
        git(clone, "commit", "--quiet", f"--message={message}")
        return git(clone, "rev-parse", branch)

    def discuss(self, name: str, pull: Pull, action: str) -> None:
        """Run what a pull request starts, and remember what is on it then."""
        report, comment, checks = self.gh.pull_request(pull, action)
        self.keep(name, checks)
        self.keep(f"{name}: report", report)
        self.keep(f"{name}: comment", comment)
        found = self.gh.api.state.comments.get(pull.number, [])
        self.story.comments[name] = [dict(one) for one in found]
        handed = self.gh.artifact(report, "model-report") / report_record.FILE
        self.story.reports[name] = (
            rows.markdown(report_record.read(handed.read_bytes())) if handed.exists() else ""
        )
        self.story.refs[name] = self.gh.refs()
        self.story.images[name] = digests(self.images, IMAGE)
        self.story.commits[name] = pull.head

    def pull_image(self, version: str, release: dict[str, Any]) -> None:
        """Pull a release's image by its digest, and ask it what its package's patients get."""
        assets = {one["name"]: self.gh.api.state.assets[one["id"]] for one in release["assets"]}
        archive = next(content for name, content in assets.items() if name.endswith(".tar.gz"))
        with tarfile.open(fileobj=io.BytesIO(archive)) as package:
            member = next(n for n in package.getnames() if n.endswith("/golden_patients.json"))
            golden = json.loads(package.extractfile(member).read())["patients"]
        pinned = f"{self.images}/{IMAGE}@{self.story.images[version][version]}"
        with running(pinned) as address:
            patients = [one["patient"] for one in golden]
            given = ask(f"{address}/predict", patients)["predictions"]
            info = ask(f"{address}/info")
        self.story.answers[version] = Answer(info, given, golden)


# --- the chapters, in their order ---------------------------------------------------------------


def a_tag_too_early(stage: Stage) -> None:
    """A tag before any champion."""
    begin(stage)
    git(stage.ann, "tag", "v0.1.0")
    git(stage.ann, "push", "--quiet", "origin", "v0.1.0")
    stage.keep("too early", stage.gh.pushed_tag("v0.1.0"))
    stage.story.refs["too early"] = stage.gh.refs()
    stage.story.images["too early"] = digests(stage.images, IMAGE)
    stage.story.drafts["too early"] = list(stage.gh.api.state.releases)


def a_first_push(stage: Stage) -> None:
    """A first push to an empty fork."""
    stage.keep("first", stage.gh.pushed_main())
    stage.look("first")


def a_better_feature(stage: Stage) -> None:
    """A pull request from a fork with a better feature, which breaks a test, and mends it."""
    bob = bring_fields(stage)
    replace(bob / PAGES, "Pages and texts", "Texts and pages")
    replace(bob / PROFILE, "positives / rows, 1 + z**2 / rows", "positives / rows, 1.0")
    stage.commit(bob, "Use every field, and simplify the interval")
    stage.discuss("broken test", stage.gh.pull(1, bob, "all-fields"), "opened")
    git(bob, "checkout", "--quiet", "origin/main", "--", PROFILE)
    stage.commit(bob, "Leave the interval as it was")
    stage.discuss("better", stage.gh.pull(1, bob, "all-fields"), "synchronize")


def bad_data(stage: Stage) -> None:
    """A pull request with a patient of 630 years, and a checksum to match."""
    dave = stage.gh.clone("dave")
    git(dave, "switch", "--quiet", "--create", "newer-data")
    before = checksum(dave / CLEVELAND)
    replace(dave / CLEVELAND, "63.0,", "630.0,")
    replace(dave / CONTRACT, before, checksum(dave / CLEVELAND))
    stage.commit(dave, "Update the data")
    stage.discuss("bad data", stage.gh.pull(2, dave, "newer-data"), "opened")


def a_merge(stage: Stage) -> None:
    """The better feature merged, and its run repeated."""
    git(stage.ann, "fetch", "--quiet", "origin", "refs/pull/1/head")
    git(stage.ann, "merge", "--quiet", "--no-ff", "--message=Merge pull request 1", "FETCH_HEAD")
    git(stage.ann, "push", "--quiet", "origin", "HEAD:main")
    stage.keep("merged", stage.gh.pushed_main())
    stage.look("merged")
    stage.keep("merged again", stage.gh.pushed_main())
    stage.look("merged again")


def small_changes(stage: Stage) -> None:
    """A pull request that changes a page, and one that changes a hyper-parameter."""
    eve = stage.gh.clone("eve")
    git(eve, "switch", "--quiet", "--create", "page")
    replace(eve / "README.md", "You need Linux", "You need a Linux")
    stage.commit(eve, "Say it better")
    stage.discuss("docs", stage.gh.pull(3, eve, "page"), "opened")
    git(eve, "switch", "--quiet", "--create", "penalty", "origin/main")
    replace(eve / "config.yaml", "C: 0.3", "C: 0.2")
    stage.commit(eve, "Penalise more")
    stage.discuss("hyper-parameter", stage.gh.pull(4, eve, "penalty"), "opened")


def a_red_main(stage: Stage) -> None:
    """A push to main that breaks a test, a tag meanwhile, and the push that mends it."""
    git(stage.ann, "checkout", "--quiet", "-B", "main")
    replace(stage.ann / PROFILE, "positives / rows, 1 + z**2 / rows", "positives / rows, 1.0")
    stage.commit(stage.ann, "Simplify the interval")
    git(stage.ann, "push", "--quiet", "origin", "HEAD:main")
    stage.keep("red", stage.gh.tested_main())
    stage.story.issues["red"] = [dict(one) for one in stage.gh.api.state.issues]
    git(stage.ann, "tag", "v0.9.0")
    git(stage.ann, "push", "--quiet", "origin", "v0.9.0")
    stage.keep("held back", stage.gh.pushed_tag("v0.9.0"))
    git(stage.ann, "revert", "--no-edit", "HEAD")
    git(stage.ann, "push", "--quiet", "origin", "HEAD:main")
    stage.keep("green", stage.gh.tested_main())
    stage.story.issues["green"] = [dict(one) for one in stage.gh.api.state.issues]


def a_release(stage: Stage) -> None:
    """A tag and a release made on GitHub's page, before its training, then after; the tag again."""
    git(stage.ann, "tag", "v1.0.0")
    git(stage.ann, "push", "--quiet", "origin", "v1.0.0")
    stage.gh.release_by_hand("v1.0.0", THANKS)
    stage.keep("untrained", stage.gh.pushed_tag("v1.0.0"))
    stage.keep("trained", stage.gh.pushed_main())
    stage.keep("released", stage.gh.pushed_tag("v1.0.0"))
    stage.look("released")
    released(stage, "1.0.0")
    stage.keep("released again", stage.gh.pushed_tag("v1.0.0"))
    stage.story.images["released again"] = digests(stage.images, IMAGE)


def a_bad_model(stage: Stage) -> None:
    """A merge that makes the model bad."""
    git(stage.ann, "checkout", "--quiet", "-B", "main")
    redefine(stage.ann / FEATURES, HARDLY_ANY_FIELDS)
    redefine(stage.ann / ENGINEERED, FEW_FLAGS)
    stage.commit(stage.ann, "Ask for less")
    git(stage.ann, "push", "--quiet", "origin", "HEAD:main")
    stage.keep("bad", stage.gh.pushed_main())
    stage.look("bad")


def a_rollback(stage: Stage) -> None:
    """The button that puts the champion before back and ships it: badly, well, and once more."""
    wrong = stage.gh.button("rollback", reason=REASON, version="", release="v1.0.0")
    stage.keep("wrong tag", *wrong)
    stage.look("wrong tag")
    runs = stage.gh.button("rollback", reason=REASON, version="", release="v1.0.1")
    for name, run in zip(("rolled back", "patched"), runs, strict=False):
        stage.keep(name, run)
    stage.look("patched")
    released(stage, "1.0.1")
    again, _ = stage.gh.button("rollback", reason=REASON, version="", release="v1.0.1")
    stage.keep("rolled back again", again)
    stage.look("rolled back again")


CHAPTERS = (
    a_tag_too_early,
    a_first_push,
    a_better_feature,
    bad_data,
    a_merge,
    small_changes,
    a_red_main,
    a_release,
    a_bad_model,
    a_rollback,
)


@contextlib.contextmanager
def stage(folder: Path, on_step: github.Watch) -> Iterator[Stage]:
    """Yield an empty fork in ``folder``; tell each step that ended, and take all away again."""
    with (
        machine.left_as_it_was(),
        machine.terminal_zero_locked(),
        registry_of_images(folder) as images,
        github.playing(folder, images, machine.BASE_IMAGE, on_step) as gh,
    ):
        yield Stage(gh, Story(), images)


def play(folder: Path, on_chapter: Callable[[str], None], on_step: github.Watch) -> Story:
    """Play every chapter in ``folder``; tell its title first, and then each step that ended."""
    with stage(folder, on_step) as here:
        for chapter in CHAPTERS:
            on_chapter(str(chapter.__doc__))
            chapter(here)
        here.story.calls = here.gh.calls()
    return here.story


def begin(stage: Stage) -> None:
    """Push the work tree to the empty fork, with a model that does without three fields."""
    for name in github.work_tree_files():
        target = stage.ann / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    redefine(stage.ann / FEATURES, FEW_FIELDS)
    redefine(stage.ann / ENGINEERED, FEW_FLAGS)
    stage.story.commits["first"] = stage.commit(stage.ann, "Begin without three fields")
    git(stage.ann, "push", "--quiet", "origin", "HEAD:main")


def bring_fields(stage: Stage) -> Path:
    """Return the clone of a contributor with the three fields, not yet committed."""
    bob = stage.gh.clone("bob")
    git(bob, "switch", "--quiet", "--create", "all-fields")
    for name in (FEATURES, ENGINEERED):
        shutil.copy2(ROOT / name, bob / name)
    return bob


def released(stage: Stage, version: str) -> None:
    """Remember what a release left, and use it like a visitor."""
    found = stage.gh.api.state.releases
    release = next(one for one in found if one["tag_name"] == f"v{version}")
    stage.story.releases[version] = release
    stage.story.images[version] = digests(stage.images, IMAGE)
    stage.pull_image(version, release)


# --- small helps --------------------------------------------------------------------------------


def replace(path: Path, old: str, new: str) -> None:
    """Replace the first place where a text stands in a file."""
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise LookupError(f"{old} is not in {path.name} any more: the story has to change with it")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def redefine(path: Path, values: dict[str, str]) -> None:
    """Give constants of a module other values."""
    for name, value in values.items():
        line = next(
            one for one in path.read_text().splitlines() if one.startswith(f"{name}: Final")
        )
        replace(path, line, f"{name}: Final = {value}")


def checksum(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ask(address: str, content: Any = None) -> Any:
    """Return what a server answers, as a value."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(  # noqa: S310 (a server on this machine)
        address, data=data, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def digests(registry: str, name: str) -> dict[str, str]:
    """Return the digest of each tag of an image."""
    address = f"http://{registry}/v2/{name}"
    if name not in ask(f"http://{registry}/v2/_catalog")["repositories"]:
        return {}
    found = {}
    for tag in ask(f"{address}/tags/list")["tags"]:
        request = urllib.request.Request(  # noqa: S310
            f"{address}/manifests/{tag}", headers={"Accept": MANIFEST}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            found[tag] = answer.headers["Docker-Content-Digest"]
    return found


def _answers(address: str) -> bool:
    with contextlib.suppress(OSError):
        return bool(ask(f"{address}/info"))
    return False


@contextlib.contextmanager
def running(image: str) -> Iterator[str]:
    """Run an image that this engine does not have, and yield the address of its service."""
    client = docker.from_env()
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.remove(image, force=True)
    client.images.pull(image)
    container = client.containers.run(image, detach=True, ports={"3000/tcp": ("127.0.0.1", None)})
    try:
        for _ in range(WAIT_SECONDS * 10):
            container.reload()
            (door,) = container.ports.get("3000/tcp") or [None]
            address = f"http://127.0.0.1:{door['HostPort']}" if door else ""
            if address and _answers(address):
                break
            time.sleep(0.1)
        yield address
    finally:
        container.remove(force=True, v=True)
        client.close()
