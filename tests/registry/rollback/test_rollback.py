"""Putting an earlier champion back, on a real registry."""

from dataclasses import replace

import pytest
from mlflow import MlflowClient

from pipeline.base import config
from pipeline.base.context import RunContext
from pipeline.base.errors import NoChampionError, RegistryError
from pipeline.registry import rollback
from pipeline.registry.client import Registry
from pipeline.registry.history import PREVIOUS_CHAMPION, Promotion
from pipeline.registry.publishing import Submission
from tests import command_line
from tests.conftest import lay_out

SERVED = "heart_disease"
OLD, NEW, REFUSED, INCOMPLETE, SWAPPED = 1, 2, 3, 4, 5


def submission(key, outcome="promote"):
    """Return a small model that was put before the gate."""
    return Submission(
        model_name=SERVED,
        description="served",
        run_name="svm",
        source_name="pipeline.experiment_tracking",
        user="ann",
        key=key,
        files={"model.skops": key.encode()},
        figures={},
        parameters={},
        metrics={"roc_auc": 0.9},
        tags={
            "family": "svm",
            "model_digest": "d" * 64,
            "roc_auc": "0.900000",
            "git_commit": "0123456789abcdef",
            "gate_outcome": outcome,
            "gate_reason": "ROC-AUC, female: 0.5",
        },
        dataset={"name": "data", "digest": "d", "source_type": "local", "source": "{}"},
    )


class Interrupted(Registry):
    """A registry whose client dies before it has verified an upload."""

    def _complete(self, version, submission):
        raise KeyboardInterrupt(version.title, submission.key)


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Return a registry with two champions, a refused, an incomplete and a swapped version."""
    folder = tmp_path_factory.mktemp("rollback")
    lay_out(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        uri = address(folder, patch)
        made = Registry(uri, "heart-disease")
        for number in (OLD, NEW):
            version, over = made.publish(submission(f"champion {number}")), made.settle(SERVED)
            made.promote(version, promotion(f"2026-01-0{number}T10:00:00+00:00", "better"), over)
        made.publish(submission("refused", "refuse"))
        with pytest.raises(KeyboardInterrupt):
            Interrupted(uri, "heart-disease").publish(submission("incomplete"))
        made.publish(submission("swapped"))
        swap(folder, b"swapped", b"planted")
        yield made


def address(folder, patch):
    """Name the registry by its whole path: MLflow remembers each address it has seen."""
    uri = f"sqlite:///{folder}/mlflow.db"
    patch.setenv(config.TRACKING_URI, uri)
    return uri


def swap(folder, content, planted):
    """Replace a file in the artifact store, which is forbidden."""
    stored = next(p for p in folder.glob("mlruns/**/model.skops") if p.read_bytes() == content)
    stored.write_bytes(planted)


def promotion(at, reason):
    """Return a promotion at that moment."""
    return Promotion(at=at, by="ada", action="promoted", reason=reason, commit="abc")


@pytest.fixture
def context(registry):
    """Return what a command reads, with version 2 as champion and version 1 before it."""
    for version in (OLD, NEW):
        if champion(registry) != version:
            again = promotion("2026-01-03T10:00:00+00:00", "as at the start")
            registry.promote(registry.version(SERVED, version), again, registry.champion(SERVED))
    return RunContext.read()


def champion(registry):
    """Return the number of the champion."""
    return registry.champion(SERVED).version


def test_without_a_version_the_champion_before_is_put_back(registry, context):
    """The usual case needs no look-up."""
    rollback.run(context, "false positives")
    assert champion(registry) == OLD
    assert registry.find_alias(SERVED, PREVIOUS_CHAMPION).version == NEW


def test_rolling_back_twice_returns_to_where_it_began(registry, context):
    """The one that was replaced is the previous champion then."""
    rollback.run(context, "false positives")
    rollback.run(context, "it was the sensor")
    assert champion(registry) == NEW


def test_a_rollback_that_is_repeated_goes_back_once(registry, context, capsys):
    """A person runs it again after an error, with the same reason."""
    rollback.run(context, "false positives")
    rollback.run(context, "false positives")

    assert champion(registry) == OLD
    assert "already" in capsys.readouterr().out


def test_a_named_version_is_put_back(registry, context):
    """Any champion of the past can be named."""
    rollback.run(context, "false positives", to=OLD)
    assert champion(registry) == OLD


def test_who_when_and_why_are_kept_in_the_history(registry, context):
    """The audit trail is in the registry itself."""
    in_ci = replace(context, ci=config.CiRun(actor="grace"))
    rollback.run(in_ci, "false positives since Monday", to=OLD)
    last = registry.valid_entries(SERVED)[-1]
    assert last.version == OLD
    assert (last.promotion.by, last.promotion.action) == ("grace", "restored")
    assert last.promotion.reason == "false positives since Monday"


def test_the_champion_itself_is_left_alone(registry, context, capsys):
    """A repeated command changes nothing."""
    before = registry.version(SERVED, NEW).tags, registry.valid_entries(SERVED)
    rollback.run(context, "once more", to=NEW)
    assert (registry.version(SERVED, NEW).tags, registry.valid_entries(SERVED)) == before
    assert "already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("version", "words"),
    [
        pytest.param(REFUSED, "the gate refused heart_disease/3: ROC-AUC, female", id="refused"),
        pytest.param(INCOMPLETE, "heart_disease/4 is incomplete", id="incomplete"),
        pytest.param(SWAPPED, "model.skops has changed", id="swapped"),
        pytest.param(99, "holds no heart_disease/99", id="unknown"),
    ],
)
def test_a_version_that_must_not_serve_is_not_put_back(registry, context, version, words):
    """The champion stays, and the message says why."""
    with pytest.raises(RegistryError, match=words):
        rollback.run(context, "try", to=version)
    assert champion(registry) == NEW


def test_force_takes_a_refused_version_and_notes_it(registry, context):
    """A person may know better; it can be seen later that they did."""
    rollback.run(context, "the gate is wrong", to=REFUSED, force=True)
    assert champion(registry) == REFUSED
    assert registry.valid_entries(SERVED)[-1].promotion.forced


@pytest.mark.parametrize("version", [INCOMPLETE, SWAPPED], ids=["incomplete", "swapped"])
def test_force_takes_no_version_whose_files_are_wrong(registry, context, version):
    """It is unknown what would be served."""
    with pytest.raises(RegistryError):
        rollback.run(context, "try", to=version, force=True)
    assert champion(registry) == NEW


def test_the_history_shows_every_tenure(context, capsys, monkeypatch):
    """Version, family, figure, time, commit and reason."""
    monkeypatch.setenv("COLUMNS", "200")
    rollback.show(context.settings)
    shown = capsys.readouterr().out
    assert "2026-01-01 10:00" in shown
    assert "promoted by ada: better" in shown
    assert "0123456" in shown


@pytest.fixture
def another(tmp_path, monkeypatch):
    """Return an empty registry of its own, and MLflow's client for it."""
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    uri = address(tmp_path, monkeypatch)
    return Registry(uri, "heart-disease"), MlflowClient(uri, uri)


