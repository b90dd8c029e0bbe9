"""The words for what changed between two trained models."""

import dataclasses

import pandas as pd
import pytest

from pipeline.base.names import FAMILIES
from pipeline.base.policies import ThresholdRule
from pipeline.table.contract import FEATURES
from pipeline.training import families, fitting, persistence, recipe, recipe_of_skops, workspace
from pipeline.training.fitting import Data
from pipeline.training.recipe_changes import MOST, Change, changes, together, words
from pipeline.training.trained_model import TrainedModel
from tests.gate.gate_cases import FIT

DATA = Data(pd.DataFrame({"age": [40.0, 60.0]}), pd.DataFrame(), "d" * 64)


@pytest.fixture(scope="session")
def model(quick):
    """Return a function that makes a model of a family, unfitted, by a plan with changes."""
    today = workspace.plan(quick)

    def make(family="logistic_regression", **update):
        plan = today.model_copy(update=update)
        return TrainedModel(
            recipe=recipe.of(families.build(family, plan)),
            skops=b"",
            onnx=b"",
            parameters=fitting.parameters(family, plan, DATA),
            evaluation=FIT.model_copy(update={"family": family}),
            predictions=pd.DataFrame(),
        )

    return make


def with_blocks(model, blocks):
    """Return a model whose features are these blocks, as code of another commit builds them."""
    pipeline = model.recipe.build()
    pipeline["features"].transformers = blocks
    return dataclasses.replace(model, recipe=recipe.of(pipeline))


def with_parameters(model, **update):
    """Return a model with other records of its training."""
    return dataclasses.replace(model, parameters=model.parameters.model_copy(update=update))


def said(before, after):
    """Return what changed from one model to another, in words."""
    return [words(change) for change in changes(before, after)]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_equal_model_has_no_changes(model, family):
    """Also one that was read from its file."""
    stored = persistence.dump(model(family).recipe.build())
    again = dataclasses.replace(model(family), recipe=recipe_of_skops.read(stored))

    assert said(again, model(family)) == []


@pytest.mark.parametrize(
    ("family", "parameters", "line"),
    [
        ("logistic_regression", {"C": 3}, "C: 0.3 -> 3"),
        ("svm", {"C": 0.5, "gamma": "auto"}, "gamma: scale -> auto"),
        ("gradient_boosting", {"max_depth": None}, "max_depth: 2 -> None"),
        ("random_forest", {"class_weight": {0: 1, 1: 5}}, "class_weight: None -> 0_1_1_5"),
    ],
)
def test_a_parameter_changed(model, quick, family, parameters, line):
    """That of a calibrated classifier too."""
    updated = {**quick.models, family: {**quick.models[family], **parameters}}

    assert said(model(family), model(family, models=updated)) == [line]


def test_a_parameter_that_is_no_longer_set_is_back_at_its_default(model):
    """The estimator knows that value."""
    assert said(model(), model(models={})) == ["C: 0.3 -> 1"]


def test_values_that_no_name_tells_apart_have_changed(model):
    """A change holds no free text."""
    weights = [{"C": 0.3, "class_weight": {0: 1.5, 1: sign}} for sign in (1, -1)]
    before, after = (model(models={"logistic_regression": each}) for each in weights)

    assert said(before, after) == ["class_weight: changed"]


def test_a_feature_is_another_one(model, quick):
    """By its numbers."""
    recipe = workspace.plan(quick).features.model_copy(update={"age_bands": (50.0, 60.0)})

    assert said(model(), model(features=recipe)) == ["feature age_bands: 45, 55, 65 -> 50, 60"]


def test_a_feature_is_added_or_removed(model):
    """By its name."""
    blocks = model().recipe.build()["features"].transformers
    without = with_blocks(model(), [block for block in blocks if block[0] != "missing_flags"])

    assert said(without, model()) == ["feature added: missing_flags"]
    assert said(model(), without) == ["feature removed: missing_flags"]


def test_a_field_is_added_or_removed(model):
    """Once, whatever number of blocks take it."""
    blocks = model().recipe.build()["features"].transformers
    fewer = [(name, step, [c for c in taken if c != "ca"]) for name, step, taken in blocks]
    without = with_blocks(model(), fewer)

    assert said(without, model()) == ["field added: ca"]
    assert said(model(), without) == ["field removed: ca"]


