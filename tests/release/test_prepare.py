"""From a tag to a plan: what is refused, and what an interrupted release goes on with."""

import json
import tarfile
from pathlib import Path

import pytest

from pipeline.base.context import RunContext
from pipeline.base.errors import NoChampionError, PipelineError, ReleaseError, SettingsError
from pipeline.model_packaging import ModelPackager
from pipeline.registry import provenance
from pipeline.release import announce, build, issue, mark, prepare, publish
from pipeline.release.plan import Plan
from tests import command_line, github_api
from tests.release.conftest import REPOSITORY, TAG, commit, git, trained

pytestmark = pytest.mark.usefixtures("place")


def plan():
    """Return the plan that was written."""
    return Plan.model_validate_json(Path("release/plan.json").read_bytes())


def pushed(shelf, place, version="1", tag="1.2.3", revision=None):
    """Push what an interrupted release pushed, and return its digest."""
    return shelf.put(
        tag,
        **{
            "org_opencontainers_image_revision": revision or git(place, "rev-parse", "HEAD"),
            "heart-disease_model_name": "heart_disease",
            "heart-disease_model_version": version,
        },
    )


def test_a_plan_names_the_champion_by_its_number(place, github, shelf):
    """What a promotion changes later is for the next release."""
    prepare.run(RunContext.read(), TAG)

    found = plan()
    assert (found.model_name, found.model_version) == ("heart_disease", 1)
    assert found.tag == TAG
    assert found.version == "1.2.3"
    assert found.revision == git(place, "rev-parse", "HEAD")
    assert found.image == shelf.image
    assert found.image.endswith("/acme/heart")
    assert not found.prerelease
    assert not found.digest
    assert github.changes == 0


def test_the_package_beside_the_plan_is_whole(github, shelf):
    """And its archive holds the same files."""
    prepare.run(RunContext.read(), TAG)

    about = ModelPackager().validate_package("release/package")
    assert about.model_digest == plan().model_digest
    with tarfile.open(f"release/{plan().package}.tar.gz") as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    package = Path("release/package")
    assert names == {p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file()}
    assert github.changes == 0
    assert shelf.digests() == {}


def test_the_deployment_files_name_the_image_that_is_released(github, shelf):
    """By its version; a person need not fill it in."""
    prepare.run(RunContext.read(), TAG)

    for name in ("compose.yaml", "kubernetes/deployment.yaml"):
        text = Path("release/package/deployment", name).read_text()
        assert f"image: {shelf.image}:1.2.3\n" in text
    assert "name: heart\n" in text
    assert github.changes == 0


def test_no_release_begins_while_the_tests_of_main_fail(github, shelf):
    """The issue of CI says so; one of the nightly tests, or by another author, does not."""
    issue.run(RunContext.read(), issue.Suite.NIGHTLY, "failure")
    issue.run(RunContext.read(), issue.Suite.MAIN, "failure")
    (nightly, red) = github.issues
    github.issues = [red]

    with pytest.raises(ReleaseError, match=red["html_url"]):
        prepare.run(RunContext.read(), TAG)

    github.issues = [nightly, red | {"user": {"login": "somebody"}}]
    prepare.run(RunContext.read(), TAG)
    assert shelf.digests() == {}


