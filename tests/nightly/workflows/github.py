"""GitHub, as far as the workflows need it, on one machine.

A bare repository on disk is the remote, `act` is the runner, `tests.github_api` answers for the
API, and small doubles stand for the actions of others and for the programs that a runner has and a
laptop may lack. The rest is real: git, make, the commands, MLflow, Docker, a registry of images.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import yaml

import environment
from tests import github_api, osv_api
from tests.conftest import QUICK
from tests.nightly.workflows.translation import translate

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
# Registries of images know no capital letters; GitHub does.
OWNER, NAME = "Ann-Example", "Heart-Disease"
REPOSITORY = f"{OWNER}/{NAME}"
SERVER = "https://github.com"
NANOSECONDS = 1e9
LONGEST_RUN = 900
# A few stand for all the tests that a workflow runs: the rest run outside of the workflows.
FEW_TESTS = (
    "tests/base/test_manifest.py",
    "tests/dataset/test_profile.py",
)
FOREIGN = ("GITHUB_", "PIPELINE_", "MLFLOW_", "MAKE", "MFLAGS", "PYTEST_", "COV", "GIT_")


class Step(NamedTuple):
    """A step of a job, and how it ended."""

    name: str
    result: str
    seconds: float


@dataclass
class Job:
    """A job of a run: its result, its steps, what its page shows, and what it printed."""

    name: str
    result: str = "skipped"
    steps: list[Step] = field(default_factory=list)
    summary: str = ""
    log: str = ""
    started: float = 0.0
    seconds: float = 0.0

    def step(self, name):
        """Return the step of that name."""
        return next(step for step in self.steps if step.name == name)


@dataclass
class Run:
    """One workflow, run for one event."""

    workflow: str
    event: str
    number: int
    jobs: dict[str, Job]
    seconds: float = 0.0
    log: str = ""

    @property
    def conclusion(self):
        """Return what GitHub calls the run as a whole."""
        results = {job.result for job in self.jobs.values()}
        return "failure" if "failure" in results else "success"

    @property
    def summary(self):
        """Return what the run's page shows."""
        return "\n".join(job.summary for job in self.jobs.values() if job.summary)


class Pull(NamedTuple):
    """A pull request: its head in some repository, and the merge of it that GitHub makes."""

    number: int
    head_repository: str
    branch: str
    head: str
    merge: str


