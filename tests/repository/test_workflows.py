"""The workflows: their rules, their linters, and proof that a workflow made worse is caught."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.repository.workflow_mutants import COMMENT, MUTANTS, PULL_REQUEST, REPORT, ROLLBACK
from tests.repository.workflow_rules import (
    PIN,
    ROW,
    RULES,
    Facts,
    File,
    breaches,
    ignores,
    read_pins,
    reviewed,
)

GITHUB = ROOT / ".github"
TOOLS = Path(sys.executable).parent
MAKEFILE = (ROOT / "Makefile").read_text()
ROWS = frozenset(ROW.findall((GITHUB / "JOBS.md").read_text()))


def files():
    """Return every workflow and action."""
    paths = [*GITHUB.glob("workflows/*"), *GITHUB.glob("actions/*/*")]
    return {
        name: File(name, path.read_text())
        for path in sorted(paths)
        for name in [path.relative_to(GITHUB).as_posix()]
    }


def modules():
    """Return the dotted name of every module that Python can run with ``-m``."""
    commands = [*(ROOT / "pipeline").glob("*.py"), *(ROOT / "pipeline").glob("*/__main__.py")]
    paths = (path.relative_to(ROOT) for path in commands)
    names = {".".join(path.with_suffix("").parts) for path in paths}
    return frozenset(name.removesuffix(".__main__") for name in names)


FILES = files()
(LINT_RECIPE,) = re.findall(r"^workflow-lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
WORKFLOW_LINT = LINT_RECIPE.replace("\t", "").splitlines()
FACTS = Facts(
    targets=frozenset(re.findall(r"^([a-z_-]+):(?!=)", MAKEFILE, re.MULTILINE)),
    modules=modules(),
    scripts=frozenset(f".ci/{path.name}" for path in (ROOT / ".ci").iterdir()),
    actions=frozenset(
        f"$/.github/{path.parent}" for path in map(Path, FILES) if "actions" in path.parts
    ),
    pins=read_pins((GITHUB / "ACTIONS.md").read_text()),
)


@pytest.mark.parametrize("name", FILES)
def test_a_workflow_keeps_every_rule(name):
    """Each workflow and each action, also those that are added later."""
    assert breaches(FILES[name], FACTS, ROWS) == {}, "read the job, then give it its row in JOBS.md"


def test_the_page_of_jobs_lists_what_is_there_and_nothing_else():
    """A row of a job that is gone would be kept for nobody."""
    assert {row for file in FILES.values() for row in reviewed(file)} == ROWS


def test_what_a_job_does_is_its_review_and_not_how_it_is_written():
    """A comment, a blank line and the commit of an action have no part in it."""
    text = FILES[PULL_REQUEST].text
    pin = "@3d3c42e5aac5ba805825da76410c181273ba90b1"
    other = text.replace("  check:\n", "\n  # First.\n  check:\n").replace(pin, f"@{'0' * 40}")

    assert other != text
    assert reviewed(File(PULL_REQUEST, other)) == reviewed(FILES[PULL_REQUEST])


def test_the_page_of_actions_lists_what_is_used_and_nothing_else():
    """A row that no workflow uses is not kept confirmed."""
    used = {
        used.partition("@")[0]
        for file in FILES.values()
        for used, _ in file.lines_of("uses")
        if "@" in used
    }

    assert FACTS.pins.keys() == used


def test_every_pin_was_confirmed_in_repositories_of_two_owners():
    """Neither of them the owner of the action."""
    for action, _, _, confirmed in PIN.findall((GITHUB / "ACTIONS.md").read_text()):
        owners = re.findall(
            r"\[([\w.-]+)/[\w.-]+\]\(https://github\.com/\S+/blob/\w{40}/", confirmed
        )

        assert len(set(owners) - {action.split("/")[0]}) >= 2


@pytest.mark.parametrize("command", WORKFLOW_LINT, ids=lambda line: line.split("/")[1].split()[0])
def test_a_linter_finds_nothing(command):
    """At its strictest, as `make workflow-lint` calls it."""
    line = command.replace("$(BIN)", str(TOOLS))
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_at_most_two_findings_are_ignored_each_for_a_reason():
    """And no linter is told by a file of its own to look away."""
    texts = [file.text for file in FILES.values()]
    texts += [path.read_text() for path in (ROOT / ".ci").iterdir()]
    reasons = [reason for text in texts for reason in ignores(text)]
    own = [
        path.name
        for folder in (ROOT, GITHUB)
        for path in folder.iterdir()
        if re.match(r"\.?(zizmor|actionlint|shellcheckrc)", path.name)
    ]

    assert len(reasons) <= 2
    assert all(len(reason.split()) > 4 for reason in reasons)
    assert own == []


LINTERS = {
    "zizmor": ["--quiet", "--persona", "auditor", "--offline", ".github"],
    "actionlint": ["-shellcheck", str(TOOLS / "shellcheck"), "-pyflakes", ""],
}
WORSE = [
    pytest.param(noticed_by, *change, id=what)
    for noticed_by, mutants in MUTANTS.items()
    for what, *change in mutants
]


def notices(name, file, clone):
    """Say whether a rule or a linter finds something in a file of a clone."""
    path = clone / ".github" / file
    if name not in LINTERS:
        return name in breaches(File(file, path.read_text()), FACTS, ROWS)
    command = [str(TOOLS / name), *LINTERS[name]]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    return done.returncode and path.name in done.stdout


@pytest.fixture
def clone(tmp_path):
    """Return a repository with these workflows."""
    shutil.copytree(GITHUB, tmp_path / ".github")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


@pytest.mark.parametrize(("noticed_by", "file", "before", "after"), WORSE)
def test_a_workflow_made_worse_is_noticed(clone, noticed_by, file, before, after):
    """Each by the rule or the linter that is there for it."""
    path = clone / ".github" / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))

    assert notices(noticed_by, file, clone)


def test_every_rule_has_caught_something():
    """A rule that no mutant breaks might never speak."""
    assert {rule.__name__ for rule in RULES} | {"reviewed"} <= MUTANTS.keys()


def test_an_ignored_finding_is_counted_with_its_reason():
    """In each linter's own words."""
    assert ignores("on: # zizmor: ignore[dangerous-triggers] it runs nothing") == [
        "it runs nothing"
    ]
    assert ignores("x # zizmor: ignore[a, b]") == [""]
    assert ignores("# shellcheck disable=SC2016 # why") == [""]


