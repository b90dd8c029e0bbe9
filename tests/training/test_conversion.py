"""The ONNX model answers as the scikit-learn model does: wherever a patient stands."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from pipeline.base.names import FAMILIES
from pipeline.evaluation import cross_validation
from pipeline.table.contract import FEATURES, FIELDS
from pipeline.training import conversion, features
from pipeline.training.trained_model import answering
from tests.conftest import ROOT

TOLERANCE = 1e-5
every_family = pytest.mark.parametrize("family", FAMILIES)


def values_of(field):
    """Return a strategy for the values the contract allows in ``field``."""
    codes = field.codes or range(int(field.low), int(field.high) + 1)
    known = st.sampled_from([float(code) for code in codes])
    if not field.codes and field.name != "ca":
        known |= st.floats(field.low, field.high)
    return known | st.just(np.nan) if field.nullable else known


any_patient = st.tuples(*(values_of(field) for field in FIELDS))
any_patients = st.lists(any_patient, min_size=1, max_size=20).map(
    lambda rows: pd.DataFrame(rows, columns=FEATURES)
)


def greatest_difference(pipeline, content, table):
    """Return how far the two answers to one patient lie apart at most."""
    return np.abs(cross_validation.probability(pipeline, table) - answering(content)(table)).max()


@every_family
def test_onnx_answers_as_scikit_learn_for_every_patient(fitted, converted, patients, family):
    """All 920 of the four hospitals, with whatever was not measured there."""
    assert len(patients) == 920
    assert greatest_difference(fitted[family], converted[family], patients) < TOLERANCE


@settings(max_examples=40)
@given(table=any_patients)
@every_family
def test_onnx_answers_as_scikit_learn_for_any_patient(fitted, converted, family, table):
    """Whatever the contract allows, missing values included."""
    assert greatest_difference(fitted[family], converted[family], table) < TOLERANCE


@every_family
def test_onnx_answers_as_scikit_learn_at_the_corners(fitted, converted, family):
    """Every combination of least, greatest and no value that a random draw hardly hits."""
    random = np.random.default_rng(1)
    corners = {
        f.name: random.choice([f.low, f.high, np.nan][: 2 + f.nullable], 500) for f in FIELDS
    }
    for field in FIELDS:
        allowed = np.isin(corners[field.name], [*field.codes]) | np.isnan(corners[field.name])
        assert allowed.all() or not field.codes

    assert greatest_difference(fitted[family], converted[family], pd.DataFrame(corners)) < TOLERANCE


def thresholds(pipeline):
    """Return each (field, value) at which a tree of ``pipeline`` divides measured patients."""
    columns = features.column_names(pipeline)
    for tree in np.ravel(pipeline["classifier"].estimators_):
        for column, value in zip(tree.tree_.feature, tree.tree_.threshold, strict=True):
            block, name = columns[column].split("__") if column >= 0 else ("", "")
            if block == "measured":
                yield name, value


@pytest.mark.parametrize("family", ["random_forest", "gradient_boosting"])
def test_onnx_answers_as_scikit_learn_at_every_threshold_of_a_tree(
    fitted, converted, training, family
):
    """A value on the threshold, and its neighbours in 32 bit, fall on the same side in both."""
    usual = training[list(FEATURES)].median().to_dict()
    found = [
        {**usual, name: float(near)}
        for name, value in sorted(set(thresholds(fitted[family])))
        for near in (
            value,
            np.nextafter(np.float32(value), np.float32(-np.inf)),
            np.float32(value),
            np.nextafter(np.float32(value), np.float32(np.inf)),
        )
    ]

    assert len(found) > 20
    assert greatest_difference(fitted[family], converted[family], pd.DataFrame(found)) < TOLERANCE


@every_family
def test_onnx_answers_as_scikit_learn_at_the_edges_of_the_age_bands(
    fitted, converted, training, family
):
    """Just below an edge, on it, and just above."""
    usual = training[list(FEATURES)].median().to_dict()
    ages = [edge + shift for edge in (45, 55, 65) for shift in (-1e-9, -1e-4, 0, 1e-4)]
    table = pd.DataFrame([{**usual, "age": age} for age in ages])

    assert greatest_difference(fitted[family], converted[family], table) < TOLERANCE


@every_family
def test_a_patient_with_nothing_measured_gets_the_same_answer(fitted, converted, family):
    """Age, sex and chest pain alone are always known."""
    unknown = dict.fromkeys(FEATURES, np.nan) | {"age": 54.0, "sex": 1.0, "cp": 4.0}
    table = pd.DataFrame([unknown])

    found = answering(converted[family])(table)

    assert 0 < found[0] < 1
    assert greatest_difference(fitted[family], converted[family], table) < TOLERANCE


@every_family
def test_one_patient_gets_the_answer_that_many_get(converted, patients, family):
    """The size of a request changes nothing that a person could see."""
    some = patients.iloc[::40]

    together = answering(converted[family])(some)
    alone = [answering(converted[family])(some.iloc[[i]]) for i in range(len(some))]

    np.testing.assert_allclose(np.concatenate(alone), together, rtol=0, atol=1e-6)


def shape(value):
    """Return the dimensions of a graph's input or output, by number or name."""
    return [each.dim_value or each.dim_param for each in value.type.tensor_type.shape.dim]