def git(folder, *arguments):
    """Run git as Ann, and return what it prints."""
    command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=outside(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


def outside():
    """Return the environment without what belongs to this process alone."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    # As on a fresh runner, git has no identity.
    return kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def work_tree_files():
    """Return the files that a commit of the work tree would hold."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in found.split("\0") if name and (ROOT / name).exists()]


# Is told of each step when it has ended.
Watch = Callable[[Run, Job, Step], None]


@contextlib.contextmanager
def playing(folder, images, base_image, watch):
    """Play GitHub in ``folder`` with ``images`` as the registry of images."""
    with github_api.serving() as api, osv_api.serving() as known:
        variables = {"REGISTRY": images, "BASE_IMAGE": base_image, "OSV_URL": known.url}
        yield GitHub(Path(folder), api, variables, watch)


class Tags(dict[str, str]):
    """The tags of a repository on disk, as GitHub's API shows and makes them."""

    def __init__(self, remote: Path) -> None:
        """Hold none: they are all in the repository."""
        super().__init__()
        self._remote = remote

    def __contains__(self, tag):
        """Say whether there is one of that name."""
        return bool(self[tag])

    def __getitem__(self, tag):
        """Return the commit of a tag, or nothing."""
        return git(self._remote, "for-each-ref", "--format=%(objectname)", f"refs/tags/{tag}")

    def __setitem__(self, tag, commit):
        """Make a tag that is new."""
        git(self._remote, "update-ref", f"refs/tags/{tag}", commit, "")


class GitHub:
    """One repository, its runs, and everything that they left."""

    def __init__(
        self,
        folder: Path,
        api: github_api.Server,
        variables: dict[str, str],
        watch: Watch,
    ) -> None:
        """Make the empty repository."""
        self.folder, self.api, self.variables, self.watch = folder, api, variables, watch
        # Of the repository, where its own would take long.
        self.settings = QUICK
        self.doubles, self.remote = folder / "doubles", folder / "remote.git"
        self.runs: list[Run] = []
        self.doubles.mkdir()
        for name in ("artifacts", "docker"):
            (self.doubles / name).mkdir()
        shutil.copytree(HERE / "programs", self.doubles / "programs")
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        git(self.remote, "config", "uploadpack.allowAnySHA1InWant", "true")
        self.api.state.tags = Tags(self.remote)
        self.venvs = self._environments()

    def _environments(self):
        """Return a folder with one that is ready for the lock: a view of the one that runs this."""
        name = environment.name(ROOT / environment.LOCK)
        venv = self.folder / "venvs" / name
        venv.mkdir(parents=True)
        for path in Path(sys.prefix).iterdir():
            if not path.name.startswith("ready-"):
                (venv / path.name).symlink_to(path)
        (venv / f"ready-{name}").touch()
        return venv.parent

    def clone(self, name):
        """Return a person's clone."""
        folder = self.folder / name
        git(self.folder, "clone", "--quiet", str(self.remote), str(folder))
        return folder

    def ref(self, name):
        """Return the commit that a reference of the remote leads to, or nothing."""
        return git(self.remote, "for-each-ref", "--format=%(objectname)", name)

    def refs(self):
        """Return every reference of the remote with its commit."""
        return git(self.remote, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()

    def pull(self, number, clone, branch):
        """Open a pull request from a clone's repository, or look at it again after a push.

        GitHub fetches the head from the fork and makes the merge that its runs check out.
        """
        git(self.remote, "fetch", "--quiet", str(clone), f"+{branch}:refs/pull/{number}/head")
        head, base = self.ref(f"refs/pull/{number}/head"), self.ref("refs/heads/main")
        tree = git(self.remote, "merge-tree", "--write-tree", base, head)
        message = f"Merge {head} into {base}"
        merge = git(self.remote, "commit-tree", tree, "-p", base, "-p", head, "-m", message)
        git(self.remote, "update-ref", f"refs/pull/{number}/merge", merge)
        self.api.state.pull(REPOSITORY, number, head)
        return Pull(number, f"bob-example/{NAME}", branch, head, merge)

    def release_by_hand(self, tag, body):
        """Publish a release as a person does on the page, with a text and no file."""
        asked = {"tag_name": tag, "body": body}
        call = github_api.Call("POST", f"/repos/{REPOSITORY}/releases", {}, asked, authorized=True)
        github_api.route(self.api.state, call, self.api.url)

    def pushed_main(self):
        """Return the run of a push to main."""
        commit = self.ref("refs/heads/main")
        return self.run("train", "push", "refs/heads/main", commit, {"after": commit})

    def tested_main(self):
        """Return the run of the tests that a push to main starts beside it."""
        commit = self.ref("refs/heads/main")
        return self.run("main", "push", "refs/heads/main", commit, {"after": commit})

    def pushed_tag(self, tag):
        """Return the run of a push of a tag."""
        return self.run("release", "push", f"refs/tags/{tag}", self.ref(f"refs/tags/{tag}"))

    def pull_request(self, pull, action):
        """Return the runs of a pull request: its report, the comment on it, and the checks."""
        number = pull.number
        event = {
            "action": action,
            "number": number,
            "pull_request": {
                "number": number,
                "head": {"sha": pull.head, "ref": pull.branch},
                "base": {"ref": "main"},
            },
        }
        merge = (f"refs/pull/{number}/merge", pull.merge, event)
        report = self.run("report", "pull_request", *merge)
        main = self.ref("refs/heads/main")
        done = {
            "id": report.number,
            "event": "pull_request",
            "conclusion": report.conclusion,
            "head_sha": pull.head,
            "head_branch": pull.branch,
            "head_repository": {"full_name": pull.head_repository},
        }
        comment = self.run(
            "comment", "workflow_run", "refs/heads/main", main, {"workflow_run": done}
        )
        return report, comment, self.run("pull-request", "pull_request", *merge)

    def button(self, workflow, ref="refs/heads/main", **inputs):
        """Return the run that a person starts by hand, and those that this run starts."""
        runs = [self.run(workflow, "workflow_dispatch", ref, self.ref(ref), {"inputs": inputs})]
        dispatches = self.doubles / "dispatches.tsv"
        if dispatches.exists():
            asked = dispatches.read_text().splitlines()
            dispatches.unlink()
            for file, tag in (line.split("\t") for line in asked):
                runs += self.button(file.removesuffix(".yml"), f"refs/tags/{tag}")
        return runs

    def calls(self):
        """Return what was asked of the doubles: which, in which run, and what."""
        path = self.doubles / "calls.tsv"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split("\t") for line in lines]

    def artifact(self, run, name):
        """Return the folder of an artifact of a run."""
        return self.doubles / "artifacts" / str(run.number) / name

    def run(
        self,
        workflow: str,
        event: str,
        ref: str,
        commit: str,
        payload: dict[str, Any] | None = None,
    ) -> Run:
        """Run a workflow of a commit, as GitHub does for an event, and keep what came out."""
        number = len(self.runs) + 1
        place = self.folder / f"run-{number}"
        clone = place / NAME
        clone.mkdir(parents=True)
        text = git(self.remote, "show", f"{commit}:.github/workflows/{workflow}.yml")
        depths = map(int, re.findall(r"fetch-depth: (\d+)", text))
        self._check_out(clone, ref, commit, next(depths, 1))
        file = place / f"{workflow}.yml"
        file.write_text(translate(text))
        repository = {"full_name": REPOSITORY, "private": False, "default_branch": "main"}
        content = {"ref": ref, "repository": repository, **(payload or {})}
        (place / "event.json").write_text(json.dumps(content))
        jobs = {
            name: Job(job.get("name", name)) for name, job in yaml.safe_load(text)["jobs"].items()
        }
        run = Run(workflow, event, number, jobs)
        self.runs.append(run)
        command = self._command(event, file, place / "event.json", pins(clone))
        command += _options("--env", self._variables(number, ref, commit))
        self._execute(command, clone, run)
        shutil.rmtree(place)
        return run

    def _check_out(self, clone, ref, commit, depth):
        """Make a clone as `actions/checkout` does: so many commits, or everything."""
        git(clone, "init", "--quiet")
        git(clone, "remote", "add", "origin", self.remote.as_uri())
        heads_and_tags = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        if not depth:
            whole = (*heads_and_tags, f"+{commit}:refs/remotes/runner/{ref}")
            git(clone, "fetch", "--quiet", "origin", *whole)
        else:
            one = f"+{commit}:refs/remotes/runner/{ref}"
            git(clone, "fetch", "--quiet", "--no-tags", f"--depth={depth}", "origin", one)
        git(clone, "checkout", "--quiet", "--detach", commit)

    def _command(self, event, file, payload, pinned):
        command = [str(Path(sys.executable).parent / "act"), event, "--json"]
        command += ["--workflows", str(file), "--eventpath", str(payload), "--actor", OWNER]
        command += ["--platform", "ubuntu-latest=-self-hosted", "--matrix", "python:3.11"]
        command += ["--action-cache-path", str(self.folder / "act"), "--no-cache-server"]
        command += ["--secret", f"GITHUB_TOKEN={github_api.TOKEN}", "--secret", "REGISTRY_TOKEN=x"]
        command += _options("--var", self.variables)
        for action, commit in pinned.items():
            double = HERE / "actions" / action.partition("/")[2]
            command += ["--local-repository", f"{action}@{commit}={double}"]
        return command

    def _variables(self, number, ref, commit):
        """Return what a job finds in its environment: GitHub's, and what keeps it short here."""
        kind, _, name = ref.removeprefix("refs/").partition("/")
        kept = self.folder / "kept"
        return {
            "GITHUB_RUN_ID": str(number),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_REPOSITORY_OWNER": OWNER,
            "GITHUB_SERVER_URL": SERVER,
            "GITHUB_API_URL": self.api.url,
            "GITHUB_REF": ref,
            "GITHUB_REF_NAME": name,
            "GITHUB_REF_TYPE": "tag" if kind == "tags" else "branch",
            "SHA_REF": commit,
            "CI": "true",
            "PIPELINE_VENV": str(self.venvs),
            "PYTHON": sys.executable,
            "PYTEST_ADDOPTS": f"{' '.join(FEW_TESTS)} --cov-fail-under=0",
            "PYTEST_XDIST_AUTO_NUM_WORKERS": "0",
            "MYPY_CACHE_DIR": str(kept / "mypy"),
            "RUFF_CACHE_DIR": str(kept / "ruff"),
            **{f"PIPELINE__{name}": value for name, value in self.settings.items()},
            "DOUBLES": str(self.doubles),
            "REMOTE": str(self.remote),
            # A login of this run only.
            "DOCKER_CONFIG": str(self.doubles / "docker"),
        }

    def _execute(self, command, clone, run):
        path = f"{self.doubles / 'programs'}{os.pathsep}{os.environ['PATH']}"
        started = time.monotonic()
        act = subprocess.Popen(
            command,
            cwd=clone,
            env=outside() | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        late = threading.Timer(LONGEST_RUN, end, (act,))
        late.start()
        lines = []
        try:
            with act.stdout as said:
                for line in said:
                    lines.append(line)
                    self._read(line, run)
            act.wait()
        finally:
            late.cancel()
            end(act)
            run.seconds, run.log = time.monotonic() - started, "".join(lines)
            self._keep_log(run)
        if act.returncode and run.conclusion == "success":
            raise RuntimeError(f"act did not run {run.workflow}: {run.log[-2000:]}")

    def _keep_log(self, run):
        """Write down what each job of a run printed, to look into a failure."""
        folder = self.folder / "logs"
        folder.mkdir(exist_ok=True)
        for name, job in run.jobs.items():
            (folder / f"{run.number:02}-{run.workflow}-{name}.log").write_text(job.log)

    def _read(self, line, run):
        """Take in a line of what act says."""
        try:
            said = json.loads(line)
        except ValueError:
            return
        job = run.jobs.get(said.get("jobID", ""))
        if job is None:
            return
        now = time.monotonic()
        job.started = job.started or now
        job.name = said["job"].partition("/")[2] or job.name
        text = said.get("msg", "")
        job.log += text if text.endswith("\n") else f"{text}\n"
        if said.get("command") == "summary":
            job.summary += said["content"]
        if "jobResult" in said:
            job.result, job.seconds = said["jobResult"], now - job.started
        # The steps within an action have longer names.
        whole = said.get("stage") == "Main" and len(said.get("stepID", ())) == 1
        if whole and "stepResult" in said:
            step = Step(said["step"], said["stepResult"], said["executionTime"] / NANOSECONDS)
            job.steps.append(step)
            self.watch(run, job, step)


def end(act):
    """End act, and the steps that it has started, each of which is a group of its own."""
    family = [act]
    if act.poll() is None:
        family += psutil.Process(act.pid).children(recursive=True)
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    act.wait()


def pins(clone):
    """Return the commit of each action of others that a clone's workflows use."""
    found = {}
    for path in (clone / ".github").rglob("*.yml"):
        found |= dict(re.findall(r"uses: ([\w-]+/[\w-]+)@([0-9a-f]{40})", path.read_text()))
    return {action: commit for action, commit in found.items() if action != "actions/checkout"}


def _options(name, values):
    return [part for key, value in values.items() for part in (name, f"{key}={value}")]
