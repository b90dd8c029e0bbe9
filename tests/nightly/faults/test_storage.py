"""Where files cannot be stored nothing is registered, and the message says what to look at."""

import os
import shutil
import subprocess
import tempfile
from contextlib import closing

import pytest

from pipeline.base.errors import RegistryError, RegistryUnavailableError
from pipeline.registry.client import Registry
from tests.containers import needs
from tests.databases import Server, sqlite
from tests.nightly.faults.promotion import HURRIED, PATIENT, RESIGNED, Names, submission
from tests.nightly.faults.proxy import Proxy
from tests.root import as_root

SIZE = 100_000
# In the order in which they are stored.
FILES = ("roc.png", "MLmodel", "model.skops", "code/a.py")
KINDS = ("embedded", "server")
# A server says that it fails; a file system refuses.
FAILED = (RegistryError, RegistryUnavailableError)
NO_SPACE = "No space left on device"
CAUSE = {
    "embedded": f"{NO_SPACE}|Read-only file system",
    "server": "if the disk of the server is full, make room",
}


def mount(folder, *options, size="1m"):
    """Mount a file system of 1 MB that is ours, or mount it again in another way."""
    ours = (f"size={size}", f"uid={os.geteuid()}", *options)
    return as_root("mount", "-t", "tmpfs", "-o", ",".join(ours), "tmpfs", folder)


@pytest.fixture(scope="module")
def disk(folder):
    """Return the folder of a small disk of its own."""
    small = folder / "small"
    small.mkdir()
    if refused := mount(small).stderr:
        needs(f"no small disk can be mounted here: {refused}")
    yield small
    assert as_root("umount", "--lazy", small).returncode == 0


@pytest.fixture(scope="module")
def proxy(disk, folder):
    """Return a proxy in front of a server that keeps its files on the small disk."""
    with (
        closing(Server(folder, sqlite(folder), artifacts=disk)) as server,
        closing(Proxy(server.port)) as proxy,
    ):
        yield proxy


@pytest.fixture
def address(request, disk, folder, monkeypatch):
    """Return the address of the registry of a kind, whose small disk is empty."""
    subprocess.run(["find", disk, "-mindepth", "1", "-delete"], check=True)
    monkeypatch.chdir(disk)
    if request.param == "embedded":
        yield f"sqlite:///{folder}/embedded.db"
    else:
        proxy = request.getfixturevalue("proxy")
        proxy.expect()
        yield proxy.uri
    mount(disk, "remount", "rw")


def publish(address, names, retry=PATIENT):
    """Publish a version of four files of the same size."""
    figure, *files = FILES
    given = submission(
        names,
        "svm",
        0.9,
        files={name: name.encode() + bytes(SIZE) for name in files},
        figures={figure: bytes(SIZE)},
    )
    return Registry(address, names.experiment, retry).publish(given)


@pytest.mark.parametrize("stored", range(len(FILES)), ids=FILES)
@pytest.mark.parametrize(("address", "cause"), CAUSE.items(), ids=KINDS, indirect=["address"])
def test_a_disk_that_is_full_at_a_file_registers_nothing(address, cause, disk, stored):
    """The message names a file and the cause, and with room a second run finishes it."""
    names, room = Names.new(), stored * SIZE + SIZE // 2
    (disk / "other").write_bytes(bytes(1 << 20))
    (disk / "other").write_bytes(bytes((1 << 20) - room))
    with pytest.raises(FAILED, match=cause) as refused:
        publish(address, names, RESIGNED)

    assert any(name in str(refused.value) for name in FILES)
    assert "\n" not in str(refused.value)
    assert Registry(address, names.experiment, PATIENT).versions(names.model("svm")) == []
    (disk / "other").unlink()
    assert publish(address, names).version == 1


@pytest.mark.parametrize(("address", "cause"), CAUSE.items(), ids=KINDS, indirect=["address"])
def test_a_disk_that_may_only_be_read_registers_nothing(address, cause, disk):
    """Of either kind."""
    names = Names.new()
    mount(disk, "remount", "ro")
    with pytest.raises(FAILED, match=cause):
        publish(address, names, RESIGNED)

    assert Registry(address, names.experiment, PATIENT).versions(names.model("svm")) == []
    mount(disk, "remount", "rw")
    assert publish(address, names).version == 1


@pytest.mark.parametrize("stored", range(1, len(FILES)), ids=FILES[1:])
@pytest.mark.parametrize("address", ["server"], indirect=True)
def test_a_disk_that_may_only_be_read_from_a_file_on_registers_nothing(
    address, proxy, disk, stored
):
    """The files that were stored before are of no use."""
    names, uploads = Names.new(), []

    def protect(call):
        if call.title.startswith("PUT"):
            uploads.append(call)
            if len(uploads) == stored + 1:
                mount(disk, "remount", "ro")

    proxy.expect(each=protect)
    with pytest.raises(FAILED, match=CAUSE["server"]):
        publish(address, names, RESIGNED)

    assert Registry(address, names.experiment, PATIENT).versions(names.model("svm")) == []


@pytest.fixture
def small_server(tmp_path):
    """Return the address of a server with its database on a small disk, and that disk."""
    disk = tmp_path / "database"
    disk.mkdir()
    if refused := mount(disk, size="16m").stderr:
        needs(f"no small disk can be mounted here: {refused}")
    with closing(Server(tmp_path, sqlite(disk))) as server:
        yield server.uri, disk
    assert as_root("umount", "--lazy", disk).returncode == 0


def test_a_server_whose_database_has_no_room_is_told_and_forgets_nothing(small_server):
    """MLflow's client hides what the server says; the line names what to look at there."""
    address, disk = small_server
    names = Names.new()
    first = publish(address, names)
    (disk / "other").write_bytes(bytes(shutil.disk_usage(disk).free))
    given = submission(names, "svm", 0.9, key="another")
    with pytest.raises(RegistryUnavailableError, match=CAUSE["server"]):
        Registry(address, names.experiment, RESIGNED).publish(given)

    (disk / "other").unlink()
    again = Registry(address, names.experiment, PATIENT).publish(given)
    assert (first.version, again.version) == (1, 2)


@pytest.mark.parametrize("address", ["embedded"], indirect=True)
def test_no_room_for_temporary_files_is_said_and_damages_nothing(address, disk, monkeypatch):
    """A version whose files cannot be laid down here is not one whose files are missing."""
    names = Names.new()
    registry = Registry(address, names.experiment, HURRIED)
    version = publish(address, names)
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    (disk / "other").write_bytes(bytes(shutil.disk_usage(disk).free - SIZE // 2))
    with pytest.raises(
        RegistryUnavailableError, match=f"the disk of this machine is full: .*{NO_SPACE}"
    ) as refused:
        registry.files(version)

    assert "\n" not in str(refused.value)
    (disk / "other").unlink()
    assert registry.files(version)
