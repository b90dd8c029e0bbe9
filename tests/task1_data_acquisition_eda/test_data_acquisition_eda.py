"""The whole task, in a fresh clone."""

import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipeline import data_acquisition_eda
from pipeline.base import artifacts, config
from pipeline.base.errors import ContractError, SourceError
from pipeline.dataset import rules, tables
from pipeline.table.contract import COHORTS, CONTRACT
from tests import command_line
from tests.conftest import ROOT

ARCHIVE = "/heart+disease.zip"
WRITTEN = [
    "data/processed/SHA256SUMS",
    "data/processed/external.parquet",
    "data/processed/training.parquet",
    "figures/data/SHA256SUMS",
    "figures/data/correlations.png",
    "figures/data/distributions.png",
    "figures/data/missingness.png",
    "figures/data/outcome-by-category.png",
    "reports/data-quality.html",
    "reports/data-quality.md",
]


def made(workspace):
    """Return what the task wrote, by path."""
    files = artifacts.files_below(workspace)
    return {
        path: content
        for path, content in files.items()
        if not path.startswith("data/raw/") and path != "config.yaml"
    }


def command(*arguments, **environment):
    """Run the task as a person does."""
    return command_line.call("pipeline.data_acquisition_eda", *arguments, **environment)


@pytest.fixture
def flipped(workspace):
    """Flip one bit of one raw file."""
    file = workspace / "data" / "raw" / "processed.switzerland.data"
    content = bytearray(file.read_bytes())
    content[2000] ^= 1
    file.write_bytes(content)
    return file


def test_writes_the_tables_the_figures_and_the_report(context, workspace):
    """A run leaves exactly these files."""
    data_acquisition_eda.run(context)
    assert sorted(made(workspace)) == WRITTEN


def test_the_next_task_finds_tables_that_keep_the_contract(context):
    """What was written is read back, verified and checked."""
    data_acquisition_eda.run(context)
    files = artifacts.read_folder(artifacts.PROCESSED, "data_acquisition_eda")
    assert len(rules.check_training(CONTRACT, tables.read_table(files["training.parquet"]))) == 303
    assert len(rules.check_external(CONTRACT, tables.read_table(files["external.parquet"]))) == 617


def test_writes_the_same_bytes_in_another_process_time_zone_and_language(context, workspace):
    """Clock, hash seed and locale are in none of the files."""
    data_acquisition_eda.run(context)
    first = made(workspace)
    again = subprocess.run(
        [sys.executable, "-m", "pipeline.data_acquisition_eda"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TZ": "Asia/Tokyo",
            "PYTHONHASHSEED": "4",
            "LC_ALL": "C",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert made(workspace) == first


def test_prints_the_hospitals_and_the_digest_of_the_data(workspace):
    """A person sees what was read, its digest, and where the report is."""
    done = command()
    assert done.returncode == 0, done.stderr
    sums = (workspace / "data" / "processed" / "SHA256SUMS").read_bytes()
    for text in (
        *(hospital.title for hospital in COHORTS),
        hashlib.sha256(sums).hexdigest(),
        "reports/data-quality.html",
    ):
        assert text in done.stdout
    assert done.stderr == ""


def test_a_flipped_bit_stops_the_task_with_the_name_of_the_file(context, workspace, flipped):
    """Nothing is written from data that is not UCI's."""
    with pytest.raises(SourceError, match=f"{flipped.name} has changed"):
        data_acquisition_eda.run(context)
    assert made(workspace) == {}


def test_a_flipped_bit_leaves_what_an_earlier_run_wrote(context, workspace, request):
    """A failed run does not take good tables away."""
    data_acquisition_eda.run(context)
    before = made(workspace)
    request.getfixturevalue("flipped")
    with pytest.raises(SourceError):
        data_acquisition_eda.run(context)
    assert made(workspace) == before


def test_an_expected_error_is_one_line_and_exit_code_1(workspace, flipped):
    """The command line shows no traceback for what a person can mend."""
    done = command()
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: data/raw/{flipped.name} has changed")
    assert done.stderr.count("\n") == 1
    assert made(workspace) == {}


def test_an_unknown_option_is_exit_code_2(workspace):
    """A typing error is told apart from wrong data."""
    assert command("--refesh").returncode == 2
    assert made(workspace) == {}


def test_a_breach_of_the_contract_writes_nothing(context, workspace, monkeypatch, raw_files):
    """Files whose hash is right and whose content is not, as a wrong contract would make them."""
    broken = {**raw_files, "va": raw_files["va"].replace(b"63,", b"630,", 1)}
    monkeypatch.setattr(data_acquisition_eda.source, "read", lambda _: broken)
    with pytest.raises(ContractError, match=r"processed.va.data age must be 18 to 110 years"):
        data_acquisition_eda.run(context)
    assert made(workspace) == {}


class Handler(BaseHTTPRequestHandler):
    """Serves the archive, and knows nothing else."""

    def do_GET(self):
        """Answer 200 or 404."""
        if self.path != ARCHIVE:
            return self.send_error(404)
        self.send_response(200)
        self.end_headers()
        return self.wfile.write(self.server.archive)

    def log_message(self, *_):
        """Keep the tests' output clean."""


@pytest.fixture
def server(raw_files):
    """Return the address of a server that has an archive like UCI's."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for hospital in COHORTS:
            archive.writestr(hospital.file, raw_files[hospital.name])
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.archive = buffer.getvalue()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def refresh(url):
    """Run the task with ``--refresh`` from another address."""
    return command("--refresh", **{config.PREFIX + "SOURCE__URL": url, "NO_PROXY": "127.0.0.1"})


def test_a_refresh_mends_what_was_damaged(workspace, server, flipped, raw_files):
    """The files are downloaded and then read; an archive packed anew is one line of warning."""
    done = refresh(server + ARCHIVE)
    assert done.returncode == 0, done.stderr
    assert flipped.read_bytes() == raw_files["switzerland"]
    assert f"warning: {server}{ARCHIVE} is not the archive we know" in done.stdout
    assert "download" in done.stderr
    assert sorted(made(workspace)) == WRITTEN


def test_a_refresh_that_fails_is_one_line_with_the_address(workspace, server):
    """The files stay, nothing is written, and the line says how to go on without a network."""
    raw = artifacts.files_below(workspace / "data")
    done = refresh(f"{server}/moved.zip")
    assert done.returncode == 1
    error = f"error: cannot refresh data/raw from {server}/moved.zip: the server answered 404"
    assert done.stderr.startswith(error)
    assert "work without --refresh on the files here" in done.stderr
    assert done.stderr.count("\n") == 1
    assert artifacts.files_below(workspace / "data") == raw
    assert made(workspace) == {}
