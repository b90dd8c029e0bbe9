"""The whole task: which version is packaged, what is written, and that it is always the same."""

import json
from pathlib import Path

import mlflow
import pytest
import yaml
from mlflow import MlflowClient

from pipeline import model_packaging
from pipeline.base import artifacts
from pipeline.base.context import RunContext
from pipeline.base.errors import ConversionError, NoChampionError, RegistryError
from pipeline.base.names import FAMILIES, HISTORY, SERVED, registered_name
from pipeline.model_packaging import ModelPackager
from pipeline.packaging.packager import PROMOTION_TAGS
from tests import command_line
from tests.conftest import ROOT
from tests.task4_model_packaging.conftest import PACKAGED, TREE, only_line

ELSEWHERE = "history_elsewhere"
TASK = "pipeline.model_packaging"
ONE_LINER = (
    "from pipeline.model_packaging import ModelPackager; "
    "print(ModelPackager().get_champion_model_info())"
)
PACKAGE_ALL = (
    "from pipeline.model_packaging import ModelPackager; packager = ModelPackager(); "
    f"[packager.create_package(name, 1) for name in reversed({PACKAGED!r})]"
)
ENVIRONMENT = [
    "SHA256SUMS",
    "conda.yaml",
    "packaged_with.json",
    "python_env.yaml",
    "requirements.txt",
]


def written(folder):
    """Return what the task writes below ``folder``, by path."""
    tops = (artifacts.PACKAGES, artifacts.ENVIRONMENTS)
    return {
        f"{top}/{path}": content
        for top in tops
        for path, content in artifacts.files_below(folder / top).items()
    }


@pytest.fixture(scope="module")
def empty_uri(tmp_path_factory):
    """Return the address of an unused registry."""
    return f"sqlite:///{tmp_path_factory.mktemp('empty')}/mlflow.db"


@pytest.fixture
def client(tracking_uri):
    """Return MLflow's own client."""
    return MlflowClient(tracking_uri, tracking_uri)


def test_the_champion_is_the_one_that_mlflow_names(packager, client):
    """Name, version and figures are those of the version that holds the alias."""
    alias = client.get_model_version_by_alias(SERVED, "champion")

    info = packager.get_champion_model_info()

    assert (info["model_name"], info["version"]) == (alias.name, int(alias.version))
    assert info["run_id"] == alias.run_id
    assert info["roc_auc"] == float(alias.tags["roc_auc"])
    assert {name: alias.tags[name] for name in PROMOTION_TAGS}.items() <= (info.items())


def test_the_champion_s_figures_are_those_of_its_exam(packager, trained):
    """They went from the cross-validation through the registry without a loss that shows."""
    info = packager.get_champion_model_info()
    known = trained[info["family"]].evaluation

    assert info["roc_auc"] == pytest.approx(known.metrics["roc_auc"].mean, abs=1e-6)
    assert info["brier"] == pytest.approx(known.metrics["brier"].mean, abs=1e-6)
    assert info["threshold"] == known.threshold


def test_the_one_liner_of_the_readme_prints_the_champion(command):
    """In a fresh process, from the root of the repository."""
    done = command("-c", ONE_LINER)

    assert done.returncode == 0, done.stderr
    assert f"'model_name': '{SERVED}', 'version': 1" in done.stdout
    assert "'roc_auc': 0." in done.stdout


def test_no_champion_is_one_line_that_says_what_to_run(empty_uri, place):
    """And exit code 1; nothing is written."""
    done = command_line.call(TASK, MLFLOW_TRACKING_URI=empty_uri)

    assert "run `.venv/bin/python -m pipeline.experiment_tracking` first" in only_line(done)
    assert not (place / "packages").exists()


def test_no_champion_is_an_error_of_its_own(place, monkeypatch, empty_uri):
    """For a program that asks, rather than a person."""
    assert place.is_dir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", empty_uri)

    with pytest.raises(NoChampionError, match=f"no version holds {SERVED}@champion"):
        ModelPackager().get_champion_model_info()
    with pytest.raises(NoChampionError, match="experiment_tracking"):
        ModelPackager().create_package()


