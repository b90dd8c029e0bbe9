"""The raw data on disk and on a server, here a real one on this machine that can misbehave."""

import io
import socket
import threading
import time
import zipfile
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.base.errors import SourceError
from pipeline.base.policies import DownloadPlan
from pipeline.table import source
from pipeline.table.contract import COHORTS, TRAINING

OLD = b"what was here before\n"


def zipped(files, compression=zipfile.ZIP_DEFLATED):
    """Return an archive of ``files``, packed as UCI packs it: flat."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers each path in its own way of being good or bad."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer as the path says."""
        self.server.asked[self.path] += 1
        with suppress(ConnectionError):
            getattr(self, "_" + self.path.strip("/").replace("-", "_"))()

    def log_message(self, *_):
        """Keep the tests' output clean."""

    def _start(self, length=None, status=200):
        self.send_response(status)
        if length is None:
            self.close_connection = True
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, body):
        self._start(len(body))
        self.wfile.write(body)

    def _good(self):
        self._send(self.server.archive)

    def _unannounced(self):
        self._start()
        self.wfile.write(self.server.archive)

    def _moved(self):
        self.send_response(302)
        self.send_header("Location", "/good")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _broken_off(self):
        self._start(len(self.server.archive))
        self.wfile.write(self.server.archive[:5000])
        self.close_connection = True

    def _broken_off_chunks(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"2000\r\n" + self.server.archive[:5000])
        self.close_connection = True

    def _broken_off_once(self):
        (self._broken_off if self.server.asked[self.path] == 1 else self._good)()

    def _silent(self):
        self.server.over.wait(30)

    def _stalled(self):
        self._start(len(self.server.archive))
        self.wfile.write(self.server.archive[:5000])
        self.server.over.wait(30)

    def _dripping(self):
        self._start(len(self.server.archive))
        while not self.server.over.wait(0.02):
            self.wfile.write(b"x")

    def _endless(self):
        self._start()
        while True:
            self.wfile.write(bytes(1_000_000))

    def _status_500(self):
        self._start(0, status=500)

    def _status_503_once(self):
        if self.server.asked[self.path] > 1:
            return self._good()
        return self._start(0, status=503)

    def _status_404(self):
        self._start(0, status=404)

    def _status_429(self):
        self._start(0, status=429)

    def _status_204(self):
        self.send_response(204)
        self.end_headers()

    def _page(self):
        self._send(b"<html>Please log in to the network.</html>")

    def _empty(self):
        self._send(b"")


class Server(ThreadingHTTPServer):
    """Counts what it is asked for, and serves ``archive``."""

    daemon_threads = True

    def __init__(self):
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = Counter()
        self.over = threading.Event()
        self.archive = b""

    def handle_error(self, *_):
        """Say nothing: clients that give up are what is tested."""


@pytest.fixture
def good(raw_files):
    """Return the four files by name."""
    return {hospital.file: raw_files[hospital.name] for hospital in COHORTS}


@pytest.fixture
def server(good):
    """Run a server that has an archive like UCI's."""
    server = Server()
    server.archive = zipped(good)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path):
    """Return a folder with four old files."""
    for hospital in COHORTS:
        (tmp_path / hospital.file).write_bytes(OLD)
    return tmp_path


@pytest.fixture
def plan(server, monkeypatch):
    """Return a function that plans an impatient download of a path of the server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def of(path, attempts=2):
        url = f"http://127.0.0.1:{server.server_port}/{path}"
        return DownloadPlan(url=url, timeout_seconds=0.15, attempts=attempts, wait_seconds=0)

    return of


def unwatched(chunks, total):
    """Pass the chunks on as a progress bar does."""
    del total
    return chunks


def contents(folder):
    """Return what is in ``folder``, hidden files too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(plan, folder):
    """Return the message of a download that fails, after checking that nothing was replaced."""
    with pytest.raises(SourceError) as error:
        source.download(plan, folder, unwatched)
    assert contents(folder) == {hospital.file: OLD for hospital in COHORTS}
    message = str(error.value)
    assert plan.url in message
    assert "nothing was replaced; try later, or work without --refresh" in message
    assert "\n" not in message
    return message


