"""What no linter says about the workflows: each job is as it was reviewed, and a few rules hold."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

LOCAL = "$/"
PINNED = re.compile(r"(?P<action>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40})")
VERSION = re.compile(r"#\s+(?P<version>v\d+\.\d+\.\d+)\s*$")
PIN = re.compile(r"^\| `([^`]+)` \| (v[\d.]+) \| `([0-9a-f]{40})` \| (.+) \|$", re.MULTILINE)
ROW = re.compile(r"^\| `.*", re.MULTILINE)
IGNORE = re.compile(r"zizmor:\s*ignore\[[\w, -]+\](.*)|(actionlint:ignore|shellcheck disable).*")
MODULE = re.compile(r"\.venv/bin/python -m (pipeline[\w.]*)")
TARGETS = re.compile(r"^make +([a-z -]+)", re.MULTILINE)
SCRIPT = re.compile(r"^\.ci/\S+", re.MULTILINE)
# What a job of a pull request must not name, nor a job's part that every job has.
STOLEN = re.compile(r"\$\{\{[^}]*\b(?:secrets|vars)\b")
LONGEST_JOB = 60


@dataclass(frozen=True)
class Facts:
    """What the workflows name: parts of the repository, and the confirmed actions of others."""

    targets: frozenset[str]
    modules: frozenset[str]
    scripts: frozenset[str]
    actions: frozenset[str]
    # The commit and version of each.
    pins: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class File:
    """A workflow, or an action of this repository."""

    name: str
    text: str

    @cached_property
    def content(self) -> dict[str, Any]:
        """Return what is in it; each scalar is its text, so that `on` stays a word."""
        return yaml.load(self.text, Loader=yaml.BaseLoader)  # noqa: S506 (it makes texts alone)

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """Return the jobs of a workflow; an action is one."""
        return self.content.get("jobs") or {"": self.content["runs"]}

    @property
    def frame(self) -> dict[str, Any]:
        """Return what is said for all jobs: what starts them, who waits, what each has."""
        return {key: said for key, said in self.content.items() if key not in ("jobs", "runs")}

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Return every step of every job, or of the action."""
        return [step for job in self.jobs.values() for step in job.get("steps", [])]

    @property
    def runs(self) -> list[str]:
        """Return every script."""
        return [step["run"] for step in self.steps if "run" in step]

    def lines_of(self, key: str) -> Iterator[tuple[str, str]]:
        """Yield the value of each such key with its line."""
        lines = self.text.splitlines()
        for found, value in _pairs(yaml.compose(self.text)):
            if found.value == key and isinstance(value, yaml.ScalarNode):
                yield value.value, lines[value.start_mark.line]


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key, value
            yield from _pairs(value)
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            yield from _pairs(one)


def read_pins(page: str) -> dict[str, tuple[str, str]]:
    """Return commit and version of each action in the table of a page."""
    return {action: (commit, version) for action, version, commit, _ in PIN.findall(page)}


def reviewed(file: File) -> list[str]:
    """Return the row of each job: what it may write, whose secrets it has, and a sum of all of it.

    Comments and the commits of the actions are not part of the sum: those have a page of their own.
    """
    return [_row(file, name, job) for name, job in file.jobs.items()]


def _row(file: File, name: str, job: Mapping[str, Any]) -> str:
    given = job.get("permissions", {})
    named = {given: "write"} if isinstance(given, str) else given
    scopes = [scope for scope, what in named.items() if what == "write"]
    place = job.get("environment", {})
    whole = PINNED.sub(r"\g<action>", json.dumps([file.frame, name, job], sort_keys=True))
    cells = [
        f"`{file.name}`" + (f" {name}" if name else ""),
        ", ".join(scopes),
        place if isinstance(place, str) else place["name"] if place else "",
        f"`{hashlib.sha256(whole.encode()).hexdigest()[:16]}`",
    ]
    return f"| {' | '.join(cells)} |"


def pinned(file: File, facts: Facts) -> Iterator[str]:
    """Actions of others are a confirmed commit with its version; our own are in this commit."""
    for used, line in file.lines_of("uses"):
        found, version = PINNED.fullmatch(used), VERSION.search(line)
        if used.startswith(LOCAL):
            if used not in facts.actions:
                yield f"{used} does not exist"
        elif not found or not version:
            yield f"{used} is not pinned by commit, with its version in a comment"
        elif facts.pins.get(found["action"]) != (found["commit"], version["version"]):
            yield f"{used} as {version['version']} is not confirmed in ACTIONS.md"


def ends_in_time(file: File, _: Facts) -> Iterator[str]:
    """A job that hangs is not paid for by the hour."""
    for name, job in file.jobs.items():
        minutes = job.get("timeout-minutes", "0")
        if name and not (minutes.isdecimal() and 0 < int(minutes) <= LONGEST_JOB):
            yield f"job {name} has no timeout of at most {LONGEST_JOB} minutes"


def nothing_to_steal(file: File, _: Facts) -> Iterator[str]:
    """What runs the code of a pull request has no secret, and only reads."""
    if "pull_request" not in file.content.get("on", ()):
        return
    for found in STOLEN.findall(file.text):
        yield f"{found} in a workflow of pull requests"
    for name, job in file.jobs.items():
        if job.get("permissions") not in ({}, {"contents": "read"}) or "environment" in job:
            yield f"job {name} of a pull request has more than a token that reads"


def names_what_is_there(file: File, facts: Facts) -> Iterator[str]:
    """Each script is one line that works in a clone."""
    for run in file.runs:
        if "\n" in run.strip():
            yield f"more than one line: {run.splitlines()[0]} ..."
        targets = {target for named in TARGETS.findall(run) for target in named.split()}
        for kind, named, known in [
            ("module", set(MODULE.findall(run)), facts.modules),
            ("make target", targets, facts.targets),
            ("script", set(SCRIPT.findall(run)), facts.scripts),
        ]:
            yield from (f"no {kind} {name}" for name in sorted(named - known))


def every_check_is_required(file: File, _: Facts) -> Iterator[str]:
    """Where one job answers for several, it needs each of them, skipped or not."""
    if "pull_request" not in file.content.get("on", ()) or len(file.jobs) == 1:
        return
    gate = file.jobs.get("required-checks-pass", {})
    others: AbstractSet[str] = file.jobs.keys() - {"required-checks-pass"}
    if left_out := sorted(others - {*gate.get("needs", [])}):
        yield f"required-checks-pass does not need {', '.join(left_out)}"
    if gate.get("if") != "always()":
        yield "required-checks-pass is skipped, which counts as passed"


RULES = (pinned, ends_in_time, nothing_to_steal, names_what_is_there, every_check_is_required)


def breaches(file: File, facts: Facts, rows: AbstractSet[str]) -> dict[str, list[str]]:
    """Return what each rule says about a file, and the rows that its jobs have not."""
    said = {rule.__name__: list(rule(file, facts)) for rule in RULES}
    said["reviewed"] = [row for row in reviewed(file) if row not in rows]
    return {name: found for name, found in said.items() if found}


def ignores(text: str) -> list[str]:
    """Return the reason of each finding that a file tells a linter to ignore; it may be empty."""
    return [(match[1] or "").strip() for match in IGNORE.finditer(text)]
