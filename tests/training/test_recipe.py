"""Recipes: unfitted pipelines as plain data, and the pipelines that are built from them again."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from pipeline.base.encoding import json_bytes
from pipeline.base.errors import ArtifactError
from pipeline.base.names import FAMILIES
from pipeline.evaluation import cross_validation
from pipeline.training import persistence, recipe, recipe_of_skops
from pipeline.training.blocks import Bands
from pipeline.training.recipe import Recipe

every_family = pytest.mark.parametrize("family", FAMILIES)
# What a parameter may be: each kind of value once.
PIPELINE = make_pipeline(
    ColumnTransformer([("kept", "passthrough", ["age"]), ("left", "drop", ["sex"])]),
    SimpleImputer(missing_values=-1, fill_value=2),
    OneHotEncoder(categories=[[1.0, 2.0]], dtype=np.float32),
    Bands((45.0, float("inf"))),
    RandomForestClassifier(class_weight={0: 1, 1: 5}, max_depth=3, random_state=1),
)


SMALL = make_pipeline(Bands((45.0,)))


class Stranger(BaseEstimator):
    """An estimator that is none of ours."""


@every_family
def test_a_pipeline_that_is_built_again_is_fitted_to_the_same_bytes(build, training, family):
    """So a champion's recipe gives the champion, wherever the libraries are those of then."""
    pipeline = build(family)
    again = recipe.of(pipeline).build()

    one, other = (cross_validation.fit(each, training) for each in (pipeline, again))
    assert persistence.dump(one) == persistence.dump(other)


@every_family
def test_a_fitted_pipeline_has_the_recipe_of_the_unfitted_one(build, fitted, family):
    """And what a file of JSON holds is the same value."""
    found = recipe.of(fitted[family])

    assert found == recipe.of(build(family))
    assert Recipe.model_validate_json(json_bytes(found)) == found


@every_family
def test_the_skops_file_tells_the_same_recipe(build, fitted, family):
    """By which versions are read that were stored without one."""
    found = recipe_of_skops.read(persistence.dump(fitted[family]))

    assert found == recipe.of(build(family))
    assert found.digest == recipe.of(build(family)).digest


def test_every_kind_of_parameter_is_built_again():
    """Infinity, a type, a mapping with numbers as keys, a word in the place of an estimator."""
    found = recipe.of(PIPELINE)
    again = Recipe.model_validate_json(json_bytes(found)).build()

    assert repr(again).replace("[45.0, inf]", "(45.0, inf)") == repr(PIPELINE)
    assert again[2].dtype is np.float32
    assert again[-1].class_weight == {0: 1, 1: 5}
    assert recipe.of(again) == found


def test_numbers_of_numpy_are_numbers():
    """JSON has no others."""
    found = recipe.of(SVC(C=np.float64(2), degree=np.int64(4))).parameters

    assert (found["C"], found["degree"]) == (2.0, 4)
    assert {type(value) for value in found.values()} == {float, int}


def test_the_skops_file_tells_every_kind_of_parameter():
    """As many as there are."""
    assert recipe_of_skops.read(persistence.dump(PIPELINE)) == recipe.of(PIPELINE)


def test_a_recipe_holds_what_is_no_default_alone():
    """A default that a library renames or drops makes no recipe unreadable."""
    assert recipe.of(SVC(C=0.5, kernel="rbf")).model_dump() == {
        "estimator": "sklearn.svm.SVC",
        "parameters": {"C": 0.5},
    }


@pytest.mark.parametrize("part", [FunctionTransformer(os.system), FunctionTransformer(eval)])
def test_what_is_no_plain_value_is_no_recipe(part):
    """A function is what runs."""
    with pytest.raises(ArtifactError, match="plain values only"):
        recipe.of(make_pipeline(part))


