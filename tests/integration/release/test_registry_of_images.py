"""The registry of images, asked over its own API: a real one, and one behind a login."""

import base64
import http.client
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.base.errors import ImageError
from pipeline.release.images import Repository, login, token_server
from tests import stand_ins

USER, PASSWORD = "ann", "secret-of-ann"


@pytest.fixture
def repository(shelf):
    """Return the repository, asked without a login."""
    return Repository(shelf.image, None, wait=0)


def test_a_name_without_a_push_has_no_tags(repository):
    """The first release begins so."""
    assert repository.tags() == set()
    assert repository.find("1.2.3") is None


def test_an_image_is_found_with_what_it_says_of_itself(repository, shelf):
    """By its tag or its digest."""
    digest = shelf.put("1.2.3", heart="disease")

    found = repository.find("1.2.3")

    assert found.digest == digest
    assert found.labels == {"heart": "disease"}
    assert re.fullmatch("sha256:[0-9a-f]{64}", found.image_id)
    assert repository.find(digest) == found
    assert repository.find("1.2.4") is None


def test_a_tag_is_moved_to_the_very_same_image(repository, shelf):
    """Its digest is that of the version."""
    old, new = shelf.put("1.0.0", number="1"), shelf.put("1.0.1", number="2")
    repository.tag(old, "latest")
    assert shelf.digests()["latest"] == old

    repository.tag(new, "latest")

    assert shelf.digests() == {"1.0.0": old, "1.0.1": new, "latest": new}


def test_a_tag_is_not_moved_to_an_image_that_is_not_there(repository, shelf):
    """Nor to one that another name has."""
    shelf.put("1.0.0")

    with pytest.raises(ImageError, match="has no acme/heart@sha256:0000"):
        repository.tag("sha256:" + "0" * 64, "latest")
    assert "latest" not in shelf.digests()


def test_a_registry_that_refuses_a_tag_is_one_line(repository, shelf, images):
    """Which tag could not be moved."""
    digest = shelf.put("1.0.0")
    images.fail(1, done_before=False)

    with pytest.raises(ImageError, match="refuses to move acme/heart:latest"):
        repository.tag(digest, "latest")


def test_a_registry_that_does_not_answer_is_one_line():
    """With its address."""
    with pytest.raises(ImageError, match=r"^127\.0\.0\.1:9 gave no answer to GET /v2/acme/heart/"):
        Repository("127.0.0.1:9/acme/heart", None, wait=0).tags()


