"""How the remote is reached, and what it is shown: real git, an ssh and servers that note it."""

import base64
import os
import subprocess
from http.server import ThreadingHTTPServer

import pytest

from pipeline.base import command, config, git, git_settings
from pipeline.base.errors import RegistryUnavailableError
from pipeline.registry.branch import authorized
from pipeline.registry.git_branch import GitBranch
from tests import stand_ins
from tests.registry.branch.conftest import run_git

NAME = "mlflow-registry"
TOKEN = "s3cret-of-the-run"  # noqa: S105 (a stand-in)
BASIC = f"basic {base64.b64encode(f'x-access-token:{TOKEN}'.encode()).decode()}"
# Runs here what it is asked to run at another host, and writes down how it was called.
SSH = """\
#!/bin/sh
echo "$*" >> {calls}
while [ $# -gt 1 ]; do shift; done
exec sh -c "$1"
"""


@pytest.fixture
def stub(tmp_path):
    """Return an ssh that stays here."""
    path = tmp_path / "ssh"
    path.write_text(SSH.format(calls=tmp_path / "calls"))
    path.chmod(0o755)
    return path


def published(clone, remote):
    """Publish from a clone and say whether the remote has it."""
    branch = GitBranch(git.remote(clone), NAME, clone / ".registry")
    assert branch.replace(branch.read(), "published")
    return run_git(remote, "rev-parse", NAME) == branch.head()


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("ssh://git@host.example{}", "git@host.example"),
        ("git@host.example:{}", "git@host.example"),
        ("ssh://git@host.example:2222{}", "-p 2222 git@host.example"),
    ],
    ids=["a URL", "like scp", "a port"],
)
def test_over_ssh_git_comes_as_the_user_of_the_address(clone, remote, stub, address, asked):
    """Without that user, the server would not let it in."""
    run_git(clone, "remote", "set-url", "origin", address.format(remote))
    run_git(clone, "config", "core.sshCommand", str(stub))
    run_git(clone, "config", "ssh.variant", "ssh")

    assert published(clone, remote)
    calls = (stub.parent / "calls").read_text().splitlines()
    assert all(asked in call for call in calls)


@pytest.mark.parametrize("name", ["GIT_SSH_COMMAND", "GIT_SSH"])
def test_the_ssh_that_a_variable_names_is_the_one_that_is_used(
    clone, remote, stub, monkeypatch, name
):
    """With a key for this repository, for example; its path is seen from the clone."""
    run_git(clone, "remote", "set-url", "origin", f"git@host.example:{remote}")
    monkeypatch.setenv(name, "../ssh")

    assert published(clone, remote)
    assert (stub.parent / "calls").exists()


def test_an_ssh_that_no_one_chose_is_told_how_long_to_wait(clone, remote, stub, monkeypatch):
    """It would wait for good for a server that has gone away."""
    run_git(clone, "remote", "set-url", "origin", f"git@host.example:{remote}")
    monkeypatch.setenv("PATH", str(stub.parent), prepend=os.pathsep)

    assert published(clone, remote)
    calls = (stub.parent / "calls").read_text().splitlines()
    assert calls
    assert all("-o ConnectTimeout=60 -o ServerAliveInterval=20 " in call for call in calls)


@pytest.mark.parametrize("address", ["../remote.git", "./../remote.git"])
@pytest.mark.parametrize("below", ["", "data/raw"])
def test_a_relative_remote_lies_where_git_finds_it_from_the_clone(clone, remote, address, below):
    """Not where it would lie from the folder of the registry, nor from where the user is."""
    run_git(clone, "remote", "set-url", "origin", address)
    here = clone / below
    here.mkdir(parents=True, exist_ok=True)

    branch = GitBranch(git.remote(here), NAME, here / ".registry")

    assert branch.replace(branch.read(), "published")
    assert run_git(remote, "rev-parse", NAME) == branch.head()


def test_an_address_is_rewritten_once_as_the_user_told_git_to(clone, remote):
    """Twice, it would lead nowhere: the new one begins like the old one."""
    run_git(clone, "config", f"url.{remote.parent}/.insteadOf", "team:")
    run_git(clone, "config", f"url.{remote.parent}/missing/.insteadOf", f"{remote.parent}/")
    run_git(clone, "remote", "set-url", "origin", "team:remote.git")

    assert published(clone, remote)
    assert git.remote(clone).shown == "team:remote.git"


def test_the_branch_is_pushed_where_the_user_pushes(clone, remote, tmp_path):
    """A mirror may be read from, and the original written to."""
    run_git(clone, "remote", "set-url", "--push", "origin", f"file://{remote}")
    mirror = tmp_path / "mirror"
    mirror.symlink_to(remote)
    run_git(clone, "remote", "set-url", "origin", str(mirror))

    assert published(clone, remote)


