"""A service starts with a package that is proven, or says in one line why it does not."""

import re
import shutil
import socket
import subprocess

import pytest

from pipeline.base.errors import SettingsError
from pipeline.serving import environment
from pipeline.serving.__main__ import main
from tests.containers import needs
from tests.integration.serving.servers import PAGE, PATIENCE, serving, start


def started(*arguments, **variables):
    """Return the exit code and all that was printed by a service that must not start."""
    process = start(
        *arguments,
        environment=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, printed


@pytest.fixture
def taken():
    """Return a port at which something listens already."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield door.getsockname()[1]


def refusal(*arguments, **variables):
    """Return the one line of a service that does not start."""
    code, printed = started(*arguments, **variables)
    assert code == 1
    assert re.fullmatch("error: [^\n]+\n", printed)
    return printed


def test_a_port_in_use_is_named(package_folder, taken):
    """The person looks for the other process."""
    line = refusal("--package", package_folder, "--port", str(taken))

    assert "ddress already in use" in line
    assert str(taken) in line


def test_a_missing_package_is_named(tmp_path):
    """Without the option it is the one beside the code, which only an image has."""
    assert str(tmp_path / "absent") in refusal("--package", tmp_path / "absent", "--port", "0")
    assert "package" in refusal("--port", "0")


@pytest.mark.parametrize("name", ["model/model.onnx", "golden_patients.json", "manifest.json"])
def test_a_changed_file_is_named_and_nothing_listens(package_folder, tmp_path, taken, name):
    """The port is in use here: a service that had tried to listen would say so instead."""
    copied = shutil.copytree(package_folder, tmp_path / "copied")
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)

    assert name in refusal("--package", copied, "--port", str(taken))


def test_a_variable_that_is_no_port_is_named(package_folder):
    """PORT comes with the container, often from a template."""
    line = refusal("--package", package_folder, PORT="{{ port }}")

    assert line == "error: the variable PORT must be a number from 0 to 65535\n"


def test_all_addresses_of_both_kinds_are_listened_at(package_folder, tmp_path):
    """As pods of a cluster without IPv4 need it."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        needs(f"this machine has no IPv6: {error}")
    with serving(package_folder, tmp_path, "--host", "::") as server:
        with socket.create_connection(("::1", server.port), timeout=PATIENCE) as connection:
            connection.sendall(PAGE)
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        assert server.is_ready()


@pytest.mark.parametrize("value", ["http", "-1", "65536", "3000.0", "0x50", " ", "\u00b2"])
def test_only_a_port_is_taken_from_the_environment(monkeypatch, value):
    """The service and its health check read it in one place."""
    monkeypatch.setenv("PORT", value)

    with pytest.raises(SettingsError, match="PORT"):
        environment.port()


@pytest.mark.parametrize(("value", "expected"), [("8080", 8080), ("0", 0), ("", 3000)])
def test_the_port_is_3000_unless_something_else_is_said(monkeypatch, value, expected):
    """An empty variable says nothing."""
    monkeypatch.setenv("PORT", value)

    assert environment.port() == expected


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--port", "http"),
        ("--port", "-1"),
        ("--port", "65536"),
        ("--capacity", "0"),
        ("--capacity", "1.5"),
        ("--connections", "0"),
        ("--drain-seconds", "-1"),
        ("--drain-seconds", "nan"),
        ("--drain-seconds", "inf"),
        ("--request-seconds", "0"),
        ("--request-seconds", "soon"),
    ],
)
def test_a_bad_option_is_named_with_the_usage(capsys, option, value):
    """And with what it may be."""
    with pytest.raises(SystemExit) as caught:
        main([f"{option}={value}"])

    printed = capsys.readouterr().err
    assert caught.value.code == 2
    assert printed.startswith("usage: python -m pipeline.serving")
    assert re.search(f"{option}: must be a number from [0-9.]+ to [0-9]+\n", printed)


def test_an_unknown_option_ends_the_command_with_2():
    """A misspelt one must not leave the service with its defaults."""
    code, printed = started("--capacty=2")

    assert code == 2
    assert printed.startswith("usage: ")
    assert "--capacty" in printed


def test_the_port_may_come_from_the_environment(package_folder, tmp_path):
    """As platforms set it."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        free = door.getsockname()[1]
    with serving(package_folder, tmp_path, port=None, PORT=str(free)) as found:
        assert found.port == free
        assert found.printed() == [f"INFO heart_disease/1 answers at http://127.0.0.1:{free}"]


def test_the_option_is_stronger_than_the_environment(package_folder, tmp_path):
    """What a person types is meant."""
    with serving(package_folder, tmp_path, PORT="not asked") as found:
        assert found.is_ready()
