"""What grows is like what it stands for, and no fit is begun that would not end in time."""

import pytest

from benchmarks import growth, growth_branch, growth_process, growth_training
from benchmarks.growth import Growth
from benchmarks.growth_registry import FAMILY_MODEL, Grown
from pipeline.base import config
from pipeline.base.context import RunContext
from pipeline.base.names import SERVED
from pipeline.dataset import rules
from pipeline.registry.care import RegistryCare
from pipeline.registry.client import Registry
from pipeline.registry.look import look
from pipeline.table.contract import CONTRACT, TRAINING


@pytest.fixture
def grown(workspace):
    """Return the folder of registries that grow."""
    return Grown(workspace, RunContext.read())


def test_a_grown_registry_is_one_that_its_own_code_could_have_made(grown):
    """The doctor reads every file of it and finds nothing, but that the champion is noise."""
    grown.grow(5, files=5)
    registry = RegistryCare(**dict(grown.context("5").settings.registry))
    assert [(found.subject, found.problem[:13]) for found in look(registry, 0, 0)] == [
        (f"{SERVED}/5", "does not work")
    ]


def test_every_clone_was_promoted_in_its_turn(grown):
    """The champion is the last of them, with its files."""
    grown.grow(5, files=5)
    registry = grown.open("5")
    assert [entry.version for entry in registry.valid_entries(SERVED)] == [1, 2, 3, 4, 5]
    assert registry.champion(SERVED).version == 5
    assert registry.files(registry.champion(SERVED)).keys() == {"model.skops"}


def test_clones_have_keys_runs_and_digests_of_their_own(grown):
    """Nothing that is looked for is found twice."""
    grown.grow(5, files=0)
    versions = grown.open("5").versions(FAMILY_MODEL)
    for values in (
        {one.run_id for one in versions},
        {one.source for one in versions},
        {one.tags["key"] for one in versions},
        {one.tags["gate_verdict"] for one in versions},
    ):
        assert len(values) == 5


def test_merges_that_are_cloned_go_on_from_real_ones(workspace, monkeypatch):
    """Each family has as many versions as there were merges, and each was its champion."""
    monkeypatch.setattr(growth_branch, "MODEL", dict.fromkeys(growth_branch.MODEL, 1_000))
    policy = config.load().registry_branch.keep.model_copy(update={"versions": 1, "runs": 1})
    growth_branch.Growing(workspace, policy).grow(8)
    registry = Registry(f"sqlite:///{workspace}/registry/mlflow.db", "heart-disease")
    versions = registry.versions(FAMILY_MODEL)
    assert [version.version for version in versions] == list(range(1, 9))
    assert [entry.version for entry in registry.valid_entries(FAMILY_MODEL)] == list(range(1, 9))
    assert [version.version for version in versions if not version.pruned] == [8]


@pytest.mark.usefixtures("workspace")
def test_drawn_patients_keep_the_contract():
    """They differ from those of Cleveland, and each could be one."""
    drawn = growth_training.patients(400, seed=1)
    assert len(drawn) == 400
    assert not rules.content_breaches(CONTRACT, TRAINING, rules.numbered(drawn))


def test_no_fit_is_begun_that_would_take_longer_than_the_share(monkeypatch, tmp_path):
    """The exponent of the last two sizes tells; a quadratic family ends earlier."""

    def fit(_module, _family, size, scratch):
        del scratch
        return {"seconds": 1e-6 * int(size) ** 2, "megabytes": 10.0}

    monkeypatch.setattr(growth_process, "measured", fit)
    found = growth_training.measure("svm", (1_000, 3_000, 10_000, 30_000), tmp_path)
    assert [size for size, _ in found.seconds.points] == [1_000, 3_000]
    assert found.left_out == (10_000, 30_000)
    assert found.seconds.exponent == pytest.approx(2)


def test_a_table_shows_each_size_and_the_exponent():
    """A size that was left out is not seen."""
    found = Growth("s", "patients", {"a": {10: [1.0, 2.0, 3.0], 100: [20.0]}, "b": {10: [1.0]}})
    table = found.table("Time")
    assert table.columns == ("s, by patients", "10", "100", "exponent")
    assert table.rows == [("a", "2 (1-3)", "20", "1.00"), ("b", "1", "not seen", "not seen")]


def test_resolving_is_held_against_the_smallest_registry():
    """Round by round."""
    goal = growth.steady({10: [1.0, 2.0], 10_000: [1.2, 2.0]})
    assert goal.found == [1.2, 1.0]
    assert goal.is_reached