class TestRead:
    """Reading `data/raw/`."""

    def test_the_files_of_the_repository_are_those_of_uci(self, workspace):
        """Every file has the sha256 of the contract, and comes under its hospital's name."""
        assert list(source.read(workspace / "data/raw")) == [h.name for h in COHORTS]

    def test_a_missing_and_a_changed_file_are_both_named_with_the_next_step(self, workspace):
        """The message lists every wrong file with its path, and both ways back."""
        raw = workspace / "data" / "raw"
        (raw / "processed.va.data").unlink()
        flipped = bytearray((raw / "processed.hungarian.data").read_bytes())
        flipped[100] ^= 1
        (raw / "processed.hungarian.data").write_bytes(flipped)
        with pytest.raises(SourceError) as error:
            source.read(raw)
        message = str(error.value)
        assert f"{raw}/processed.va.data is missing" in message
        assert f"{raw}/processed.hungarian.data has changed" in message
        assert "cleveland" not in message
        assert f"`git checkout -- {raw}` or `--refresh` brings them back" in message

    def test_something_that_cannot_be_read_is_named(self, workspace):
        """A folder in the place of a file is an error of one line, not a traceback."""
        file = workspace / "data" / "raw" / TRAINING.file
        file.unlink()
        file.mkdir()
        with pytest.raises(SourceError, match=rf"cannot read {file}: Is a directory"):
            source.read(file.parent)


class TestDownload:
    """A download that works."""

    @pytest.mark.parametrize(
        "path", ["good", "unannounced", "moved", "broken-off-once", "status-503-once"]
    )
    def test_replaces_all_four_files(self, plan, folder, good, path):
        """A length or none, a redirect, and one failure before success all end well."""
        source.download(plan(path), folder, unwatched)
        assert contents(folder) == good

    def test_makes_the_folder_where_there_is_none(self, plan, tmp_path, good):
        """A clone without data gets it."""
        source.download(plan("good"), tmp_path / "data" / "raw", unwatched)
        assert contents(tmp_path / "data" / "raw") == good

    def test_an_archive_that_was_packed_anew_is_only_a_warning(self, plan, folder):
        """The members' hashes decide; the archive's own is worth a line."""
        (warning,) = source.download(plan("good"), folder, unwatched)
        assert "is not the archive we know" in warning

    def test_the_archive_we_know_gives_no_warning(self, plan, server, folder, monkeypatch):
        """The archive with the known hash is nothing to speak of."""
        monkeypatch.setattr(source, "ARCHIVE_SHA256", source.sha256(server.archive))
        assert source.download(plan("good"), folder, unwatched) == ()

    def test_finds_the_files_below_a_folder_of_the_archive(self, plan, server, folder, good):
        """The name of the file decides, not the place where UCI packs it."""
        server.archive = zipped({f"heart disease/{name}": c for name, c in good.items()})
        source.download(plan("good"), folder, unwatched)
        assert contents(folder) == good

    def test_tells_the_watcher_every_byte_and_how_many_will_come(self, plan, server, folder):
        """A progress bar knows the total, and sees what arrives."""
        seen = []

        def watch(chunks, total):
            for chunk in chunks:
                seen.append((len(chunk), total))
                yield chunk

        source.download(plan("good"), folder, watch)
        assert sum(size for size, _ in seen) == len(server.archive)
        assert {total for _, total in seen} == {len(server.archive)}


