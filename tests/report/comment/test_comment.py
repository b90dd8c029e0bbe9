"""The comment on a pull request: which one, how often, and by whom."""

import pytest

from pipeline.base.config import CiRun
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import GitHubError, SettingsError
from pipeline.base.records import Comment, PullRequest
from pipeline.report import posting
from pipeline.report.comment import AUTHOR, MARKER, choose, ours
from pipeline.report.report_record import FILE, record
from pipeline.report.rows import markdown
from tests import command_line, github_api
from tests.gate.gate_cases import FIT, between, won_but
from tests.report.comment.conftest import NUMBER, REPOSITORY, RUN, SHA
from tests.report.comparison.conftest import report_of

OTHER = "f" * 40
TIE = won_but(roc_auc=between(-0.01, 0.02))
REPORT = markdown(report_of())


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a report."""
    (tmp_path / FILE).write_bytes(json_bytes(record(report_of())))
    return tmp_path


def changes(github):
    """Return the calls that changed something, as method and path."""
    return [(call.method, call.path) for call in github.calls if call.method != "GET"]


def test_the_first_report_makes_a_comment(github, folder):
    """With the report in it, and our mark before it."""
    posting.run(CiRun(), folder, SHA)

    (made,) = github.comments[NUMBER]
    assert made["body"].startswith(f"{MARKER}\n{REPORT}")
    assert changes(github) == [("POST", f"/repos/{REPOSITORY}/issues/{NUMBER}/comments")]


def test_the_next_report_edits_that_comment(github, folder, capsys):
    """Also after a push, which is another commit."""
    posting.run(CiRun(), folder, SHA)
    github.pull(REPOSITORY, NUMBER, OTHER)
    (folder / FILE).write_bytes(json_bytes(record(report_of(FIT, TIE))))

    posting.run(CiRun(), folder, OTHER)

    (one,) = github.comments[NUMBER]
    assert "Model report: keep" in one["body"]
    assert OTHER[:12] in one["body"]
    assert capsys.readouterr().out.endswith(f"edited on pull request {NUMBER}\n")


def test_a_report_that_is_missing_takes_the_place_of_the_one_before(github, folder):
    """An old report beside new code would be believed."""
    posting.run(CiRun(), folder, SHA)
    (folder / FILE).unlink()

    posting.run(CiRun(), folder, SHA)

    (one,) = github.comments[NUMBER]
    assert "Model report: none" in one["body"]
    assert "0.910" not in one["body"]


def test_a_comment_is_found_behind_hundreds_of_others(github, folder):
    """The API gives a hundred at once."""
    for number in range(250):
        github.comment(NUMBER, f"opinion {number}", "somebody")
    ours_before = github.comment(NUMBER, f"{MARKER}\nold")

    posting.run(CiRun(), folder, SHA)

    assert ours_before["body"].startswith(f"{MARKER}\n{REPORT}")
    assert len(github.comments[NUMBER]) == 251


@pytest.mark.parametrize("login", ["mallory", "github-actions", "GitHub-Actions[bot]", None])
def test_no_other_account_can_make_a_comment_ours(github, folder, login):
    """A comment with our mark by another author is left alone."""
    forged = github.comment(NUMBER, f"{MARKER}\nforged", login)

    posting.run(CiRun(), folder, SHA)

    assert forged["body"] == f"{MARKER}\nforged"
    assert [one["user"]["login"] for one in github.comments[NUMBER][1:]] == [AUTHOR]


def test_a_comment_of_ours_without_the_mark_is_another_one(github, folder):
    """Other workflows comment with the same token; a mark within the text is a quotation."""
    other = github.comment(NUMBER, f"coverage\n{MARKER}")

    posting.run(CiRun(), folder, SHA)

    assert other["body"] == f"coverage\n{MARKER}"
    assert len(github.comments[NUMBER]) == 2


def test_of_two_comments_one_is_left(github, folder):
    """Whatever made a second one; the first keeps its place in the conversation."""
    first = github.comment(NUMBER, f"{MARKER}\na")
    github.comment(NUMBER, "an opinion", "somebody")
    github.comment(NUMBER, f"{MARKER}\nb")

    posting.run(CiRun(), folder, SHA)

    assert [one["user"]["login"] for one in github.comments[NUMBER]] == [AUTHOR, "somebody"]
    assert first["body"].startswith(f"{MARKER}\n{REPORT}")


@pytest.mark.parametrize(
    "pull",
    [
        (REPOSITORY, NUMBER, OTHER, "open"),
        (REPOSITORY, NUMBER, SHA, "closed"),
        ("acme/other", NUMBER, SHA, "open"),
        ("mallory/heart", NUMBER, SHA, "open"),
    ],
    ids=["pushed since", "closed", "another repository", "a fork"],
)
def test_without_an_open_pull_request_of_that_head_nothing_is_posted(github, folder, capsys, pull):
    """The report of an older commit must not replace that of the newer one."""
    github.pull(*pull)

    posting.run(CiRun(), folder, SHA)

    assert changes(github) == []
    assert capsys.readouterr().out.startswith("comment       none: no open pull request has the")


def test_a_pull_request_is_found_behind_hundreds_of_others(github, folder):
    """The API knows none of a fork by its commit, so all of them are looked through."""
    github.pulls.clear()
    for number in range(1, 301):
        github.pull(REPOSITORY, number, f"{number:040x}")

    posting.run(CiRun(), folder, f"{290:040x}")

    assert list(github.comments) == [290]


def test_of_two_pull_requests_with_one_head_the_older_one_is_meant(github, folder):
    """Another pull request with a copy of the commit takes no comment away."""
    github.pull(REPOSITORY, NUMBER + 1, SHA)

    posting.run(CiRun(), folder, SHA)

    assert list(github.comments) == [NUMBER]


def test_a_pull_request_to_another_repository_is_never_chosen():
    """Should the API ever list one; decided on values."""
    pulls = [
        PullRequest(number=1, head_sha=SHA, repository="mallory/heart"),
        PullRequest(number=2, head_sha=OTHER, repository=REPOSITORY),
        PullRequest(number=3, head_sha=SHA, repository=REPOSITORY),
        PullRequest(number=4, head_sha=SHA, repository=REPOSITORY),
    ]

    assert choose(pulls, REPOSITORY, SHA) == pulls[2]
    assert choose(pulls[:2], REPOSITORY, SHA) is None


def test_the_name_of_the_repository_may_have_capitals(github, folder, monkeypatch):
    """GitHub does not tell them apart."""
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY.lower())

    posting.run(CiRun(), folder, SHA)

    assert list(github.comments) == [NUMBER]


def test_the_token_is_sent_and_nowhere_shown(github, folder, capfd):
    """Neither in the output nor in an error."""
    posting.run(CiRun(), folder, SHA)
    assert all(call.authorized for call in github.calls)

    github.fail_at = github.changes + 1
    with pytest.raises(GitHubError) as found:
        posting.run(CiRun(), folder, SHA)
    assert github_api.TOKEN not in f"{found.value!r} {capfd.readouterr()}"


def test_a_refusal_is_one_line_with_the_reason(github, folder):
    """A token that may not write, for example."""
    github.fail_at = 1

    with pytest.raises(
        GitHubError,
        match=r"^GitHub answered 418 to POST /repos/Acme/heart/issues/12/comments: injected by",
    ):
        posting.run(CiRun(), folder, SHA)


def test_nothing_of_the_report_is_in_an_error(github, folder):
    """It would be printed in a log, where commands of it would act."""
    (folder / FILE).write_text("::error::of the report")
    github.fail_at = 1

    with pytest.raises(GitHubError) as found:
        posting.run(CiRun(), folder, SHA)
    assert "of the report" not in str(found.value)


def test_a_creation_without_an_answer_is_not_repeated(github, folder):
    """It may have been done, also where reading would be repeated; the next run edits it."""
    github.fail_at, github.done_before, github.failure = 1, True, 502
    with pytest.raises(GitHubError, match=r"answered 502 to POST "):
        posting.run(CiRun(), folder, SHA)
    assert [method for method, _ in changes(github)] == ["POST"]
    github.fail_at = 0

    posting.run(CiRun(), folder, SHA)

    assert len(github.comments[NUMBER]) == 1
    assert [method for method, _ in changes(github)] == ["POST", "PATCH"]


@pytest.mark.parametrize("missing", ["GITHUB_REPOSITORY", "GITHUB_TOKEN"])
def test_outside_of_ci_what_is_missing_is_named(github, folder, monkeypatch, missing):
    """Before anything is asked."""
    monkeypatch.delenv(missing)

    with pytest.raises(SettingsError, match=f"^{missing} must be set"):
        posting.run(CiRun(), folder, SHA)
    assert github.calls == []


def test_the_comment_names_the_commit_and_leads_to_the_run(github, folder):
    """The one link in it is ours."""
    posting.run(CiRun(), folder, SHA, "77")

    body = github.comments[NUMBER][0]["body"]
    assert f"at `{SHA[:12]}` in [this run]({RUN})" in body


def asked(folder, *options, **variables):
    """Run the command."""
    return command_line.call("pipeline.report", "comment", str(folder), *options, **variables)


def test_the_command_takes_everything_but_the_folder_from_the_environment(github, folder):
    """As the workflow gives it."""
    done = asked(folder, HEAD_SHA=SHA, RUN_ID="77")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"comment       made on pull request {NUMBER}\n"
    assert RUN in github.comments[NUMBER][0]["body"]


@pytest.mark.parametrize(
    "variables",
    [
        {"HEAD_SHA": "main"},
        {"HEAD_SHA": SHA[:12]},
        {"HEAD_SHA": f"{SHA}\n::error::x"},
        {"HEAD_SHA": SHA, "RUN_ID": "7/../../../settings"},
        {"HEAD_SHA": SHA, "RUN_ID": "7)\n\n@octocat"},
    ],
    ids=["a branch", "a short commit", "a line more", "a path", "markup"],
)
def test_a_commit_or_run_that_is_none_is_refused(github, folder, variables):
    """Before anything is asked."""
    done = asked(folder, **variables)

    assert done.returncode == 2
    assert github.calls == []


def test_ours_are_those_with_the_mark_at_the_beginning_by_the_author():
    """Decided on values."""
    comments = [
        Comment(id=1, author=AUTHOR, body=f"{MARKER}\nx"),
        Comment(id=2, author="mallory", body=f"{MARKER}\nx"),
        Comment(id=3, author=AUTHOR, body=f" {MARKER}"),
        Comment(id=4, author=AUTHOR, body=MARKER),
    ]

    assert [one.id for one in ours(comments, AUTHOR)] == [1, 4]
    assert [one.id for one in ours(comments, "mallory")] == [2]
