"""The image: what is in it, who may do what, and how it runs. All on a real engine."""

import json
import re
import subprocess
import sys

import docker
import pytest

from pipeline.base import artifacts, config
from pipeline.base.context import RunContext
from pipeline.base.errors import ImageError, PackageError
from pipeline.image.build import build
from pipeline.image.docker import HARDENED, Engine
from pipeline.image.http import Service
from pipeline.image.verify import verify
from pipeline.model_packaging import ModelPackager
from pipeline.packaging import package
from tests.conftest import ROOT
from tests.containers import compose, free_port
from tests.integration.image.conftest import TESTED, ours

BASE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
MEGABYTES = 1_000_000
LARGEST = 200 * MEGABYTES
NEVER = {"bentoml", "joblib", "mlflow", "pandas", "scikit-learn", "scipy", "skops", "cloudpickle"}
INSTALLERS = {"pip", "setuptools", "uv", "wheel"}
PROGRAMS = "pip pip3 uv gcc cc g++ clang make curl wget git"


@pytest.fixture(autouse=True)
def _no_container_is_left(client):
    yield
    assert ours(client) == []


def run(client, name, *command):
    """Return what a program in the image prints, under the flags that users are given."""
    output = client.containers.run(
        name, list(command[1:]), entrypoint=command[0], remove=True, stderr=True, **HARDENED
    )
    return output.decode()


@pytest.fixture(scope="session")
def sbom(factory, built):
    """Return the components that the SBOM lists."""
    assert built
    path = factory / "images" / "heart_disease_model_v1" / "sbom.cdx.json"
    found = json.loads(path.read_bytes())
    assert found["bomFormat"] == "CycloneDX"
    return found["components"]


@pytest.fixture(scope="session")
def packages(sbom):
    """Return the names of the Python packages in the image."""
    return {one["name"] for one in sbom if one.get("purl", "").startswith("pkg:pypi/")}


def test_the_image_adds_at_most_200_megabytes_to_its_base(built):
    """BentoML's own recipe adds more than a thousand."""
    assert Engine().image(built).size - Engine().image(BASE).size <= LARGEST


def test_the_packages_are_those_of_the_lock(packages):
    """No more, and none is missing."""
    lock = (ROOT / "requirements-serving.txt").read_text()

    assert packages == set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))


def test_no_package_that_trains_tracks_or_unpickles_is_in_the_image(packages):
    """What answers needs onnxruntime alone."""
    assert "onnxruntime" in packages
    assert packages.isdisjoint(NEVER | INSTALLERS)


def test_no_file_in_the_image_is_a_pickle(client, built):
    """Loading one would run what is in it."""
    found = run(client, built, "find", "/app", "-name", "*.joblib", "-o", "-name", "*.pkl")

    assert found == ""


def test_nothing_in_the_image_compiles_or_installs(client, built):
    """What a break-in would use first."""
    script = f"for p in {PROGRAMS}; do command -v $p; done; ls /usr/share/python-wheels; true"
    script += "; python3 -m pip; python3 -m ensurepip; true"

    found = run(client, built, "sh", "-c", script)

    assert not re.search(r"^/\S+$", found, re.MULTILINE)
    assert "No module named pip" in found
    assert "No module named ensurepip" in found


def test_the_user_is_not_root_and_can_write_neither_code_nor_model(client, built):
    """Also without a read-only file system."""
    script = "id -u; find /app /opt/venv -writable ! -type l | head -3"
    found = client.containers.run(built, ["-c", script], entrypoint="sh", remove=True).decode()

    assert found == "10001\n"


def test_the_code_in_the_image_is_compiled_already(client, built):
    """A read-only file system could keep nothing that is compiled at the start."""
    sources = run(client, built, "find", "/app/pipeline", "-name", "*.py").split()
    compiled = run(client, built, "find", "/app/pipeline", "-name", "*.pyc").split()

    assert len(sources) == len(compiled) > 15


def test_the_image_runs_without_a_shell(client, built):
    """Its entry point and its health check are programs, not lines for one."""
    settings = client.images.get(built).attrs["Config"]

    assert settings["Entrypoint"][0] == "/opt/venv/bin/python"
    assert settings["Healthcheck"]["Test"][0] == "CMD"


def test_the_labels_name_the_model_and_the_source(client, built, champion):
    """An image says where it comes from."""
    labels = client.images.get(built).labels
    about = json.loads((champion / "manifest.json").read_bytes())

    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.title"]
    assert labels["org.opencontainers.image.version"] == built.partition(":")[2]
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.created"].startswith("20")
    assert labels["heart-disease.model.version"] == str(about["version"])
    assert labels["heart-disease.model.digest"] == about["model_digest"]
    assert labels["heart-disease.data.digest"] == about["data_digest"]


