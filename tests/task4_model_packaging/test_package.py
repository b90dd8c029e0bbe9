"""What a package is made of: proven models, golden patients and an archive."""

import io
import json
import os
import subprocess
import sys
import tarfile

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base import archives
from pipeline.base.errors import ConversionError
from pipeline.base.names import FAMILIES, registered_name
from pipeline.base.policies import RiskBands
from pipeline.evaluation import cross_validation
from pipeline.packaging import build, package
from pipeline.table.contract import FEATURES
from pipeline.training import fitting
from tests.conftest import ROOT
from tests.model_files import answering_nan, loaded

TOLERANCE = 1e-5
GOLDEN = 16
BANDS = RiskBands(moderate=0.3, high=0.7)

NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z.]{1,8}){0,3}", fullmatch=True).filter(
    lambda name: not {".", ".."} & set(name.split("/"))
)
FILES = st.dictionaries(NAMES, st.binary(max_size=50), max_size=8)


@pytest.fixture(params=FAMILIES)
def model(request, trained):
    """Return the model of one family after the other."""
    return trained[request.param]


@pytest.fixture
def golden(model, patients):
    """Return a model's golden patients."""
    return build.golden_patients(model, patients, GOLDEN, BANDS).patients


def test_onnx_answers_like_scikit_learn_on_all_patients(model, patients):
    """On each of the 920, and on random ones; it was measured when the model was trained."""
    found = fitting.compare(loaded(model.skops), model.onnx, patients)

    assert found == model.evaluation.conversion
    assert found.rows == 10_920
    assert 0 < found.difference < TOLERANCE
    build.check_conversion(model.evaluation, TOLERANCE)


def test_the_onnx_form_of_another_model_is_refused(trained, patients):
    """The check can fail."""
    forest, boosting = trained["random_forest"], trained["gradient_boosting"]
    found = fitting.compare(loaded(forest.skops), boosting.onnx, patients)

    with pytest.raises(ConversionError, match=r"differ by up to 0\.\d+ on 10,920 patients"):
        build.check_conversion(converted_with(forest, found), TOLERANCE)


def test_the_limit_itself_is_not_allowed(model):
    """A difference must be below it."""
    found = model.evaluation.conversion.difference

    with pytest.raises(ConversionError, match=r"on 10,920 patients"):
        build.check_conversion(model.evaluation, found)


def test_a_model_from_before_the_difference_was_kept_is_packaged(model):
    """The code of its time compared both forms when it packaged it."""
    build.check_conversion(converted_with(model, None), TOLERANCE)


def converted_with(model, conversion):
    """Return what is known of a model, with another measurement of its ONNX form."""
    return model.evaluation.model_copy(update={"conversion": conversion})


def test_an_onnx_model_that_answers_no_number_is_refused(trained, patients):
    """NaN is not within any tolerance."""
    svm = trained["svm"]
    found = fitting.compare(loaded(svm.skops), answering_nan(), patients)

    with pytest.raises(ConversionError, match=r"up to 1 on 10,920"):
        build.check_conversion(converted_with(svm, found), TOLERANCE)


def test_golden_patients_are_as_many_as_asked_for(golden):
    """And no two of them are the same."""
    assert len(golden) == GOLDEN
    assert len({one.model_dump_json() for one in golden}) == GOLDEN


def test_golden_patients_spread_from_the_lowest_risk_to_the_highest(golden, model, patients):
    """Rising, and both ends are the ends of all patients."""
    answers = model.answer(patients)
    found = [one.probability for one in golden]

    assert found == sorted(found)
    assert (found[0], found[-1]) == (answers.min(), answers.max())
    assert {one.label for one in golden} == {0, 1}


def test_some_golden_patients_lack_values_and_some_lack_none(golden):
    """The imputation is proven too."""
    missing = [any(value is None for value in one.patient.values()) for one in golden]

    assert {*missing} == {True, False}


def test_golden_answers_are_those_of_the_frozen_model(golden, model):
    """Asked again for exactly what the file holds; labels follow the threshold."""
    asked = pd.DataFrame([one.patient for one in golden], columns=list(FEATURES), dtype=float)
    answers = model.answer(asked)

    assert [one.probability for one in golden] == pytest.approx(answers, abs=1e-12)
    assert [one.label for one in golden] == list(answers >= model.evaluation.threshold)


