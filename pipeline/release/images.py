"""A registry of container images, asked over its own API: tags, and what images say they are."""

import hashlib
import json
import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from docker.auth import load_config
from requests.auth import HTTPBasicAuth

from pipeline.base.addresses import may_take_secrets, origin, shown
from pipeline.base.errors import ImageError
from pipeline.base.rest import Bearer, Response, Server
from pipeline.image.docker import explained
from pipeline.release.plan import Found

MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
NAMES_AT_ONCE: Final = "1000"
# Like an engine: only a registry of this machine may do without encryption.
_LOOPBACK: Final = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')
# Of an image that does not exist, some registries say that one may not see it.
_ABSENT: Final = (403, 404)


class Repository:
    """The images of one name, for example ``ghcr.io/owner/repository``."""

    def __init__(self, image: str, login: tuple[str, str] | None, wait: float = 1.0) -> None:
        """Ask nothing yet; ``login`` is a user and a password."""
        self._host, _, self._path = image.partition("/")
        scheme = "http" if _LOOPBACK.fullmatch(self._host) else "https"
        self._address = f"{scheme}://{self._host}/v2/{self._path}"
        self._login = HTTPBasicAuth(*login) if login else None
        self._server = Server(self._host, ImageError, wait)
        self._auth: Bearer | HTTPBasicAuth = Bearer("")

    def tags(self) -> set[str]:
        """Return every tag; none where nothing was pushed yet.

        Raises:
            ImageError: the registry refuses or does not answer.

        """
        tags: set[str] = set()
        query = {"n": NAMES_AT_ONCE}
        while query:
            answer = self._ask("GET", "tags/list", params=query)
            if not answer.ok:
                return set()
            tags |= set(answer.json()["tags"] or ())
            following = urlsplit(answer.links.get("next", {}).get("url", "")).query
            query = {name: values[0] for name, values in parse_qs(following).items()}
        return tags

    def find(self, reference: str) -> Found | None:
        """Return the image that a tag or a digest leads to, or None.

        Raises:
            ImageError: the registry refuses, does not answer, or sends something else.

        """
        answer = self._ask("GET", f"manifests/{reference}", headers=_accepting())
        if not answer.ok:
            return None
        image_id = answer.json().get("config", {}).get("digest", "")
        labels = self._configuration(image_id).get("config", {}).get("Labels") if image_id else {}
        return Found(digest=_sha256(answer.content), image_id=image_id, labels=labels or {})

    def tag(self, digest: str, tag: str) -> None:
        """Make ``tag`` lead to the image of a digest, whatever it led to before.

        Raises:
            ImageError: the registry refuses, does not answer, or has no such image.

        """
        answer = self._ask("GET", f"manifests/{digest}", headers=_accepting())
        if _sha256(answer.content) != digest:
            raise ImageError(f"{self._host} has no {self._path}@{digest}")
        headers = {"Content-Type": answer.headers["Content-Type"]}
        # Asked for anew: what was given for reading cannot write.
        self._auth = Bearer("")
        put = self._ask("PUT", f"manifests/{tag}", headers=headers, data=answer.content)
        if not put.ok:
            raise ImageError(f"{self._host} refuses to move {self._path}:{tag}")

    def _configuration(self, digest: str) -> dict[str, Any]:
        content = self._ask("GET", f"blobs/{digest}").content
        if _sha256(content) != digest:
            raise ImageError(f"{self._host} sends another configuration than {digest}")
        configuration: dict[str, Any] = json.loads(content)
        return configuration

    def _ask(self, method: str, path: str, **content: Any) -> Response:
        """Ask, and once more with what the registry then wants to see."""
        address, expected = f"{self._address}/{path}", (401, *_ABSENT)
        answer = self._server.ask(method, address, expected, auth=self._auth, **content)
        if answer.status_code == 401:  # noqa: PLR2004 (unauthorized)
            self._auth = self._authorized(answer, "pull" if method == "GET" else "pull,push")
            answer = self._server.ask(method, address, _ABSENT, auth=self._auth, **content)
        return answer

    def _authorized(self, answer: Response, actions: str) -> Bearer | HTTPBasicAuth:
        if origin(answer.url) != origin(self._address):
            raise ImageError(f"{self._host} leads to {shown(answer.url)}, which wants a login")
        challenge = answer.headers.get("WWW-Authenticate", "")
        if challenge.lower().startswith("basic ") and self._login:
            return self._login
        realm, asked = token_server(challenge, urlsplit(self._address).scheme)
        if not realm:
            raise ImageError(f"{self._host} wants a login: run `docker login {self._host}`")
        asked["scope"] = f"repository:{self._path}:{actions}"
        given = self._server.ask("GET", realm, auth=self._login or Bearer(""), params=asked).json()
        return Bearer(given.get("token") or given.get("access_token") or "")


def login(image: str) -> tuple[str, str] | None:
    """Return the user and the password that ``docker login`` keeps for an image's registry.

    Raises:
        ImageError: the program that keeps them fails.

    """
    registry = image.partition("/")[0]
    with explained(f"cannot read the login for {registry}"):
        credentials = load_config().resolve_authconfig(registry) or {}
    lowered = {name.lower(): value for name, value in credentials.items()}
    user, password = lowered.get("username"), lowered.get("password")
    return (user, password) if user and password else None


def token_server(challenge: str, scheme: str) -> tuple[str, dict[str, str]]:
    """Return the server of tokens that a registry names and what to ask it; nothing if unsafe.

    A registry may name another host, as Docker Hub does. ``scheme`` is the registry's; a password
    goes there as safely as to the registry: encrypted, or from this machine to itself.
    """
    kind, _, rest = challenge.partition(" ")
    asked = dict(_CHALLENGE.findall(rest))
    realm = asked.pop("realm", "")
    safe = urlsplit(realm).scheme == scheme and may_take_secrets(realm)
    return (realm, asked) if kind.lower() == "bearer" and safe else ("", {})


def _accepting() -> dict[str, str]:
    return {"Accept": ", ".join(MANIFESTS)}


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