class TestFailedDownload:
    """A download that fails leaves the old files, and says why in one line."""

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("broken-off", "the answer broke off"),
            ("broken-off-chunks", "the answer broke off"),
            ("silent", "no answer for 0.15 s"),
            ("stalled", "no answer for 0.15 s"),
            ("dripping", "the answer took longer than 10 timeouts"),
            ("status-500", "the server answered 500"),
        ],
    )
    def test_what_may_pass_is_tried_again_and_then_given_up(
        self, plan, server, folder, path, reason
    ):
        """Broken, slow and failing answers are asked for as often as the settings say."""
        assert reason in refused(plan(path, attempts=2), folder)
        assert server.asked[f"/{path}"] == 2

    @pytest.mark.parametrize("status", [204, 404, 429])
    def test_a_status_that_will_not_change_is_final(self, plan, server, folder, status):
        """The server is not asked again after an answer that is no failure of its own."""
        assert f"the server answered {status}" in refused(plan(f"status-{status}"), folder)
        assert server.asked[f"/status-{status}"] == 1

    @pytest.mark.parametrize("path", ["page", "empty"])
    def test_an_answer_that_is_no_archive_is_final(self, plan, server, folder, path):
        """A network's log-in page and an empty body are recognised."""
        assert "is no intact zip archive" in refused(plan(path), folder)
        assert server.asked[f"/{path}"] == 1

    def test_a_body_without_end_is_cut_off(self, plan, folder):
        """Memory stays bounded whatever the server sends."""
        assert "more than 10000000 bytes" in refused(plan("endless"), folder)

    def test_no_server_listens(self, folder, monkeypatch):
        """A refused connection is an expected failure."""
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
            plan = DownloadPlan(url=url, timeout_seconds=1, attempts=2, wait_seconds=0)
            assert "no connection (ConnectionError)" in refused(plan, folder)

    @pytest.mark.parametrize("url", ["no address", "ftp://127.0.0.1/x", "http://"])
    def test_an_address_that_is_none_is_final(self, folder, url):
        """A wrong `source.url` is one line, not a traceback of requests."""
        plan = DownloadPlan(url=url, timeout_seconds=1, attempts=2, wait_seconds=0)
        assert "the request failed" in refused(plan, folder)

    def test_waits_between_attempts(self, plan, folder):
        """The first wait has the length of the settings."""
        patient = plan("status-500").model_copy(update={"wait_seconds": 0.2})
        start = time.monotonic()
        refused(patient, folder)
        assert time.monotonic() - start >= 0.2

    def test_every_wrong_member_is_named(self, plan, server, folder, good):
        """A missing and a changed member stop the three right ones too."""
        del good["processed.va.data"]
        good["processed.hungarian.data"] += b"\n"
        server.archive = zipped(good)
        message = refused(plan("good"), folder)
        assert "in the archive, processed.hungarian.data has changed" in message
        assert "processed.va.data is missing" in message

    def test_a_member_of_a_million_bytes_is_not_unpacked(self, plan, server, folder, good):
        """A zip bomb is refused by the size it announces."""
        server.archive = zipped({**good, TRAINING.file: bytes(50_000_000)})
        assert f"{TRAINING.file} has 50000000 bytes" in refused(plan("good"), folder)

    def test_a_bomb_that_lies_about_its_size_is_damaged(self, plan, server, folder, good):
        """What is unpacked never exceeds what was announced."""
        bomb = zipped({**good, TRAINING.file: bytes(50_000_000)})
        size = (50_000_000).to_bytes(4, "little")
        server.archive = bomb.replace(size, (18461).to_bytes(4, "little"))
        assert "is no intact zip archive" in refused(plan("good"), folder)

    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param((b"PK\x03\x04", 28, 1), id="compressed data that makes no sense"),
            pytest.param((b"PK\x03\x04", 29, 37), id="data that ends too early"),
            pytest.param((b"PK\x01\x02", 6, 44), id="a version of zip to come"),
            pytest.param((b"PK\x01\x02", 8, 1), id="an encrypted member"),
            pytest.param((b"PK\x01\x02", 16, 1), id="another checksum"),
            pytest.param((b"PK\x05\x06", 16, 1), id="a directory before the start"),
        ],
    )
    def test_each_way_of_being_damaged_is_known(self, plan, server, folder, damage):
        """Python reports damage by many kinds of exception; a person gets one line."""
        start, offset, change = damage
        archive = bytearray(server.archive)
        archive[archive.find(start) + offset] += change
        server.archive = bytes(archive)
        assert "is no intact zip archive" in refused(plan("good"), folder)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_other_kinds_of_compression_are_refused(self, plan, server, folder, good, method):
        """What UCI never used is not unpacked, as it could fill the memory."""
        server.archive = zipped(good, method)
        assert "is neither stored nor deflated" in refused(plan("good"), folder)

    def test_a_folder_that_refuses_keeps_its_files(self, plan, folder, monkeypatch):
        """A full disk is an expected failure that replaces nothing and leaves no rest behind."""

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(source.Path, "write_bytes", full)
        with pytest.raises(SourceError, match=f"cannot write {folder}: No space left on device"):
            source.download(plan("good"), folder, unwatched)
        assert contents(folder) == {hospital.file: OLD for hospital in COHORTS}

    @hypothesis_settings(
        max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(data=st.data())
    def test_no_damage_to_the_archive_escapes(self, good, data):
        """Whatever byte is changed and wherever it ends: four right files, or one clear error."""
        archive = bytearray(zipped(good, data.draw(st.sampled_from(source.COMPRESSIONS))))
        # The last bytes hold the directory, where a change is most confusing.
        near_end = st.integers(max(0, len(archive) - 600), len(archive) - 1)
        place = data.draw(st.one_of(near_end, st.integers(0, len(archive) - 1)))
        archive[place] = data.draw(st.integers(0, 255))
        cut = data.draw(st.one_of(st.just(len(archive)), st.integers(0, len(archive))))
        try:
            unpacked = source.unpack(bytes(archive[:cut]))
        except SourceError:
            return
        assert {h.file: content for h, content in unpacked.items()} == good
