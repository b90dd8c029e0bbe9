"""The rules of the workflows that no linter has: each names every breach in a file."""

import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

LOCAL = "$/"
EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
PINNED = re.compile(r"(?P<action>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40})")
VERSION = re.compile(r"#\s+(?P<version>v\d+\.\d+\.\d+)\s*$")
ROW = re.compile(r"^\| `([^`]+)` \| (v[\d.]+) \| `([0-9a-f]{40})` \| (.+) \|$", re.MULTILINE)
IGNORE = re.compile(r"zizmor:\s*ignore\[[\w, -]+\](.*)|(actionlint:ignore|shellcheck disable).*")
MODULE = re.compile(r"\.venv/bin/python -m (pipeline[\w.]*)")
TARGETS = re.compile(r"^make +(.+)$")
VARIABLE = re.compile(r"\$\{\{ vars\.(\w+) \}\}")
# A job runs, or is skipped because the change does not reach it.
REACHED = re.compile(r"needs\.affected\.outputs\.\w+ (== 'true'|!= '\[\]')")
# The results come in no order that is promised.
ACCEPT = "grep --extended-regexp --line-regexp '((success|skipped) ?)+' <<< \"$RESULTS\""
LONGEST_JOB = 60


@dataclass(frozen=True)
class Facts:
    """What the workflows name: parts of the repository, and decisions about them."""

    targets: frozenset[str]
    modules: frozenset[str]
    scripts: frozenset[str]
    actions: frozenset[str]
    # The commit and version of each action of others, as .github/ACTIONS.md has them.
    pins: Mapping[str, tuple[str, str]]
    # What starts each workflow, which of its runs wait or end, and what each job may do.
    triggers: Mapping[str, Mapping[str, Any]]
    concurrency: Mapping[str, Mapping[str, Any]]
    granted: Mapping[tuple[str, str], Mapping[str, str]]
    # Other programs that a line starts with; on each runner of GitHub, or on everybody's machine.
    programs: frozenset[str]
    # Variables that may be empty: what reads them takes that for unset.
    optional: frozenset[str]


