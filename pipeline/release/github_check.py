"""The settings that a repository on GitHub lacks, and the command for each: asked with `gh`."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from pipeline.base import cli, command
from pipeline.base.errors import GitHubError, PipelineError, ReleaseError

# The answer of GitHub to a path below its API, or None where there is nothing.
Read = Callable[[str], Any]

HERE: Final = "repos/{owner}/{repo}"
RULESETS: Final = Path(".github/rulesets")
REGISTRY: Final = "registry.json"
KEY: Final = f"{HERE}/environments/model-registry/secrets/REGISTRY_KEY"
# The branches and tags that may use each environment.
PLACES: Final = {
    "model-registry": (("branch", "main"), ("tag", "v*")),
    "release": (("tag", "v*"),),
}


class Finding(NamedTuple):
    """Something that is not set, and the commands that set it."""

    what: str
    commands: tuple[str, ...]


def run() -> None:
    """Ask GitHub about this clone's repository, and show what is not set.

    Raises:
        ReleaseError: something is not.
        GitHubError: `gh` cannot ask.

    """
    rulesets = {path.name: json.loads(path.read_bytes()) for path in sorted(RULESETS.glob("*"))}
    found = list(findings(read, rulesets))
    for finding in found:
        cli.fact("not set", finding.what)
        for line in finding.commands:
            cli.fact("", line)
    if found:
        raise ReleaseError(f"{len(found)} settings are missing on GitHub: see above")
    cli.fact("github", "everything is set")


def read(path: str) -> Any:
    """Return what `gh` reads at a path, or None where there is nothing.

    Raises:
        GitHubError: `gh` is not there, is not logged in, may not read it, or gets no answer.

    """
    try:
        answer = command.ask(("gh", "api", path), nothing="HTTP 404")
    except PipelineError as error:
        raise GitHubError(f"{error}: see `gh auth status`") from None
    return None if answer is None else json.loads(answer)


def findings(read: Read, rulesets: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield what is not set; ``rulesets`` are those of the files, by the files' names."""
    yield from _workflows(read)
    for name, places in PLACES.items():
        yield from _environment(read, name, places)
    yield from _owners(read)
    yield from _rulesets(read, rulesets)
    yield from _package(read)


def _workflows(read: Read) -> Iterator[Finding]:
    address = f"{HERE}/actions/permissions/workflow"
    allowed = read(address)
    if allowed is None:
        raise GitHubError("no such repository for this login: see `gh auth status`")
    if allowed["default_workflow_permissions"] != "read":
        yield Finding(
            "a workflow that asks for nothing may write",
            (f"gh api --method PUT {address} -f default_workflow_permissions=read",),
        )


def _owners(read: Read) -> Iterator[Finding]:
    wrong = (read(f"{HERE}/codeowners/errors") or {}).get("errors")
    if wrong:
        yield Finding(
            "CODEOWNERS names somebody whom GitHub does not know",
            (f"correct {wrong[0]['path']}: {wrong[0]['kind']}",),
        )


def _rulesets(read: Read, rulesets: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    there = {one["name"]: one["id"] for one in read(f"{HERE}/rulesets?includes_parents=false")}
    for file, wanted in rulesets.items():
        number = there.get(wanted["name"])
        if file == REGISTRY and read(KEY) is None:
            yield Finding(
                "no deploy key writes the registry branch, which anybody who may push can replace",
                (
                    "ssh-keygen -q -t ed25519 -N '' -f key",
                    "gh repo deploy-key add key.pub --allow-write --title registry",
                    "gh secret set REGISTRY_KEY --env model-registry < key && rm key key.pub",
                ),
            )
        address = f"{HERE}/rulesets" + (f"/{number}" if number else "")
        if not number or not holds(wanted, read(address)):
            method = "--method PUT " if number else ""
            yield Finding(
                f"the ruleset {wanted['name']!r} is not as in {RULESETS / file}",
                (f"gh api {method}{address} --input {RULESETS / file}",),
            )


def holds(wanted: Any, given: Any) -> bool:
    """Say whether ``given`` has all that is ``wanted``, in any order; GitHub adds its defaults."""
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        return all(key in given and holds(value, given[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(given, list):
        same = len(wanted) == len(given)
        return same and all(any(holds(one, other) for other in given) for one in wanted)
    return bool(wanted == given)


def _environment(read: Read, name: str, places: Collection[tuple[str, str]]) -> Iterator[Finding]:
    address = f"{HERE}/environments/{name}"
    policy = (read(address) or {}).get("deployment_branch_policy") or {}
    limits = read(f"{address}/deployment-branch-policies") or {}
    there = {(one["type"], one["name"]): one["id"] for one in limits.get("branch_policies", ())}
    if policy.get("custom_branch_policies") and there.keys() == {*places}:
        return
    limited = (
        f"gh api --method PUT {address} -F 'deployment_branch_policy[protected_branches]=false' "
        "-F 'deployment_branch_policy[custom_branch_policies]=true'"
    )
    policies = f"{address}/deployment-branch-policies"
    added = (
        f"gh api {policies} -f type={kind} -f 'name={pattern}'"
        for kind, pattern in places
        if (kind, pattern) not in there
    )
    removed = (
        f"gh api --method DELETE {policies}/{number}"
        for place, number in there.items()
        if place not in places
    )
    allowed = " and ".join(f"{kind} {pattern}" for kind, pattern in places)
    yield Finding(
        f"the environment {name} is not limited to {allowed}", (limited, *added, *removed)
    )


def _package(read: Read) -> Iterator[Finding]:
    about = read(HERE)
    owner, name = about["owner"], quote(about["name"].lower(), safe="")
    kind = "orgs" if owner["type"] == "Organization" else "users"
    try:
        package = read(f"{kind}/{owner['login']}/packages/container/{name}")
    except GitHubError as error:
        yield Finding(
            f"whether everybody can pull the image is not known ({error})",
            ("gh auth refresh --scopes read:packages",),
        )
        return
    if package and package["visibility"] != "public" and not about["private"]:
        yield Finding(
            "the image cannot be pulled without a login",
            (f"{package['html_url']}: Package settings, Change visibility, Public",),
        )
