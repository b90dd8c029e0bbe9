"""The commands of a release."""

from typing import Annotated

import typer

from pipeline.base import cli
from pipeline.base.context import RunContext
from pipeline.release import announce, build, github_check, issue, mark, prepare, publish, tag


def main(context: typer.Context) -> None:
    """Release what a tag names, step by step; each can be run again.

    `GITHUB_REPOSITORY` and `GITHUB_TOKEN` say where, `REGISTRY` (by default `ghcr.io`) where the
    image goes, with the login of `docker login`.

    Exit codes: 0 done; 1 something is wrong; 2 a setting or an option does not exist; 4 the
    registry of models does not answer.

    Examples:
    - `python -m pipeline.release prepare v1.2.3` resolves the champion and packages it
    - `python -m pipeline.release build` builds the image, verifies it and looks for vulnerabilities
    - `python -m pipeline.release publish` pushes it, and verifies what was pushed
    - `python -m pipeline.release announce` publishes the GitHub Release
    - `python -m pipeline.release mark` sets the alias `staging` or `production`
    - `python -m pipeline.release issue main success` closes the issue that holds releases back
    - `python -m pipeline.release tag v1.2.4` tags the commit of main that CI runs for
    - `python -m pipeline.release github` says what the repository on GitHub lacks

    """
    if context.invoked_subcommand is None:
        cli.say(context.get_help())


def prepare_command(
    name: Annotated[
        str, typer.Argument(metavar="TAG", help="The tag that is checked out, like v1.2.3.")
    ],
) -> None:
    """Resolve the champion once, and write the plan and the package into `release/`.

    Refuses a tag that is not SemVer, not on main, or released already, and any while an issue says
    that the tests of main fail. A release that was interrupted after its push is taken up again,
    with the model that was pushed.

    Exit codes: 0 done; 1 something is wrong; 2 a setting or an option does not exist; 4 the
    registry of models does not answer.

    Examples:
    - `python -m pipeline.release prepare v1.2.3`

    """
    prepare.run(RunContext.read(), name)


def build_command(
    *,
    base_image: Annotated[
        str,
        typer.Option(envvar="BASE_IMAGE", help="What to build on; by default the model's Python."),
    ] = "",
    accept: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A known vulnerability that cannot be reached; repeat."),
    ] = None,
    allow_unscanned: Annotated[
        bool,
        typer.Option(
            "--allow-unscanned", help="Go on if the database does not answer; it says so."
        ),
    ] = False,
) -> None:
    """Build, verify and scan the image; writes it, its log, its SBOM and checksums.

    The base is pulled and pinned by its digest; where it cannot be pulled, the one of this machine
    is taken. The Python packages of the image are looked up in the database of `osv.dev`, or of the
    mirror that `OSV_URL` names.

    Exit codes: 0 done; 1 something is wrong, a vulnerability is known, or the database does not
    answer; 2 a setting or an option does not exist.

    Examples:
    - `python -m pipeline.release build`
    - `python -m pipeline.release build --accept CVE-2026-0001`

    """
    build.run(
        RunContext.read(),
        base_image=base_image,
        accepted=tuple(accept or ()),
        allow_unscanned=allow_unscanned,
    )


def publish_command() -> None:
    """Push the image, never over another one; pull it by its digest and verify it once more.

    `latest` and `<major>.<minor>` then lead to it if it is the highest stable version that each can
    mean. Writes `image` and `digest` to `GITHUB_OUTPUT`.

    Exit codes: 0 done; 1 something is wrong; 2 a setting does not exist.

    Examples:
    - `python -m pipeline.release publish`

    """
    publish.run(RunContext.read())


def announce_command() -> None:
    """Publish the GitHub Release with package, SBOM, model card and checksums.

    It is a draft until all of them are there.

    Exit codes: 0 done; 1 something is wrong; 2 a setting does not exist.

    Examples:
    - `python -m pipeline.release announce`

    """
    announce.run(RunContext.read().ci)


def mark_command() -> None:
    """Set the alias `staging` or `production` on the version that was shipped, and its tags.

    An alias never goes back to a lower release; that is what a rollback of the champion and a new
    release are for.

    Exit codes: 0 done; 1 something is wrong; 2 a setting does not exist; 4 the registry of models
    does not answer.

    Examples:
    - `python -m pipeline.release mark`

    """
    mark.run(RunContext.read().settings)


def issue_command(
    tests: Annotated[issue.Suite, typer.Argument(help="The tests that the issue is about.")],
    results: Annotated[
        str, typer.Argument(help="The results of their jobs: `success`, `failure`, `cancelled`.")
    ],
) -> None:
    """Say in one issue whether tests pass: opens it, edits it, or closes it.

    While the one about main is open, no release begins.

    Exit codes: 0 done; 1 something is wrong; 2 a setting or an option does not exist.

    Examples:
    - `python -m pipeline.release issue main "success failure"`
    - `python -m pipeline.release issue nightly success`

    """
    issue.run(RunContext.read(), tests, results)


def tag_command(
    name: Annotated[str, typer.Argument(metavar="TAG", help="The tag to make, like v1.2.4.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether it can be.")] = False,
) -> None:
    """Tag the commit of main that CI runs for; a tag that leads there already is left alone.

    Exit codes: 0 done; 1 something is wrong; 2 a setting or an option does not exist.

    Examples:
    - `python -m pipeline.release tag v1.2.4`
    - `python -m pipeline.release tag v1.2.4 --dry-run`

    """
    tag.run(RunContext.read().ci, name, dry_run=dry_run)


def github_command() -> None:
    """Ask GitHub with `gh` what this repository lacks, and print the command for it.

    That workflows only read unless they ask; the rulesets of `.github/rulesets/`; where the
    environments may be used; that everybody can pull the image. Nothing is changed.

    Exit codes: 0 everything is set; 1 something is not, or `gh` cannot ask.

    Examples:
    - `python -m pipeline.release github`

    """
    github_check.run()


if __name__ == "__main__":
    cli.run(
        main,
        prepare=prepare_command,
        build=build_command,
        publish=publish_command,
        announce=announce_command,
        mark=mark_command,
        issue=issue_command,
        tag=tag_command,
        github=github_command,
    )
