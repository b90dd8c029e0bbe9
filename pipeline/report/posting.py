"""Show the model report of a pull request as one comment on it, which is edited in place.

The folder with the report was filled by the pull request's code. One file of it is read, as a
record of values; every word of the comment is from this branch.
"""

from pathlib import Path

from pipeline.base import cli
from pipeline.base.config import CiRun
from pipeline.base.errors import ArtifactError
from pipeline.base.github import GitHub
from pipeline.report import comment, report_record
from pipeline.report.rows import markdown


def run(
    ci: CiRun, folder: Path, head_sha: str, run_id: str = "", author: str = comment.AUTHOR
) -> None:
    """Put the report of ``folder`` on the open pull request whose head is ``head_sha``.

    Without a report that can be shown, the comment says so. Without such a pull request nothing
    happens: it was closed, or pushed to since, and that push has a run of its own.

    Raises:
        SettingsError: outside of CI, a variable that names repository or token is missing.
        GitHubError: GitHub refuses or does not answer.

    """
    github = GitHub(ci)
    pull = comment.choose(github.open_pulls(), ci.repository, head_sha)
    if pull is None:
        cli.fact("comment", f"none: no open pull request has the head {head_sha}")
        return
    run_url = f"{ci.source}/actions/runs/{run_id}" if ci.source and run_id else ""
    body = comment.page(_report(folder / report_record.FILE), head_sha, run_url)
    ours = comment.ours(github.comments(pull.number), author)
    if ours:
        github.edit_comment(ours[0], body)
    else:
        github.create_comment(pull.number, body)
    for further in ours[1:]:
        github.delete_comment(further)
    cli.fact("comment", f"{'edited' if ours else 'made'} on pull request {pull.number}")


def _report(path: Path) -> str:
    # A folder, a pipe or a device is not a file.
    if not path.is_file():
        return comment.without_report(f"it has no {path.name}")
    with path.open("rb") as file:
        content = file.read(report_record.MOST_BYTES + 1)
    try:
        return markdown(report_record.read(content))
    except ArtifactError as error:
        return comment.without_report(str(error))
