"""Task 3 itself, with its four families, is broken and run again."""

import threading
import time
from contextlib import closing

import pytest
from mlflow import MlflowClient

from pipeline import experiment_tracking
from pipeline.base import config
from pipeline.base.context import RunContext
from pipeline.base.errors import PipelineError
from tests import prepared
from tests.nightly.faults.breaking import FAULTS, LASTING
from tests.nightly.faults.proxy import Call, Proxy
from tests.registries import empty

HURRIED = {"TIMEOUT_SECONDS": "2", "WAIT_SECONDS": "0.01", "TOTAL_SECONDS": "2"}
# How long a server is down that restarts.
DOWN_SECONDS = 10


class Job:
    """Task 3 as a job of CI runs it: in a prepared clone, against a server that may be broken."""

    def __init__(self, server, folder) -> None:
        """Put a proxy in front of the server."""
        self.proxy, self._server, self._folder = Proxy(server.port), server, folder

    def run(self, retry=HURRIED):
        """Run it once; a second run has the same key. ``retry`` says what is not as always."""
        with pytest.MonkeyPatch.context() as patch:
            prepared.be_in(self._folder, patch)
            patch.setenv(config.TRACKING_URI, self.proxy.uri)
            for name, value in retry.items():
                patch.setenv(f"{config.PREFIX}REGISTRY__RETRY__{name}", value)
            experiment_tracking.run(RunContext.read(), once_per="the same job")

    def state(self):
        """Return each model's aliases and versions, as MLflow's own client sees them."""
        client = MlflowClient(self._server.uri, self._server.uri)
        return {
            model.name: (
                {alias: int(number) for alias, number in model.aliases.items()},
                [
                    (version.tags.get("family"), version.tags.get("complete"))
                    for version in client.search_model_versions(f"name = '{model.name}'")
                ],
            )
            for model in client.search_registered_models()
        }

    def begin(self, fault=None, call=None, *, lasts=False):
        """Empty the registry, and break a call of what comes."""
        empty(self._server.uri)
        self.proxy.expect(fault, call, lasts=lasts)


@pytest.fixture(scope="module")
def job(server, tmp_path_factory):
    """Return the job."""
    job = Job(server, prepared.trained(tmp_path_factory.getbasetemp()))
    with closing(job.proxy):
        yield job


@pytest.fixture(scope="module")
def whole(job):
    """Return what an undisturbed run leaves behind."""
    job.begin()
    job.run()
    return job.state()


# Four versions, three champions of families (one is refused), the served copy, its promotion.
@pytest.mark.parametrize(
    ("fault", "number"),
    [("502 after", 3), ("reset after", 8), ("500 for good", 9)],
    ids=["the third version", "the copy", "the promotion"],
)
def test_a_second_run_of_task_3_finishes_what_the_first_could_not(job, whole, fault, number):
    """Each family's version, the copy that is served, every champion; and nothing twice."""
    call = Call("POST model-versions/create", number)
    job.begin(FAULTS[fault], call, lasts=fault in LASTING)
    try:
        job.run()
    except PipelineError:
        assert fault in LASTING
    assert job.proxy.broken
    job.proxy.expect()
    job.run()

    assert job.state() == whole


# Before anything is there, in the middle of the versions, of the files, and of what is promoted.
@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("GET experiments/get-by-name", 1),
        ("POST model-versions/create", 2),
        ("PUT mlflow-artifacts/artifacts/*/models/*/artifacts/model.onnx", 3),
        ("POST registered-models/alias", 4),
    ],
    ids=["the first call", "the second version", "a file of the third", "the fourth alias"],
)
def test_task_3_survives_a_server_that_restarts(job, server, whole, title, number):
    """With the patience of `config.yaml`; the server is down for ten seconds."""
    began, restarts = time.monotonic(), []

    def restart(call):
        if call == Call(title, number) and not restarts:
            server.kill()
            restarts.append(threading.Timer(DOWN_SECONDS, server.start))
            restarts[0].start()

    empty(server.uri)
    job.proxy.expect(each=restart)
    job.run(retry={})
    restarts[0].join()

    assert job.state() == whole
    assert time.monotonic() - began > DOWN_SECONDS
