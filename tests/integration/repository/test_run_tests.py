"""`run_tests.py`: tiers, single tasks, and pytest's own arguments."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from run_tests import INTEGRATION, NIGHTLY
from tests import conftest
from tests.conftest import LONG, ROOT

FOLDERS = {
    "--task1": {"tests/task1_data_acquisition_eda/", "tests/dataset/", "tests/table/"},
    "--task2": {"tests/task2_feature_engineering/", "tests/evaluation/", "tests/training/"},
    "--task3": {"tests/task3_experiment_tracking/", "tests/gate/", "tests/registry/"},
    "--task4": {"tests/task4_model_packaging/"},
}
EVERY = {"tests/repository/"}.union(*FOLDERS.values())

SLOW = """
import time, pytest

@pytest.fixture
def prepared(): time.sleep(0.2)

def test_prepared(prepared): pass
"""


@pytest.fixture
def clone(tmp_path):
    """Return a repository in small: a test of each task, of its rooms, and one more."""
    for name in ["run_tests.py", "pyproject.toml"]:
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for folder in EVERY:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "test_it.py").write_text("def test_leak(): pass\ndef test_b(): pass\n")
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/__init__.py").write_text("def untested():\n    return 1\n")
    return tmp_path


def run(clone, *arguments):
    """Run the script in a process of its own, whose coverage is not that of this suite."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return subprocess.run(
        [sys.executable, clone / "run_tests.py", *arguments],
        cwd=clone.parent,
        env=outside,
        capture_output=True,
        text=True,
        check=False,
    )


def record(written):
    """Return what a record holds of each test."""
    return ET.fromstring(written).iter("testcase")  # noqa: S314 (pytest wrote it)


def collected(clone, *arguments):
    """Return the folders of the tests that the script chooses."""
    done = run(clone, *arguments, "--collect-only", "-q")
    return {line.split("test_it.py")[0] for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.parametrize("task", FOLDERS)
def test_a_task_chooses_its_folder_and_its_rooms(clone, task):
    """And no other test."""
    assert collected(clone, task) == FOLDERS[task]


def test_tasks_combine(clone):
    """In any order."""
    assert collected(clone, "--task3", "--task1") == FOLDERS["--task1"] | FOLDERS["--task3"]


@pytest.mark.parametrize(
    ("option", "further"),
    [
        ([], {f"{INTEGRATION}/repository/"}),
        (["--fast"], set()),
        (["--all"], {f"{INTEGRATION}/repository/", f"{NIGHTLY}/repository/"}),
    ],
    ids=["without", "fast", "all"],
)
def test_a_tier_is_a_folder(clone, option, further):
    """The fast tests lie beside them; without an option, nothing runs that belongs to the night."""
    for tier in (INTEGRATION, NIGHTLY):
        (clone / tier / "repository").mkdir(parents=True)
        (clone / tier / "repository/test_it.py").write_text("def test_slow(): pass\n")

    assert collected(clone, *option) == EVERY | further
    assert collected(clone, "--nightly") == {f"{NIGHTLY}/repository/"}


def test_one_tier_at_a_time(clone):
    """Two would be one of them, without a word."""
    done = run(clone, "--fast", "--nightly")

    assert done.returncode == 2
    assert "not allowed with argument --fast" in done.stderr


def test_the_slowest_tests_are_named_at_the_end(clone):
    """With what was prepared for them."""
    (clone / "tests/repository/test_it.py").write_text(SLOW.replace("0.2", "0.6"))

    named = r"^\d+\.\d\ds setup +tests/repository/test_it\.py::test_prepared$"
    assert re.search(named, run(clone).stdout, re.MULTILINE)


def test_further_arguments_go_to_pytest(clone):
    """With a task or without."""
    assert "3 passed" in run(clone, "--task2", "-k", "leak").stdout
    assert "11 passed" in run(clone, "-k", "leak").stdout


def test_a_path_goes_to_pytest(clone):
    """The tests that belong to no task are reached by their folder."""
    assert collected(clone, "tests/repository") == {"tests/repository/"}


@pytest.mark.parametrize("part", ["--task1", "--fast"])
def test_a_part_measures_no_coverage(clone, part):
    """The floor is a promise about the whole suite, and a person waits for a part."""
    done = run(clone, part)

    assert done.returncode == 0
    assert "coverage" not in done.stdout


def test_the_whole_suite_fails_below_the_coverage_floor(clone):
    """The function that no test of this small repository calls."""
    done = run(clone)

    assert done.returncode != 0
    assert "Required test coverage of 90.0% not reached" in done.stdout + done.stderr


def test_the_whole_suite_leaves_a_record_of_its_times(clone):
    """With what was prepared for a test; a part of the suite leaves the record alone."""
    (clone / "tests/repository/test_it.py").write_text(SLOW)
    run(clone)
    written = (clone / "reports/tests.xml").read_bytes()
    run(clone, "--task1")

    assert (clone / "reports/tests.xml").read_bytes() == written
    times = {one.get("name"): float(one.get("time")) for one in record(written)}
    assert len(times) == 3
    assert times["test_prepared"] >= 0.2


def test_a_suite_that_is_interrupted_leaves_no_record(clone, monkeypatch):
    """It would pass for the whole."""
    (clone / "tests/repository/test_it.py").write_text("def test(): raise KeyboardInterrupt\n")
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "0")

    assert run(clone).returncode == 2
    assert not (clone / "reports/tests.xml").exists()


def test_long_files_begin_first_and_the_others_keep_their_order():
    """A name that is no file any more would begin last, and run alone."""
    names = [
        "tests/a.py::test",
        f"tests/{LONG[1]}::test",
        "tests/b.py::test",
        f"tests/{LONG[0]}::t",
    ]
    items = [SimpleNamespace(nodeid=name) for name in names]
    conftest.pytest_collection_modifyitems(items)

    assert [item.nodeid for item in items] == [names[3], names[1], names[0], names[2]]
    assert [name for name in LONG if not (ROOT / "tests" / name).is_file()] == []


def test_one_file_more_than_cores_is_run_at_once_unless_another_number_is_given(monkeypatch):
    """Xdist's own variable gives it."""
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    assert conftest.pytest_xdist_auto_num_workers() == os.cpu_count() + 1

    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "0")
    assert conftest.pytest_xdist_auto_num_workers() is None


def test_a_failing_test_is_a_failing_exit_code(clone):
    """CI reads nothing else."""
    (clone / "tests/task1_data_acquisition_eda/test_it.py").write_text(
        "def test_a(): assert False\n"
    )

    assert run(clone, "--task1").returncode == 1


def test_help_shows_examples(clone):
    """And every task by its name."""
    shown = run(clone, "--help").stdout

    assert "python run_tests.py --task1 --task3" in shown
    assert all(name in shown for name in FOLDERS)


def test_the_folders_of_this_repository_are_those_the_script_knows():
    """A renamed folder would otherwise leave its tests out."""
    existing = {f"tests/{path.name}/" for path in (ROOT / "tests").glob("task*")}

    assert existing <= EVERY


def test_ci_shows_which_tests_failed_and_why(tmp_path):
    """On the page of the run, so that a reader need not open a log."""
    (tmp_path / "test_it.py").write_text("def test_sum():\n    assert 1 + 1 == 3, 'a <b> sum'\n")
    page = tmp_path / "summary.md"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "test_it.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GITHUB_STEP_SUMMARY": str(page)},
        capture_output=True,
        check=False,
    )

    assert done.returncode == 1
    assert page.read_text().startswith("**1 tests failed**")
    assert "`test_it.py::test_sum`: AssertionError: a &lt;b> sum" in page.read_text()
