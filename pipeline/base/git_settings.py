"""The environment that git is started with: the folder decides, not the variables of the caller.

A hook exports GIT_DIR, GIT_INDEX_FILE and more, and they win over the folder that git is started
in. The user's configuration may change what is stored: line endings, filters, hooks, signatures.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Final

from pipeline.base import addresses

Setting = tuple[str, str]

# The variables that choose the program, its way to a remote, and the user's configuration.
_REACHING: Final = (
    *("GIT_EXEC_PATH", "GIT_SSH", "GIT_ASKPASS", "GIT_SSL_", "GIT_PROXY_", "GIT_HTTP_"),
    "GIT_ALLOW_PROTOCOL",
)
_CONFIGURATION: Final = "GIT_CONFIG_"
# The parts of the user's configuration that reach the remote and log in there.
_WAY: Final = re.compile(
    r"(credential|http|ssh|url|protocol)\..+|safe\.directory|core\.(sshcommand|askpass|gitproxy)"
    r"|remote\.origin\.(url|pushurl|proxy|proxyauthmethod|uploadpack|receivepack|vcs|serveroption)",
    re.DOTALL,
)
# A remote that says nothing for this long does not answer.
SILENT_SECONDS: Final = 60
# Nothing works on in the background in a folder that is about to be removed.
_OURS: Final = (("gc.auto", "0"), ("maintenance.auto", "false"))
# A commit needs an author; on a machine without one, it is this.
_NOBODY: Final = {
    "GIT_AUTHOR_NAME": "registry",
    "GIT_AUTHOR_EMAIL": "registry@localhost",
    "GIT_COMMITTER_NAME": "registry",
    "GIT_COMMITTER_EMAIL": "registry@localhost",
    "GIT_TERMINAL_PROMPT": "0",
}
# Every file is stored as it is. It stands in info/attributes, which wins over every other file of
# attributes: the user's, the system's, and those in the folder itself.
ATTRIBUTES: Final = "* -text !filter !ident !working-tree-encoding\n"
# The settings of `trusted` lie here, in the folder that is stored. Where the remote is a folder
# too, the git over there reads this file and is given none of the variables.
TRUSTED: Final = ".git/trusted"


def reading(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a git that reads a clone, configured as its user configured it."""
    kept = (*_REACHING, _CONFIGURATION)
    return {**_without_git(environ, kept), "GIT_OPTIONAL_LOCKS": "0"}


def storing(environ: Mapping[str, str], folder: str, settings: Iterable[Setting]) -> dict[str, str]:
    """Return the environment of a git that stores in ``folder`` and knows these settings alone.

    They stand in variables, because other users can read a command line, with any secret in it.
    """
    # Of two settings with one name, the last one counts.
    entries = [*_patience(environ), *settings, *_OURS]
    return {
        **_without_git(environ, _REACHING),
        **_NOBODY,
        "GIT_DIR": f"{folder}/.git",
        "GIT_WORK_TREE": folder,
        "GIT_CONFIG_GLOBAL": f"{folder}/{TRUSTED}",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": str(len(entries)),
        **{f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in enumerate(entries)},
        **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in enumerate(entries)},
    }


def _patience(environ: Mapping[str, str]) -> Iterable[Setting]:
    """Give the settings by which git does not wait for a silent remote; a user's own win."""
    yield "http.lowSpeedLimit", "1"
    yield "http.lowSpeedTime", str(SILENT_SECONDS)
    # It would win over a program that this variable names.
    if "GIT_SSH" not in environ:
        options = f"ConnectTimeout={SILENT_SECONDS}", f"ServerAliveInterval={SILENT_SECONDS // 3}"
        given = " ".join(f"-o {option}" for option in (*options, "ServerAliveCountMax=3"))
        yield "core.sshCommand", f"ssh {given}"


def trusted(settings: Iterable[Setting]) -> str:
    """Return a file of settings with the folders of others that the user trusts."""
    folders = (value for key, value in settings if key == "safe.directory")
    escaped = (folder.replace("\\", "\\\\").replace('"', '\\"') for folder in folders)
    return "[safe]\n" + "".join(f'\tdirectory = "{folder}"\n' for folder in escaped)


def way(listing: str) -> tuple[Setting, ...]:
    """Return the settings in the output of ``git config --list -z`` that reach the remote."""
    entries = (entry.partition("\n") for entry in listing.split("\0") if entry)
    # A key without a value means true.
    return tuple(
        (key, value if separator else "true")
        for key, separator, value in entries
        if _WAY.fullmatch(key)
    )


def authorized(settings: tuple[Setting, ...], server_url: str, token: str) -> tuple[Setting, ...]:
    """Return the settings with a token that git sends to the server that issued it alone.

    Without a server, or without a safe way to it, there is no token.
    """
    if not token or not addresses.may_take_secrets(server_url):
        return settings
    key = f"http.{addresses.origin(server_url)}/.extraheader"
    # `actions/checkout` may have left one in the clone; GitHub refuses two.
    others = (
        (name, value)
        for name, value in settings
        if name not in (key, "http.extraheader") or not value.lower().startswith("authorization:")
    )
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return (*others, (key, f"AUTHORIZATION: basic {basic}"))


def _without_git(environ: Mapping[str, str], kept: tuple[str, ...]) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith("GIT_") or name.startswith(kept)
    }
