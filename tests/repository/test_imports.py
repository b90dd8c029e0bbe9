"""Importing does nothing, and what must stay small stays small."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ROOT

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "pipeline").rglob("*.py")
    if path.name != "__main__.py"
)

# The service and its image hold none of these; the first two tasks need not wait for mlflow.
HEAVY = ["pandas", "sklearn", "mlflow", "matplotlib"]
LIGHT = [
    "table.contract",
    "base.manifest",
    "packaging.package",
    "serving.patients",
    "serving.server",
]
# Set by vendors while they are imported: scikit-learn, and pandera for an engine not used here.
VENDORS_OWN = {
    *("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"),
    *("PYARROW_IGNORE_TIMEZONE", "SPARK_LOCAL_IP"),
    "_MLFLOW_TELEMETRY_SESSION_ID",
}
# Set on purpose, by the package itself.
OURS = {
    *("NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "OPENBLAS_CORETYPE"),
    "ORT_DISABLE_TELEMETRY",
}
BEFORE_THE_REGISTRY = ["data_acquisition_eda", "feature_engineering"]

REPORT = """
import json, logging, os, sys
before = dict(os.environ)
import importlib
for module in sys.argv[1:]:
    importlib.import_module(module)
print(json.dumps({
    "environment": sorted({name for name, _ in before.items() ^ os.environ.items()}),
    "handlers": [str(handler) for handler in logging.getLogger().handlers],
    "level": logging.getLogger().level,
    "files": os.listdir(),
    "modules": sorted(sys.modules),
}))
"""


def after_importing(folder, *modules, **environment):
    """Return what a fresh Python in ``folder`` says about itself after it imported ``modules``."""
    outside = {name: value for name, value in os.environ.items() if name not in OURS}
    done = subprocess.run(
        [sys.executable, "-c", REPORT, *modules],
        cwd=folder,
        env={**outside, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1]) | {"output": done.stdout.count("\n") - 1}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Return what is left after every module of the pipeline was imported in an empty folder."""
    return after_importing(tmp_path_factory.mktemp("empty"), *MODULES)


def test_importing_makes_no_file(everything):
    """No folder and no database appears where a person happens to be."""
    assert everything["files"] == []


def test_importing_sets_no_environment_variable(everything):
    """What another program in the same process reads stays as it was."""
    assert set(everything["environment"]) <= VENDORS_OWN | OURS


def test_importing_onnxruntime_leaves_no_identifier_of_the_machine(tmp_path):
    """Its telemetry makes one in the user's cache, and sends it along."""
    left = after_importing(tmp_path, "pipeline.scoring.onnx_model", HOME=str(tmp_path))

    assert left["files"] == []
    assert "onnxruntime" in left["modules"]


def test_importing_configures_no_logging(everything):
    """That belongs to the program, not to a module."""
    assert (everything["handlers"], everything["level"]) == ([], 30)


def test_importing_prints_nothing(everything):
    """Standard output is for results."""
    assert everything["output"] == 0


@pytest.mark.parametrize("module", LIGHT)
def test_what_the_service_shares_imports_nothing_heavy(tmp_path, module):
    """The image that serves has neither pandas nor mlflow."""
    loaded = after_importing(tmp_path, f"pipeline.{module}")["modules"]

    assert set(HEAVY).isdisjoint(loaded)


@pytest.mark.parametrize(
    "task", [task for task in BEFORE_THE_REGISTRY if f"pipeline.{task}" in MODULES]
)
def test_a_task_before_the_registry_does_not_wait_for_mlflow(tmp_path, task):
    """Importing it takes seconds."""
    assert "mlflow" not in after_importing(tmp_path, f"pipeline.{task}")["modules"]


def test_the_registry_s_commands_do_not_wait_for_the_formats_of_models(tmp_path):
    """Each takes most of a second, and none of these commands reads or writes a model."""
    commands = [f"pipeline.registry.{name}" for name in ("doctor", "history", "rollback")]

    assert {"skops", "skl2onnx"}.isdisjoint(after_importing(tmp_path, *commands)["modules"])


def test_the_bento_carries_what_the_service_imports_and_nothing_else(tmp_path):
    """A module that is missing would stop the image when it starts."""
    patterns = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["include"]
    carried = {path for pattern in patterns for path in ROOT.glob(pattern.removeprefix("/"))}
    modules = [f"pipeline.serving.{name}" for name in ("__main__", "probe", "versions")]
    loaded = after_importing(tmp_path, "pipeline.service", *modules)["modules"]
    imported = {f"{name.replace('.', '/')}.py" for name in loaded if name.startswith("pipeline.")}
    files = {ROOT / name for name in imported if (ROOT / name).exists()}
    rooms = {path.parent / "__init__.py" for path in files}

    assert {path for path in carried if path.suffix == ".py"} == files | rooms
