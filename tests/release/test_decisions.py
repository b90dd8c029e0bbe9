"""What a tag may become, and which tags follow: tables of values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semver import Version

from pipeline.base.errors import ReleaseError
from pipeline.base.records import Asset, Release
from pipeline.image import checks
from pipeline.release import plan
from pipeline.release.plan import Found, Shipped

IMAGE = "ghcr.io/acme/heart:1.2.3"
REVISION = "a" * 40
DIGEST = "sha256:" + "d" * 64


@pytest.mark.parametrize(
    "tag",
    ["v1.2.3", "v0.0.0", "v10.20.30", "v1.2.3-rc.1", "v1.0.0-alpha", "v1.0.0-0.3.7", "v1.0.0--"],
)
def test_a_version_of_semver_is_taken(tag):
    """Also before the first stable one."""
    assert f"v{plan.read_tag(tag)}" == tag


@pytest.mark.parametrize(
    "tag",
    [
        *("", "v", "1.2.3", "V1.2.3", "v1", "v1.2", "v1.2.3.4", "vv1.2.3", "version-1.2.3"),
        *("v01.2.3", "v1.02.3", "v1.2.03", "v1.2.3-01", "v1.2.3-rc..1", "v1.2.3-", "v1.2.-3"),
        *(" v1.2.3", "v1.2.3 ", "v1.2.3\n", "v1.2.3/x", "v1.2.3:x", "v1.2.٣", "v\uff11.2.3"),
        *("latest", "main", "refs/tags/v1.2.3", "--help", "v1.2.3\n::error::x"),
    ],
)
def test_what_is_no_version_of_semver_is_refused(tag):
    """In one line, with an example of what would do."""
    with pytest.raises(ReleaseError, match=r"SemVer 2\.0: tag like v1\.2\.3") as found:
        plan.read_tag(tag)
    assert "\n" not in str(found.value)


def test_build_metadata_is_refused():
    """No image's tag can have a plus, and two builds of one version would be two images."""
    with pytest.raises(ReleaseError, match="build metadata"):
        plan.read_tag("v1.2.3+5")


def test_a_version_that_is_too_long_for_a_tag_is_refused():
    """Registries take 128 characters."""
    assert plan.read_tag(f"v1.2.3-{'a' * 122}")
    with pytest.raises(ReleaseError, match="too long"):
        plan.read_tag(f"v1.2.3-{'a' * 123}")


@pytest.mark.parametrize(
    ("registry", "repository", "name"),
    [
        ("ghcr.io", "Acme/Heart", "ghcr.io/acme/heart"),
        ("ghcr.io", "acme/heart-disease_x.y", "ghcr.io/acme/heart-disease_x.y"),
        ("127.0.0.1:5000", "ACME/HEART", "127.0.0.1:5000/acme/heart"),
        ("registry.example/team", "acme/heart", "registry.example/team/acme/heart"),
        ("registry.example/", "acme/heart", "registry.example/acme/heart"),
    ],
)
def test_the_image_is_named_after_the_repository(registry, repository, name):
    """In small letters, which are all that registries know."""
    assert plan.image_name(registry, repository) == name


@pytest.mark.parametrize(
    ("registry", "repository"),
    [
        ("ghcr.io", ""),
        ("", ""),
        ("ghcr.io", "acme/.github"),
        ("ghcr.io", "acme/heart-"),
        ("https://ghcr.io", "acme/heart"),
        ("user:password@ghcr.io", "acme/heart"),
        ("ghcr.io", "acme/heart\n::error::x"),
        ("ghcr.io", "acme/../heart"),
    ],
)
def test_what_cannot_name_an_image_is_refused(registry, repository):
    """Before anything is asked."""
    with pytest.raises(ReleaseError, match="cannot be the name of an image: set REGISTRY"):
        plan.image_name(registry, repository)


VERSIONS = st.builds(
    lambda numbers, before: Version(*numbers, prerelease=before),
    st.tuples(*[st.sampled_from([0, 1, 2, 9, 10])] * 3),
    st.sampled_from([None, None, "rc.2", "rc.9", "rc.10", "beta"]),
)
# Tags that are no versions.
FOREIGN = ("nightly", "v9.9.9", "9.9", "9", "latest", "sha256-abc.sig", "")


@given(st.lists(VERSIONS, min_size=1, max_size=12))
def test_in_whatever_order_versions_come_the_short_tags_end_at_the_highest(versions):
    """The order of releases is that of people, not of numbers; a pre-release moves nothing."""
    tags, leads = set(FOREIGN), {}
    for version in versions:
        moving = list(plan.moving_tags(version, {*tags, str(version)}))
        # Before a run is repeated its own tag is not there yet.
        assert list(plan.moving_tags(version, tags)) == moving
        tags.add(str(version))
        leads |= dict.fromkeys(moving, version)

    stable = [version for version in versions if not version.prerelease]
    lines = {f"{version.major}.{version.minor}" for version in stable}
    assert leads.keys() == lines | ({"latest"} if stable else set())
    assert leads.get("latest") == max(stable, default=None)
    for version in stable:
        line = [one for one in stable if one[:2] == version[:2]]
        assert leads[f"{version.major}.{version.minor}"] == max(line)


