"""A clone with a tag on main and a champion; beside it GitHub, a registry of images, a database."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from pipeline.base import archives, artifacts, config, manifest
from pipeline.base.names import SERVED
from pipeline.packaging import package
from pipeline.packaging.packager import ModelPackager
from pipeline.registry.client import Registry
from pipeline.release.plan import Plan
from tests import github_api, osv_api, prepared
from tests.conftest import ROOT, lay_out
from tests.containers import registry_of_images
from tests.release import faulty

REPOSITORY = "Acme/Heart"
TAG = "v1.2.3"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def git(folder, *arguments):
    """Run git in ``folder`` and return what it prints."""
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder, text):
    """Change a file, commit it, and return the commit."""
    (folder / "file").write_text(text)
    git(folder, "add", "file", "config.yaml")
    git(folder, "commit", "--quiet", "--message", text)
    return git(folder, "rev-parse", "HEAD")


def clone(below, folder, patch):
    """Make a clone and be in it: v1.2.3 is checked out and on main, and there is a champion.

    Its registry is a copy, whose versions' files stay where they were made.
    """
    made = prepared.registered(below)
    shutil.copytree(made, folder)
    for name in ("bentofile.yaml", "requirements-serving.txt", "docker"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    prepared.be_in(folder, patch)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "first")
    git(folder, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(folder, "tag", TAG)
    trained(folder)
    return folder


def trained(folder):
    """Note that the commit which is checked out was trained, as `experiment_tracking` does."""
    settings = config.load().registry
    registry = Registry(settings.tracking_uri, settings.experiment)
    registry.note_training(git(folder, "rev-parse", "HEAD"))


@pytest.fixture
def place(tmp_path, tmp_path_factory, monkeypatch):
    """Return a clone as the current folder."""
    return clone(tmp_path_factory.getbasetemp(), tmp_path / "clone", monkeypatch)


@pytest.fixture
def github(monkeypatch, tmp_path):
    """Return what the stand-in for GitHub holds; the environment leads to it."""
    with github_api.serving() as server:
        monkeypatch.setenv("GITHUB_API_URL", server.url)
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
        monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
        monkeypatch.setenv("GITHUB_TOKEN", github_api.TOKEN)
        monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
        yield server.state


@pytest.fixture
def osv(monkeypatch):
    """Return the stand-in for the database of vulnerabilities."""
    with osv_api.serving() as server:
        monkeypatch.setenv("OSV_URL", server.url)
        yield server


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Return the way to an empty registry of images, to which releases go."""
    with registry_of_images(tmp_path) as address, faulty.in_front_of(address) as proxy:
        monkeypatch.setenv("REGISTRY", proxy.address)
        yield proxy


@pytest.fixture
def settings(place):
    """Return the settings of the clone."""
    assert place.is_dir()
    return config.load()


@pytest.fixture
def registry(settings):
    """Return the clone's registry of models."""
    return Registry(settings.registry.tracking_uri, settings.registry.experiment)


class Shelf:
    """What one repository of a registry of images holds, over its own API."""

    def __init__(self, proxy, repository="acme/heart"):
        """Ask nothing yet."""
        self._address = f"http://{proxy.address}/v2/{repository}"
        self.image = f"{proxy.address}/{repository}"

    def put(self, tag, **labels):
        """Push an image of no layer with the given labels, and return its digest."""
        labels = {name.replace("_", "."): value for name, value in labels.items()}
        configuration = json.dumps({"config": {"Labels": labels}}).encode()
        digest = f"sha256:{hashlib.sha256(configuration).hexdigest()}"
        begun = requests.post(f"{self._address}/blobs/uploads/", timeout=10)
        requests.put(
            begun.headers["Location"], params={"digest": digest}, data=configuration, timeout=10
        ).raise_for_status()
        about = {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": len(configuration),
            "digest": digest,
        }
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": about, "layers": []}
        answer = requests.put(
            f"{self._address}/manifests/{tag}",
            data=json.dumps(manifest).encode(),
            headers={"Content-Type": MANIFEST},
            timeout=10,
        )
        answer.raise_for_status()
        return answer.headers["Docker-Content-Digest"]

    def digests(self):
        """Return the digest of every tag."""
        listed = requests.get(f"{self._address}/tags/list", timeout=10)
        tags = listed.json().get("tags") or [] if listed.ok else []
        return {tag: self._digest(tag) for tag in sorted(tags)}

    def _digest(self, tag):
        headers = {"Accept": MANIFEST}
        answer = requests.head(f"{self._address}/manifests/{tag}", headers=headers, timeout=10)
        return answer.headers["Docker-Content-Digest"]


@pytest.fixture
def shelf(images):
    """Return what the repository's image name holds."""
    return Shelf(images)


@pytest.fixture(scope="session")
def _pushed(tmp_path_factory):
    """Return ``release/`` as `publish` leaves it, with an image that is nowhere.

    Made by hand but for the package, whose manifest the release notes quote.
    """
    made = prepared.registered(tmp_path_factory.getbasetemp())
    with pytest.MonkeyPatch.context() as patch:
        prepared.be_in(made, patch)
        packager = ModelPackager(config.load())
        folder = tmp_path_factory.mktemp("packager")
        lay_out(folder)
        patch.chdir(folder)
        identity, files = packager.released_package(SERVED, 1, "ghcr.io/acme/heart:1.2.3")
    about = package.check(files, "the package")
    plan = Plan(
        tag=TAG,
        version=TAG[1:],
        prerelease=False,
        revision="a" * 40,
        image="ghcr.io/acme/heart",
        model_name=about.model_name,
        model_version=about.version,
        model_digest=about.model_digest,
        package=identity.folder,
        base="python:3.11-slim@sha256:" + "b" * 64,
        image_id="sha256:" + "c" * 64,
        digest="sha256:" + "d" * 64,
        highest=True,
    )
    folder = tmp_path_factory.mktemp("pushed") / "release"
    for name, content in files.items():
        artifacts.write_file(folder / "package" / name, content)
    archive = archives.tar_gz(files, identity.folder)
    artifacts.write_file(folder / f"{identity.folder}.tar.gz", archive)
    artifacts.write_file(folder / "sbom.cdx.json", b'{"components": []}')
    artifacts.write_file(folder / "plan.json", plan.model_dump_json().encode())
    names = (f"{identity.folder}.tar.gz", "sbom.cdx.json", "package/MODEL_CARD.md")
    sums = {Path(name).name: manifest.sha256((folder / name).read_bytes()) for name in names}
    artifacts.write_file(folder / "SHA256SUMS", manifest.checksum_lines(sums).encode())
    return folder


class Pushed:
    """A release that is as far as its image; the plan can be another one."""

    def __init__(self, folder):
        """Take what is in ``folder``."""
        self._path = folder / "plan.json"

    @property
    def plan(self):
        """Return the plan."""
        return Plan.model_validate_json(self._path.read_bytes())

    def change(self, **values):
        """Write another plan."""
        changed = self.plan.model_copy(update=values)
        self._path.write_text(changed.model_dump_json())


@pytest.fixture
def pushed(_pushed, tmp_path, monkeypatch):
    """Return a release whose image is pushed, in the current folder."""
    folder = shutil.copytree(_pushed, tmp_path / "release")
    monkeypatch.chdir(tmp_path)
    return Pushed(folder)