@pytest.mark.parametrize(
    ("estimator", "parameters", "problem"),
    [
        ("subprocess.Popen", {"args": "true"}, "there is no subprocess.Popen today"),
        ("sklearn.utils.os.system", {}, "there is no sklearn.utils.os.system today"),
        ("sklearn.svm.Lost", {}, r"there is no sklearn.svm.Lost today: scikit-learn \d"),
        ("Stranger", {}, "there is no Stranger today"),
        ("sklearn.svm.SVC", {"lost": 1}, r"sklearn.svm.SVC cannot be built today: .*'lost'"),
        ("sklearn.svm.SVC", {"C": {"type": "system"}}, "cannot be built today: .*'system'"),
    ],
)
def test_what_is_not_there_today_is_said(estimator, parameters, problem):
    """Nothing but estimators of scikit-learn and our blocks is ever called."""
    with pytest.raises(ArtifactError, match=problem):
        Recipe(estimator=estimator, parameters=parameters).build()


def stored(pipeline, **replaced):
    """Return a skops file in whose schema texts are replaced."""
    content, target = persistence.dump(pipeline), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            for before, after in replaced.items():
                text = text.replace(before.encode(), after.encode())
            new.writestr(name, text)
    return target.getvalue()


def test_a_crafted_skops_file_builds_nothing():
    """Its names are looked up where recipes' names are, and nowhere else."""
    crafted = stored(make_pipeline(StandardScaler()), StandardScaler="Popen")

    with pytest.raises(ArtifactError, match=r"there is no sklearn\.preprocessing\.Popen today"):
        recipe_of_skops.read(crafted).build()


def test_a_function_in_a_skops_file_is_never_looked_at():
    """It is no part of a recipe."""
    crafted = skops.io.dumps(make_pipeline(FunctionTransformer(os.system)))

    with pytest.raises(ArtifactError, match="no recipe can be read from the model file"):
        recipe_of_skops.read(crafted)


@pytest.mark.parametrize(
    "schema", [b"", b"{", b"null", b"[]", b"1", b"{}", b"\xff", b'{"__loader__": 1}']
)
def test_a_schema_that_says_nothing_is_damaged(schema):
    """Whatever JSON it is, or none."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("schema.json", schema)

    with pytest.raises(ArtifactError, match="no recipe can be read from the model file"):
        recipe_of_skops.read(target.getvalue())


def test_a_schema_without_an_end_is_damaged():
    """Reading it takes no more of the stack than there is."""
    target, depth = io.BytesIO(), 100_000
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("schema.json", "[" * depth + "]" * depth)

    with pytest.raises(ArtifactError, match="no recipe can be read from the model file"):
        recipe_of_skops.read(target.getvalue())


@settings(max_examples=20)
@given(share=st.floats(0, 0.999))
def test_a_truncated_model_file_is_damaged(fitted, share):
    """Wherever the download broke off."""
    content = persistence.dump(fitted["logistic_regression"])

    with pytest.raises(ArtifactError, match="no recipe can be read from the model file"):
        recipe_of_skops.read(content[: int(share * len(content))])


def test_a_flipped_bit_is_damage_or_changes_nothing():
    """Wherever it lies: a header may then say that the file is encrypted, or packed otherwise."""
    content, whole = persistence.dump(SMALL), recipe.of(SMALL)
    for place in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            try:
                found = recipe_of_skops.read(bytes(flipped))
            except ArtifactError:
                continue
            assert found == whole


def test_former_defaults_are_no_parameters():
    """Of an estimator that a library of then stored with all that it had."""
    schema = {
        "__loader__": "ObjectNode",
        "__module__": "sklearn.linear_model._logistic",
        "__class__": "LogisticRegression",
        "content": {
            "__loader__": "DictNode",
            "content": {
                name: {"__loader__": "JsonNode", "content": json.dumps(value)}
                for name, value in {"C": 0.3, "penalty": "l2", "multi_class": "auto"}.items()
            },
        },
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))

    assert recipe_of_skops.read(target.getvalue()).parameters == {"C": 0.3}