@pytest.fixture
def promoted_by_hand(client):
    """Give the alias to a version that was never promoted, and take it back."""
    mlflow.set_tracking_uri(client.tracking_uri)
    made = client.copy_model_version(f"models:/{registered_name('svm')}/1", SERVED)
    client.set_registered_model_alias(SERVED, "champion", made.version)
    yield f"{SERVED}/{made.version}"
    client.rename_registered_model(ELSEWHERE, HISTORY)
    client.set_registered_model_alias(SERVED, "champion", "1")
    client.delete_model_version(SERVED, made.version)


def test_an_alias_moved_by_hand_changes_nothing_until_the_history_is_lost(
    client, packager, promoted_by_hand, capsys
):
    """Then the version that was never promoted is named, without a traceback of a missing tag."""
    assert packager.get_champion_model_info()["version"] == 1
    assert f"{SERVED}@champion stands on version " in capsys.readouterr().out

    client.rename_registered_model(HISTORY, ELSEWHERE)
    with pytest.raises(RegistryError, match=f"{promoted_by_hand} was never promoted .*promoted_at"):
        packager.get_champion_model_info()


def test_the_task_writes_the_documented_tree(place, capsys):
    """A package, its archive and the environment, and it says so."""
    model_packaging.run(RunContext.read())

    assert sorted(written(place)) == sorted(
        [
            *(f"environments/{SERVED}_model_v1/{name}" for name in ENVIRONMENT),
            *(f"packages/{SERVED}_model_v1/{name}" for name in TREE),
            f"packages/{SERVED}_model_v1.tar.gz",
        ]
    )
    printed = capsys.readouterr().out
    for text in (f"packages/{SERVED}_model_v1/", f"{SERVED}_model_v1.tar.gz", "10,920 patients"):
        assert text in printed


def test_packaging_leaves_the_registry_as_it_was(packager, client):
    """Only task 3 creates versions and moves aliases."""
    before = {name: len(client.search_model_versions(f"name='{name}'")) for name in PACKAGED}

    packager.create_package()

    after = {name: len(client.search_model_versions(f"name='{name}'")) for name in PACKAGED}
    assert after == before
    assert client.get_model_version_by_alias(SERVED, "champion").version == 1


@pytest.mark.parametrize("model_name", PACKAGED)
def test_every_family_can_be_packaged_and_is_valid(factory, packager, model_name):
    """The package says which version it is, and passes its own check."""
    found = packager.validate_package(factory / "packages" / f"{model_name}_model_v1")

    assert (found.model_name, found.version) == (model_name, 1)
    assert found.registered_as == f"{registered_name(found.family)}/1"
    assert found.rows_compared == 10_920
    assert found.greatest_difference < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_the_manifest_repeats_what_is_known_about_the_model(factory, packager, trained, family):
    """Digests, threshold and every metric are those of the trained model."""
    folder = factory / "packages" / f"{registered_name(family)}_model_v1"

    found = packager.validate_package(folder)

    model = trained[family]
    assert found.family == family
    assert found.model_digest == model.digest
    assert found.data_digest == model.parameters.data_digest
    assert found.threshold == model.evaluation.threshold
    assert found.metrics == {k: known.mean for k, known in model.evaluation.metrics.items()}
    assert set(found.files) == {*TREE} - {"manifest.json"}


def test_packaging_again_in_place_changes_no_byte(packager, place):
    """Neither in the folder nor in the archive; what else lies in the folder goes."""
    packager.create_package()
    first = written(place)
    (place / "packages" / f"{SERVED}_model_v1" / "model" / "extra.bin").write_bytes(b"x")

    packager.create_package()

    assert written(place) == first


