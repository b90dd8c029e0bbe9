"""numpy computes with the same kernel everywhere, or no model is trained."""

import os
import subprocess
import sys

import pandas as pd
import pytest
import threadpoolctl

from pipeline.base import arithmetic, kernel
from pipeline.training import fitting, trained_model, workspace
from pipeline.training.fitting import Data
from tests.conftest import ROOT

DATA = Data(pd.DataFrame({"age": [40.0, 60.0]}), pd.DataFrame(), "abc")
HASWELL = {"sse4_2", "avx", "abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}
SKYLAKE = HASWELL | {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
CHOSEN_BY_NUMPY = ("OPENBLAS_", "NPY_")

LOADED = """
import pipeline
from joblib import Parallel, delayed
def loaded(*_):
    import numpy, scipy.linalg
    from threadpoolctl import threadpool_info
    found = [each["architecture"] for each in threadpool_info() if "architecture" in each]
    loops = numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return *sorted(found), *loops
for found in {loaded(), *Parallel(n_jobs=2)(delayed(loaded)(n) for n in range(4))}:
    print(*found)
"""
FIT_AND_ANSWER = """
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
import pandas as pd
from pipeline.evaluation import cross_validation
from pipeline.table.contract import FEATURES, TARGET
from pipeline.base.errors import KernelError
table = pd.DataFrame(np.eye(20, 13), columns=list(FEATURES)).assign(**{TARGET: [0, 1] * 10})
model = make_pipeline(LogisticRegression())
fitted = make_pipeline(LogisticRegression()).fit(table[list(FEATURES)], table[TARGET])
answers = cross_validation.probability(fitted, table)
print("answered", len(answers))
try:
    cross_validation.fit(model, table)
except KernelError as error:
    print(error)
"""
COMMAND = """
import runpy
import sys
import numpy
sys.argv = ["python"]
runpy.run_module("pipeline.{command}", run_name="__main__")
"""

has_others = pytest.mark.skipif(
    kernel.describe(kernel.machine(), kernel.flags()) != "Haswell",
    reason="only a processor with the usual kernel surely has another one",
)


def python(code, cwd=ROOT, **environment):
    """Run ``code`` in a fresh Python; nothing but what is given tells numpy how to compute."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(CHOSEN_BY_NUMPY)}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# --- the choice


@pytest.mark.parametrize(
    ("machine", "flags", "name"),
    [
        pytest.param("x86_64", HASWELL, "Haswell", id="as most"),
        pytest.param("x86_64", SKYLAKE, "Haswell", id="faster than most"),
        pytest.param("x86_64", HASWELL - {"avx2"}, "Sandybridge", id="no AVX2"),
        pytest.param(
            "x86_64", HASWELL - {"movbe"}, "Sandybridge", id="AVX2 without its companions"
        ),
        pytest.param("x86_64", {"sse4_2"}, "Nehalem", id="no AVX"),
        pytest.param("x86_64", set(), "Nehalem", id="says nothing"),
        pytest.param("aarch64", {"asimd"}, "ARMV8", id="ARM"),
        pytest.param("aarch64", set(), "ARMV8", id="ARM says nothing"),
        pytest.param("riscv64", {"v"}, None, id="unknown"),
        pytest.param("", set(), None, id="not Linux"),
    ],
)
def test_the_kernel_is_the_best_one_that_all_such_processors_run(machine, flags, name):
    """A kernel that the processor lacks would end the process with an illegal instruction."""
    found = kernel.choose(machine, flags)

    assert (found and found.name) == name


@pytest.mark.parametrize(("lower", "upper"), [("Sandybridge", "Haswell"), ("Nehalem", "Haswell")])
def test_a_lower_kernel_leaves_out_the_loops_of_a_higher_one(lower, upper):
    """Of its own accord, numpy would choose them by the processor, whatever OpenBLAS does."""
    unused = {each.name: set(each.unused) for each in kernel.KERNELS["x86_64"]}

    assert unused[lower] > unused[upper] > set()


@pytest.mark.parametrize("machine", kernel.KERNELS)
def test_the_last_kernel_asks_for_nothing(machine):
    """So there is always one."""
    assert kernel.KERNELS[machine][-1].needs == set()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(
            b"processor\t: 0\nflags\t\t: fpu avx2\nvmx flags\t: vnmi\n", {"fpu", "avx2"}, id="x86"
        ),
        pytest.param(b"flags: a\n\nflags: b\n", {"a"}, id="several processors"),
        pytest.param(b"Features\t: fp asimd\n", set(), id="ARM"),
        pytest.param(b"flags\n", set(), id="no colon"),
        pytest.param(b"\xff\xfe\x00flags", set(), id="no text"),
        pytest.param(b"", set(), id="empty"),
    ],
)
def test_the_flags_are_those_of_the_first_processor(tmp_path, content, found):
    """What an emulator or a sandbox writes there never stops the import."""
    (tmp_path / "cpuinfo").write_bytes(content)

    assert kernel.flags(tmp_path / "cpuinfo") == found


def test_a_processor_that_says_nothing_has_no_flags(tmp_path):
    """A sandbox may hide the file, or put a folder in its place."""
    assert kernel.flags(tmp_path) == kernel.flags(tmp_path / "cpuinfo") == set()


def test_the_usual_kernel_is_described_by_its_name():
    """Nothing is to be explained."""
    assert kernel.describe("x86_64", HASWELL) == "Haswell"


def test_a_lower_kernel_is_described_with_what_the_processor_lacks():
    """A person learns why their digests are not those of others."""
    assert kernel.describe("x86_64", HASWELL - {"avx2", "fma"}) == (
        "Sandybridge, as this processor lacks avx2, fma: "
        "models trained with Haswell have other bytes"
    )


def test_a_processor_without_a_known_kernel_is_described():
    """There, models have the bytes of the processor."""
    assert "the processor's own" in kernel.describe("riscv64", set())


# --- the pin


@has_others
@pytest.mark.parametrize(
    "outside",
    [
        pytest.param(
            {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "X86_V3"}, id="lower"
        ),
        pytest.param(
            {"OPENBLAS_CORETYPE": "SkylakeX", "NPY_ENABLE_CPU_FEATURES": "X86_V3"}, id="higher"
        ),
    ],
)
def test_the_package_decides_whatever_was_set_outside(outside):
    """Both copies of OpenBLAS, numpy's and scipy's, and numpy's loops, here and in workers."""
    done = python(LOADED, **outside)

    first, second, *loops = done.stdout.split()
    assert (first, second) == (kernel.PINNED.name, kernel.PINNED.name), done.stdout
    assert set(loops).isdisjoint(kernel.PINNED.unused)
    assert done.stdout.count("\n") == 1


def test_this_process_computes_with_the_pinned_kernel():
    """The tests train under the conditions of the commands."""
    assert arithmetic.kernel() == kernel.PINNED.name


def test_what_is_reproducible_takes_one_thread_and_gives_the_others_back():
    """With two, sums over all patients are cut in two, and some figures get other last digits."""

    def threads():
        return [each["num_threads"] for each in threadpoolctl.threadpool_info()]

    with threadpoolctl.threadpool_limits(2):
        with arithmetic.reproducible():
            assert set(threads()) == {1}
        assert set(threads()) == {2}


# --- numpy that was loaded earlier


@has_others
@pytest.mark.parametrize(
    ("outside", "named"),
    [
        pytest.param({"OPENBLAS_CORETYPE": "Nehalem"}, "Nehalem", id="OpenBLAS"),
        pytest.param(
            {"OPENBLAS_CORETYPE": kernel.PINNED.name},
            "X86_V4",
            id="loops",
            marks=pytest.mark.skipif(
                "avx512vl" not in kernel.flags(), reason="the processor has no further loops"
            ),
        ),
    ],
)
def test_numpy_loaded_earlier_answers_but_does_not_train(outside, named):
    """A notebook may import it first, and read every model; new ones would have other bytes."""
    done = python(FIT_AND_ANSWER, **outside)

    answered, error = done.stdout.splitlines()
    assert answered == "answered 20"
    assert error.startswith(f"numpy computes with {named}")
    assert error.endswith("start Python again, and import pipeline first")


@has_others
def test_numpy_loaded_earlier_with_the_same_kernel_trains():
    """On most processors of a few years ago, the order of the imports does not matter."""
    done = python(FIT_AND_ANSWER, **kernel.PINNED.variables())

    assert done.stdout.splitlines() == ["answered 20"], done.stderr


@has_others
@pytest.mark.parametrize("command", ["feature_engineering", "experiment_tracking", "report"])
def test_every_command_that_fits_stops_with_one_line_before_anything_else(workspace, command):
    """Before the tables are read: there are none here, and the error is not about them."""
    done = python(COMMAND.format(command=command), workspace, OPENBLAS_CORETYPE="Nehalem")

    assert done.returncode == 1
    assert done.stderr.startswith("error: numpy computes with Nehalem")
    assert done.stderr.count("\n") == 1
    assert not (workspace / "mlflow.db").exists()


# --- the record


def test_parameters_name_the_kernel(quick):
    """So that two trainings with equal parameters give equal models."""
    found = fitting.parameters("svm", workspace.plan(quick), DATA)

    assert found.kernel == kernel.PINNED.name
    assert found.flat()["kernel"] == kernel.PINNED.name


def test_parameters_of_before_are_read_as_unpinned(quick):
    """Champions that were trained earlier stay readable, and differ in nothing else."""
    now = fitting.parameters("svm", workspace.plan(quick), DATA)
    text = now.model_dump_json(exclude={"kernel"})

    before = trained_model.Parameters.model_validate_json(text)
    assert before.kernel == arithmetic.UNPINNED
    assert now.differing(before) == ["kernel"]
