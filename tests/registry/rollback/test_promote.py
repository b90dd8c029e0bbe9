"""A person's decision about the champion, on a real registry with real models."""

import shutil

import pytest

from pipeline import experiment_tracking
from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.base.names import SERVED
from pipeline.registry import replacement
from pipeline.registry.client import Registry, connect
from tests import command_line, prepared

SVM = "heart_disease_svm"


@pytest.fixture
def registry(tmp_path, tmp_path_factory, monkeypatch):
    """Return a registry with two versions of each family, of which the first may be champion."""
    trained = prepared.trained(tmp_path_factory.getbasetemp())
    folder = shutil.copytree(trained, tmp_path / "clone")
    prepared.be_in(folder, monkeypatch)
    for _ in range(2):
        experiment_tracking.run(RunContext.read())
    return connect(RunContext.read().settings.registry)


def champions(registry):
    """Return the champion of the family, the served one, and what that was copied from."""
    family, served = registry.settle(SVM), registry.settle(SERVED)
    return family.version, served.version, served.tags["promoted_from"]


def promote(title=f"{SVM}/2", **options):
    """Promote a version."""
    replacement.run(RunContext.read(), title, "new libraries", **options)


def test_a_version_becomes_champion_of_its_family_and_is_served(registry, capsys):
    """With who, when and why, and once however often it is asked for."""
    promote()
    promote()

    assert champions(registry) == (2, 2, f"{SVM}/2")
    assert [e.promotion.reason for e in registry.valid_entries(SERVED)][1:] == ["new libraries"]
    assert registry.champion(SERVED).tags["promoted_by"]
    assert registry.find_alias(SERVED, "previous_champion").version == 1
    said = capsys.readouterr().out
    assert f"champion      {SVM}/2, was {SVM}/1" in said
    assert f"champion      {SERVED}/2 already; nothing was changed (from {SVM}/2)" in said


def test_what_is_served_may_stay(registry):
    """Where a family's champion alone is in the way."""
    before = champions(registry)

    promote(family_only=True)

    assert champions(registry) == (2, *before[1:])


def test_champions_that_cannot_be_read_are_replaced(registry, tmp_path):
    """That is what it is for: nothing of them is looked at."""
    for name in (SVM, SERVED):
        model = registry.champion(name).source
        while model.count("/") > 1 or not model.startswith("models:/m-"):
            model = registry.version(*_named(model)).source
        stored = next((tmp_path / "clone").glob(f"mlruns/**/{model.removeprefix('models:/')}"))
        shutil.rmtree(stored)

    promote()

    assert champions(registry) == (2, 2, f"{SVM}/2")


def _named(source):
    name, number = source.removeprefix("models:/").split("/")
    return name, int(number)


def test_a_version_that_the_gate_refused_needs_force(registry):
    """And the history says so."""
    registry.tag(registry.version(SVM, 2), {"gate_outcome": "refuse", "gate_reason": "Brier: 0.5"})

    with pytest.raises(RegistryError, match=r"the gate refused heart_disease_svm/2: Brier: 0\.5"):
        promote()
    promote(force=True)

    assert [entry.promotion.forced for entry in registry.valid_entries(SERVED)] == [False, True]


@pytest.mark.parametrize(
    ("title", "problem"),
    [
        (f"{SERVED}/1", r"is no version of a family: .*registry rollback`"),
        ("2", "is no version of a family: name one as heart_disease_random_forest/3"),
        (f"{SVM}/two", "is no version of a family"),
        (f"{SVM}/9", f"holds no {SVM}/9"),
    ],
)
def test_what_is_no_version_of_a_family_is_said(registry, title, problem):
    """With the command for it, if there is one."""
    before = champions(registry)

    with pytest.raises(RegistryError, match=problem):
        promote(title)

    assert champions(registry) == before


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("model.onnx", b"x", "its ONNX file gives no answers"),
        ("recipe.json", b'{"estimator": "sklearn.svm.Lost", "parameters": {}}', "there is no skl"),
        ("metrics.json", b"{}", "metrics"),
    ],
)
def test_a_version_that_does_not_work_here_is_never_taken(
    registry, monkeypatch, name, content, problem
):
    """Though its files are what was published; the champions stay."""
    before, read = champions(registry), Registry.files
    monkeypatch.setattr(Registry, "files", lambda *a: {**read(*a), name: content})

    with pytest.raises(RegistryError, match=rf"{SVM}/2 cannot be champion: .*{problem}"):
        promote()

    assert champions(registry) == before


def test_the_command_needs_a_reason_and_prints_one_line(registry):
    """As every command that a person gives."""
    without = command_line.call("pipeline.registry", "promote", "--version", f"{SVM}/2")
    lost = command_line.call(
        "pipeline.registry", "promote", "--version", f"{SVM}/9", "--reason", "new libraries"
    )

    assert (without.returncode, lost.returncode) == (2, 1)
    assert "a promotion needs a reason" in without.stderr
    assert lost.stderr.startswith("error: ")
    assert lost.stderr.count("\n") == 1
    assert champions(registry)[0] == 1