@dataclass(frozen=True)
class File:
    """A workflow, or an action of this repository."""

    name: str
    text: str

    @cached_property
    def content(self) -> dict[Any, Any]:
        """Return what YAML makes of the text."""
        return yaml.safe_load(self.text)

    @property
    def triggers(self) -> dict[str, Any]:
        """Return what starts the workflow; YAML takes the word `on` for true."""
        given = self.content.get(True, self.content.get("on", {}))
        return given if isinstance(given, dict) else dict.fromkeys([given] * isinstance(given, str))

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """Return the jobs of a workflow; an action has none."""
        return self.content.get("jobs", {})

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Return every step of every job, or of the action."""
        own = self.content.get("runs", {}).get("steps", [])
        return [*own, *(step for job in self.jobs.values() for step in job.get("steps", []))]

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
    return {action: (commit, version) for action, version, commit, _ in ROW.findall(page)}


def only_what_is_needed(file: File, facts: Facts) -> Iterator[str]:
    """Each job has exactly the scopes that were decided on."""
    for name, job in file.jobs.items():
        decided = facts.granted.get((file.name, name))
        if job.get("permissions") != decided:
            yield f"job {name} has {job.get('permissions')}, not {decided}"


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
        minutes = job.get("timeout-minutes")
        if not isinstance(minutes, int) or not 0 < minutes <= LONGEST_JOB:
            yield f"job {name} has no timeout of at most {LONGEST_JOB} minutes"


def one_line_to_type(file: File, facts: Facts) -> Iterator[str]:
    """Each script is one line that works in a clone: what it names exists."""
    for run in file.runs:
        if "\n" in run.strip():
            yield f"more than one line: {run.splitlines()[0]} ..."
            continue
        yield from (
            f"no module {name}" for name in MODULE.findall(run) if name not in facts.modules
        )
        first = run.split()[0]
        if targets := TARGETS.match(run):
            named = targets[1].partition("ARGS=")[0].split()
            yield from (f"no make target {t}" for t in named if t not in facts.targets)
        elif first.startswith(".ci/"):
            if first not in facts.scripts:
                yield f"no script {first}"
        elif first != ".venv/bin/python" and first not in facts.programs:
            yield f"not a command of this repository: {run}"


def nothing_to_steal(file: File, _: Facts) -> Iterator[str]:
    """A workflow that runs the code of a pull request has no secret and writes nothing."""
    if "pull_request" not in file.triggers:
        return
    for expression in EXPRESSION.findall(file.text):
        if re.search(r"\b(secrets|vars)\b", expression):
            yield f"{expression} in a workflow of pull requests"
    for name, job in file.jobs.items():
        given = job.get("permissions", "everything")
        if given not in ({}, {"contents": "read"}):
            yield f"job {name} of a pull request has {given}"
        if "environment" in job:
            yield f"job {name} of a pull request has the secrets of an environment"


def nothing_of_the_pull_request_runs(file: File, _: Facts) -> Iterator[str]:
    """A workflow that follows another one runs the default branch, and keeps files away from it."""
    if "workflow_run" not in file.triggers:
        return
    for name, job in file.jobs.items():
        if "github.event.workflow_run.event == 'pull_request'" not in job.get("if", ""):
            yield f"job {name} follows more than pull requests"
    for step in file.steps:
        given, used = step.get("with", {}), step.get("uses", "")
        if used.startswith("actions/checkout@") and given.keys() & {"ref", "repository"}:
            yield "it checks out something else than the default branch"
        if used.startswith("actions/download-artifact@") and not given.get("path", "").startswith(
            "${{ runner.temp }}/"
        ):
            yield "it downloads into the clone"


def started_by_what_was_decided(file: File, facts: Facts) -> Iterator[str]:
    """No further event starts a workflow, least of all one that hands secrets to strangers."""
    if file.jobs and file.triggers != facts.triggers.get(file.name):
        yield f"it is started by {file.triggers}"


def waits_or_ends(file: File, facts: Facts) -> Iterator[str]:
    """Runs that wait are not dropped where that loses a model; pull requests end older runs."""
    if file.jobs and file.content.get("concurrency") != facts.concurrency.get(file.name):
        yield f"its concurrency is {file.content.get('concurrency')}"
    for name, job in file.jobs.items():
        if "concurrency" in job:
            yield f"job {name} has a concurrency of its own"


def nothing_kept_where_it_counts(file: File, _: Facts) -> Iterator[str]:
    """No job that writes or has secrets takes anything from a cache; no job of a release does."""
    for name, job in file.jobs.items():
        mode = job.get("cache-mode", file.content.get("cache-mode"))
        given = job.get("permissions", {})
        writes = isinstance(given, str) or "write" in given.values()
        # A job without a clone only starts another workflow.
        installs = any("uses" in step for step in job.get("steps", []))
        if (("release" in file.name) or (writes and installs)) and mode != "none":
            yield f"job {name} may use a cache"
        if mode == "none" and any(_keeps(step) for step in job.get("steps", [])):
            yield f"job {name} uses a cache"


def _keeps(step: Mapping[str, Any]) -> bool:
    return step.get("uses", "").startswith("actions/cache") or bool(
        step.get("with", {}).get("cache")
    )


def no_secret_for_every_job(file: File, _: Facts) -> Iterator[str]:
    """A job gets a secret from its own environment."""
    top = {key: value for key, value in file.content.items() if key != "jobs"}
    if re.search(r"\bsecrets\b", yaml.safe_dump(top)):
        yield "every job has a secret"


def works_on_a_fork(file: File, facts: Facts) -> Iterator[str]:
    """With no variable set, and for any owner."""
    for name in VARIABLE.findall(file.text):
        if name not in facts.optional:
            yield f"the variable {name} has no default"
    for run in file.runs:
        if "ghcr.io" in run:
            yield "a script names a container registry"


def every_check_is_required(file: File, _: Facts) -> Iterator[str]:
    """One job answers for several: only one that the change does not reach may be skipped."""
    if "pull_request" not in file.triggers:
        return
    others = dict(file.jobs)
    gate = others.pop("required-checks-pass", None)
    if gate is not None or len(others) > 1:
        yield from _answers_for_all(gate or {}, others.keys())
    for name, job in others.items():
        steps = job.get("steps", [])
        if any(one.get("continue-on-error") for one in (job, *steps)):
            yield f"job {name} may fail and pass"
        reached = job.get("needs") == "affected" and REACHED.fullmatch(job.get("if", ""))
        if any("if" in one for one in steps) or not (reached or not job.keys() & {"if", "needs"}):
            yield f"job {name} may be skipped"


def _answers_for_all(gate: Mapping[str, Any], others: AbstractSet[str]) -> Iterator[str]:
    if left_out := sorted(others - {*gate.get("needs", [])}):
        yield f"required-checks-pass does not need {', '.join(left_out)}"
    if gate.get("if") != "always()" or gate.get("name") != "required-checks-pass":
        yield "required-checks-pass does not always report under its name"
    asked = [(step.get("run"), step.get("env")) for step in gate.get("steps", [])]
    if asked != [(ACCEPT, {"RESULTS": "${{ join(needs.*.result, ' ') }}"})]:
        yield "required-checks-pass accepts something else"


Rule = Callable[[File, Facts], Iterator[str]]
RULES: tuple[Rule, ...] = (
    only_what_is_needed,
    pinned,
    ends_in_time,
    one_line_to_type,
    nothing_to_steal,
    nothing_of_the_pull_request_runs,
    started_by_what_was_decided,
    waits_or_ends,
    nothing_kept_where_it_counts,
    no_secret_for_every_job,
    works_on_a_fork,
    every_check_is_required,
)


def breaches(file: File, facts: Facts) -> dict[str, list[str]]:
    """Return what each rule says about a file, without the rules that say nothing."""
    said = {rule.__name__: list(rule(file, facts)) for rule in RULES}
    return {name: found for name, found in said.items() if found}


def ignores(text: str) -> list[str]:
    """Return the reason of each finding that a file tells a linter to ignore; it may be empty."""
    return [(match[1] or "").strip() for match in IGNORE.finditer(text)]
