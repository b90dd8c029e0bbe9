"""A release for real: an engine builds the image, a registry of images takes it, both are asked.

One after the other, because an image takes a minute: each test goes on where the last one stopped.
"""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import requests

from pipeline.base.context import RunContext
from pipeline.base.errors import ImageError, ReleaseError
from pipeline.image import saved
from pipeline.image.docker import Engine
from pipeline.registry.client import connect
from pipeline.release import announce, build, mark, prepare, publish
from pipeline.release.plan import Plan
from tests import github_api, osv_api
from tests.containers import client_of_engine, registry_of_images, remove_images
from tests.release import faulty
from tests.release.conftest import TAG, Shelf, clone, git

# No other image has this in its name.
REPOSITORY = "Acme/Heart-Disease-Release-Test"

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def client():
    """Return a client of the engine; the images that the tests made go with it."""
    with client_of_engine() as client:
        yield client
        remove_images(client, REPOSITORY.lower())


@pytest.fixture(scope="module")
def world(tmp_path_factory, client):
    """Return a clone with everything around it, for all tests of this module."""
    assert client.ping()
    folder = tmp_path_factory.mktemp("world")
    with (
        pytest.MonkeyPatch.context() as patch,
        github_api.serving() as github,
        osv_api.serving() as osv,
        registry_of_images(folder) as address,
        faulty.in_front_of(address) as images,
    ):
        clone(tmp_path_factory.getbasetemp(), folder / "clone", patch)
        for name, value in {
            "GITHUB_API_URL": github.url,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_TOKEN": github_api.TOKEN,
            "GITHUB_OUTPUT": str(folder / "output"),
            "OSV_URL": osv.url,
            "REGISTRY": images.address,
        }.items():
            patch.setenv(name, value)
        yield World(github.state, images, folder)


class World:
    """What a release meets."""

    def __init__(self, github, images, folder):
        """Keep it, and what a command reads in the clone."""
        self.github, self.images, self.folder = github, images, folder
        self.context = RunContext.read()
        self.shelf = Shelf(images, REPOSITORY.lower())

    @property
    def plan(self):
        """Return the plan as it is now."""
        return Plan.model_validate_json(Path("release/plan.json").read_bytes())

    @property
    def registry(self):
        """Return the registry of models."""
        return connect(self.context.settings.registry)

    def finish(self):
        """Do what is left after an image was built."""
        publish.run(self.context)
        announce.run(self.context.ci)
        mark.run(self.context.settings)


def test_what_was_prepared_is_built_verified_and_scanned(world, capfd):
    """And nothing of it is published yet."""
    prepare.run(world.context, TAG)

    build.run(world.context)

    shown = capfd.readouterr().out
    assert "FAILED" not in shown
    assert "no known vulnerability" in shown
    assert "verified" in shown
    assert world.shelf.digests() == {}
    assert world.github.changes == 0
    listed = Path("release/SHA256SUMS").read_text()
    assert sorted(line.split("  ")[1] for line in listed.splitlines()) == [
        "MODEL_CARD.md",
        "heart_disease_model_v1.tar.gz",
        "sbom.cdx.json",
    ]
    assert "Step 1/" in Path("release/build.log").read_text()
    image = Engine().image(world.plan.versioned)
    assert image.labels["org.opencontainers.image.version"] == "1.2.3"
    assert image.labels["org.opencontainers.image.revision"] == world.plan.revision


def test_another_image_than_the_verified_one_is_not_pushed(world):
    """The file goes from one machine to another."""
    kept = shutil.copy("release/image.tar", world.folder / "kept.tar")
    with tarfile.open(kept) as old, tarfile.open("release/image.tar", "w") as new:
        for member in old:
            content = old.extractfile(member)
            if member.name == "manifest.json":
                about = json.load(content)
                changed = b"{}"
                about[0]["Config"] = "changed.json"
                add(new, "changed.json", changed)
                add(new, member.name, json.dumps(about).encode())
            else:
                new.addfile(member, content)
    assert saved.image_id(Path("release/image.tar")) != world.plan.image_id

    with pytest.raises(ReleaseError, match=r"image\.tar is not the image that was verified"):
        publish.run(world.context)
    shutil.copy(kept, "release/image.tar")
    assert world.shelf.digests() == {}


