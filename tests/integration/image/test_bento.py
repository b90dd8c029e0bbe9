"""The Bento: what it carries, and that BentoML serves it like the image does."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from pipeline.base import artifacts
from pipeline.base.context import RunContext
from pipeline.base.errors import ImageError
from pipeline.image import bento, checks
from pipeline.image.build import build
from pipeline.image.http import Service
from pipeline.packaging import package
from tests.containers import free_port

LOCK = """\
# a comment
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:0123 \\
    --hash=sha256:4567
    # via onnxruntime
uvloop==0.23.0 \\
    --hash=sha256:89ab
"""


@pytest.fixture
def folder(champion):
    """Return the folder of the champion's Bento."""
    build(RunContext.read(), chosen=champion, only_bento=True)
    (found,) = (champion.parents[1] / ".bentoml" / "bentos" / "heart_disease").glob("v1-*")
    return found


def test_the_bento_carries_what_is_served_and_nothing_else_of_the_package(folder):
    """No pickle, and nothing that only scikit-learn reads."""
    carried = artifacts.files_below(folder / "src" / "package")

    assert carried.keys() == set(package.SERVED)


def test_the_bento_carries_no_module_that_trains_or_tracks(folder):
    """Importing all that it carries needs the lock of the service, and BentoML."""
    carried = artifacts.files_below(folder / "src" / "pipeline")

    assert "service.py" in carried
    assert not any(name.startswith("adapters/") for name in carried)
    assert not re.search(
        rb"import (pandas|sklearn|mlflow|skops|joblib)", b"".join(carried.values())
    )


def test_bentoml_knows_the_bento_by_its_tag(folder):
    """In the store of this folder, not in the user's home."""
    about = yaml.safe_load((folder / "bento.yaml").read_text())

    assert (about["name"], about["version"]) == ("heart_disease", folder.name)
    assert folder.name.startswith("v1-")


def test_building_again_takes_the_bento_that_is_there(folder, champion):
    """The tag names the content."""
    before = (folder / "bento.yaml").stat().st_mtime_ns

    build(RunContext.read(), chosen=champion, only_bento=True)

    assert (folder / "bento.yaml").stat().st_mtime_ns == before


def test_the_requirements_of_the_bento_are_the_pins_of_the_lock():
    """Without hashes: BentoML adds itself, and has none."""
    expected = "numpy==2.4.6 ; python_full_version < '3.12'\nuvloop==0.23.0\n"

    assert bento.requirements(LOCK) == expected


def test_no_setting_of_the_user_steers_bentoml(champion, monkeypatch, request):
    """Neither a file that is not there nor modules from elsewhere."""
    assert champion.is_dir()
    monkeypatch.setenv("BENTOML_CONFIG", "/nowhere/bentoml.yaml")
    monkeypatch.setenv("BENTOML_CONFIG_OPTIONS", "nonsense")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")

    assert (request.getfixturevalue("folder") / "bento.yaml").is_file()


def test_what_bentoml_refuses_is_one_line(tmp_path):
    """The end of what it said, which says why."""
    sources = {"bentofile.yaml": b"service: nothing:here\n"}

    with pytest.raises(ImageError, match=r"bentoml build failed: .*nothing"):
        bento.build(tmp_path, "v1", sources)
    assert not (tmp_path / "bentos" / "heart_disease" / "v1").exists()


def test_bentoml_serves_the_bento_with_the_champion_s_answers(folder, place):
    """Through BentoML's own server and layers."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "bentoml", "serve", f"heart_disease:{folder.name}"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        env={**os.environ, "BENTOML_HOME": str(place / ".bentoml"), "BENTOML_DO_NOT_TRACK": "True"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        service = Service("127.0.0.1", port)
        service.wait(60, lambda: "it ended" if process.poll() is not None else "")
        files = artifacts.files_below(folder / "src" / "package")
        about, golden = package.check(files, "", package.SERVED), package.read_golden(files)
        answer = service.post("/predict", [one.patient for one in golden])

        assert checks.check_answers(about, golden, answer.body).passed
        assert checks.check_info(about, service.get("/info").json()).passed
        assert answer.headers["model-version"] == "heart_disease/1"
        assert service.post("/predict", {"age": 1000}).status == 422
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_bento_of_a_tampered_package_does_not_start(folder, place):
    """BentoML imports the service, and the service checks its package."""
    model = folder / "src" / "package" / "model" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    script = "from pipeline.service import HeartDisease; HeartDisease()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder / "src",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "model/model.onnx has changed" in done.stderr
    assert json.loads((place / "packages/heart_disease_model_v1/manifest.json").read_text())