def test_the_log_of_the_build_is_kept(factory, built):
    """With every step."""
    log = (factory / "images" / "heart_disease_model_v1" / "build.log").read_text()

    assert "Step 1/" in log
    assert built in log


def test_the_sbom_lists_the_system_s_packages_too(sbom):
    """A scanner needs both."""
    kinds = {one["purl"].split("/")[0] for one in sbom if "purl" in one}

    assert {"pkg:deb", "pkg:pypi"} <= kinds


def test_the_container_becomes_healthy_by_its_own_check(client, built):
    """Without curl, and under the locks."""
    container = client.containers.run(built, detach=True, **HARDENED)
    try:
        check = client.images.get(built).attrs["Config"]["Healthcheck"]["Test"][1:]
        for _ in range(100):
            code, output = container.exec_run(check)
            if code == 0:
                break
        assert (code, output) == (0, b"")
    finally:
        container.remove(force=True)


@pytest.mark.parametrize(
    "surroundings",
    [{"user": "1234567:0"}, {"network_mode": "none"}],
    ids=["any user", "no network"],
)
def test_the_container_needs_neither_its_user_nor_a_network(client, built, surroundings):
    """OpenShift gives each project a number, which no file of the image knows, and group 0."""
    container = client.containers.run(built, detach=True, **surroundings, **HARDENED)
    try:
        check = client.images.get(built).attrs["Config"]["Healthcheck"]["Test"][1:]
        assert any(container.exec_run(check)[0] == 0 for _ in range(100))
        assert container.logs().decode().count("\n") == 1
    finally:
        container.remove(force=True)


def test_the_image_answers_like_the_champion(built, champion, place, capsys):
    """Golden patients, hostile requests, labels, /info and SIGTERM; one row for each."""
    assert place.is_dir()

    verify(config.load(), built, champion)

    shown = capsys.readouterr().out
    assert "FAILED" not in shown
    assert "verified" in shown
    for row in ("labels", "ready", "/info", "hostile requests", "golden patients", "SIGTERM"):
        assert row in shown


def test_an_image_can_be_held_against_what_it_carries(built, place, capsys):
    """A pulled image comes without a package."""
    assert place.is_dir()

    verify(config.load(), built)

    assert "the package it carries" in capsys.readouterr().out


def test_an_image_of_another_model_is_refused_with_the_reason(built, place):
    """The forest is not the champion of this folder."""
    other = place / "packages" / "heart_disease_svm_model_v1"

    with pytest.raises(ImageError, match=r"is not to be used: labels: .*golden patients") as found:
        verify(config.load(), built, other)
    assert "/info: differs" in str(found.value)


def test_a_model_that_was_swapped_inside_the_image_is_never_ready(built, derived, place):
    """The manifest is checked before the model is opened; the last line of the log says so."""
    other = (place / "packages/heart_disease_svm_model_v1/model/model.onnx").read_bytes()
    name = derived("COPY other.onnx /app/package/model/model.onnx", **{"other.onnx": other})
    champion = place / "packages" / "heart_disease_model_v1"

    with pytest.raises(ImageError, match=r"exit code 1: error: .*model/model\.onnx has changed"):
        verify(config.load(), name, champion)
    with pytest.raises(PackageError, match=r"model/model\.onnx has changed"):
        verify(config.load(), name)
    assert built != name


def test_an_image_that_runs_as_root_is_refused(client, built, place):
    """However well it answers."""
    name = f"{built}-root"
    Engine().build({"Dockerfile": f"FROM {built}\nUSER 0\n".encode()}, name, {}, {}, lambda _: None)

    with pytest.raises(ImageError, match="user: 0"):
        verify(config.load(), name, place / "packages" / "heart_disease_model_v1")
    assert client.ping()


def test_an_image_that_does_not_exist_is_one_line(client, place):
    """It names both ways to get one."""
    assert client.ping()
    assert place.is_dir()

    with pytest.raises(ImageError, match=r"no image nothing:here: build it with `make image`, or"):
        verify(config.load(), "nothing:here")


def test_a_changed_file_of_the_package_stops_the_build(client, champion, place):
    """Before anything is built."""
    model = champion / "model" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\0")

    with pytest.raises(PackageError, match=r"model/model\.onnx has changed"):
        build(RunContext.read(), chosen=champion, tag="heart-disease-test:never")
    assert not (place / ".bentoml").exists()
    assert not client.images.list("heart-disease-test:never")