class Door(ThreadingHTTPServer):
    """A login before the registry at ``port``, in the way of ghcr.io or with a password each time.

    A stand-in, because no registry with accounts can be had offline; what is behind it is real.
    """

    daemon_threads = True
    kind = "bearer"

    def __init__(self, port):
        """Listen."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = port
        self.scopes: list[str] = []
        self.seen: list[str] = []

    @property
    def address(self):
        """Return the host and the port that images are named after."""
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Pass on what comes with the right header, and say what is wanted otherwise."""

    server: Door

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        self._let_in()

    def do_PUT(self):
        self._let_in()

    def _let_in(self):
        given = self.headers.get("Authorization", "")
        self.server.seen.append(given)
        basic = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        address = urlsplit(self.path)
        if address.path == "/token":
            self.server.scopes += parse_qs(address.query)["scope"]
            return self._say(200 if given == basic else 401, b'{"token": "of-ann"}')
        if given != (basic if self.server.kind == "basic" else "Bearer of-ann"):
            realm = f'realm="http://{self.server.address}/token",service="stand-in"'
            wanted = 'Basic realm="x"' if self.server.kind == "basic" else f"Bearer {realm}"
            return self._say(401, b'{"errors": [{"message": "login"}]}', wanted)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        behind = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=10)
        kept = {
            name: self.headers[name] for name in ("Accept", "Content-Type") if self.headers[name]
        }
        behind.request(self.command, self.path, body, kept)
        answer = behind.getresponse()
        content, link = answer.read(), ""
        if address.path.endswith("/tags/list"):
            content, link = page(content, parse_qs(address.query), address.path)
        self._say(answer.status, content, "", answer.headers["Content-Type"], link)
        behind.close()
        return None

    def _say(self, status, body, wanted="", kind="application/json", link=""):
        self.send_response(status)
        if link:
            self.send_header("Link", link)
        if wanted:
            self.send_header("WWW-Authenticate", wanted)
        self.send_header("Content-Type", kind or "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def page(content, query, path):
    """Return two tags at once, as ghcr.io does with a thousand, and the way to the next ones."""
    tags = sorted(json.loads(content)["tags"])
    left = [tag for tag in tags if tag > query.get("last", [""])[0]]
    link = f'<{path}?n=2&last={left[1]}>; rel="next"' if len(left) > 2 else ""
    return json.dumps({"tags": left[:2]}).encode(), link


@pytest.fixture(params=["bearer", "basic"])
def door(images, request):
    """Return a registry that wants a login."""
    with Door(images.behind) as server:
        server.kind = request.param
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_login_opens_what_is_behind_it(door, shelf):
    """The token is for this name alone; to write is asked for where a tag is moved."""
    digest = shelf.put("1.0.0", a="b")
    repository = Repository(f"{door.address}/acme/heart", (USER, PASSWORD), wait=0)

    assert repository.tags() == {"1.0.0"}
    assert repository.find("1.0.0").labels == {"a": "b"}
    repository.tag(digest, "latest")

    assert shelf.digests()["latest"] == digest
    asked = ["repository:acme/heart:pull", "repository:acme/heart:pull,push"]
    assert door.scopes == asked * (door.kind == "bearer")


def test_tags_are_listed_over_several_pages(door, shelf):
    """A registry gives as many at once as it likes."""
    expected = {f"1.0.{number}" for number in range(7)}
    for tag in expected:
        shelf.put(tag)
    repository = Repository(f"{door.address}/acme/heart", (USER, PASSWORD), wait=0)

    assert repository.tags() == expected


@pytest.mark.parametrize("login", [None, (USER, "wrong-password")], ids=["none", "wrong"])
def test_without_the_right_login_it_is_one_line_without_the_password(door, login):
    """What to do is in it."""
    repository = Repository(f"{door.address}/acme/heart", login, wait=0)

    with pytest.raises(ImageError) as found:
        repository.tags()
    assert re.search("answered 401|wants a login: run `docker login", str(found.value))
    assert "wrong-password" not in str(found.value)


@pytest.mark.parametrize(
    ("challenge", "scheme", "found"),
    [
        (
            'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="x"',
            "https",
            ("https://ghcr.io/token", {"service": "ghcr.io", "scope": "x"}),
        ),
        ('bearer realm="http://127.0.0.1/token"', "http", ("http://127.0.0.1/token", {})),
        ('Bearer realm="http://evil.example/token"', "https", ("", {})),
        ('Bearer realm="http://evil.example/token"', "http", ("", {})),
        (
            'Bearer realm="https://auth.docker.io/token"',
            "https",
            ("https://auth.docker.io/token", {}),
        ),
        ('Bearer realm="file:///etc/passwd"', "https", ("", {})),
        ('Bearer service="ghcr.io"', "https", ("", {})),
        ('Negotiate realm="https://ghcr.io/token"', "https", ("", {})),
        ("", "https", ("", {})),
    ],
    ids=[
        "encrypted",
        "of this machine",
        "plain",
        "plain from here",
        "another host",
        "a file",
        "nowhere",
        "another kind",
        "nothing",
    ],
)
def test_a_password_goes_no_further_than_the_registry_is_trusted(challenge, scheme, found):
    """A challenge could name any address."""
    assert token_server(challenge, scheme) == found


class Elsewhere(Handler):
    """Sends every question on to the other server, which asks for the password of the first."""

    def _let_in(self):
        if self.server.leads_to:
            self.send_response(307)
            self.send_header("Location", self.server.leads_to + self.path)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.server.seen.append(self.headers.get("Authorization", ""))
        address = f"127.0.0.1:{self.server.server_port}"
        return self._say(401, b"{}", f'Bearer realm="http://{address}/token"')


def test_a_server_that_the_registry_leads_to_is_given_no_password():
    """The files of an image may lie anywhere; who keeps them must not ask for a login."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) for _ in range(2)]
    with stand_ins.serving(servers[0]) as registry, stand_ins.serving(servers[1]) as other:
        registry.leads_to, other.leads_to = f"http://127.0.0.1:{other.server_port}", ""
        other.seen = []
        image = f"127.0.0.1:{registry.server_port}/acme/heart"

        with pytest.raises(ImageError, match=r"leads to .*, which wants a login"):
            Repository(image, (USER, PASSWORD), wait=0).tags()

        assert other.seen == [""]


def test_the_login_is_that_of_docker(tmp_path, monkeypatch):
    """The login of docker is enough."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert login("registry.example/acme/heart") is None
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config = {"auths": {"registry.example": {"auth": auth}}}
    (tmp_path / "config.json").write_text(json.dumps(config))

    assert login("registry.example/acme/heart") == (USER, PASSWORD)
    assert login("ghcr.io/acme/heart") is None


@pytest.mark.filterwarnings("ignore:docker-credential-nowhere not installed")
def test_a_keeper_of_logins_that_fails_is_one_line(tmp_path, monkeypatch):
    """It is a program that may be missing."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"credsStore": "nowhere"}')

    with pytest.raises(ImageError, match=r"^cannot read the login for registry\.example: "):
        login("registry.example/acme/heart")