def test_a_golden_patient_has_every_field_of_the_contract(golden):
    """In its order, null for missing."""
    assert all(tuple(one.patient) == FEATURES for one in golden)


def test_the_golden_patients_of_the_package_are_these(files, trained, patients):
    """The file holds what the functions above return."""
    found = package.GoldenPatients.model_validate_json(files["golden_patients.json"])
    about = package.check(files, "package")

    assert found == build.golden_patients(trained[about.family], patients, GOLDEN, BANDS)


@settings(max_examples=50)
@given(FILES)
def test_an_archive_unpacks_to_the_same_files(files):
    """Below the folder's name, in any case."""
    content = archives.tar_gz(files, "folder")

    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}
    assert found == {f"folder/{name}": content for name, content in files.items()}


@settings(max_examples=50)
@given(FILES)
def test_an_archive_does_not_depend_on_the_order_of_its_files(files):
    """Equal files give equal bytes."""
    backwards = dict(reversed(files.items()))

    assert archives.tar_gz(files, "folder") == archives.tar_gz(backwards, "folder")


def test_an_archive_says_nothing_about_who_made_it_and_when(files):
    """No time, owner or rights but those to read."""
    content = archives.tar_gz(files, "folder")

    assert content[4:8] == bytes(4)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        members = tar.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
        (0, 0, 0, "", "", 0o644)
    }


def test_the_archive_beside_a_package_holds_the_package(factory, packager, place):
    """Unpacked by tar, it is valid."""
    archive = factory / "packages" / "heart_disease_model_v1.tar.gz"
    subprocess.run(["tar", "-xzf", archive], cwd=place, check=True)

    assert packager.validate_package(place / "heart_disease_model_v1").version == 1


def test_the_skops_file_answers_the_golden_patients(files):
    """Read with our own list of types."""
    golden = package.GoldenPatients.model_validate_json(files["golden_patients.json"]).patients
    asked = pd.DataFrame([one.patient for one in golden], columns=list(FEATURES), dtype=float)

    found = cross_validation.probability(loaded(files["model/model.skops"]), asked)

    assert found == pytest.approx([one.probability for one in golden], abs=TOLERANCE)


# These run where our repository is not: with the package, and the code that is in it.

ASK_JOBLIB = """
import json, sys, joblib
print(json.dumps(joblib.load(sys.argv[1]).predict_proba(table)[:, 1].tolist()))
"""
ASK_MLFLOW = """
import json, sys, mlflow.pyfunc
print(json.dumps(mlflow.pyfunc.load_model(sys.argv[1]).predict(table)["probability"].tolist()))
"""
READ_GOLDEN = """
import json, sys, pandas
patients = json.load(open(sys.argv[2]))["patients"]
table = pandas.DataFrame([one["patient"] for one in patients]).astype(float)
"""


def answers_elsewhere(script, folder, model, cwd, **environment):
    """Return what a model of the package answers its golden patients, without this repository."""
    done = subprocess.run(
        [sys.executable, "-c", READ_GOLDEN + script, folder / model, folder / package.GOLDEN],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_joblib_file_answers_the_golden_patients_elsewhere(factory, tmp_path, family):
    """It needs the code that lies in the package, and no other of ours."""
    folder = factory / "packages" / f"{registered_name(family)}_model_v1"
    golden = json.loads((folder / package.GOLDEN).read_bytes())["patients"]
    code = str(folder / "model" / "code.zip")

    found = answers_elsewhere(ASK_JOBLIB, folder, "model/model.joblib", tmp_path, PYTHONPATH=code)

    assert str(ROOT) not in code
    assert found == pytest.approx([one["probability"] for one in golden], abs=TOLERANCE)


def test_the_mlflow_model_answers_the_golden_patients_elsewhere(copied, tmp_path_factory):
    """From the ONNX file, with the code inside the model alone."""
    golden = json.loads((copied / package.GOLDEN).read_bytes())["patients"]

    found = answers_elsewhere(ASK_MLFLOW, copied, "model/mlflow", tmp_path_factory.mktemp("far"))

    assert found == pytest.approx([one["probability"] for one in golden], abs=TOLERANCE)
