"""Show the model report of a pull request as one comment on it, which is edited in place.

The folder with the report was filled by the pull request's code: it is read as data, and nothing of
it is run, trusted or printed.
"""

from pathlib import Path

from pipeline.base import cli, config
from pipeline.base.errors import ArtifactError
from pipeline.base.github import GitHub
from pipeline.report import comment, untrusted


def run(folder: Path, head_sha: str, run_id: str = "", author: str = comment.AUTHOR) -> None:
    """Put the report of ``folder`` on the open pull request whose head is ``head_sha``.

    Without a report that can be shown, the comment says so. Without such a pull request nothing
    happens: it was closed, or pushed to since, and that push has a run of its own.

    Raises:
        SettingsError: outside of CI, a variable that names repository or token is missing.
        GitHubError: GitHub refuses or does not answer.

    """
    ci = config.CiRun()
    ci.must_have("repository", "token")
    github = GitHub(ci.api_url, ci.repository, ci.token)
    pull = comment.choose(github.open_pulls(), ci.repository, head_sha)
    if pull is None:
        cli.say(f"comment       none: no open pull request has the head {head_sha}")
        return
    run_url = f"{ci.source}/actions/runs/{run_id}" if ci.source and run_id else ""
    body, found = (
        _page(folder, head_sha, run_url),
        comment.ours(github.comments(pull.number), author),
    )
    if found:
        github.edit_comment(found[0], body)
    else:
        github.create_comment(pull.number, body)
    for further in found[1:]:
        github.delete_comment(further)
    cli.say(f"comment       {'edited' if found else 'made'} on pull request {pull.number}")


def _page(folder: Path, head_sha: str, run_url: str) -> str:
    try:
        report = untrusted.read(folder, comment.REPORT, comment.MOST_BYTES)
    except ArtifactError as error:
        return comment.without_report(f"it {error}", head_sha, run_url)
    return comment.page(report, head_sha, run_url)