@given(VERSIONS, st.lists(VERSIONS, max_size=4))
def test_an_alias_follows_the_highest_release_of_its_kind(version, others):
    """Production the stable ones, staging those before."""
    same_kind = [one for one in others if bool(one.prerelease) == bool(version.prerelease)]
    tags = [*FOREIGN, *map(str, others)]

    assert plan.is_highest(version, tags) is (version >= max(same_kind, default=version))


def github_release(*, draft=False, by_hand=False, immutable=False):
    """Return a release on GitHub."""
    assets = () if draft or by_hand else (Asset(id=2, name="SHA256SUMS", state="uploaded"),)
    return Release(
        id=1,
        tag="v1.2.3",
        draft=draft,
        immutable=immutable,
        url="u",
        upload_url="u",
        assets=assets,
    )


def found(revision=REVISION, version="4", name="heart_disease"):
    """Return an image in a registry."""
    labels = {
        plan.REVISION: revision,
        checks.MODEL_VERSION: version,
        checks.MODEL_NAME: name,
    }
    return Found(digest=DIGEST, image_id="sha256:c", labels={k: v for k, v in labels.items() if v})


@pytest.mark.parametrize("listed", [{}, {4: "v1.2.3"}], ids=["unmarked", "marked"])
@pytest.mark.parametrize(
    "published",
    [None, github_release(draft=True), github_release(by_hand=True)],
    ids=["none", "draft", "by hand"],
)
def test_a_tag_that_was_not_released_begins(published, listed):
    """A draft is nothing yet, and what a person made on GitHub's page can be taken over."""
    got = plan.begin("v1.2.3", REVISION, IMAGE, release=published, pushed=None, released_as=listed)
    assert got is None


@pytest.mark.parametrize(
    ("published", "listed"),
    [
        (None, {}),
        (None, {4: "v1.2.3"}),
        (github_release(draft=True), {}),
        (github_release(), {}),
        (github_release(), {4: "v1.2.2 v1.2.3-rc.1"}),
        (github_release(), {3: "v1.2.3"}),
    ],
    ids=["pushed", "listed too early", "draft", "published", "other tags", "of another version"],
)
def test_a_release_that_was_interrupted_is_taken_up_with_what_it_pushed(published, listed):
    """Whatever is champion by now."""
    got = plan.begin(
        "v1.2.3", REVISION, IMAGE, release=published, pushed=found(), released_as=listed
    )

    assert got == Shipped(model_version=4, image_id="sha256:c", digest=DIGEST)


@pytest.mark.parametrize(
    ("published", "image", "listed", "said"),
    [
        (github_release(), found(), {4: "v1.2.2 v1.2.3"}, "v1.2.3 is released already, as ghcr"),
        (github_release(), None, {}, "the release v1.2.3 is published already, without ghcr"),
        (
            github_release(by_hand=True, immutable=True),
            None,
            {},
            "a person made the release v1.2.3, which cannot be changed: tag another",
        ),
        (None, found("b" * 40), {}, "exists already, built from bbbbbbbbbbbb and not aaaa"),
        (None, found(""), {}, "exists already, built from an unknown "),
        (None, found(version=""), {}, "does not say which model"),
        (None, found(version="four"), {}, "does not say which model"),
        (None, found(name=""), {}, "does not say which model"),
        (github_release(), found("b" * 40), {}, "built from bbbb"),
    ],
    ids=[
        *(
            "finished",
            "no image",
            "by hand for good",
            "another commit",
            "no commit",
            "no model",
            "odd model",
        ),
        *("no name", "published from another commit"),
    ],
)
def test_what_was_released_is_never_replaced(published, image, listed, said):
    """One line that says what is in the way."""
    with pytest.raises(ReleaseError, match=said) as error:
        plan.begin("v1.2.3", REVISION, IMAGE, release=published, pushed=image, released_as=listed)
    assert "\n" not in str(error.value)


FILES = {"a": b"1", "b": b"2"}
ONE = "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"


@pytest.mark.parametrize(
    ("assets", "stale", "missing"),
    [
        ([], [], ["a", "b"]),
        ([("a", True, ONE)], [], ["b"]),
        ([("a", False, ONE)], ["a"], ["a", "b"]),
        ([("a", True, "sha256:0")], ["a"], ["a", "b"]),
        ([("a", True, "")], ["a"], ["a", "b"]),
        ([("b", True, ONE)], ["b"], ["a", "b"]),
        ([("old", True, ONE), ("a", True, ONE)], ["old"], ["b"]),
    ],
    ids=[
        *("nothing", "one there", "half uploaded", "changed", "unknown", "under another name"),
        "of an earlier attempt",
    ],
)
def test_a_draft_ends_with_exactly_its_files(assets, stale, missing):
    """What an interrupted run left is kept if it is whole, and replaced if not."""
    listed = tuple(
        Asset(id=number, name=name, state="uploaded" if whole else "starter", digest=digest)
        for number, (name, whole, digest) in enumerate(assets)
    )
    draft = github_release(draft=True).model_copy(update={"assets": listed})

    assert [one.name for one in plan.stale(draft, FILES)] == stale
    assert plan.missing(draft, FILES) == missing


def test_a_version_lists_each_of_its_releases_once():
    """In the order in which they were marked."""
    assert plan.releases_with("", "v1.0.0") == "v1.0.0"
    assert plan.releases_with("v1.0.0-rc.1", "v1.0.0") == "v1.0.0-rc.1 v1.0.0"
    assert plan.releases_with("v1.0.0-rc.1 v1.0.0", "v1.0.0") == "v1.0.0-rc.1 v1.0.0"