def test_no_release_begins_before_its_commit_is_trained(place, github, shelf):
    """A tag that is pushed together with main would ship the champion of before."""
    first = git(place, "rev-parse", "HEAD")
    commit(place, "second")
    git(place, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(place, "tag", "v1.2.4")
    with pytest.raises(ReleaseError, match=f"has not ended; the last that has is of {first[:12]}"):
        prepare.run(RunContext.read(), "v1.2.4")
    assert not Path("release").exists()

    trained(place)
    prepare.run(RunContext.read(), "v1.2.4")
    git(place, "checkout", "--quiet", TAG)
    prepare.run(RunContext.read(), TAG)
    assert (github.changes, shelf.digests()) == (0, {})


def test_a_fork_with_its_issues_turned_off_is_released(github, shelf):
    """Nothing can hold it back there."""
    github.issues = None

    prepare.run(RunContext.read(), TAG)

    assert plan().tag == TAG
    assert shelf.digests() == {}


def test_preparing_again_writes_the_same(github, shelf):
    """Byte for byte, and nothing is left of before."""
    prepare.run(RunContext.read(), TAG)
    first = {p: p.read_bytes() for p in Path("release").rglob("*") if p.is_file()}
    Path("release/left-over").write_text("x")

    prepare.run(RunContext.read(), TAG)

    assert {p: p.read_bytes() for p in Path("release").rglob("*") if p.is_file()} == first
    assert shelf.digests() == {}
    assert github.changes == 0


def test_a_pre_release_says_so(place, github, shelf):
    """It will set another alias."""
    git(place, "tag", "v2.0.0-rc.1")

    prepare.run(RunContext.read(), "v2.0.0-rc.1")

    assert plan().prerelease
    assert plan().alias == "staging"
    assert shelf.digests() == {}
    assert github.changes == 0


def test_without_a_champion_there_is_one_line_and_nothing_else(place, github, shelf, monkeypatch):
    """The tag came before the first training."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/empty.db")

    with pytest.raises(
        NoChampionError,
        match="for no version holds heart_disease@champion yet: let a training on main end",
    ):
        prepare.run(RunContext.read(), TAG)
    assert not Path("release").exists()
    assert shelf.digests() == {}
    assert github.changes == 0


def refused(tag, said):
    """Assert that a tag is refused, and that nothing is left of the attempt."""
    with pytest.raises(ReleaseError, match=said) as found:
        prepare.run(RunContext.read(), tag)
    assert "\n" not in str(found.value)
    assert not Path("release").exists()


def test_what_is_no_version_is_refused_before_anything_is_asked(github):
    """Also a branch, on which the button was pressed."""
    refused("main", r"'main' is not v and a version of SemVer 2\.0")
    assert github.calls == []


def test_a_tag_that_does_not_exist_is_refused(github):
    """The clone may lack it."""
    refused("v9.9.9", "this clone has no tag v9.9.9: `git fetch --tags`")
    assert github.calls == []


def test_a_tag_that_is_not_checked_out_is_refused(place, github):
    """The image would be built from something else."""
    commit(place, "second")
    git(place, "update-ref", "refs/remotes/origin/main", "HEAD")

    refused(TAG, "the work tree is not v1.2.3 as it was committed")
    assert github.calls == []


def test_a_changed_work_tree_is_refused(place, github):
    """As above."""
    (place / "file").write_text("changed")

    refused(TAG, "the work tree is not v1.2.3 as it was committed")
    assert github.calls == []


def test_a_tag_without_these_files_is_refused(place, github):
    """The folder lies in a repository, but is none of its own."""
    git(place, "rm", "--quiet", "--cached", "config.yaml")
    git(place, "commit", "--quiet", "--message", "another project")
    git(place, "tag", "v1.3.0")

    refused("v1.3.0", r"v1\.3\.0 cannot be compared .*: the commit .* does not hold")
    assert github.calls == []


def test_a_tag_beside_main_is_refused(place, github):
    """What is released was reviewed and merged."""
    git(place, "checkout", "--quiet", "-b", "side")
    commit(place, "never merged")
    git(place, "tag", "v1.3.0")

    refused("v1.3.0", r"v1\.3\.0 is not on main: merge [0-9a-f]{12}, then tag")
    assert github.calls == []


def test_a_tag_on_an_older_commit_of_main_is_taken(place, github, shelf):
    """A patch of what is in use."""
    head = git(place, "rev-parse", "HEAD")
    commit(place, "second")
    git(place, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(place, "checkout", "--quiet", "--detach", head)

    prepare.run(RunContext.read(), TAG)

    assert plan().revision == head
    assert shelf.digests() == {}
    assert github.changes == 0


def test_a_clone_without_main_is_refused(place, github):
    """A shallow one cannot say what is on main."""
    git(place, "update-ref", "-d", "refs/remotes/origin/main")

    refused(TAG, "this clone has no origin/main")
    assert github.calls == []


def test_an_annotated_tag_leads_to_its_commit(place, github, shelf):
    """It is an object of its own."""
    git(place, "tag", "--annotate", "--message", "text", "v1.2.4")

    prepare.run(RunContext.read(), "v1.2.4")

    assert plan().revision == git(place, "rev-parse", "HEAD")
    assert shelf.digests() == {}
    assert github.changes == 0


@pytest.mark.usefixtures("github")
def test_an_image_of_another_commit_is_in_the_way(place, shelf):
    """A tag was moved, or the version was pushed by hand."""
    digest = pushed(shelf, place, revision="b" * 40)

    refused(TAG, "acme/heart:1.2.3 exists already, built from bbbbbbbbbbbb and not")
    assert shelf.digests() == {"1.2.3": digest}


def test_a_published_release_without_its_image_is_in_the_way(github, shelf):
    """It has files of its own, so it is no page that a person made for the tag."""
    publish_by_hand(github)
    github.releases[0]["assets"] = [{"id": 7, "name": "SHA256SUMS", "state": "uploaded"}]
    refused(TAG, "the release v1.2.3 is published already, without .*: delete it on GitHub, where")

    github.releases[0]["assets"] = []
    prepare.run(RunContext.read(), TAG)
    assert plan().tag == TAG
    assert shelf.digests() == {}


def publish_by_hand(github, tag=TAG, *, draft=False):
    """Make a release on GitHub."""
    made = {"id": github.new_id(), "tag_name": tag, "draft": draft, "assets": []}
    urls = {"html_url": f"https://github.com/{REPOSITORY}/{tag}", "upload_url": "x"}
    github.releases.append(made | urls)


def test_a_finished_release_is_refused(place, github, shelf, registry):
    """The same tag again: image, Release and mark are there."""
    pushed(shelf, place)
    publish_by_hand(github)
    registry.tag(registry.version("heart_disease", 1), {"released_as": f"v1.2.2 {TAG}"})

    refused(TAG, r"v1\.2\.3 is released already, as \S+/acme/heart:1\.2\.3@sha256:[0-9a-f]{64}: ")


@pytest.fixture
def newer(registry):
    """Return the version that became champion after the one that an interrupted release pushed."""
    svm = registry.version("heart_disease_svm", 1)
    version = registry.copy(svm, "heart_disease", {})
    registry.tag(version, registry.version("heart_disease", 1).tags | svm.tags)
    better = provenance.promotion(RunContext.read(), "promoted", "better")
    registry.promote(version, better, over=registry.champion("heart_disease"))
    return version


@pytest.mark.parametrize("published", [None, "draft", "published"])
@pytest.mark.usefixtures("newer")
def test_an_interrupted_release_goes_on_with_what_it_pushed(place, github, shelf, published):
    """Although another version is champion by now."""
    digest = pushed(shelf, place)
    if published:
        publish_by_hand(github, draft=published == "draft")

    prepare.run(RunContext.read(), TAG)

    assert plan().model_version == 1
    assert plan().digest == digest
    assert plan().image_id


def test_a_release_that_pushed_nothing_begins_with_the_champion_of_now(newer, github, shelf):
    """The one before was never published."""
    publish_by_hand(github, draft=True)

    prepare.run(RunContext.read(), TAG)

    assert plan().model_version == newer.version
    assert shelf.digests() == {}


def test_a_release_behind_a_hundred_others_is_found(place, github, shelf, registry):
    """The API gives a hundred at once."""
    publish_by_hand(github)
    for number in range(150):
        publish_by_hand(github, f"v0.0.{number}")
    pushed(shelf, place)
    registry.tag(registry.version("heart_disease", 1), {"released_as": TAG})

    refused(TAG, "is released already")


@pytest.mark.parametrize("missing", ["GITHUB_REPOSITORY", "GITHUB_TOKEN"])
def test_what_is_missing_from_the_environment_is_named(github, shelf, monkeypatch, missing):
    """Before anything is written."""
    monkeypatch.delenv(missing)

    with pytest.raises(SettingsError, match=f"{missing} must be set"):
        prepare.run(RunContext.read(), TAG)
    assert not Path("release").exists()
    assert (github.changes, shelf.digests()) == (0, {})


STEPS = {
    "build": (build.run, "prepare"),
    "publish": (publish.run, "build"),
    "announce": (lambda context: announce.run(context.ci), "publish"),
    "mark": (lambda context: mark.run(context.settings), "publish"),
}


@pytest.mark.parametrize(("step", "before"), STEPS.values(), ids=STEPS)
def test_a_step_without_a_plan_names_the_one_before(github, shelf, step, before):
    """Instead of publishing half of a release."""
    hint = f"run `.venv/bin/python -m pipeline.release {before}` first"
    with pytest.raises(ReleaseError, match=hint):
        step(RunContext.read())
    assert (github.changes, shelf.digests()) == (0, {})


def test_a_step_after_the_next_names_the_one_before(github, shelf):
    """The plan is there, and not as far."""
    prepare.run(RunContext.read(), TAG)

    for name in ("publish", "announce", "mark"):
        step, before = STEPS[name]
        with pytest.raises(
            ReleaseError, match=rf"v1\.2\.3 has not got that far: run .*release {before}`"
        ):
            step(RunContext.read())
    assert (github.changes, shelf.digests()) == (0, {})


def test_a_damaged_plan_is_one_line(github):
    """It is not edited by hand."""
    Path("release").mkdir()
    Path("release/plan.json").write_text(json.dumps({"tag": "v1"}))

    with pytest.raises(ReleaseError, match=r"plan\.json is damaged: prepare the release again"):
        mark.run(RunContext.read().settings)
    assert github.calls == []


def test_a_package_of_another_model_stops_the_build(github, shelf, place):
    """The plan was for another champion."""
    prepare.run(RunContext.read(), TAG)
    other = plan().model_copy(update={"model_version": 2})
    Path("release/plan.json").write_text(other.model_dump_json())

    with pytest.raises(ReleaseError, match="holds heart_disease/1, the plan ships heart_disease/2"):
        build.run(RunContext.read())
    commit(place, "second")
    Path("release/plan.json").write_text(
        other.model_copy(update={"model_version": 1}).model_dump_json()
    )
    with pytest.raises(ReleaseError, match=r"the work tree is not v1\.2\.3 any more"):
        build.run(RunContext.read())
    assert (github.changes, shelf.digests()) == (0, {})


@pytest.mark.usefixtures("place")
def test_the_command_ends_with_one_line(github, shelf):
    """As it is typed; the token is nowhere in it."""
    done = command_line.call("pipeline.release", "prepare", "v1.2")

    assert done.returncode == 1
    assert done.stderr == (
        "error: 'v1.2' is not v and a version of SemVer 2.0: tag like v1.2.3 or v1.2.3-rc.1\n"
    )
    assert github_api.TOKEN not in done.stdout + done.stderr
    assert (github.calls, shelf.digests()) == ([], {})


def test_a_registry_out_of_reach_is_one_line(github, monkeypatch):
    """It is asked before the champion is packaged."""
    monkeypatch.setenv("REGISTRY", "127.0.0.1:9")
    monkeypatch.setattr("pipeline.base.rest.ATTEMPTS", 1)

    with pytest.raises(PipelineError, match=r"127\.0\.0\.1:9 gave no answer") as found:
        prepare.run(RunContext.read(), TAG)
    assert "\n" not in str(found.value)
    assert github.changes == 0
