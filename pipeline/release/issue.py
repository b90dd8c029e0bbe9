"""The one issue that says that tests fail: the runs of CI open it, edit it and close it."""

from enum import StrEnum
from typing import Final

from pipeline.base import cli
from pipeline.base.context import RunContext
from pipeline.base.github import GitHub
from pipeline.base.records import Issue
from pipeline.report.comment import AUTHOR


class Suite(StrEnum):
    """The tests that an issue is about."""

    MAIN = "main"
    NIGHTLY = "nightly"


TITLES: Final = {
    Suite.MAIN: "The tests of main fail",
    Suite.NIGHTLY: "The nightly tests fail",
}
EFFECTS: Final = {Suite.MAIN: "No release begins while this issue is open. ", Suite.NIGHTLY: ""}


def run(context: RunContext, tests: Suite, results: str) -> None:
    """Open the issue or edit it where one of the ``results`` of jobs is a failure, else close it.

    A run that was cancelled shows neither. Where issues are turned off, as in a fork, it says so.

    Raises:
        SettingsError: outside of CI, a variable that names repository or token is missing.
        GitHubError: GitHub refuses or does not answer.

    """
    ended, github = set(results.split()), GitHub(context.ci)
    issue = find(github, tests)
    if "failure" in ended:
        body = _body(tests, context.tree.commit, context.ci.url)
        if issue:
            github.edit_issue(issue, body=body)
            done = "edited"
        else:
            opened = github.create_issue(TITLES[tests], body)
            done = "opened" if opened else "none, as this repository has its issues turned off"
        cli.fact("issue", f"{done}: {TITLES[tests].lower()}")
    elif issue and ended == {"success"}:
        github.edit_issue(issue, state="closed")
        cli.fact("issue", f"closed: {issue.url}")
    else:
        cli.fact("issue", f"open: {issue.url}" if issue else "none")


def find(github: GitHub, tests: Suite) -> Issue | None:
    """Return the open issue; anybody can copy its mark, and only CI writes as its author."""
    found = (
        issue
        for issue in github.open_issues()
        if issue.author == AUTHOR and issue.body.startswith(_mark(tests))
    )
    return next(found, None)


def _mark(tests: Suite) -> str:
    return f"<!-- heart-disease: tests of {tests} -->"


def _body(tests: Suite, commit: str, url: str) -> str:
    run = f" in [this run]({url})" if url else ""
    return (
        f"{_mark(tests)}\n{TITLES[tests]} at `{commit[:12]}`{run}.\n\n{EFFECTS[tests]}It is edited "
        "when they fail again, and closes by itself when they pass.\n"
    )
