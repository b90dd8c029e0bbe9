"""GitHub's REST API, as far as comments on pull requests and releases need it."""

from collections.abc import Iterator
from typing import Any, Final

from pipeline.base.addresses import shown, takes_uploads_of
from pipeline.base.errors import GitHubError
from pipeline.base.records import Asset, Comment, Draft, PullRequest, Release
from pipeline.base.rest import Bearer, Response, Server

PER_PAGE: Final = 100
HEADERS: Final = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
}


class GitHub:
    """One repository of the GitHub at ``api_url``."""

    def __init__(self, api_url: str, repository: str, token: str, wait: float = 1.0) -> None:
        """Ask nothing yet; ``wait`` is the first of the seconds between attempts, which double."""
        self._api = api_url
        self._address = f"{api_url.rstrip('/')}/repos/{repository}"
        self._auth = Bearer(token)
        self._server = Server("GitHub", GitHubError, wait)

    def open_pulls(self) -> Iterator[PullRequest]:
        """Yield the open pull requests, oldest first.

        They are all looked through for a commit: asked by the commit, GitHub answers that there is
        none when it lies in a fork.
        """
        for found in self._pages("pulls", state="open", sort="created", direction="asc"):
            yield PullRequest(
                number=found["number"],
                head_sha=found["head"]["sha"],
                repository=found["base"]["repo"]["full_name"],
            )

    def comments(self, number: int) -> Iterator[Comment]:
        """Yield the comments on a pull request, oldest first."""
        for found in self._pages(f"issues/{number}/comments"):
            author = (found["user"] or {}).get("login", "")
            yield Comment(id=found["id"], author=author, body=found["body"] or "")

    def create_comment(self, number: int, body: str) -> None:
        """Comment on a pull request."""
        self._ask("POST", f"issues/{number}/comments", json={"body": body})

    def edit_comment(self, comment: Comment, body: str) -> None:
        """Give a comment another body."""
        self._ask("PATCH", f"issues/comments/{comment.id}", json={"body": body})

    def delete_comment(self, comment: Comment) -> None:
        """Take a comment away."""
        self._ask("DELETE", f"issues/comments/{comment.id}", expected=[404])

    def releases(self) -> Iterator[Release]:
        """Yield the releases, newest first; drafts too, to whoever may write."""
        yield from map(_release, self._pages("releases"))

    def create_draft(self, draft: Draft) -> Release:
        """Make a release that nobody sees yet."""
        content = draft.model_dump() | {"draft": True}
        return _release(self._ask("POST", "releases", json=content).json())

    def edit_draft(self, release: Release, draft: Draft) -> Release:
        """Give a draft another content."""
        content = draft.model_dump() | {"draft": True}
        return _release(self._ask("PATCH", f"releases/{release.id}", json=content).json())

    def publish(self, release: Release, *, latest: bool) -> Release:
        """Publish a draft; ``latest`` makes it the one that GitHub shows first."""
        content = {"draft": False, "make_latest": "true" if latest else "false"}
        return _release(self._ask("PATCH", f"releases/{release.id}", json=content).json())

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

    def _pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        number, more = 1, True
        while more:
            asked = query | {"per_page": str(PER_PAGE), "page": str(number)}
            found = self._ask("GET", path, params=asked).json()
            yield from found
            number, more = number + 1, len(found) == PER_PAGE

    def _ask(self, method: str, path: str, **content: Any) -> Response:
        address = f"{self._address}/{path}"
        return self._server.ask(method, address, auth=self._auth, headers=HEADERS, **content)


def _release(found: dict[str, Any]) -> Release:
    return Release(
        id=found["id"],
        tag=found["tag_name"],
        draft=found["draft"],
        url=found["html_url"],
        upload_url=found["upload_url"],
        assets=tuple(map(_asset, found["assets"])),
    )


def _asset(found: dict[str, Any]) -> Asset:
    return Asset(
        id=found["id"],
        name=found["name"],
        whole=found["state"] == "uploaded",
        digest=found.get("digest") or "",
    )
