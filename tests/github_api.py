"""A stand-in for GitHub's REST API, because GitHub itself cannot be had offline.

It answers exactly the calls that this repository makes, as the real API does: pages, statuses,
drafts that only their tag's readers do not see, unfinished uploads, and what it refuses. It keeps
everything in memory and records every call. By itself, for workflows that are run by `act`:

    python -m tests.github_api --port 8080 --record calls.jsonl

serves ``http://127.0.0.1:8080`` as GITHUB_API_URL for any repository, writes each call as a line of
JSON, and prints the address when it is ready. What a person would do on the site is done by
``POST /-/pulls`` with ``{"repository", "number", "head_sha"}`` (further keys: ``state``), again for
a push to the same pull request; ``GET /-/state`` returns everything that it holds.
"""

import argparse
import hashlib
import json
import re
import threading
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests import stand_ins

BOT = "github-actions[bot]"
TOKEN = "stand-in-token"  # noqa: S105 (a stand-in)
MOST_CHARACTERS = 65_536
NOT_FOUND = (404, {"message": "Not Found"})
NO_ISSUES = (410, {"message": "Issues are disabled for this repo"})

Answer = tuple[int, Any]


@dataclass
class Call:
    """A request as it came, without its token."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    authorized: bool
    status: int = 0


@dataclass
class State:
    """Everything that the stand-in holds. Tests may change it between calls."""

    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    # None where they are turned off, as in every new fork.
    issues: list[dict[str, Any]] | None = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    assets: dict[int, bytes] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    # What a person sets, as `tests.github_settings` has it.
    settings: dict[str, Any] = field(default_factory=dict)
    # The commit of each tag.
    tags: MutableMapping[str, str] = field(default_factory=dict)
    number: int = 0
    # The changing call after which the connection is as good as dead: before it is done, or after.
    fail_at: int = 0
    done_before: bool = False
    failure: int = 418
    changes: int = 0
    # Statuses to answer with before anything else, one for each call.
    troubles: list[int] = field(default_factory=list)

    def new_id(self) -> int:
        """Return a number that nothing has."""
        self.number += 1
        return self.number

    def pull(self, repository: str, number: int, head_sha: str, state: str = "open") -> None:
        """Open a pull request, or push to it, or close it."""
        self.pulls = [one for one in self.pulls if one["number"] != number]
        self.pulls.append(
            {
                "number": number,
                "state": state,
                "head": {"sha": head_sha},
                "base": {"repo": {"full_name": repository}},
            }
        )
        self.pulls.sort(key=lambda one: one["number"])

    def issue(
        self, repository: str, title: str, body: str, login: str | None = BOT
    ) -> dict[str, Any]:
        """Open an issue under a login."""
        number = self.new_id()
        made = {
            "number": number,
            "state": "open",
            "title": title,
            "user": login and {"login": login},
            "body": body,
            "html_url": f"https://github.com/{repository}/issues/{number}",
        }
        self.issues.append(made)
        return made

    def comment(self, number: int, body: str, login: str | None = BOT) -> dict[str, Any]:
        """Comment on a pull request under a login; None is a deleted account."""
        made = {"id": self.new_id(), "user": login and {"login": login}, "body": body}
        self.comments.setdefault(number, []).append(made)
        return made


class Server(ThreadingHTTPServer):
    """The stand-in at a port of this machine."""

    def __init__(self, port: int = 0, record: Path | None = None) -> None:
        """Listen."""
        super().__init__(("127.0.0.1", port), Handler)
        self.state = State()
        self.lock = threading.Lock()
        self.record = record

    @property
    def url(self) -> str:
        """Return the value for GITHUB_API_URL."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(stand_ins.Handler):
    """One request after the other."""

    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        """Answer as the route says, and record the call."""
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        asset = self.headers.get("Content-Type") == "application/octet-stream"
        body = sent if asset else json.loads(sent or b"null")
        given = self.headers.get("Authorization", "")
        call = Call(
            self.command,
            # Where a company has its own GitHub, the API is below it.
            address.path.removeprefix("/api/v3"),
            query,
            body,
            bool(re.fullmatch(r"(Bearer|token) \S+", given)),
        )
        with self.server.lock:
            status, content = self._decide(call, anonymous=not given)
            call.status = status
            if not call.path.startswith("/-/"):
                self._keep(call)
        if isinstance(content, list):
            first, size = int(query.get("page", 1)) - 1, min(int(query.get("per_page", 30)), 100)
            content = content[first * size : (first + 1) * size]
        answer = b"" if status == 204 else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _keep(self, call: Call) -> None:
        self.server.state.calls.append(call)
        if self.server.record:
            shown = vars(call) | ({"body": len(call.body)} if type(call.body) is bytes else {})
            with self.server.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(shown) + "\n")

    def _decide(self, call: Call, *, anonymous: bool) -> Answer:
        state = self.server.state
        if call.path.startswith("/-/"):
            return self._site(call)
        if state.troubles:
            return state.troubles.pop(0), {"message": "trouble"}
        if anonymous:
            return 401, {"message": "Requires authentication"}
        if call.method == "GET":
            return route(state, call, self.server.url)
        state.changes += 1
        if not state.fail_at or state.changes < state.fail_at:
            return route(state, call, self.server.url)
        if state.changes == state.fail_at and state.done_before:
            route(state, call, self.server.url)
        return state.failure, {"message": "injected by the test"}

    def _site(self, call: Call) -> Answer:
        state = self.server.state
        if (call.method, call.path) == ("POST", "/-/pulls"):
            state.pull(**call.body)
            return 201, {}
        if (call.method, call.path) == ("GET", "/-/state"):
            held = {
                name: getattr(state, name) for name in ("pulls", "comments", "issues", "releases")
            }
            return 200, held
        return NOT_FOUND


