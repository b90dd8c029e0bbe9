"""The Release on GitHub: a draft until all of its files are there."""

from typing import Final

from pipeline.base import artifacts, cli
from pipeline.base.config import CiRun
from pipeline.base.github import GitHub
from pipeline.base.names import METRIC_TITLES
from pipeline.base.pages import render
from pipeline.base.records import Draft, Release
from pipeline.image.build import PORT
from pipeline.packaging import package
from pipeline.release import folder
from pipeline.release.folder import PACKAGE, SUMS
from pipeline.release.plan import Plan, missing, stale
from pipeline.training.families import FAMILY_TITLES

# Separates a person's own text from the notes.
OURS: Final = "\n\n<!-- by release.yml -->\n\n"
WORKFLOW: Final = ".github/workflows/release.yml"


def run(ci: CiRun) -> None:
    """Publish the GitHub Release with its files, all of them or none.

    One that a person has published without any becomes a draft until it has them.

    Raises:
        ReleaseError: the image is not published yet.
        GitHubError: GitHub refuses or does not answer.

    """
    plan, github = folder.read_plan("publish"), GitHub(ci)
    attested = folder.attested()
    files = folder.assets(plan) | {SUMS.name: SUMS.read_bytes()} | attested
    release = github.find_release(plan.tag)
    if release is None or release.draft or release.by_hand:
        draft = _draft(plan, ci, release, attested=bool(attested))
        release = github.save_draft(draft, release)
        for asset in stale(release, files):
            github.delete_asset(asset)
        for name in missing(release, files):
            github.upload(release, name, files[name])
        release = github.publish(release, latest=plan.highest and not plan.prerelease)
    cli.fact("release", f"{release.url}")
    summary = f"## {plan.tag}\n\n`{plan.pinned}` is released: {release.url}\n"
    artifacts.add_to(ci.step_summary, summary)


def _draft(plan: Plan, ci: CiRun, release: Release | None, *, attested: bool) -> Draft:
    # A person's own text stays, above the notes.
    theirs = release.body.partition(OURS)[0] if release else ""
    body = (
        theirs
        + OURS
        + render(
            "release-notes.md.j2",
            plan=plan,
            manifest=package.check(artifacts.files_below(PACKAGE), str(PACKAGE)),
            family_titles=FAMILY_TITLES,
            metric_titles=METRIC_TITLES,
            ci=ci,
            workflow=WORKFLOW,
            attested=attested,
            archive=f"{plan.package}.tar.gz",
            port=PORT,
        )
    )
    return Draft(
        tag_name=plan.tag,
        name=plan.tag,
        body=body,
        prerelease=plan.prerelease,
    )
