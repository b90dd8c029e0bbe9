"""The environment that another program is given, made of the one that this process has."""

from collections.abc import Mapping
from typing import Final

from pipeline.base.addresses import LOOPBACK

Environment = Mapping[str, str]

# Any program needs these to run: its files, the user's language, the way to the network.
_NEEDED: Final = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LD_LIBRARY_PATH"),
        *("XDG_CACHE_HOME", "XDG_RUNTIME_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    }
)
# These lead a program to the Docker engine, over SSH too.
DOCKER: Final = ("DOCKER_", "SSH_AUTH_SOCK")
# These tell GitHub's command line who asks, and which GitHub.
GH: Final = ("GH_", "GITHUB_TOKEN", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS")
# Address, account and run of a server of MLflow: worth nothing at another one.
_OF_ONE_SERVER: Final = (
    *("MLFLOW_TRACKING_", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_", "MLFLOW_RUN_"),
)


def direct(environ: Environment) -> dict[str, str]:
    """Let no proxy stand between this machine and itself; every other host stays as it was."""
    upper, lower = environ.get("NO_PROXY", ""), environ.get("no_proxy", "")
    return {
        **environ,
        "NO_PROXY": _with_loopback(upper or lower),
        "no_proxy": _with_loopback(lower or upper),
    }


def for_tool(environ: Environment, *prefixes: str) -> dict[str, str]:
    """Return the variables that a program that works for us needs, and those with a prefix.

    Nothing else reaches it: no token, and no setting of its own that was made for another use.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name.upper() in _NEEDED or name.startswith(("LC_", *prefixes))
    }
    return direct(kept)


def with_registry(environ: Environment, address: str) -> dict[str, str]:
    """Return the user's environment with another registry, which asks for no account."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_OF_ONE_SERVER)}
    return {**kept, "MLFLOW_TRACKING_URI": address}


def _with_loopback(hosts: str) -> str:
    known = [host.strip() for host in hosts.split(",") if host.strip()]
    if known == ["*"]:
        return hosts
    return ",".join([*known, *(host for host in LOOPBACK if host not in known)])