def add(tar, name, content):
    """Add a file to an archive."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


# What is put into the registry: the version by the engine, the two short tags by us.
TAGS = ["1.2.3", "1.2", "latest"]


@pytest.mark.parametrize("done_before", [False, True], ids=["not done", "done, answer lost"])
@pytest.mark.parametrize("number", range(len(TAGS)), ids=TAGS)
def test_a_push_that_breaks_off_leaves_nothing_half_done(world, number, done_before):
    """Each run goes on where the last one broke off; what is there is never put again."""
    # The version, once there, is not put again; the short tags are, each time.
    world.images.fail(max(number, 1), done_before=done_before)
    before = world.shelf.digests()

    with pytest.raises((ImageError, ReleaseError)):
        publish.run(world.context)

    after = world.shelf.digests()
    assert before.items() <= after.items()
    assert set(after) - set(before) <= {TAGS[number]}
    assert set(TAGS[:number]) <= set(after)
    assert len(set(after.values())) <= 1
    world.images.fail(0, done_before=False)


def test_it_is_pushed_pulled_and_verified(world, capfd):
    """After all those attempts: one image, the same under each of its names."""
    publish.run(world.context)

    digests = world.shelf.digests()
    assert sorted(digests) == ["1.2", "1.2.3", "latest"]
    assert set(digests.values()) == {world.plan.digest}
    assert world.images.put.count("1.2.3") == 1
    shown = capfd.readouterr().out
    assert f"{world.plan.pinned} answers like heart_disease/1" in shown
    output = (world.folder / "output").read_text().splitlines()[-2:]
    assert output == [f"image={world.plan.image}", f"digest={world.plan.digest}"]
    assert world.plan.highest


def test_it_is_announced_and_marked(world):
    """With the digest that the registry gave."""
    announce.run(world.context.ci)
    mark.run(world.context.settings)

    (found,) = world.github.releases
    assert not found["draft"]
    assert world.plan.digest in found["body"]
    version = world.registry.find_alias("heart_disease", "production")
    assert version.tags["released_image"] == world.plan.pinned


def test_the_same_tag_again_is_refused(world):
    """It is released; the line says as what."""
    with pytest.raises(ReleaseError, match=r"v1\.2\.3 is released already, as "):
        prepare.run(world.context, TAG)


def test_another_image_under_the_version_stays(world):
    """A rebuilt one, whose plan knows nothing of the first."""
    digests = world.shelf.digests()
    path = Path("release/plan.json")
    plan = world.plan
    other = world.shelf.put("9.9.9", a="b")
    assert other
    path.write_text(plan.model_copy(update={"version": "9.9.9", "tag": "v9.9.9"}).model_dump_json())

    with pytest.raises(ReleaseError, match=r"test:9\.9\.9 is another image than the one that"):
        publish.run(world.context)
    assert world.shelf.digests() == digests | {"9.9.9": other}
    path.write_text(plan.model_dump_json())


def test_an_interrupted_release_is_taken_up_on_another_machine(world, client):
    """Only the mark is missing: everything is run again, and the image stays what it was."""
    digests, pushes = world.shelf.digests(), len(world.images.put)
    plan = world.plan
    shutil.rmtree("release")
    client.images.remove(plan.pinned, force=True)
    registry = world.registry
    registry.tag(registry.version("heart_disease", 1), {"released_as": ""})

    prepare.run(world.context, TAG)
    build.run(world.context)
    world.finish()

    assert world.plan.digest == plan.digest
    assert world.shelf.digests() == digests
    # The short tags are put again, on the same image; `latest` and `1.2` are not below 9.9.9.
    assert set(world.images.put[pushes:]) <= {"1.2"}
    assert len(world.github.releases) == 1
    assert registry.version("heart_disease", 1).tags["released_as"] == TAG


def test_a_base_is_pinned_by_the_digest_of_its_registry(world):
    """What a release was built on can be had again; what no registry knows keeps its name."""
    engine, plan = Engine(), world.plan
    engine.pull(plan.versioned)

    assert engine.pinned(plan.versioned) == f"{plan.versioned}@{plan.digest}"
    engine.tag(plan.pinned, f"{REPOSITORY.lower()}:here")
    assert engine.pinned(f"{REPOSITORY.lower()}:here") == f"{REPOSITORY.lower()}:here"
    assert plan.base == ""


def test_the_image_of_the_release_is_what_a_person_pulls(world, client):
    """By its digest, from a registry that was asked for nothing else."""
    digest = world.plan.digest
    body = requests.get(
        f"http://{world.images.address}/v2/{REPOSITORY.lower()}/manifests/{digest}",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        timeout=10,
    ).content
    assert f"sha256:{hashlib.sha256(body).hexdigest()}" == digest
    assert client.images.get(world.plan.pinned).labels["heart-disease.model.version"] == "1"


def test_a_tag_moves_nothing_that_git_does_not_know(world):
    """Nothing of all this changed the clone."""
    assert git(world.folder / "clone", "status", "--porcelain", "--untracked-files=no") == ""
    assert subprocess.run(["git", "tag"], check=True, capture_output=True).stdout == b"v1.2.3\n"