def test_packages_are_the_same_in_another_process_folder_zone_mask_and_language(
    command, factory, place
):
    """Packaged in another order too: nothing that was loaded before shows in the bytes."""
    elsewhere = place / "anders wo"
    elsewhere.mkdir()
    (elsewhere / "config.yaml").symlink_to(place / "config.yaml")
    (elsewhere / "data").symlink_to(place / "data")

    done = command(
        *("-c", PACKAGE_ALL),
        cwd=elsewhere,
        umask=0o077,
        TZ="Asia/Tokyo",
        PYTHONHASHSEED="4",
        LC_ALL="C",
    )

    assert done.returncode == 0, done.stderr
    here, there = written(factory), written(elsewhere)
    assert [path for path in here if here[path] != there.get(path)] == []
    assert here.keys() == there.keys()


def test_a_named_version_gets_a_folder_of_its_own(packager, place):
    """The champion's package stays as it was."""
    packager.create_package()
    before = written(place)

    done = command_line.call(TASK, "--model", "heart_disease_svm", "--version", "1")

    assert done.returncode == 0, done.stderr
    after = written(place)
    assert before.items() <= after.items()
    added = {path.split("/")[1] for path in after.keys() - before.keys()}
    assert added == {"heart_disease_svm_model_v1", "heart_disease_svm_model_v1.tar.gz"}


def test_a_family_without_a_version_means_its_champion(packager):
    """`--model NAME` alone asks for the alias of that model."""
    folder = packager.create_package("heart_disease_logistic_regression")

    assert folder == Path("packages/heart_disease_logistic_regression_model_v1")


@pytest.mark.parametrize(
    ("model_name", "version"),
    [("heart_disease_svm", 99), ("heart_diseases", 1)],
    ids=["no such version", "no such model"],
)
def test_an_unknown_version_is_one_line_that_names_it(packager, place, model_name, version):
    """And nothing is written."""
    with pytest.raises(RegistryError, match=f"holds no {model_name}/{version}$"):
        packager.create_package(model_name, version)
    assert not (place / "packages").exists()


@pytest.fixture
def changed(factory, client):
    """Flip one bit of a registered file, behind the registry's back, and put it back."""
    source = client.get_model_version(registered_name("svm"), "1").source
    (file,) = factory.glob(f"mlruns/*/models/{source.removeprefix('models:/')}/**/model.onnx")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    yield "model.onnx"
    file.write_bytes(content)


def test_a_changed_file_in_the_registry_is_never_packaged(packager, place, changed):
    """The file is named, and nothing is written."""
    with pytest.raises(RegistryError, match=f"is not what was published: {changed} has changed"):
        packager.create_package("heart_disease_svm", 1)
    assert not (place / "packages").exists()
    assert not (place / "environments").exists()


def test_a_tolerance_that_onnx_cannot_meet_stops_packaging(place, monkeypatch):
    """Before anything is written."""
    monkeypatch.setenv("PIPELINE__PACKAGING__TOLERANCE", "1e-30")

    with pytest.raises(ConversionError, match=r"on 10,920 patients \(limit"):
        ModelPackager().create_package()
    assert not (place / "packages").exists()


def test_the_environments_describe_the_interpreter_and_the_packages(factory, files):
    """The same snapshots lie in the package and beside it."""
    folder = factory / "environments" / f"{SERVED}_model_v1"
    found = artifacts.read_folder(folder, "model_packaging")

    assert found == {
        name.removeprefix("environment/"): content
        for name, content in files.items()
        if name.startswith("environment/")
    }
    packaged = json.loads(found["packaged_with.json"])
    assert packaged["packages"]["mlflow"] == mlflow.__version__
    assert packaged.keys() == {"python", "implementation", "system", "machine", "packages"}
    conda = yaml.safe_load(found["conda.yaml"])
    assert f"python={packaged['python']}" in conda["dependencies"]


def test_the_snapshots_pin_what_the_lock_pins(files):
    """Every requirement has an exact version, and it is the locked one."""
    requirements = files["environment/requirements.txt"].decode().splitlines()
    locked = {
        line.split()[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if line
    }

    assert {*requirements} <= locked
    assert {line.split("==")[0] for line in requirements} >= {"scikit-learn", "skops", "mlflow"}