def test_a_feature_takes_other_fields(model):
    """Which other blocks take too."""
    blocks = model().recipe.build()["features"].transformers
    other = [(n, s, list(FEATURES) if n == "missing_flags" else c) for n, s, c in blocks]

    assert said(model(), with_blocks(model(), other)) == ["feature missing_flags: other fields"]


def test_what_is_left_out_in_training_changed(model, quick):
    """Another pattern, another weight, or none where there was none before."""
    today = quick.fields_left_out.model_copy(update={"patterns": (("ca", "thal"),)})
    before = model(fields_left_out=today)
    for update in ({"weight": 0.25}, {"patterns": (("ca",),)}, {"patterns": ()}):
        other = model(fields_left_out=today.model_copy(update=update))
        assert said(other, before) == ["fields left out in training: changed"]
        assert said(before, other) == ["fields left out in training: changed"]


def test_settings_that_are_in_no_pipeline_changed(model):
    """Threshold, evaluation and data."""
    rule = ThresholdRule(rule="cost", value=4)
    exam = model().parameters.exam.model_copy(update={"folds": 7})
    after = with_parameters(model(), threshold=rule, exam=exam, training_digest="e" * 64)

    assert said(model(), after) == [
        "threshold: fixed 0.5 -> cost 4",
        "training data: other rows",
        "evaluation folds: 5 -> 7",
    ]


def test_the_seed_changed(model):
    """It is no parameter of the estimator then."""
    assert said(model(model_seed=1), model(model_seed=2)) == ["model_seed: 1 -> 2"]


@pytest.mark.parametrize(
    ("version", "line"),
    [("99.0.1", "99.0.1"), ("99.0rc1", "99_0rc1"), ("99..1", "99_1")],
    ids=["numbers", "a candidate", "no version"],
)
def test_a_library_changed(model, version, line):
    """By the name that it is installed by."""
    libraries = {**model().parameters.libraries, "sklearn": "1.9.0"}
    before = with_parameters(model(), libraries=libraries)
    after = with_parameters(model(), libraries={**libraries, "sklearn": version})

    assert said(before, after) == [f"scikit-learn: 1.9.0 -> {line}"]


@pytest.mark.parametrize("more", [{}, {"training_digest": "e" * 64}], ids=["alone", "with data"])
def test_only_the_code_changed(model, more):
    """Nothing else explains another recipe."""
    pipeline = model().recipe.build()
    pipeline["features"].verbose_feature_names_out = False
    after = dataclasses.replace(with_parameters(model(), **more), recipe=recipe.of(pipeline))

    assert said(model(), after)[-1] == "code of the pipeline changed"


def test_another_family_has_no_parameters_to_compare(model):
    """The change says which."""
    assert said(model("svm"), model("random_forest")) == ["family: svm -> random_forest"]


def test_a_model_that_cannot_be_read_says_so(model):
    """In one line."""
    assert said(None, model()) == ["the newest registered version cannot be read"]


def test_a_change_of_all_families_is_said_once():
    """The others with their family."""
    seed, code = Change(kind="model_seed", before=1, after=2), Change(kind="code")
    by_family = dict.fromkeys(FAMILIES, (seed,))
    by_family["svm"] = (seed, code, Change(kind="parameter", name="C", before=1, after=2))

    assert [*map(words, together(by_family))] == [
        "model_seed: 1 -> 2",
        "svm: code of the pipeline changed",
        "svm C: 1 -> 2",
    ]


def test_a_change_of_the_only_family_names_it():
    """The others have no version to compare with."""
    assert [*map(words, together({"svm": (Change(kind="code"),)}))] == [
        "svm: code of the pipeline changed"
    ]


def test_a_list_of_changes_ends():
    """And says how many are left out."""
    many = [Change(kind="field_added", name=f"f{number}") for number in range(MOST + 1)]
    shown = together(dict.fromkeys(FAMILIES, many))

    assert len(shown) == MOST
    assert words(shown[-1]) == "and 2 more"
