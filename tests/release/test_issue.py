"""The one issue about failing tests: opened, edited and closed by the runs of CI."""

import pytest

from pipeline.base.context import RunContext
from pipeline.base.errors import SettingsError
from pipeline.release import issue
from pipeline.release.issue import Suite
from tests.github_api import BOT

both = pytest.mark.parametrize("tests", list(Suite))

pytestmark = pytest.mark.usefixtures("workspace")


@both
@pytest.mark.parametrize("results", ["failure", "success failure", "cancelled failure skipped"])
def test_failing_tests_open_an_issue(github, tests, results, monkeypatch):
    """It leads to the run, and says what it means."""
    monkeypatch.setenv("GITHUB_RUN_ID", "7")

    issue.run(RunContext.read(), tests, results)

    (opened,) = github.issues
    assert opened["title"] == issue.TITLES[tests]
    assert "https://github.com/Acme/Heart/actions/runs/7" in opened["body"]
    assert ("No release" in opened["body"]) is (tests is Suite.MAIN)


@both
def test_failing_again_edits_the_same_issue(github, tests, monkeypatch):
    """It leads to the newest run."""
    issue.run(RunContext.read(), tests, "failure")
    monkeypatch.setenv("GITHUB_RUN_ID", "8")

    issue.run(RunContext.read(), tests, "failure")

    (edited,) = github.issues
    assert "runs/8" in edited["body"]


@both
def test_passing_tests_close_the_issue(github, tests):
    """And the next failure opens another."""
    issue.run(RunContext.read(), tests, "failure")
    issue.run(RunContext.read(), tests, "success success")

    assert [one["state"] for one in github.issues] == ["closed"]

    issue.run(RunContext.read(), tests, "failure")
    assert [one["state"] for one in github.issues] == ["closed", "open"]


@pytest.mark.parametrize("results", ["cancelled", "success cancelled", "skipped", ""])
def test_a_run_that_shows_nothing_changes_nothing(github, results):
    """A newer push to main cancels the run of an older one."""
    issue.run(RunContext.read(), Suite.MAIN, "failure")
    changes = github.changes

    issue.run(RunContext.read(), Suite.MAIN, results)

    assert github.changes == changes
    assert github.issues[0]["state"] == "open"


def test_each_kind_of_tests_has_an_issue_of_its_own(github):
    """The nightly tests do not close what main opened."""
    issue.run(RunContext.read(), Suite.MAIN, "failure")
    issue.run(RunContext.read(), Suite.NIGHTLY, "failure")
    issue.run(RunContext.read(), Suite.NIGHTLY, "success")

    assert [one["state"] for one in github.issues] == ["open", "closed"]


@pytest.mark.parametrize("author", ["mallory", None])
def test_an_issue_of_somebody_else_is_left_alone(github, author):
    """The mark can be copied by any user; None is a deleted account."""
    issue.run(RunContext.read(), Suite.MAIN, "failure")
    (ours,) = github.issues
    github.issues.clear()
    theirs = dict(github.issue("Acme/Heart", ours["title"], ours["body"], author))

    issue.run(RunContext.read(), Suite.MAIN, "success")
    issue.run(RunContext.read(), Suite.MAIN, "failure")

    assert github.issues[0] == theirs
    assert github.issues[1]["user"] == {"login": BOT}


@pytest.mark.parametrize("results", ["failure", "success"])
def test_a_fork_with_its_issues_turned_off_is_no_error(github, results, capsys):
    """They are, in a new fork; what fails is red there all the same."""
    github.issues = None

    issue.run(RunContext.read(), Suite.MAIN, results)

    assert ("turned off" in capsys.readouterr().out) is (results == "failure")


def test_outside_of_ci_it_says_what_is_missing(github, monkeypatch):
    """In one line."""
    monkeypatch.delenv("GITHUB_TOKEN")

    with pytest.raises(SettingsError, match="GITHUB_TOKEN must be set"):
        issue.run(RunContext.read(), Suite.MAIN, "failure")
    assert github.calls == []
