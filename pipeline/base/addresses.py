"""Addresses: the part of one that may be shown, and the servers that a secret may go to."""

import re
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

# Names of this machine, as a client's list of hosts without a proxy spells them.
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>`]+")
_PORTS: Final = {"http": 80, "https": 443}
_SQLITE: Final = "sqlite:///"


def shown(address: str) -> str:
    """Return an address without user, password, query and fragment.

    Everything before the last ``@`` counts as user and password: a parser of URLs would end them at
    the first ``/``, ``?`` or ``#``, which a password that was not encoded may hold. A path, and
    git's ``user@host:path``, hold no password and stay as they are.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return _without_scheme(address)
    if not rest.startswith("/"):
        rest = rest.rpartition("@")[2].partition("#")[0]
    return f"{scheme}://{rest.partition('?')[0]}"


def _without_scheme(address: str) -> str:
    """Return a path or ``user@host:path`` as it is, and ``user:password@host`` as its host."""
    user, _, place = address.rpartition("@")
    return place if ":" in user and not address.startswith(("/", ".")) else address


def redacted(text: str, *known: str) -> str:
    """Return the output of another program, with each address in it as it is `shown`.

    ``known`` are addresses that it may repeat and that no pattern finds, with a space for example.
    """
    for address in filter(None, known):
        text = text.replace(address.rstrip("/"), shown(address.rstrip("/")))
    return _ADDRESS.sub(lambda match: shown(match[0]), text)


def origin(address: str) -> str:
    """Return scheme, host and port of an HTTP address; nothing for any other text."""
    parts = _parts(address)
    if parts is None:
        return ""
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def of_database(path: str) -> str:
    """Return the address of the embedded registry in the file at ``path``, whatever that holds."""
    return _SQLITE + quote(path)


def database(address: str) -> str | None:
    """Return the path of an embedded registry's file, or None for a registry of another kind."""
    found = address.startswith(_SQLITE)
    return unquote(address.removeprefix(_SQLITE)) if found else None


def registry(address: str) -> str:
    """Return the address of a registry as it is: of an SQLite file, or of a server.

    MLflow knows more kinds, fails for each in its own way, and waits minutes for a database.

    Raises:
        ValueError: it is none of the two.

    """
    in_memory, query = address.endswith(":memory:"), "?" in address
    if _parts(address) or (database(address) and not in_memory and not query):
        return address
    given = address if address.startswith("sqlite:") else shown(address)
    raise ValueError(
        f"'{given}' is no registry: name a file, sqlite:///mlflow.db, or a server, "
        "https://mlflow.example.org, in MLFLOW_TRACKING_URI"
    )


def may_take_secrets(address: str) -> bool:
    """Say whether a secret stays secret on the way: encrypted, or within this machine."""
    parts = _parts(address)
    return parts is not None and (parts.scheme == "https" or _is_loopback(parts.hostname))


def is_api_of(api: str, server: str) -> bool:
    """Say whether ``api`` is the API of the GitHub at ``server``, or of a stand-in here."""
    if not may_take_secrets(api):
        return False
    home = origin(server)
    scheme, _, host = home.partition("://")
    return _is_loopback(urlsplit(api).hostname) or origin(api) in (home, f"{scheme}://api.{host}")


def takes_uploads_of(address: str, api: str) -> bool:
    """Say whether files may be sent to ``address`` with the token of an API of GitHub.

    Files go to the API's own host, or to its sibling: ``uploads.github.com``.
    """
    home = origin(api)
    return bool(home) and origin(address) in (home, home.replace("://api.", "://uploads.", 1))


def _parts(address: str) -> SplitResult | None:
    """Return the parts of an address of HTTP, whose port is known to be a number."""
    try:
        parts = urlsplit(address)
        known = parts.scheme in _PORTS and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        return None
    return parts if known else None


def _is_loopback(host: str | None) -> bool:
    return host in LOOPBACK or bool(re.fullmatch(r"127(\.\d+){3}", host or ""))
