"""From a tag to a plan: what the tag ships, decided once."""

from typing import Final

from pipeline.base import archives, artifacts, cli, config, git
from pipeline.base.artifacts import RELEASE
from pipeline.base.config import Settings
from pipeline.base.context import RunContext
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import NoChampionError, ReleaseError
from pipeline.base.github import GitHub
from pipeline.base.manifest import Files
from pipeline.base.names import RELEASED_AS, SERVED
from pipeline.packaging import package
from pipeline.packaging.packager import ModelPackager
from pipeline.registry.client import connect
from pipeline.registry.history import CHAMPION
from pipeline.release import folder, issue
from pipeline.release.images import Repository, login
from pipeline.release.plan import Plan, Shipped, begin, image_name, read_tag

MAIN: Final = "refs/remotes/origin/main"


def run(context: RunContext, tag: str) -> None:
    """Decide what a tag ships, and write it and its package into ``release/``.

    Raises:
        ReleaseError: the tag is none of a release, lies not on main, or is released already; or
            the tests of main fail, or its commit is not trained yet.
        NoChampionError: nothing was promoted yet.

    """
    settings, ci = context.settings, context.ci
    version, revision, github = read_tag(tag), _tagged(context, tag), GitHub(ci)
    image = image_name(config.image_registry(), ci.repository)
    versioned = f"{image}:{version}"
    shipped = _shipped(settings, github, tag, revision, versioned)
    if not shipped:
        _refuse_too_early(context, github, tag, revision)
    packager = ModelPackager(settings)
    # Asked once: what a promotion changes from here on is for the next release.
    number = shipped.model_version if shipped else _champion(packager)
    identity, files = packager.released_package(SERVED, number, versioned)
    about = package.check(files, f"the package of {SERVED}/{number}")
    plan = Plan(
        tag=tag,
        version=str(version),
        prerelease=bool(version.prerelease),
        revision=revision,
        image=image,
        model_name=about.model_name,
        model_version=about.version,
        model_digest=about.model_digest,
        package=identity.folder,
        image_id=shipped.image_id if shipped else "",
        digest=shipped.digest if shipped else "",
    )
    _write(plan, files)
    again = f", pushed already as {plan.digest}" if shipped else ""
    cli.fact("release", f"{tag} of {revision[:12]} as {plan.versioned}{again}")
    cli.fact("model", f"{plan.model_name}/{plan.model_version}, {about.family}")


def _tagged(context: RunContext, tag: str) -> str:
    """Return the commit of a tag, which is checked out, unchanged, and on main."""
    here, tree = context.folder, context.tree
    if tree.problem:
        raise ReleaseError(f"{tag} cannot be compared with the work tree: {tree.problem}")
    revision = git.commit_of(here, f"refs/tags/{tag}")
    if not revision:
        raise ReleaseError(f"this clone has no tag {tag}: `git fetch --tags`, or make it")
    if tree.commit != revision or tree.modified:
        raise ReleaseError(
            f"the work tree is not {tag} as it was committed: `git checkout {tag}` and undo changes"
        )
    if not git.commit_of(here, MAIN):
        raise ReleaseError("this clone has no origin/main to look for the tag in: fetch it whole")
    if not git.contains(here, MAIN, revision):
        raise ReleaseError(f"{tag} is not on main: merge {revision[:12]}, then tag what was merged")
    return revision


def _shipped(
    settings: Settings, github: GitHub, tag: str, revision: str, versioned: str
) -> Shipped | None:
    """Return what an unfinished release of the tag has pushed, or None to begin one."""
    image, _, version = versioned.rpartition(":")
    pushed = Repository(image, login(image)).find(version)
    marked = connect(settings.registry).versions(SERVED)
    return begin(
        tag,
        revision,
        versioned,
        release=github.find_release(tag),
        pushed=pushed,
        released_as={v.version: v.tags.get(RELEASED_AS, "") for v in marked},
    )


def _refuse_too_early(context: RunContext, github: GitHub, tag: str, revision: str) -> None:
    """Refuse while the tests of main fail, and a tag whose commit was not trained yet.

    The champion may be an older one then. Trainings follow the order of the merges, so one that is
    finished says so of all before it.
    """
    if found := issue.find(github, issue.Suite.MAIN):
        raise ReleaseError(
            f"the tests of main fail, says {found.url}: mend main, or close the issue if the "
            "release does not need them; then run this again"
        )
    registry = connect(context.settings.registry)
    if registry.find_alias(SERVED, CHAMPION) is None:
        raise NoChampionError(
            f"{tag} has nothing to ship, for no version holds {SERVED}@champion yet: let a "
            "training on main end, then run this again"
        )
    trained = registry.last_training()
    if not trained or not git.contains(context.folder, trained, revision):
        last = f"; the last that has is of {trained[:12]}" if trained else ""
        raise ReleaseError(
            f"the training of {revision[:12]} has not ended{last}: let it end, then run this again"
        )


def _champion(packager: ModelPackager) -> int:
    return int(packager.get_champion_model_info()["version"])


def _write(plan: Plan, files: Files) -> None:
    written = {f"{folder.PACKAGE.name}/{name}": content for name, content in files.items()}
    written[f"{plan.package}.tar.gz"] = archives.tar_gz(files, plan.package)
    plan_name = folder.PLAN.name
    artifacts.write_sealed_folder(RELEASE, {**written, plan_name: json_bytes(plan)}, seal=plan_name)
