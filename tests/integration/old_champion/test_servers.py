"""An old champion in its registry, served as the registry branch is, and in the real service."""

import json
import os
import subprocess
import sys

import pytest

from pipeline.base import artifacts, config
from pipeline.base.context import RunContext
from pipeline.base.names import FAMILIES, SERVED, registered_name
from pipeline.model_packaging import ModelPackager
from pipeline.packaging.package import CODE, MLFLOW, read_golden
from pipeline.registry import doctor, mlflow_server
from pipeline.registry.client import Registry
from pipeline.report import comparison
from tests.integration.serving.servers import serving

NAMES = (*map(registered_name, FAMILIES), SERVED)
READ = """
import sys, joblib, skops.io
file = sys.argv[1]
skops.io.load(file, trusted=skops.io.get_untrusted_types(file=file))
joblib.load(sys.argv[2])
"""


@pytest.fixture(scope="module", autouse=True)
def address(old, clone):
    """Let the clone use the old registry; no test changes what that holds."""
    assert clone.is_dir()
    with mlflow_server.serving(old / "registry") as uri, pytest.MonkeyPatch.context() as patch:
        patch.setenv(config.TRACKING_URI, uri)
        yield uri


def test_the_doctor_finds_nothing_wrong(capsys):
    """It reads every file of every version and compares it with its manifest."""
    doctor.run(RunContext.read(), grace=0)

    assert "healthy       nothing is wrong with the registry" in capsys.readouterr().out


def test_every_champion_is_read(address):
    """Each family's too: together they name every type that a model file may hold."""
    registry = Registry(address, "tests")
    champions = [registry.incumbent(registry.champion(name)) for name in NAMES]

    assert {champion.title: champion.problem for champion in champions} == {
        f"{name}/1": "" for name in NAMES
    }


def test_the_report_compares_the_models_of_today_with_it(capsys):
    """It names the family of a champion only where the champion was refitted and compared."""
    comparison.run(RunContext.read())

    assert "champion      heart_disease/1 (Logistic regression)" in capsys.readouterr().out


@pytest.fixture(scope="module")
def again(clone):
    """Return the folder of a package that today's code makes of the old champion."""
    return clone / ModelPackager().create_package()


def test_it_is_packaged_again(old, again):
    """The new package is valid, and holds the files that the registry kept as they were."""
    ModelPackager().validate_package(again)

    kept = artifacts.files_below(old / "package" / MLFLOW)
    assert artifacts.files_below(again / MLFLOW) == kept


def test_a_package_made_again_holds_the_code_that_its_models_name(again, tmp_path):
    """Both model files are read where this repository is not."""
    files = [again / "model" / name for name in ("model.skops", "model.joblib")]
    outside = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(again / CODE)}

    subprocess.run([sys.executable, "-c", READ, *files], cwd=tmp_path, env=outside, check=True)


def test_its_package_is_served_and_answers_as_then(old, tmp_path):
    """Over HTTP, each golden patient gets the golden answer."""
    golden = read_golden(artifacts.files_below(old / "package"))
    with serving(old / "package", tmp_path) as server:
        answer = json.loads(server.predict(json.dumps([one.patient for one in golden])).body)

    assert answer["model"] == {"name": SERVED, "version": 1}
    for one, found in zip(golden, answer["predictions"], strict=True):
        assert found["probability"] == pytest.approx(one.probability, abs=1e-5)
        assert (found["label"], found["risk_band"]) == (one.label, one.risk_band)
