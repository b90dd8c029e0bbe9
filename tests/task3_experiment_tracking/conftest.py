"""Models that are trained and registered once."""

import shutil
from dataclasses import replace

import pytest

from pipeline.base import config
from pipeline.training import fitting, workspace
from tests import prepared
from tests.prepared import be_in


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a clone in which tasks 1 and 2 ran once; tests work in copies of it."""
    return prepared.trained(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def weak(trained):
    """Return the files of ``models/`` with one small tree in the place of every family.

    It separates the outcomes, but worse than any of the families. The figures are its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        be_in(trained, patch)
        plan, data, models = (
            workspace.plan(config.load()),
            workspace.read_data(),
            workspace.read_models(),
        )
    forest = plan.models["random_forest"] | {"n_estimators": 1, "min_samples_leaf": 40}
    one_tree = plan.model_copy(update={"models": {**plan.models, "random_forest": forest}})
    fitted = fitting.fit(["random_forest"], data, one_tree, 1, lambda items, _: items)
    tree = fitting.describe("random_forest", fitted["random_forest"], data, one_tree, {})
    planted = {
        family: replace(
            tree,
            parameters=model.parameters,
            evaluation=tree.evaluation.model_copy(update={"family": family}),
        )
        for family, model in models.items()
    }
    return {
        f"{family}/{name}": content
        for family, model in planted.items()
        for name, content in model.files().items()
    }


@pytest.fixture(scope="session")
def registered(tmp_path_factory):
    """Return a clone in which task 3 ran once too, with the champion in its own registry."""
    return prepared.registered(tmp_path_factory.getbasetemp())


@pytest.fixture
def clone(trained, tmp_path, monkeypatch):
    """Return a copy of the trained clone as the current folder, with a registry of its own."""
    folder = shutil.copytree(trained, tmp_path / "clone")
    be_in(folder, monkeypatch)
    return folder