def test_other_versions_than_the_model_was_packaged_with_stop_the_build(client, champion):
    """A package of another numpy, which is otherwise in order."""
    files = artifacts.files_below(champion)
    packaged = json.loads(files[package.PACKAGED_WITH])
    packaged["packages"]["numpy"] = "1.26.4"
    files[package.PACKAGED_WITH] = json.dumps(packaged).encode()
    about = json.loads(files["manifest.json"])
    about["files"][package.PACKAGED_WITH] = package.manifest.sha256(files[package.PACKAGED_WITH])
    sealed = package.Manifest.model_validate(about).sealed()
    files["manifest.json"] = package.json_bytes(sealed)
    artifacts.write_sealed_folder(champion, files, seal="manifest.json")

    with pytest.raises(ImageError, match=r"numpy \S+ is installed, 1\.26\.4 was packaged with"):
        build(RunContext.read(), chosen=champion, tag="heart-disease-test:never")
    assert not client.images.list("heart-disease-test:never")


def test_a_base_image_that_cannot_be_had_is_one_line(client, champion):
    """With what the engine says about it."""
    assert client.ping()

    with pytest.raises(ImageError, match="cannot build heart-disease-test:never: "):
        build(
            RunContext.read(),
            chosen=champion,
            tag="heart-disease-test:never",
            base_image="nowhere.invalid/nothing:1",
        )


def test_a_pushed_image_can_be_pulled_by_its_digest_and_answers_as_before(
    client, built, champion, oci_registry, capsys
):
    """The registry gave the digest that the command prints."""
    name = f"{oci_registry}/team/{TESTED}:test"
    build(RunContext.read(), chosen=champion, tag=name, push=True)
    digest = re.search(r"pushed\s+\S+@(sha256:[0-9a-f]{64})", capsys.readouterr().out)[1]
    client.images.remove(name, force=True)

    pulled = client.images.pull(f"{oci_registry}/team/{TESTED}@{digest}")

    verify(config.load(), f"{oci_registry}/team/{TESTED}@{digest}", champion)
    client.images.remove(pulled.id, force=True)
    assert built


def test_a_push_to_nowhere_is_one_line(client, built, place):
    """The image stays on the engine."""
    assert place.is_dir()
    name = f"127.0.0.1:{free_port()}/nothing:here"
    client.images.get(built).tag(name)

    with pytest.raises(ImageError, match=f"cannot push {name}"):
        Engine().push(name, lambda _: None)
    client.images.remove(name)


def test_compose_brings_the_service_up_locked_down(built, monkeypatch):
    """The file is what people who pull are given."""
    port = free_port()
    monkeypatch.setenv("IMAGE", built)
    monkeypatch.setenv("PORT", str(port))
    # What the command line sets for the tests is not for compose.
    command = [*compose(), "--project-name", "heart-test", "--file", f"{ROOT}/docker/compose.yaml"]
    start = [*command, "up", "--detach", "heart-disease"]
    subprocess.run(start, check=True, capture_output=True)
    try:
        service = Service("127.0.0.1", port)
        service.wait(30, lambda: "")
        (container,) = docker.from_env().containers.list(
            filters={"label": "com.docker.compose.project=heart-test"}
        )
        limits = container.attrs["HostConfig"]

        assert limits["ReadonlyRootfs"] is True
        assert limits["CapDrop"] == ["ALL"]
        assert limits["SecurityOpt"] == ["no-new-privileges:true"]
        assert service.post("/predict", {"age": 63, "sex": 1, "cp": 1}).status == 200
    finally:
        subprocess.run([*command, "down", "--volumes"], check=True, capture_output=True)


def test_compose_says_that_no_image_was_named():
    """The team's server, in the same file, does not need one: so there is a name that says it."""
    command = [*compose(), "--project-name", "heart-test", "--file", f"{ROOT}/docker/compose.yaml"]
    start = [*command, "up", "heart-disease"]
    done = subprocess.run(start, capture_output=True, text=True, check=False)
    subprocess.run([*command, "down", "--volumes"], check=True, capture_output=True)

    assert done.returncode
    assert "IMAGE_is_not_set" in done.stderr


def test_without_an_engine_the_command_ends_with_one_line(champion, monkeypatch):
    """It names the next step."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")

    with pytest.raises(ImageError, match="no Docker engine answers: install Docker and start it"):
        build(RunContext.read(), chosen=champion)
    assert ModelPackager().validate_package(champion)