@pytest.mark.parametrize(
    ("results", "passes"),
    [
        ("success success success success", True),
        ("success skipped success skipped", True),
        ("success failure skipped", False),
        ("success cancelled", False),
        ("failure", False),
        ("", False),
    ],
)
def test_the_required_check_accepts_successes_and_what_is_not_reached(results, passes):
    """In any order: a job that must run is skipped by no condition and by no other job."""
    environment = {**os.environ, "RESULTS": results}
    (gate,) = FILES[PULL_REQUEST].jobs["required-checks-pass"]["steps"]
    command = ["bash", "-e", "-c", gate["run"]]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)

    assert (done.returncode == 0) is passes


@pytest.mark.parametrize("version", ["", "3", "3 --force", "$(touch broken)"])
def test_what_a_person_types_into_the_rollback_stays_text(version, tmp_path):
    """Whatever it is, it is one argument."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/usr/bin/env bash\nprintf '%s\\n' \"$@\"\n")
    python.chmod(0o755)
    (run,) = (run for run in FILES[ROLLBACK].runs if "pipeline.registry rollback" in run)
    reason = "--help; `touch broken` $(touch broken) * \"'"
    environment = {**os.environ, "REASON": reason, "VERSION": version}
    done = subprocess.run(
        ["bash", "-e", "-c", run],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    typed = [f"--reason={reason}", *([f"--to={version}"] * bool(version))]

    assert done.stdout.splitlines()[-len(typed) :] == typed
    assert not (tmp_path / "broken").exists()


def test_branch_protection_asks_for_the_checks_and_the_report():
    """Under the names that the jobs report, of a pull request and in a merge queue."""
    rules = json.loads((GITHUB / "rulesets" / "main.json").read_text())["rules"]
    (checks,) = (rule for rule in rules if rule["type"] == "required_status_checks")
    asked = [check["context"] for check in checks["parameters"]["required_status_checks"]]

    assert asked == [
        FILES[PULL_REQUEST].jobs["required-checks-pass"]["name"],
        FILES[REPORT].jobs["report"]["name"],
    ]
    for name in (PULL_REQUEST, REPORT):
        assert FILES[name].content["on"].keys() == {"pull_request", "merge_group"}


def test_the_comment_follows_the_report_alone_and_takes_it():
    """It would wait for tests otherwise. Both are named in two files."""
    (follows,) = FILES[COMMENT].content["on"]["workflow_run"]["workflows"]
    handed, taken = (
        {
            step["with"]["name"]
            for step in FILES[name].steps
            if step.get("uses", "").startswith(f"actions/{action}@")
        }
        for name, action in [(REPORT, "upload-artifact"), (COMMENT, "download-artifact")]
    )

    assert follows == FILES[REPORT].content["name"]
    assert FILES[REPORT].jobs.keys() == {"report"}
    assert handed == taken == {"model-report"}


def test_every_supported_python_is_tested():
    """As nox and the guide have them."""
    supported = re.findall(r'"(3\.\d+)"', (ROOT / "noxfile.py").read_text())

    each_push = FILES[PULL_REQUEST].jobs["fast"]["strategy"]["matrix"]["python"]
    (nightly,) = (
        step["with"]["python-version"]
        for step in FILES["workflows/nightly.yml"].jobs["python"]["steps"]
        if "with" in step and "python-version" in step["with"]
    )
    assert sorted([*each_push, nightly]) == supported


def test_dependabot_looks_at_every_action_and_waits_a_week():
    """In one pull request for each kind."""
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
    (actions,) = (one for one in updates if one["package-ecosystem"] == "github-actions")
    folders = {f"/{Path('.github', name).parent}" for name in FILES if name.startswith("actions")}

    assert set(actions["directories"]) == {"/", *folders}
    assert all(one["cooldown"]["default-days"] >= 7 and one["groups"] for one in updates)
