"""What variables change of the plan that the repository's `config.yaml` describes."""

import shutil

import pytest
import yaml

from pipeline.base import config
from pipeline.base.context import RunContext
from pipeline.base.errors import SettingsError
from pipeline.training import workspace
from tests.conftest import ROOT

MEANT = "PIPELINE__REGISTER_OVERRIDDEN"


@pytest.fixture(autouse=True)
def _clone(tmp_path, monkeypatch):
    shutil.copy(ROOT / "config.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)


def overridden():
    """Return what is overridden in the current folder."""
    return workspace.overridden(RunContext.read())


def test_nothing_is_overridden_without_a_variable():
    """A training by the file alone counts."""
    assert overridden() == []


@pytest.mark.parametrize(
    ("variable", "value", "changes"),
    [
        ("EVALUATION__REPEATS", "1", ["evaluation.repeats (5 -> 1)"]),
        ("EVALUATION__REPEATS", "20", ["evaluation.repeats (5 -> 20)"]),
        ("evaluation__bootstrap_samples", "100", ["evaluation.bootstrap_samples (500 -> 100)"]),
        (
            "EVALUATION",
            '{"folds": 2, "repeats": 1}',
            ["evaluation.folds (10 -> 2)", "evaluation.repeats (5 -> 1)"],
        ),
        (
            "MODELS__RANDOM_FOREST__N_ESTIMATORS",
            "9",
            ["models.random_forest.n_estimators (100 -> 9)"],
        ),
        ("MODELS__SVM__SHRINKING", "false", ["models.svm.shrinking (unset -> False)"]),
        (
            "FEATURES__AGE_BANDS",
            "[50]",
            ["features.age_bands ([45.0, 55.0, 65.0] -> [50.0])"],
        ),
        ("MODEL_SEED", "7", ["model_seed (20260101 -> 7)"]),
        ("FIELDS_LEFT_OUT__WEIGHT", "1", ["fields_left_out.weight (0.5 -> 1.0)"]),
        ("THRESHOLD__VALUE", "0.4", ["threshold.value (0.5 -> 0.4)"]),
    ],
)
def test_a_variable_that_changes_the_models_or_their_evaluation_is_named(
    monkeypatch, variable, value, changes
):
    """By the setting's name, with both values: longer ones are no better known to the commit."""
    monkeypatch.setenv(config.PREFIX + variable, value)

    assert overridden() == changes


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EVALUATION__REPEATS", "5"),
        ("MODELS__SVM__C", "0.50"),
        ("WORKERS", "1"),
        ("SOURCE__ATTEMPTS", "1"),
        ("ABLATION_REPEATS", "2"),
        ("PROMOTION__MODE", "disabled"),
        ("PROMOTION__MINIMUM_ROC_AUC", "0.5"),
        ("REGISTRY__EXPERIMENT", "other"),
        ("REGISTRY_BRANCH__ATTEMPTS", "1"),
        ("PACKAGING__PORT", "8080"),
    ],
)
def test_a_variable_that_makes_the_same_models_overrides_nothing(monkeypatch, variable, value):
    """One with the file's own value, and the settings of all else."""
    monkeypatch.setenv(config.PREFIX + variable, value)

    assert overridden() == []


def test_a_person_can_want_the_models_of_variables(monkeypatch):
    """Once, by a variable."""
    monkeypatch.setenv("PIPELINE__EVALUATION__REPEATS", "1")
    monkeypatch.setenv(MEANT, "true")

    assert overridden() == []


def test_a_team_can_want_the_models_of_variables(monkeypatch):
    """For good, in the file."""
    content = yaml.safe_load(config.FILE.read_text())
    content["register_overridden"] = True
    config.FILE.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("PIPELINE__EVALUATION__REPEATS", "1")

    assert overridden() == []


@pytest.mark.parametrize("field", ["age", "quetzal"])
def test_a_pattern_names_fields_that_may_be_missing(monkeypatch, field):
    """The message names those that it may name."""
    monkeypatch.setenv("PIPELINE__FIELDS_LEFT_OUT__PATTERNS", f'[["ca", "{field}"]]')

    with pytest.raises(SettingsError, match=f"no patient may come without {field}; but without t"):
        overridden()


def test_a_pattern_of_no_field_is_refused(monkeypatch):
    """That would be all patients."""
    monkeypatch.setenv("PIPELINE__FIELDS_LEFT_OUT__PATTERNS", "[[]]")

    with pytest.raises(SettingsError, match=r"fields_left_out\.patterns\.0"):
        overridden()