ROUTES: list[tuple[str, re.Pattern[str], Any]] = []


def on(method: str, path: str) -> Any:
    """Make the function the answer to requests of a kind."""

    def known(function: Any) -> Any:
        pattern = re.compile(rf"/repos/(?P<repository>[^/]+/[^/]+)/{path}")
        ROUTES.append((method, pattern, function))
        return function

    return known


def route(state: State, call: Call, url: str) -> Answer:
    """Do what is asked and return the status and the content."""
    for method, pattern, function in ROUTES:
        if call.method == method and (found := pattern.fullmatch(call.path)):
            values = {n: int(v) if v.isdecimal() else v for n, v in found.groupdict().items()}
            return function(state, call, url=url, **values)
    if call.method == "GET" and call.path in state.settings:
        return 200, state.settings[call.path]
    return NOT_FOUND


@on("GET", "pulls")
def _pulls(state: State, call: Call, repository: str, **_: Any) -> Answer:
    kind = call.query.get("state", "open")
    pulls = ((one["base"]["repo"]["full_name"].lower(), one) for one in state.pulls)
    found = [one for base, one in pulls if base == repository.lower()]
    return 200, [one for one in found if kind in {"all", one["state"]}]


@on("GET", r"issues/(?P<number>\d+)/comments")
def _comments(state: State, _call: Call, number: int, **_: Any) -> Answer:
    return 200, state.comments.get(number, [])


@on("POST", r"issues/(?P<number>\d+)/comments")
def _comment(state: State, call: Call, number: int, **_: Any) -> Answer:
    if refused := refuse_body(call):
        return refused
    return 201, state.comment(number, call.body["body"])


@on("PATCH", r"issues/comments/(?P<number>\d+)")
def _edit(state: State, call: Call, number: int, **_: Any) -> Answer:
    if refused := refuse_body(call):
        return refused
    for one in (one for found in state.comments.values() for one in found):
        if one["id"] == number:
            one["body"] = call.body["body"]
            return 200, one
    return NOT_FOUND


@on("DELETE", r"issues/comments/(?P<number>\d+)")
def _delete(state: State, _call: Call, number: int, **_: Any) -> Answer:
    for found in state.comments.values():
        for one in [one for one in found if one["id"] == number]:
            found.remove(one)
            return 204, None
    return NOT_FOUND


@on("GET", "issues")
def _issues(state: State, call: Call, **_: Any) -> Answer:
    if state.issues is None:
        return NO_ISSUES
    kind = call.query.get("state", "open")
    return 200, [one for one in state.issues if kind in {"all", one["state"]}]


@on("POST", "issues")
def _open_issue(state: State, call: Call, repository: str, **_: Any) -> Answer:
    if state.issues is None:
        return NO_ISSUES
    if refused := refuse_body(call):
        return refused
    return 201, state.issue(repository, **call.body)


