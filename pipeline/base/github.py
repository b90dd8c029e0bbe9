"""GitHub's REST API, as far as comments, issues and releases need it."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipeline.base.addresses import shown, takes_uploads_of
from pipeline.base.config import CiRun
from pipeline.base.errors import GitHubError
from pipeline.base.records import Asset, Comment, Draft, Issue, PullRequest, Reference, Release
from pipeline.base.rest import Bearer, Response, Server

Value = TypeVar("Value")

PER_PAGE: Final = 100
HEADERS: Final = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
}


_PULLS: Final = TypeAdapter(list[PullRequest])
_COMMENTS: Final = TypeAdapter(list[Comment])
_ISSUES: Final = TypeAdapter(list[Issue])
_REFERENCE: Final = TypeAdapter(Reference)
_RELEASES: Final = TypeAdapter(list[Release])
_RELEASE: Final = TypeAdapter(Release)


class GitHub:
    """The repository that a run of CI is about."""

    def __init__(self, ci: CiRun, wait: float = 1.0) -> None:
        """Ask nothing yet; ``wait`` is the first of the seconds between attempts, which double.

        Raises:
            SettingsError: a variable that names the repository or its token is missing.

        """
        ci.must_have("repository", "token")
        self._api = ci.api_url
        self._address = f"{ci.api_url.rstrip('/')}/repos/{ci.repository}"
        self._auth = Bearer(ci.token)
        self._server = Server("GitHub", GitHubError, wait)

    def open_pulls(self) -> Iterator[PullRequest]:
        """Yield the open pull requests, oldest first.

        They are all looked through for a commit: asked by the commit, GitHub answers that there is
        none when it lies in a fork.
        """
        return self._pages(_PULLS, "pulls", state="open", sort="created", direction="asc")

    def comments(self, number: int) -> Iterator[Comment]:
        """Yield the comments on a pull request, oldest first."""
        return self._pages(_COMMENTS, f"issues/{number}/comments")

    def create_comment(self, number: int, body: str) -> None:
        """Comment on a pull request."""
        self._ask("POST", f"issues/{number}/comments", json={"body": body})

    def edit_comment(self, comment: Comment, body: str) -> None:
        """Give a comment another body."""
        self._ask("PATCH", f"issues/comments/{comment.id}", json={"body": body})

    def delete_comment(self, comment: Comment) -> None:
        """Take a comment away."""
        self._ask("DELETE", f"issues/comments/{comment.id}", expected=[404])

    def open_issues(self) -> Iterator[Issue]:
        """Yield the open issues, oldest first; none where they are turned off, as in a fork."""
        return self._pages(_ISSUES, "issues", state="open", sort="created", direction="asc")

    def create_issue(self, title: str, body: str) -> bool:
        """Open an issue, and say whether the repository has issues at all."""
        content = {"title": title, "body": body}
        answer = self._ask("POST", "issues", json=content, expected=[HTTPStatus.GONE])
        return answer.status_code != HTTPStatus.GONE

    def edit_issue(self, issue: Issue, **content: str) -> None:
        """Give an issue another ``body`` or ``state``."""
        self._ask("PATCH", f"issues/{issue.number}", json=content)

    def commit_of_tag(self, tag: str) -> str:
        """Return the commit that a tag leads to, or nothing; of an annotated tag, its object."""
        answer = self._ask("GET", f"git/ref/tags/{tag}", expected=[HTTPStatus.NOT_FOUND])
        found = answer.status_code != HTTPStatus.NOT_FOUND
        return _read(_REFERENCE, answer).object.sha if found else ""

    def create_tag(self, tag: str, commit: str) -> None:
        """Let a new tag lead to a commit."""
        self._ask("POST", "git/refs", json={"ref": f"refs/tags/{tag}", "sha": commit})

    def find_release(self, tag: str) -> Release | None:
        """Return the release of a tag, the published one if there are several.

        Drafts are listed too, for a token that may write.
        """
        releases = [release for release in self._pages(_RELEASES, "releases") if release.tag == tag]
        return min(releases, key=lambda release: (release.draft, release.id), default=None)

    def save_draft(self, draft: Draft, release: Release | None) -> Release:
        """Make a release that only those who may write can see, or change one that is there."""
        method, path = ("PATCH", f"/{release.id}") if release else ("POST", "")
        return self._release(method, path, draft.model_dump() | {"draft": True})

    def publish(self, release: Release, *, latest: bool) -> Release:
        """Publish a draft; ``latest`` makes it the one that GitHub shows first."""
        content = {"draft": False, "make_latest": "true" if latest else "false"}
        return self._release("PATCH", f"/{release.id}", content)

    def upload(self, release: Release, name: str, content: bytes) -> None:
        """Add a file to a draft.

        Raises:
            GitHubError: the draft names a server that is not this GitHub's.

        """
        # The address ends with the template {?name,label}.
        address = release.upload_url.partition("{")[0]
        if not takes_uploads_of(address, self._api):
            raise GitHubError(f"{shown(address)} is not of {shown(self._api)}: nothing is sent")
        headers = HEADERS | {"Content-Type": "application/octet-stream"}
        query = {"name": name}
        self._server.ask(
            "POST", address, auth=self._auth, headers=headers, params=query, data=content
        )

    def delete_asset(self, asset: Asset) -> None:
        """Take a file from a draft."""
        self._ask("DELETE", f"releases/assets/{asset.id}", expected=[404])

    def _pages(self, kind: TypeAdapter[list[Value]], path: str, **query: str) -> Iterator[Value]:
        number, more = 1, True
        while more:
            asked = query | {"per_page": str(PER_PAGE), "page": str(number)}
            answer = self._ask("GET", path, params=asked, expected=[HTTPStatus.GONE])
            items = [] if answer.status_code == HTTPStatus.GONE else _read(kind, answer)
            yield from items
            number, more = number + 1, len(items) == PER_PAGE

    def _release(self, method: str, path: str, content: dict[str, Any]) -> Release:
        return _read(_RELEASE, self._ask(method, f"releases{path}", json=content))

    def _ask(self, method: str, path: str, **content: Any) -> Response:
        address = f"{self._address}/{path}"
        return self._server.ask(method, address, auth=self._auth, headers=HEADERS, **content)


def _read(kind: TypeAdapter[Value], answer: Response) -> Value:
    try:
        return kind.validate_json(answer.content)
    except ValidationError:
        raise GitHubError(
            f"{shown(answer.url)} does not answer as GitHub's API does: is GITHUB_API_URL right?"
        ) from None