@every_family
def test_the_graph_takes_one_matrix_and_gives_one_vector(converted, family):
    """Patients in, a probability for each out; both in 32 bit, of any number of rows."""
    graph = onnx.load_from_string(converted[family]).graph

    (taken,), (given_back,) = graph.input, graph.output
    assert (taken.name, shape(taken)) == ("patients", ["rows", 13])
    assert (given_back.name, shape(given_back)) == ("probability", ["rows"])
    kinds = {each.type.tensor_type.elem_type for each in (taken, given_back)}
    assert kinds == {onnx.TensorProto.FLOAT}


@every_family
def test_the_order_of_the_table_s_columns_changes_nothing(converted, patients, family):
    """They are put into the contract's order by name."""
    turned = patients[patients.columns[::-1]]

    np.testing.assert_array_equal(
        answering(converted[family])(turned),
        answering(converted[family])(patients),
    )


@every_family
def test_converting_twice_gives_the_same_bytes(fitted, converted, family):
    """A digest identifies an ONNX model too."""
    assert conversion.convert(fitted[family]) == converted[family]


@every_family
def test_every_constant_of_the_graph_is_used(converted, family):
    """Nothing of the labels, or of a discarded output, is shipped."""
    graph = onnx.load_from_string(converted[family]).graph
    used = {name for node in graph.node for name in node.input}

    assert {constant.name for constant in graph.initializer} <= used


@every_family
def test_the_graph_holds_the_edges_of_the_age_bands(converted, family):
    """Preprocessing is inside the graph: a client need not repeat it."""
    graph = onnx.load_from_string(converted[family]).graph
    constants = [numpy_helper.to_array(constant).ravel().tolist() for constant in graph.initializer]

    assert [45.0, 55.0, 65.0] in constants
    assert [220.0] in constants


def test_the_model_without_engineered_features_converts_too(build, training, patients):
    """No block is needed by another."""
    names = ["heart_rate_share", "age_bands", "missing_flags"]
    bare = cross_validation.fit(build("logistic_regression", without=names), training)

    assert greatest_difference(bare, conversion.convert(bare), patients) < TOLERANCE


def test_a_block_that_is_converted_wrongly_is_noticed(build, fitted, training, patients):
    """The comparison can fail: another predicted heart rate in the graph is far outside of it."""
    other = build("logistic_regression")
    other.set_params(features__heart_rate_share__shareofprediction__intercept=200.0)

    wrong = conversion.convert(cross_validation.fit(other, training))

    assert greatest_difference(fitted["logistic_regression"], wrong, patients) > 10 * TOLERANCE


USE = """
import numpy as np
import pandas as pd
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from pipeline.table.contract import FIELDS
from pipeline.table.engineered import FeatureRecipe
from pipeline.training import conversion, features, persistence, recipe_of_skops
from pipeline.training.recipe import of as recipe_of
from pipeline.training.trained_model import answering

drawn = np.random.default_rng(1)
table = pd.DataFrame(
    {f.name: drawn.choice(list(f.codes) or np.linspace(f.low, f.high, 4), 60) for f in FIELDS}
).astype(float)
recipe = FeatureRecipe(age_bands=[50], maximum_heart_rate_intercept=220)
columns = features.preprocessing(recipe, scaled=True)
made = make_pipeline(columns, LogisticRegression()).fit(table, drawn.integers(0, 2, 60))
again = skops.io.loads(persistence.dump(made), trusted=list(persistence.TRUSTED_TYPES))
assert recipe_of_skops.read(persistence.dump(made)) == recipe_of(made)
expected = again.predict_proba(table)[:, 1]
print(np.abs(answering(conversion.convert(made))(table) - expected).max() < 1e-5)
print(features.column_names(made)[-1])
"""


def test_a_new_feature_of_a_new_block_is_what_the_guide_says(tmp_path):
    """A copy of the code in which nothing else is added stores, reads and converts it."""
    guide = (ROOT / "docs" / "team-workflow.md").read_text()
    block, blocks, record = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    code = shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline")
    file, features = code / "training" / "blocks.py", code / "table" / "engineered.py"
    kept, _, _ = file.read_text().partition("# What model files may hold")
    file.write_text(f"{kept}{block}{blocks}")
    features.write_text(features.read_text().removesuffix("    )\n") + f"{record}    )\n")

    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    found = "True\nrate_pressure__thalach_times_trestbps\n"
    assert (done.stdout, done.returncode) == (found, 0), done.stderr
