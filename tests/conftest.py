"""What every test may use. Each test works in a folder of its own, with the real data."""

import os
import shutil
import signal
from pathlib import Path

import hypothesis
import pytest

from benchmarks.ending import STOPPING
from pipeline.base import config, git_settings, pages
from pipeline.base.context import RunContext
from pipeline.table import parsing, source

ROOT = Path(__file__).parents[1]
pytest_plugins = ["tests.quick_models"]

# What an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "untimed",
    hypothesis.settings(),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("untimed")

# The property of a test that plays less than the whole, with both sizes.
SAMPLE = "sample"

# Where CI shows what a step has to say; the tests themselves do not see it.
SUMMARY = os.environ.get("GITHUB_STEP_SUMMARY")
# The real models and data, examined less often: enough for every fact but the figures themselves.
QUICK = {
    "EVALUATION__FOLDS": "5",
    "EVALUATION__REPEATS": "1",
    "ABLATION_REPEATS": "1",
    "EVALUATION__BOOTSTRAP_SAMPLES": "100",
    "MODELS__RANDOM_FOREST__N_ESTIMATORS": "10",
    "MODELS__GRADIENT_BOOSTING__N_ESTIMATORS": "20",
    "REGISTER_OVERRIDDEN": "true",
    "WORKERS": "1",
    "SOURCE__WAIT_SECONDS": "0",
}
# The files that take a minute or more, or wait for a server or an engine: the longest first.
LONG = (
    "integration/team_server/test_server.py",
    "task3_experiment_tracking/test_challengers.py",
    # These two prepare nothing for which the others would wait.
    "registry/doctor/test_registry_doctor.py",
    "registry/test_registry.py",
    "task3_experiment_tracking/test_experiment_tracking.py",
    "task3_experiment_tracking/test_in_a_clone.py",
    "task3_experiment_tracking/test_quick_look.py",
    "nightly/registry/test_registry_of_a_team.py",
    "integration/registry/test_registry_of_a_server.py",
    "nightly/benchmarks/test_quick.py",
    "nightly/documentation/test_samples.py",
    "nightly/faults/test_calls.py",
    "nightly/faults/test_task3.py",
    "nightly/faults/test_races.py",
    "nightly/faults/test_postgresql.py",
    "integration/image/test_image.py",
    "integration/registry_transfer/test_registry_transfer.py",
    "integration/registry_branch/test_registry_branch.py",
    "report/comparison/test_comparison.py",
    "integration/serving/test_server.py",
    "integration/old_champion/test_servers.py",
    "nightly/faults/test_crashes.py",
    "nightly/faults/test_storage.py",
    "task4_model_packaging/test_model_packaging.py",
    "integration/repository/test_run_tests.py",
)


def pytest_xdist_auto_num_workers():
    """Run one file more at once than there are cores: a test often waits for a server."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """Begin with what takes long, so that nothing is left to run alone at the end."""
    order = {f"tests/{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


def pytest_terminal_summary(terminalreporter):
    """Say which tests were a sample of more; on the page of the CI run, name those that failed."""
    passed = terminalreporter.stats.get("passed", ())
    sizes = {(name, size) for one in passed for name, size in one.user_properties}
    for _, size in sorted((each for each in sizes if each[0] == SAMPLE), key=str):
        terminalreporter.line(f"a sample: {size}")
    failed = [
        *terminalreporter.stats.get("failed", ()),
        *terminalreporter.stats.get("error", ()),
    ]
    if SUMMARY and failed:
        lines = [f"- `{one.nodeid}`: {pages.cell(_reason(one))}\n" for one in failed]
        with Path(SUMMARY).open("a", encoding="utf-8") as file:
            file.writelines([f"**{len(failed)} tests failed**\n\n", *lines, "\n"])


def _reason(failed) -> str:
    crash = getattr(failed.longrepr, "reprcrash", None)
    return crash.message.partition("\n")[0] if crash else str(failed.longrepr)[-200:]


def lay_out(folder: Path) -> None:
    """Put into ``folder`` what a fresh clone holds, as far as the tasks read it."""
    shutil.copy(ROOT / "config.yaml", folder)
    shutil.copytree(ROOT / "data" / "raw", folder / "data" / "raw")


@pytest.fixture(scope="session", autouse=True)
def _interruptible():
    # A shell starts a program in the background with SIGINT ignored, and its children inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside():
    for name in list(os.environ):
        if name.startswith((config.PREFIX, "MLFLOW_", "GITHUB_")):
            del os.environ[name]
    # The tests may run in a hook of git, which would lead their own git to the real clone.
    for name in os.environ.keys() - git_settings.reading(os.environ).keys():
        del os.environ[name]


@pytest.fixture(autouse=True)
def _nothing_left_in_the_process():
    """Undo what the commands of later tests would inherit: ignored signals, MLflow's address."""
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    address = os.environ.get(config.TRACKING_URI)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    if address is None:
        os.environ.pop(config.TRACKING_URI, None)
    else:
        os.environ[config.TRACKING_URI] = address


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Return an empty clone as the current folder: raw data and settings, nothing made yet."""
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in QUICK.items():
        monkeypatch.setenv(config.PREFIX + name, value)
    return tmp_path


@pytest.fixture
def git_of_nobody(tmp_path, monkeypatch):
    """Leave out git's settings of the person who runs the tests."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "none"))


@pytest.fixture(scope="session")
def raw_files():
    """Return the content of each hospital's file by the hospital's name."""
    return source.read(ROOT / "data" / "raw")


@pytest.fixture(scope="session")
def parsed(raw_files):
    """Return every hospital's file as a table, for tests that change none of them."""
    return parsing.parse(raw_files)


@pytest.fixture
def context(workspace):
    """Return what a command reads in the workspace."""
    assert workspace.is_dir()
    return RunContext.read()
