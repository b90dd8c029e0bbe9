"""A release: from a tag to the image, the GitHub Release and the alias, in repeatable steps.

Each step reads what the one before left in ``release/``. Whatever interrupts one, running them
again ends where they would have ended, and replaces nothing that was published.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pipeline.base import archives, artifacts, cli, config, git, manifest
from pipeline.base.artifacts import RELEASE
from pipeline.base.config import Settings
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import ImageError, NoChampionError, ReleaseError, ScanError
from pipeline.base.github import GitHub
from pipeline.base.names import METRIC_TITLES, SERVED
from pipeline.base.pages import render
from pipeline.base.records import Draft, Release
from pipeline.image import sbom
from pipeline.image.build import PORT, SBOM, build_bento, build_image, python_image
from pipeline.image.docker import Engine, login, saved_id
from pipeline.image.verify import verify
from pipeline.packaging import package
from pipeline.packaging.package import Manifest
from pipeline.packaging.packager import ModelPackager
from pipeline.registry.client import connect
from pipeline.registry.version import Version
from pipeline.release import bill, osv
from pipeline.release.images import Repository
from pipeline.release.plan import (
    RELEASED_AS,
    Plan,
    begin,
    check_package,
    image_name,
    is_highest,
    missing,
    moving_tags,
    read_tag,
    releases_with,
    stale,
)
from pipeline.training.families import FAMILY_TITLES

MAIN: Final = "refs/remotes/origin/main"
PLAN: Final = "plan.json"
PACKAGE: Final = RELEASE / "package"
IMAGE: Final = RELEASE / "image.tar"
BILL: Final = RELEASE / SBOM
SUMS: Final = RELEASE / artifacts.CHECKSUMS
WORKFLOW: Final = ".github/workflows/release.yml"


def prepare(settings: Settings, tag: str) -> None:
    """Decide what a tag ships, and write it and its package into ``release/``.

    Raises:
        ReleaseError: the tag is none of a release, lies not on main, or is released already.
        NoChampionError: nothing was promoted yet.

    """
    version, revision, github = read_tag(tag), _tagged(tag), _github()
    image = image_name(config.image_registry(), config.CiRun().repository)
    found = _repository(image).find(str(version))
    versions = _versions(settings)
    shipped = begin(
        tag,
        revision,
        f"{image}:{version}",
        release=_find_release(github, tag),
        found=found,
        released_as={v.version: v.tags.get(RELEASED_AS, "") for v in versions},
    )
    packager = ModelPackager(settings)
    # Asked once: what a promotion changes from here on is for the next release.
    number = shipped.model_version if shipped else _champion(packager, tag)
    identity, files = packager.released_package(SERVED, number, f"{image}:{version}")
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
        image_id=found.image_id if shipped and found else "",
        digest=shipped.digest if shipped else "",
    )
    written = {f"{PACKAGE.name}/{name}": content for name, content in files.items()}
    written[f"{identity.folder}.tar.gz"] = archives.tar_gz(files, identity.folder)
    artifacts.write_sealed_folder(RELEASE, {**written, PLAN: json_bytes(plan)}, seal=PLAN)
    again = f", pushed already as {plan.digest}" * bool(shipped)
    cli.say(f"release       {tag} of {revision[:12]} as {plan.versioned}{again}")
    cli.say(f"model         {plan.model_name}/{plan.model_version}, {about.family}")


def _champion(packager: ModelPackager, tag: str) -> int:
    try:
        return int(packager.get_champion_model_info()["version"])
    except NoChampionError:
        raise NoChampionError(
            f"{tag} has nothing to ship, for no version holds {SERVED}@champion yet: let a "
            "training on main end, then run this again"
        ) from None


def _tagged(tag: str) -> str:
    """Return the commit of a tag, which is checked out, unchanged, and on main."""
    here = Path.cwd()
    revision, tree = git.commit_of(here, f"refs/tags/{tag}"), git.work_tree(here)
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


def _versions(settings: Settings) -> list[Version]:
    registry = connect(settings.registry)
    return registry.versions(SERVED)


def _repository(image: str) -> Repository:
    return Repository(image, login(image))


def _github() -> GitHub:
    ci = config.CiRun()
    ci.must_have("repository", "token")
    return GitHub(ci.api_url, ci.repository, ci.token)


def _find_release(github: GitHub, tag: str) -> Release | None:
    """Return the release of a tag, the published one if there are several."""
    found = [one for one in github.releases() if one.tag == tag]
    return min(found, key=lambda one: (one.draft, one.id), default=None)


def build(
    settings: Settings,
    *,
    base_image: str = "",
    accepted: tuple[str, ...] = (),
    allow_unscanned: bool = False,
) -> None:
    """Build, verify and scan the image of the plan, and write it into ``release/``.

    What an unfinished release has pushed is taken instead of a new image, and proven as well.

    Raises:
        ReleaseError: the package or the work tree is not the plan's, or a vulnerability is known.
        ImageError: the image cannot be built, or does not answer like its package.
        ScanError: the database of vulnerabilities does not answer.

    """
    plan = _read_plan("prepare")
    about = ModelPackager(settings).validate_package(PACKAGE)
    check_package(plan, about)
    engine = Engine()
    base = _take(engine, plan) if plan.digest else _make(engine, plan, about, base_image)
    verify(settings, plan.versioned, PACKAGE)
    scan(BILL.read_bytes(), accepted, allow_unscanned=allow_unscanned)
    engine.save(plan.versioned, IMAGE)
    sums = manifest.checksum_lines(manifest.digests(_assets(plan)))
    artifacts.write_file(SUMS, sums.encode())
    _write_plan(plan.model_copy(update={"base": base, "image_id": saved_id(IMAGE)}))
    cli.say(f"built         {plan.versioned} over {base or 'the base that it was pushed with'}")


def _take(engine: Engine, plan: Plan) -> str:
    engine.pull(plan.pinned)
    engine.tag(plan.pinned, plan.versioned)
    artifacts.write_file(BILL, sbom.bill_of_materials(plan.versioned))
    return plan.base


def _make(engine: Engine, plan: Plan, about: Manifest, base_image: str) -> str:
    tree = git.work_tree(Path.cwd())
    if tree.commit != plan.revision or tree.modified:
        raise ReleaseError(f"the work tree is not {plan.tag} any more: prepare the release again")
    bento_folder = build_bento(artifacts.files_below(PACKAGE))
    base = _base(engine, base_image or python_image(PACKAGE))
    build_image(engine, bento_folder, about, tag=plan.versioned, base=base, written=RELEASE)
    return base


def _base(engine: Engine, name: str) -> str:
    """Return the newest image of that name by its digest; without a registry, what is here."""
    try:
        engine.pull(name)
    except ImageError as error:
        engine.image(name)
        cli.say(f"base          {name} as it is on this machine ({error})")
    return engine.pinned(name)


def scan(found_in: bytes, accepted: tuple[str, ...] = (), *, allow_unscanned: bool = False) -> None:
    """Look up the Python packages of a bill of materials among known vulnerabilities.

    Raises:
        ReleaseError: one is known that is not ``accepted``.
        ScanError: the database does not answer, unless ``allow_unscanned``, which is said.

    """
    packages = bill.python_packages(found_in)
    try:
        known = osv.known(config.vulnerabilities_url(), packages)
    except ScanError as error:
        if not allow_unscanned:
            raise ScanError(f"{error}: try later, or insist with --allow-unscanned") from None
        cli.say(f"scan          NOT DONE: {error}")
        return
    if found := bill.refused(known, accepted):
        named = "; ".join(f"{title}: {', '.join(names)}" for title, names in found.items())
        raise ReleaseError(
            f"known vulnerabilities (osv.dev): {named}: update requirements-serving.txt, or accept "
            "one that cannot be reached with --accept ID"
        )
    waived = f", {', '.join(accepted)} accepted" * bool(accepted)
    cli.say(f"scan          {len(packages)} Python packages, no known vulnerability{waived}")


def publish(settings: Settings) -> None:
    """Push the image unless it is there already, prove what was pushed, and move the short tags.

    Raises:
        ReleaseError: the version is taken by another image, which stays.
        ImageError: the registry refuses, or what it has does not answer like the package.

    """
    plan = _read_plan("build")
    version, repository, engine = read_tag(plan.tag), _repository(plan.image), Engine()
    plan = _pushed(plan, repository, engine)
    _write_plan(plan)
    _output(image=plan.image, digest=plan.digest)
    # What is pulled must not be what was built here.
    engine.remove(plan.versioned)
    engine.pull(plan.pinned)
    verify(settings, plan.pinned, PACKAGE)
    tags = repository.tags()
    moving = moving_tags(version, tags)
    for tag in moving:
        repository.tag(plan.digest, tag)
    _write_plan(plan.model_copy(update={"highest": is_highest(version, tags)}))
    cli.say(f"tags          {', '.join([plan.version, *moving])} of {plan.pinned}")


def _pushed(plan: Plan, repository: Repository, engine: Engine) -> Plan:
    """Return the plan with the digest of its image, which is in the registry then."""
    if saved_id(IMAGE) != plan.image_id:
        raise ReleaseError(f"{IMAGE} is not the image that was verified: build it again")
    engine.load(IMAGE)
    found = repository.find(plan.version)
    if found is None:
        engine.push(plan.versioned, cli.say)
        found = repository.find(plan.version)
    if found is None or found.image_id != plan.image_id:
        raise ReleaseError(
            f"{plan.versioned} is another image than the one that was built here: it stays; tag "
            "another version, or run the whole release again if it is this one's"
        )
    return plan.model_copy(update={"digest": found.digest})


def announce() -> None:
    """Publish the GitHub Release with its files, all of them or none.

    Raises:
        ReleaseError: the image is not published yet.
        GitHubError: GitHub refuses or does not answer.

    """
    plan = _read_plan("publish")
    github, files = _github(), _assets(plan) | {SUMS.name: SUMS.read_bytes()}
    found = _find_release(github, plan.tag)
    if found is None or found.draft:
        draft = _draft(plan)
        found = github.edit_draft(found, draft) if found else github.create_draft(draft)
        for asset in stale(found, files):
            github.delete_asset(asset)
        for name in missing(found, files):
            github.upload(found, name, files[name])
        found = github.publish(found, latest=plan.highest and not plan.prerelease)
    cli.say(f"release       {found.url}")
    summary = f"## {plan.tag}\n\n`{plan.pinned}` is released: {found.url}\n"
    artifacts.add_to(config.CiRun().step_summary, summary)


def _assets(plan: Plan) -> dict[str, bytes]:
    name = f"{plan.package}.tar.gz"
    found = {name: RELEASE / name, BILL.name: BILL, package.CARD: PACKAGE / package.CARD}
    with _missing_is_explained():
        return {name: path.read_bytes() for name, path in found.items()}


def _draft(plan: Plan) -> Draft:
    about = package.check(artifacts.files_below(PACKAGE), str(PACKAGE))
    body = render(
        "release-notes.md.j2",
        plan=plan,
        manifest=about,
        family_titles=FAMILY_TITLES,
        metric_titles=METRIC_TITLES,
        repository=config.CiRun().repository,
        workflow=WORKFLOW,
        archive=f"{plan.package}.tar.gz",
        port=PORT,
    )
    return Draft(
        tag_name=plan.tag,
        target_commitish=plan.revision,
        name=plan.tag,
        body=body,
        prerelease=plan.prerelease,
    )


def mark(settings: Settings) -> None:
    """Set the alias and the tags of the version that was shipped.

    Raises:
        ReleaseError: the image is not published yet, or the registry's version is another model.

    """
    plan = _read_plan("publish")
    registry = connect(settings.registry)
    version = registry.version(plan.model_name, plan.model_version)
    digest = version.tags.get("model_digest", plan.model_digest)
    if digest != plan.model_digest:
        raise ReleaseError(f"{version.title} of this registry is another model than was shipped")
    if plan.highest:
        registry.set_alias(version, plan.alias)
    # The list comes last: a release that is in it is finished.
    listed = releases_with(version.tags.get(RELEASED_AS, ""), plan.tag)
    tags = {
        "released_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "released_image": plan.pinned,
        RELEASED_AS: listed,
    }
    if version.tags.get(RELEASED_AS) != listed:
        registry.tag(version, tags)
    higher = f"; {plan.alias} stays with a higher release" * (not plan.highest)
    moved = f", {plan.alias}" * plan.highest
    cli.say(f"marked        {version.title}: {plan.tag}{moved}{higher}")


def _read_plan(step: str) -> Plan:
    """Return the plan as the given step leaves it."""
    remedy = f"run `python -m pipeline.release {step}` first"
    path = RELEASE / PLAN
    try:
        plan = Plan.model_validate_json(path.read_bytes())
    except OSError:
        raise ReleaseError(f"there is no {path}: {remedy}") from None
    except ValidationError:
        raise ReleaseError(f"{path} is damaged: prepare the release again") from None
    ready = {"prepare": True, "build": bool(plan.image_id), "publish": bool(plan.digest)}
    if not ready[step]:
        raise ReleaseError(f"{plan.tag} is not as far: {remedy}")
    return plan


def _write_plan(plan: Plan) -> None:
    artifacts.write_file(RELEASE / PLAN, json_bytes(plan))


@contextmanager
def _missing_is_explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReleaseError(f"cannot read {error.filename}: build the release again") from None


def _output(**values: str) -> None:
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    artifacts.add_to(config.CiRun().output, lines)
