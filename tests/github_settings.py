"""The settings of a repository, as the stand-in for GitHub keeps them: a new one has these."""

from typing import Any

from tests.github_api import NOT_FOUND, Answer, Call, State, on

WORKFLOW = "actions/permissions/workflow"
POLICIES = r"environments/(?P<name>[\w-]+)/deployment-branch-policies"
# What a new repository of a person has.
NEW = {
    "/repos/ann/Heart": {
        "name": "Heart",
        "private": False,
        "owner": {"login": "ann", "type": "User"},
    },
    WORKFLOW: {"default_workflow_permissions": "write", "can_approve_pull_request_reviews": False},
    "rulesets": [],
    "/repos/ann/Heart/codeowners/errors": {
        "errors": [{"kind": "Unknown owner", "path": ".github/CODEOWNERS"}]
    },
    "environments": {},
}


@on("GET", f"(?P<path>{WORKFLOW}|rulesets)")
def _read(state: State, _call: Call, path: str, **_: Any) -> Answer:
    return 200, state.settings[path]


@on("PUT", f"(?P<path>{WORKFLOW})")
def _allow(state: State, call: Call, path: str, **_: Any) -> Answer:
    state.settings[path].update(call.body)
    return 204, None


@on("POST", "rulesets")
def _add_ruleset(state: State, call: Call, **_: Any) -> Answer:
    made = {**call.body, "id": state.new_id(), "source_type": "Repository"}
    state.settings["rulesets"].append(made)
    return 201, made


@on("GET", r"rulesets/(?P<number>\d+)")
def _ruleset(state: State, _call: Call, number: int, **_: Any) -> Answer:
    return 200, next(one for one in state.settings["rulesets"] if one["id"] == number)


@on("PUT", r"rulesets/(?P<number>\d+)")
def _edit_ruleset(state: State, call: Call, number: int, **_: Any) -> Answer:
    ruleset = next(one for one in state.settings["rulesets"] if one["id"] == number)
    ruleset.update(call.body)
    return 200, ruleset


@on("GET", r"environments/(?P<name>[\w-]+)")
def _environment(state: State, _call: Call, name: str, **_: Any) -> Answer:
    found = state.settings["environments"].get(name)
    if found is None:
        return NOT_FOUND
    return 200, {"name": name, "deployment_branch_policy": found["policy"]}


@on("PUT", r"environments/(?P<name>[\w-]+)")
def _edit_environment(state: State, call: Call, name: str, **_: Any) -> Answer:
    policy = call.body["deployment_branch_policy"]
    if {type(value) for value in policy.values()} != {bool}:
        return 422, {"message": "Invalid request"}
    state.settings["environments"].setdefault(name, {"limits": []})["policy"] = policy
    return 200, {"name": name}


@on("GET", POLICIES)
def _limits(state: State, _call: Call, name: str, **_: Any) -> Answer:
    if name not in state.settings["environments"]:
        return NOT_FOUND
    return 200, {"branch_policies": state.settings["environments"][name]["limits"]}


@on("POST", POLICIES)
def _limit(state: State, call: Call, name: str, **_: Any) -> Answer:
    made = {"id": state.new_id(), **call.body}
    state.settings["environments"][name]["limits"].append(made)
    return 200, made


@on("DELETE", POLICIES + r"/(?P<number>\d+)")
def _unlimit(state: State, _call: Call, name: str, number: int, **_: Any) -> Answer:
    found = state.settings["environments"][name]
    found["limits"] = [one for one in found["limits"] if one["id"] != number]
    return 204, None


def finish(state: State) -> None:
    """Do what no command of the check does here: store the key, and name owners."""
    state.settings["/repos/ann/Heart/environments/model-registry/secrets/REGISTRY_KEY"] = {}
    state.settings["/repos/ann/Heart/codeowners/errors"]["errors"].clear()
