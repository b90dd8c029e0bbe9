"""The commands of the model report."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base import cli
from pipeline.base.context import RunContext
from pipeline.report import comment, comparison, posting


def main(
    context: typer.Context,
    *,
    require_promotion: Annotated[
        bool,
        typer.Option("--require-promotion", help="End with 3 when the champion would stay."),
    ] = False,
) -> None:
    """Compare the work tree's models with the live champion, and write the model report.

    Says first what changed in the recipe of each family since its newest registered version.
    Writes `reports/model-report.md`, `reports/model-report.html`, which has the figures too, and
    `reports/model-report.json`, from which the comment on a pull request is made. Takes the models
    of `models/` where they are current and trains the others; `models/` and the registry stay as
    they are. Without a champion, or without a registry that answers, the report says so.

    Exit codes: 0 reported, whatever the verdict; 1 something is wrong; 2 a setting or an option
    does not exist; 3 the champion would stay and `--require-promotion` is set.

    Examples:
    - `python -m pipeline.report`
    - `python -m pipeline.report --require-promotion` fails unless the champion would change

    """
    if context.invoked_subcommand is None:
        comparison.run(RunContext.read(), require_promotion=require_promotion)


def comment_command(
    folder: Annotated[Path, typer.Argument(help="Holds model-report.json; nothing else is read.")],
    *,
    head_sha: Annotated[
        str, typer.Option(envvar="HEAD_SHA", help="The commit that the report is about.")
    ],
    run_id: Annotated[
        str, typer.Option(envvar="RUN_ID", help="The run that made the report, to link to it.")
    ] = "",
    author: Annotated[
        str, typer.Option(envvar="COMMENT_AUTHOR", help="Whom the token belongs to.")
    ] = comment.AUTHOR,
) -> None:
    """Post a model report as the one comment on its pull request, or edit that comment.

    The pull request is the oldest open one of this repository whose head is exactly that commit;
    the folder has no say in it. `GITHUB_REPOSITORY` and `GITHUB_TOKEN` say where.

    Examples:
    - `HEAD_SHA=$(git rev-parse HEAD) python -m pipeline.report comment reports`

    """
    if not comment.SHA.fullmatch(head_sha):
        raise typer.BadParameter("is no commit in full", param_hint="--head-sha")
    if run_id and not run_id.isdecimal():
        raise typer.BadParameter("is no number", param_hint="--run-id")
    posting.run(RunContext.read().ci, folder, head_sha, run_id, author)


if __name__ == "__main__":
    cli.run(main, comment=comment_command)
