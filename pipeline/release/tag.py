"""The tag of a patch release, as the button of a rollback makes it."""

from typing import Final

from pipeline.base import cli
from pipeline.base.config import CiRun
from pipeline.base.errors import GitHubError, ReleaseError
from pipeline.base.github import GitHub
from pipeline.release.plan import read_tag

MAIN: Final = "refs/heads/main"


def run(ci: CiRun, tag: str, *, dry_run: bool) -> None:
    """Make a tag of the commit of main that CI runs for, unless it is there; or only check it.

    Raises:
        ReleaseError: it is no tag of a release, it leads to something else, CI does not run for
            main, or GitHub does not let it be made.
        GitHubError: GitHub refuses or does not answer.

    """
    read_tag(tag)
    ci.must_have("ref", "sha")
    if ci.ref != MAIN:
        raise ReleaseError(f"only main is tagged, not {ci.ref}: start this from main")
    github = GitHub(ci)
    there = github.commit_of_tag(tag)
    if there and there != ci.sha:
        raise ReleaseError(f"{tag} leads to {there[:12]} already: choose the next number")
    if not there and not dry_run:
        try:
            github.create_tag(tag, ci.sha)
        except GitHubError as error:
            raise ReleaseError(
                f"{tag} was not made ({error}): a maintainer can push it, which releases it"
            ) from None
    state = "is there" if there else "is free" if dry_run else "was made"
    cli.fact("tag", f"{tag} of {ci.sha[:12]} {state}")