def test_a_deleted_champion_still_has_its_place_in_the_history(another, capsys):
    """Its family is unknown."""
    made, client = another
    first = promotion("2026-01-01T10:00:00+00:00", "first")
    made.promote(made.publish(submission("only")), first, over=None)
    client.delete_model_version(SERVED, "1")

    rollback.show(config.load())
    assert "deleted" in capsys.readouterr().out


def test_the_history_does_not_take_a_number_for_a_version(another, capsys):
    """The served model was deleted and made anew: its version 1 is another one."""
    made, client = another
    for reason in ("first", "again"):
        version = made.publish(submission(reason))
        made.promote(version, promotion("2026-01-01T10:00:00+00:00", reason), over=None)
        if reason == "first":
            client.delete_registered_model(SERVED)

    rollback.show(config.load())
    first, again = [line for line in capsys.readouterr().out.splitlines() if "by ada" in line]
    assert "deleted" in first
    assert "deleted" not in again


def test_without_a_previous_champion_there_is_nothing_to_go_back_to(another):
    """One line says so."""
    made, _ = another
    context = RunContext.read()
    with pytest.raises(NoChampionError, match="experiment_tracking"):
        rollback.run(context, "try")
    only, first = made.publish(submission("only")), promotion("2026-01-01T10:00:00+00:00", "first")
    made.promote(only, first, over=None)
    with pytest.raises(RegistryError, match="one champion only"):
        rollback.run(context, "try")


def test_a_reason_is_required(workspace):
    """The audit trail is not optional."""
    done = command_line.call("pipeline.registry", "rollback")

    assert done.returncode == 2
    assert "a rollback needs a reason" in done.stderr
    assert not (workspace / "mlflow.db").exists()
