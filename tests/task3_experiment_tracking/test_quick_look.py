"""A quick look shows a verdict; its models are registered only where a person asks for that."""

import json
import os
from typing import NamedTuple

import pytest
import yaml

from pipeline.base import artifacts, config
from pipeline.registry.client import Registry
from tests import command_line
from tests.conftest import lay_out
from tests.registries import counts
from tests.task3_experiment_tracking.runs import NAMES

QUICK = {"PIPELINE__EVALUATION__REPEATS": "1"}
MEANT = {"PIPELINE__REGISTER_OVERRIDDEN": "true"}
PACKAGE = "heart_disease_model_v1"


class Look(NamedTuple):
    """How `python -m pipeline` ended, and what there was then."""

    code: int
    printed: str
    counts: dict[str, int]
    packages: list[str]
    repeats: list[int]


def look(folder, **environment):
    """Run the four tasks as a person does."""
    done = command_line.call("pipeline", **environment)
    uri = os.environ[config.TRACKING_URI]
    registry = Registry(uri, "heart-disease")
    newest = [found for name in NAMES if (found := registry.newest(name))]
    parameters = [json.loads(registry.files(version)["parameters.json"]) for version in newest]
    return Look(
        done.returncode,
        done.stdout,
        counts(uri),
        [path.name for path in (folder / artifacts.PACKAGES).glob("*/")],
        [found["exam"]["repeats"] for found in parameters],
    )


@pytest.fixture(scope="module")
def looks(tmp_path_factory):
    """Look quickly, in full, and quickly with the wish to register, in one clone."""
    folder = tmp_path_factory.mktemp("clone")
    lay_out(folder)
    content = yaml.safe_load((folder / config.FILE).read_text())
    content["workers"] = 1
    content["evaluation"] |= {"folds": 3, "repeats": 2, "bootstrap_samples": 100}
    content["models"]["random_forest"]["n_estimators"] = 10
    content["models"]["gradient_boosting"]["n_estimators"] = 20
    (folder / config.FILE).write_text(yaml.safe_dump(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv(config.TRACKING_URI, f"sqlite:///{folder}/mlflow.db")
        return look(folder, **QUICK), look(folder), look(folder, **QUICK, **MEANT)


def test_a_quick_look_decides_and_registers_nothing(looks):
    """Without a champion too; it ends well before a package, and says what to do."""
    quick, _, _ = looks

    assert quick.code == 0
    assert "verdict       promote: the first champion" in quick.printed
    assert (
        "dry run: nothing was registered and no alias moved, because variables override "
        "evaluation.repeats (2 -> 1): unset them, or set "
        "PIPELINE__REGISTER_OVERRIDDEN=true\n"
    ) in quick.printed
    assert "no version is new: model_packaging was left out\n" in quick.printed
    assert quick.counts == {"runs": 0, "models": 0}
    assert quick.packages == []


def test_the_next_run_without_the_variable_is_as_if_there_had_been_none(looks):
    """Nothing of the shorter cross-validation is taken for the whole one."""
    _, whole, _ = looks

    assert whole.code == 0
    assert [whole.counts[name] for name in NAMES] == [1, 1, 1, 1]
    assert whole.repeats == [2, 2, 2, 2]
    assert whole.packages == [PACKAGE]
    assert "dry run" not in whole.printed


def test_a_quick_look_is_registered_where_a_person_asks_for_it(looks):
    """The setting is what the line names."""
    _, _, meant = looks

    assert meant.code == 0
    assert [meant.counts[name] for name in NAMES] == [2, 2, 2, 2]
    assert meant.repeats == [1, 1, 1, 1]
    assert meant.packages == [PACKAGE]
