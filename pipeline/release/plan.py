"""A release: what a tag may become, what is shipped under it, and which tags follow.

Decided on values alone: the tag, what the container registry and GitHub hold already.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from semver import Version

from pipeline.base import manifest
from pipeline.base.errors import ReleaseError
from pipeline.base.manifest import Files
from pipeline.base.records import Asset, Record, Release
from pipeline.image.checks import MODEL_NAME, MODEL_VERSION
from pipeline.packaging.package import Manifest

STAGING: Final = "staging"
PRODUCTION: Final = "production"

REVISION: Final = "org.opencontainers.image.revision"

# A name in a registry of images.
_NAME: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*")
_HOST: Final = re.compile(r"[a-z0-9.-]+(?::[0-9]+)?")
_LONGEST_TAG: Final = 128


class Found(Record):
    """An image as a container registry has it; ``image_id`` is what an engine calls it."""

    digest: str
    image_id: str
    labels: dict[str, str]


class Shipped(Record):
    """An image that an unfinished release has pushed: it ships this and nothing newer."""

    model_version: int
    image_id: str
    digest: str


class Plan(Record):
    """A release, as far as it is decided: it grows from command to command.

    ``image`` is the name without a tag; ``image_id`` is what the engine calls the image that was
    built and verified, ``digest`` what the registry calls it; ``highest`` says that no release of
    its kind, stable or not, is higher.
    """

    tag: str
    version: str
    prerelease: bool
    revision: str
    image: str
    model_name: str
    model_version: int
    model_digest: str
    package: str
    base: str = ""
    image_id: str = ""
    digest: str = ""
    highest: bool = False

    @property
    def versioned(self) -> str:
        """Return the image's name with the version as its tag."""
        return f"{self.image}:{self.version}"

    @property
    def pinned(self) -> str:
        """Return the image's name with its digest."""
        return f"{self.image}@{self.digest}"

    @property
    def alias(self) -> str:
        """Return the alias of the registry that follows releases of this kind."""
        return STAGING if self.prerelease else PRODUCTION


def read_tag(tag: str) -> Version:
    """Return the version that a tag names.

    Raises:
        ReleaseError: the tag is not ``v`` and a version of SemVer 2.0 that can be an image's tag.

    """
    remedy = "tag like v1.2.3 or v1.2.3-rc.1"
    if not tag.startswith("v") or not Version.is_valid(tag[1:]):
        raise ReleaseError(f"{tag[:40]!r} is not v and a version of SemVer 2.0: {remedy}")
    version = Version.parse(tag[1:])
    if version.build:
        raise ReleaseError(f"{tag} has build metadata, which no image's tag can have: {remedy}")
    if len(str(version)) > _LONGEST_TAG:
        raise ReleaseError(f"{tag[:40]}... is too long for an image's tag: {remedy}")
    return version


def image_name(registry: str, repository: str) -> str:
    """Return the name of the repository's image: GitHub knows capitals, registries do not.

    Raises:
        ReleaseError: it cannot be a name of an image.

    """
    name = f"{registry.rstrip('/')}/{repository}".lower()
    host, *parts = name.split("/")
    if not _HOST.fullmatch(host) or not parts or not all(map(_NAME.fullmatch, parts)):
        raise ReleaseError(f"{name!r} cannot be the name of an image: set REGISTRY, or rename it")
    return name


def begin(  # noqa: PLR0913 (all that the world holds about a tag)
    tag: str,
    revision: str,
    image: str,
    *,
    release: Release | None,
    pushed: Found | None,
    released_as: Mapping[int, str],
) -> Shipped | None:
    """Say what an unfinished release of the same commit has pushed, or None to begin one.

    ``released_as`` are the tags of that name by the version of the served model. A release ends
    with that tag; so one that has everything else is not finished, and is taken up again.

    Raises:
        ReleaseError: the tag is released, or its version is taken by something else.

    """
    again = "nothing that was released is ever replaced: tag another version"
    published = release is not None and not release.draft
    if release and published:
        _refuse_in_the_way(release, image, there=pushed is not None)
    if pushed is None:
        return None
    built_from = pushed.labels.get(REVISION, "an unknown commit")
    if built_from != revision:
        raise ReleaseError(
            f"{image} exists already, built from {built_from[:12]} and not {revision[:12]}: {again}"
        )
    number = pushed.labels.get(MODEL_VERSION, "")
    if not number.isdecimal() or MODEL_NAME not in pushed.labels:
        raise ReleaseError(f"{image} exists already and does not say which model it holds: {again}")
    if published and tag in released_as.get(int(number), "").split():
        raise ReleaseError(f"{tag} is released already, as {image}@{pushed.digest}: {again}")
    return Shipped(model_version=int(number), image_id=pushed.image_id, digest=pushed.digest)


def _refuse_in_the_way(release: Release, image: str, *, there: bool) -> None:
    """Refuse a published release that can be neither finished nor taken over from a person."""
    if release.by_hand and release.immutable:
        raise ReleaseError(
            f"a person made the release {release.tag}, which cannot be changed: tag another version"
        )
    if not release.by_hand and not there:
        raise ReleaseError(
            f"the release {release.tag} is published already, without {image}: delete it on "
            "GitHub, where its tag stays, then run this again; or tag another version"
        )


def moving_tags(version: Version, tags: Iterable[str]) -> tuple[str, ...]:
    """Return which of ``<major>.<minor>`` and ``latest`` must lead to ``version``.

    Each leads to the highest stable version that it can mean, among the ``tags`` of the registry.
    """
    if version.prerelease:
        return ()
    stable = [known for known in _versions(tags) if not known.prerelease]
    line = [known for known in stable if known[:2] == version[:2]]
    moving = {f"{version.major}.{version.minor}": line, "latest": stable}
    return tuple(tag for tag, known in moving.items() if all(one <= version for one in known))


def is_highest(version: Version, tags: Iterable[str]) -> bool:
    """Say whether no release of the same kind, stable or not, is higher."""
    kind = bool(version.prerelease)
    return all(one <= version for one in _versions(tags) if bool(one.prerelease) == kind)


def _versions(tags: Iterable[str]) -> list[Version]:
    return [Version.parse(tag) for tag in tags if Version.is_valid(tag)]


def check_package(plan: Plan, about: Manifest) -> None:
    """Hold a package against the plan.

    Raises:
        ReleaseError: it is another model's.

    """
    found = (about.model_name, about.version, about.model_digest)
    if found != (plan.model_name, plan.model_version, plan.model_digest):
        raise ReleaseError(
            f"the package holds {about.model_name}/{about.version}, the plan ships "
            f"{plan.model_name}/{plan.model_version}: run `.venv/bin/python -m pipeline.release "
            "prepare`"
        )


def stale(release: Release, files: Files) -> list[Asset]:
    """Return the assets that are not, whole and byte for byte, among ``files``."""
    known = {name: f"sha256:{digest}" for name, digest in manifest.digests(files).items()}
    return [a for a in release.assets if not a.whole or known.get(a.name) != a.digest]


def missing(release: Release, files: Files) -> list[str]:
    """Return the names of ``files`` that have to be uploaded, once the stale ones are gone."""
    gone = {asset.id for asset in stale(release, files)}
    there = {asset.name for asset in release.assets if asset.id not in gone}
    return sorted(files.keys() - there)


def releases_with(listed: str, tag: str) -> str:
    """Return the list of a version's releases with ``tag`` in it."""
    return " ".join(dict.fromkeys([*listed.split(), tag]))
