"""Better and worse challengers, and interrupted runs."""

import os
import shutil
from typing import NamedTuple

import pytest

from pipeline.base import artifacts, config
from pipeline.base.errors import RegistryError
from pipeline.base.names import SERVED
from pipeline.registry.client import Registry
from pipeline.registry.history import CHAMPION
from tests.prepared import be_in
from tests.task3_experiment_tracking.runs import NAMES, Moment, made, run, versions

# So low that a single tree may serve.
LOW = {
    "PROMOTION__MINIMUM_ROC_AUC": "0.5",
    "PROMOTION__MAXIMUM_BRIER": "0.3",
    "PROMOTION__MAXIMUM_LOG_LOSS": "1.0",
    "PROMOTION__MAXIMUM_CALIBRATION_ERROR": "0.5",
    "PROMOTION__CALIBRATION_SLOPE__LOW": "-10",
    "PROMOTION__CALIBRATION_SLOPE__HIGH": "10",
    "PROMOTION__SLICES__MINIMUM_ROC_AUC": "0.3",
    "PROMOTION__SLICES__CALIBRATION": "10",
    "PROMOTION__MINIMUM_DIRECTION": "0",
    "PROMOTION__MINIMUM_SENSITIVITY": "0",
    "PROMOTION__MINIMUM_SPECIFICITY": "0",
    "PROMOTION__EXTERNAL_MINIMUM_ROC_AUC__HUNGARIAN": "0.3",
}


# --- better and worse challengers


class Contest(NamedTuple):
    """Weak models, then the trained ones, then the weak ones again."""

    weak: Moment
    honest: Moment
    relapse: Moment


@pytest.fixture(scope="module")
def contest(trained, weak, tmp_path_factory):
    """Let a planted worse model be champion, better ones challenge it, and it challenge them."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("contest") / "clone")
    honest = artifacts.read_folder(trained / artifacts.MODELS, "feature_engineering")
    with pytest.MonkeyPatch.context() as patch:
        be_in(folder, patch)
        for name, value in LOW.items():
            patch.setenv(config.PREFIX + name, value)
        uri = os.environ[config.TRACKING_URI]
        moments = []
        for models in (weak, honest, weak):
            artifacts.write_folder(artifacts.MODELS, models)
            moments.append(run(uri))
        return Contest(*moments)


def test_a_better_challenger_is_promoted(contest):
    """Both are predicted in the same folds, and the whole interval lies above zero."""
    assert contest.weak.champion.title == "heart_disease/1"
    assert contest.honest.champion.title == "heart_disease/2"
    assert "better than heart_disease/1 on equal folds" in contest.honest.printed
    assert contest.honest.champion.tags["gate_reason"].startswith("better than heart_disease/1")


def test_a_promotion_keeps_the_champion_before(contest):
    """To go back to it is one call."""
    assert contest.honest.previous.title == "heart_disease/1"


def test_each_family_is_held_against_its_own_champion(contest):
    """The family's alias moves to the better version too."""
    assert contest.honest.champions == {name: f"{name}/2" for name in NAMES}


def test_a_worse_challenger_is_recorded_but_not_promoted(contest):
    """Version 3 of each family exists, and every alias stays."""
    assert made(contest.relapse) == versions(3, served=2)
    assert contest.relapse.champion == contest.honest.champion
    assert contest.relapse.previous == contest.honest.previous
    assert contest.relapse.champions == contest.honest.champions
    assert "verdict keep" in contest.relapse.printed


def test_no_family_that_is_unfit_is_promoted(clone, monkeypatch):
    """A refusal is an outcome that is explained, not a failure."""
    monkeypatch.setenv(config.PREFIX + "PROMOTION__MINIMUM_ROC_AUC", "0.99")
    monkeypatch.setenv("COLUMNS", "200")
    moment = run(os.environ[config.TRACKING_URI])

    assert made(moment) == dict.fromkeys(NAMES, 1)
    assert (moment.champion, moment.champions) == (None, {})
    assert "verdict refuse" in moment.printed
    assert "champion none: no family is fit to serve" in moment.printed
    assert clone.is_dir()


# --- interruptions


@pytest.mark.parametrize("step", ["publish", "copy", "promote", "_append", "_point"])
def test_an_interrupted_run_is_finished_by_the_next(clone, monkeypatch, step):
    """With the same key nothing is made twice, and until then there is no champion.

    The process dies at one step of the served model or the last family.
    """
    whole = getattr(Registry, step)

    def interrupted(self, given, *arguments, **named):
        name = given if isinstance(given, str) else given.model_name
        if name in {SERVED, "heart_disease_svm"} or SERVED in arguments:
            raise KeyboardInterrupt
        return whole(self, given, *arguments, **named)

    uri = os.environ[config.TRACKING_URI]
    with monkeypatch.context() as patch:
        patch.setattr(Registry, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(uri, once_per="job")

    assert Registry(uri, "heart-disease").find_alias(SERVED, CHAMPION) is None
    finished = run(uri, once_per="job")
    assert made(finished) == versions(1)
    assert finished.champion.title == "heart_disease/1"
    assert clone.is_dir()


def test_a_key_that_made_other_models_is_refused(clone, registered_weakly, weak):
    """A verdict on one model must never promote another."""
    artifacts.write_folder(artifacts.MODELS, weak)
    with pytest.raises(
        RegistryError, match=r"the key job was used for other models .*give another"
    ):
        run(registered_weakly, once_per="job")
    assert clone.is_dir()


@pytest.fixture
def registered_weakly(clone):
    """Return a registry in which the key ``job`` was used."""
    uri = os.environ[config.TRACKING_URI]
    run(uri, once_per="job")
    assert clone.is_dir()
    return uri