class _Handler(stand_ins.Handler):
    """Refuses everyone, and keeps what they showed; or sends them on to another server."""

    def answer(self):
        self.server.shown.append(self.headers.get_all("Authorization"))
        if self.server.leads_to:
            self.send_response(302)
            self.send_header("Location", self.server.leads_to + self.path)
        else:
            self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def servers(tmp_path, monkeypatch):
    """Return two servers of git, at two ports, which git is told to trust."""
    context, certificate = stand_ins.encryption(tmp_path, "IP:127.0.0.1")
    monkeypatch.setenv("GIT_SSL_CAINFO", certificate)
    made = [ThreadingHTTPServer(("127.0.0.1", 0), _Handler) for _ in range(2)]
    for server in made:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.shown, server.leads_to = [], ""
        server.url = f"https://127.0.0.1:{server.server_port}"
    with stand_ins.serving(made[0]), stand_ins.serving(made[1]):
        yield made


@pytest.fixture
def in_ci(monkeypatch, servers):
    """Be a run of the first server, with its token."""
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_SERVER_URL", servers[0].url)


def ask(clone, server):
    """Ask a server, which refuses, for the branch; return what it was shown."""
    run_git(clone, "remote", "set-url", "origin", f"{server.url}/owner/repository.git")
    branch = GitBranch(authorized(git.remote(clone), config.CiRun()), NAME, clone / ".registry")
    with pytest.raises(RegistryUnavailableError) as raised:
        branch.read()
    assert TOKEN not in str(raised.value)
    return server.shown


@pytest.mark.usefixtures("in_ci")
def test_the_token_goes_to_the_server_that_issued_it(clone, servers):
    """In the header that GitHub reads."""
    assert ask(clone, servers[0]) == [[BASIC]]


@pytest.mark.usefixtures("in_ci")
def test_the_token_goes_to_no_other_server(clone, servers):
    """A clone may come from anywhere; only the port differs here."""
    assert ask(clone, servers[1]) == [None]


@pytest.mark.usefixtures("in_ci")
@pytest.mark.parametrize("server", ["", "http://github.example", "github.example", "https://[::1"])
def test_without_a_server_that_issued_it_the_token_stays_here(clone, servers, monkeypatch, server):
    """Nor does it go anywhere unencrypted, but within this machine."""
    monkeypatch.setenv("GITHUB_SERVER_URL", server)

    assert ask(clone, servers[0]) == [None]


@pytest.mark.usefixtures("in_ci")
def test_the_token_is_not_sent_on_to_where_the_server_leads(clone, servers):
    """A repository that was moved to another host."""
    servers[0].leads_to = servers[1].url
    ask(clone, servers[0])

    assert servers[0].shown == [[BASIC]]
    assert servers[1].shown == [None]


@pytest.mark.usefixtures("in_ci")
@pytest.mark.parametrize("key", ["http.{server}/.extraheader", "http.extraheader"])
def test_a_token_that_the_check_out_left_is_not_sent_beside_it(clone, servers, key):
    """GitHub refuses a request with two."""
    run_git(clone, "config", key.format(server=servers[0].url), "AUTHORIZATION: basic b2xk")

    assert ask(clone, servers[0]) == [[BASIC]]


def test_what_the_user_told_git_to_show_a_server_is_shown(clone, servers):
    """A clone that can be fetched can be used, by whatever lets git in there."""
    key = f"http.{servers[0].url}/.extraheader"
    run_git(clone, "config", key, "AUTHORIZATION: basic b2xk")

    assert ask(clone, servers[0]) == [["basic b2xk"]]


def test_the_token_is_in_no_command_line_and_not_in_this_process(tmp_path, monkeypatch, clone):
    """Others on the machine can read command lines."""
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    seen = []

    def spy(asked, environment, *_):
        seen.append((asked, environment))
        return subprocess.CompletedProcess(asked, 0, "", "")

    remote = authorized(git.remote(clone), config.CiRun())
    monkeypatch.setattr(command, "finish", spy)
    GitBranch(remote, NAME, tmp_path / "folder").head()

    ((asked, environment),) = seen
    secret = BASIC.partition(" ")[2]
    assert secret not in " ".join(asked)
    assert any(secret in value for value in environment.values())
    assert not any(secret in value for value in os.environ.values())
    assert secret not in repr(remote)


def test_a_token_is_for_one_server_in_gits_own_terms():
    """Scheme, host and port; the path of the address has no say."""
    settings = git_settings.authorized((), "https://GitHub.example:443/x/", TOKEN)

    assert settings == (("http.https://github.example/.extraheader", f"AUTHORIZATION: {BASIC}"),)