@on("PATCH", r"issues/(?P<number>\d+)")
def _edit_issue(state: State, call: Call, number: int, **_: Any) -> Answer:
    if "body" in call.body and (refused := refuse_body(call)):
        return refused
    for one in state.issues:
        if one["number"] == number:
            one.update(call.body)
            return 200, one
    return NOT_FOUND


def refuse_body(call: Call) -> Answer | None:
    """Refuse a comment that GitHub would not take."""
    if len(call.body["body"]) > MOST_CHARACTERS:
        message = f"body is too long (maximum is {MOST_CHARACTERS} characters)"
        return 422, {"message": "Validation Failed", "errors": [{"message": message}]}
    return None


@on("GET", "releases")
def _releases(state: State, call: Call, **_: Any) -> Answer:
    shown = [one for one in state.releases if call.authorized or not one["draft"]]
    return 200, shown[::-1]


@on("POST", "releases")
def _release(state: State, call: Call, url: str, repository: str) -> Answer:
    tag = call.body["tag_name"]
    if "target_commitish" in call.body:
        # To a workflow's token, where that commit has other workflows than the default branch.
        return 403, {"message": "Resource not accessible by integration"}
    if any(one["tag_name"] == tag and not one["draft"] for one in state.releases):
        error = {"resource": "Release", "code": "already_exists", "field": "tag_name"}
        return 422, {"message": "Validation Failed", "errors": [error]}
    number = state.new_id()
    made = {
        "prerelease": False,
        "draft": False,
        "immutable": False,
        **call.body,
        "id": number,
        "html_url": f"https://github.com/{repository}/releases/tag/{tag}",
        "upload_url": f"{url}/repos/{repository}/releases/{number}/assets{{?name,label}}",
        "assets": [],
    }
    state.releases.append(made)
    return 201, made


@on("PATCH", r"releases/(?P<number>\d+)")
def _edit_release(state: State, call: Call, number: int, **_: Any) -> Answer:
    for one in state.releases:
        if one["id"] == number:
            if one["immutable"]:
                return 422, {"message": "Release is immutable"}
            one.update(call.body)
            return 200, one
    return NOT_FOUND


@on("POST", r"releases/(?P<number>\d+)/assets")
def _upload(state: State, call: Call, number: int, **_: Any) -> Answer:
    release = next((one for one in state.releases if one["id"] == number), None)
    if release is None:
        return NOT_FOUND
    name = call.query["name"]
    if not release["draft"]:
        return 422, {"message": "Cannot upload assets to an immutable release."}
    if any(one["name"] == name for one in release["assets"]):
        return 422, {"message": "Validation Failed", "errors": [{"code": "already_exists"}]}
    made = {
        "id": state.new_id(),
        "name": name,
        "state": "uploaded",
        "size": len(call.body),
        "digest": f"sha256:{hashlib.sha256(call.body).hexdigest()}",
    }
    release["assets"].append(made)
    state.assets[made["id"]] = call.body
    return 201, made


@on("DELETE", r"releases/assets/(?P<number>\d+)")
def _delete_asset(state: State, _call: Call, number: int, **_: Any) -> Answer:
    for release in state.releases:
        for one in [one for one in release["assets"] if one["id"] == number]:
            release["assets"].remove(one)
            return 204, None
    return NOT_FOUND


@on("GET", r"git/ref/tags/(?P<tag>.+)")
def _tag(state: State, _call: Call, tag: str, **_: Any) -> Answer:
    if tag not in state.tags:
        return NOT_FOUND
    return 200, {"ref": f"refs/tags/{tag}", "object": {"type": "commit", "sha": state.tags[tag]}}


@on("POST", "git/refs")
def _create_tag(state: State, call: Call, **_: Any) -> Answer:
    tag = call.body["ref"].removeprefix("refs/tags/")
    if tag in state.tags:
        return 422, {"message": "Reference already exists"}
    state.tags[tag] = call.body["sha"]
    return 201, {"ref": call.body["ref"], "object": {"type": "commit", "sha": call.body["sha"]}}


def serving(port: int = 0, record: Path | None = None) -> Any:
    """Serve while the block runs."""
    return stand_ins.serving(Server(port, record))


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    with Server(options.port, options.record) as server:
        print(server.url, flush=True)  # noqa: T201 (the caller reads it)
        server.serve_forever()


if __name__ == "__main__":
    main()
