"""Messages name the server that failed, and never a password that its address holds."""

import subprocess

import pytest

from pipeline.base.errors import PipelineError
from pipeline.base.policies import DownloadPlan, RetryPolicy
from pipeline.image.docker import Engine
from pipeline.registry.client import Registry
from pipeline.release import scan
from pipeline.release.scan import Component
from pipeline.table import source
from tests.conftest import ROOT

PLACE = "http://127.0.0.1:9/path"
IMPATIENT = RetryPolicy(timeout_seconds=1, total_seconds=0)


def refresh(address, folder):
    """Ask for the raw data."""
    plan = DownloadPlan(url=address, timeout_seconds=1, attempts=1, wait_seconds=0)
    source.download(plan, folder, lambda chunks, _: chunks)


ASKING = {
    "raw data": refresh,
    "vulnerabilities": lambda address, _: scan.known(
        address, [Component(name="x", version="1")], wait=0
    ),
    "registry": lambda address, _: Registry(address, "tests", IMPATIENT).versions("x"),
}


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
@pytest.mark.parametrize("password", ["s3cret", "s3@cret", "s3'cret", "s3 cret"])
def test_an_error_shows_no_password(tmp_path, monkeypatch, ask, password):
    """Neither ours nor what a library says, however the password was written."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with pytest.raises(PipelineError) as refused:
        ask(f"http://ann:{password}@127.0.0.1:9/path", tmp_path)

    assert PLACE in str(refused.value)
    assert "cret" not in str(refused.value)
    assert "ann" not in str(refused.value).replace("cannot", "")


@pytest.mark.parametrize("place", ["127.0.0.1", "127.0.0.1:9", "127.0.0.1:port"])
def test_an_engine_that_cannot_be_reached_shows_no_password(monkeypatch, place):
    """Docker's library repeats an address that it does not understand."""
    monkeypatch.setenv("DOCKER_HOST", f"tcp://ann:s3@cret@{place}")

    with pytest.raises(PipelineError, match=f"tcp://{place}") as refused:
        Engine()
    assert "cret" not in str(refused.value)


def test_an_address_that_lacks_its_scheme_shows_no_password(tmp_path, monkeypatch):
    """It is an easy mistake."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")

    with pytest.raises(PipelineError, match=r"the registry at mlflow\.example:5000") as refused:
        Registry("ann:s3@cret@mlflow.example:5000", "tests", IMPATIENT).versions("x")
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://ann:s3@cret@mlflow.example:5000/x", "http://mlflow.example:5000/x"),
        ("https://mlflow.example/x", "https://mlflow.example/x"),
    ],
)
def test_make_shows_the_page_of_the_registry_without_a_password(address, expected):
    """As the shell reads the recipe, of which nothing else is run here."""
    asked = ["make", "--dry-run", "--no-print-directory", "mlflow-ui"]
    printed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    recipe = "case " + printed.rpartition("case ")[2]

    done = subprocess.run(
        ["sh", "-c", recipe],
        env={"MLFLOW_TRACKING_URI": address},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"the registry's page is {expected}\n"


def test_make_hands_the_address_of_a_database_to_no_command_line():
    """Others on the machine can read command lines."""
    recipe = (ROOT / "Makefile").read_text().partition("\nmlflow-ui:")[2].partition("\nlock:")[0]

    assert "--backend-store-uri" not in recipe
