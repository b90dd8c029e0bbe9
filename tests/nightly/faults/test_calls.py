"""Whatever happens to one call of a promotion, nothing is lost and a second run finishes it.

`make faults` breaks every call in every way, on both databases; here it is a sample.
"""

import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.base import manifest
from pipeline.base.errors import RegistryError, RegistryUnavailableError
from pipeline.registry.client import Registry
from pipeline.registry.mlflow_calls import MlflowCalls
from tests.conftest import SAMPLE
from tests.nightly.faults.breaking import FAULTS, KILLS, hang_before
from tests.nightly.faults.matrix import LOST, Cell, sample
from tests.nightly.faults.promotion import HURRIED, Names, submission
from tests.nightly.faults.proxy import Call

SEED = 20261125
BROKEN, KILLED = 40, 10


def cell(matrix, fault, title, stage="publish"):
    """Return the cell of a stage's first call of a kind."""
    (row,) = [r for r in matrix.rows if (r.stage, *r.call) == (stage, title, 1)]
    return Cell(row, fault)


def losses(matrix, cells):
    """Return what was lost in some cells."""
    return [result for result in map(matrix.play, cells) if result.outcome == LOST]


def test_a_broken_call_loses_nothing(matrix, record_property):
    """It is asked again, or the command says that it failed and a second run finishes it."""
    cells = matrix.cells(FAULTS, every_call=True)
    record_property(SAMPLE, f"{BROKEN} of {len(cells):,} broken calls on SQLite")
    assert losses(matrix, sample(cells, BROKEN, SEED)) == []


def test_a_process_that_is_killed_at_a_call_loses_nothing(matrix, record_property):
    """Before the server hears of the call, or when it has done what it was asked."""
    cells = matrix.cells(KILLS, every_call=True)
    record_property(SAMPLE, f"{KILLED} of {len(cells):,} killed processes on SQLite")
    assert losses(matrix, sample(cells, KILLED, SEED)) == []


@pytest.mark.parametrize("fault", ["502 after", "reset after", "cut", "hang after"])
@pytest.mark.parametrize("title", ["POST runs/create", "POST model-versions/create"])
def test_a_lost_answer_doubles_nothing(matrix, fault, title):
    """The server has made what was asked for, and the client cannot know."""
    assert losses(matrix, [cell(matrix, fault, title)]) == []


def test_a_server_that_keeps_failing_is_one_line_with_the_next_step(matrix):
    """And with what need not be done again."""
    broken = cell(matrix, "500 for good", "POST registered-models/alias", "promote")
    message = matrix.play(broken).why

    assert message.startswith("the registry at http://127.0.0.1:")
    assert "run the same command again" in message
    assert "_svm/1 is complete" in message


def test_a_server_that_never_answers_is_told_within_the_limits(matrix):
    """The last call may have begun just before."""
    proxy = matrix.proxy
    proxy.expect(hang_before, Call("GET model-versions/search", 1), lasts=True)
    names, started = Names.new(), time.monotonic()
    with pytest.raises(RegistryUnavailableError) as refused:
        Registry(proxy.uri, names.experiment, HURRIED).publish(submission(names, "svm", 0.9))

    assert time.monotonic() - started < HURRIED.total_seconds + HURRIED.timeout_seconds + 1
    assert refused.value.exit_code == 4


# --- the matrix itself, held by registries that lose something


def test_a_registry_that_creates_again_without_looking_is_caught(matrix, monkeypatch):
    """As MLflow's own client does."""

    def create(calls, made, make):
        found = calls.ask(made)
        return calls.ask(make) if found is None else found

    monkeypatch.setattr(MlflowCalls, "create", create)
    (lost,) = losses(matrix, [cell(matrix, "reset after", "POST runs/create")])
    assert lost.why == "1 made twice"


def test_a_registry_that_calls_a_version_complete_at_once_is_caught(matrix, monkeypatch):
    """What stands there when the upload failed would be promoted."""

    def send(client, model_id, folder):
        Path(folder, "model.skops").unlink()
        whole(client, model_id, folder)

    whole = MlflowClient.log_model_artifacts
    monkeypatch.setattr(MlflowClient, "log_model_artifacts", send)
    monkeypatch.setattr(manifest, "differences", lambda *_: ())
    (lost,) = losses(matrix, [cell(matrix, "500", "POST runs/create")])
    assert "svm: " in lost.why


def test_a_registry_whose_errors_are_not_explained_is_caught(matrix, monkeypatch):
    """A traceback is not an answer to a broken network."""

    def persist(_, call, *_what):
        return call()

    monkeypatch.setattr(MlflowCalls, "_persist", persist)
    (lost,) = losses(matrix, [cell(matrix, "reset before", "POST runs/create")])
    assert lost.why.startswith("a traceback: ")


def test_a_registry_that_says_nothing_of_a_failure_is_caught(matrix, monkeypatch):
    """What it says is done must be there."""

    def tag(self, version, tags):
        try:
            return whole(self, version, tags)
        except (RegistryError, RegistryUnavailableError):
            return version.model_copy(update={"tags": {**version.tags, **tags}})

    whole = Registry.tag
    monkeypatch.setattr(Registry, "tag", tag)
    broken = cell(matrix, "500 for good", "POST model-versions/set-tag")
    (lost,) = losses(matrix, [broken])
    assert "svm: " in lost.why
