"""What is executed is what GitHub runs: the copies for act differ in a few known lines alone."""

import pytest
import yaml

from tests.nightly.workflows.github import HERE, ROOT
from tests.nightly.workflows.translation import translate

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
# The same five in other words than the translation's own, so that neither can drift alone.
GONE = ("queue: max", "cache-mode: none", "deployment: false")
OTHER = {
    "uses: $/.github/": "uses: ./.github/",
    "group: ${{ fromJSON(needs.affected.outputs.integration) }}": "group: [comparison]",
}


def by_stem(path):
    """Return the name of a workflow."""
    return path.stem


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_stem)
def test_the_translation_touches_five_kinds_of_line_and_no_other(path):
    """Line by line: what is gone is one of three keys; what is different is one sign, or a list."""
    before, after = path.read_text().splitlines(), translate(path.read_text()).splitlines()

    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        if old != new:
            gone = not new and old.strip() in GONE
            assert gone or new in {old.replace(*each) for each in OTHER.items()}


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_stem)
def test_a_translated_workflow_has_the_same_jobs_and_steps(path):
    """Nothing is skipped: gone is who waits, what a cache may do, what counts as a deployment."""
    before, after = (yaml.safe_load(t) for t in (path.read_text(), translate(path.read_text())))

    assert before["jobs"].keys() == after["jobs"].keys()
    for name, job in before["jobs"].items():
        steps = after["jobs"][name]["steps"]
        assert [step.get("run") for step in job["steps"]] == [step.get("run") for step in steps]
        assert [step["name"] for step in job["steps"]] == [step["name"] for step in steps]


def test_every_kind_of_line_is_still_there_to_translate():
    """What act has learnt, or the workflows have dropped, leaves the translation."""
    text = "".join(path.read_text() for path in WORKFLOWS)

    assert [one for one in (*GONE, *OTHER) if one not in text] == []


@pytest.mark.parametrize(
    "line",
    [
        "      queue: max  # why\n",
        "    queue: single\n",
        "run: echo cache-mode: none\n",
        "a: $/b\n",
    ],
)
def test_a_line_that_only_looks_like_one_of_them_stays(line):
    """A command that mentions a key is no key."""
    assert translate(line) == line


def given_to_doubles():
    """Yield each action of others that a double stands for, with the inputs that it is given."""
    for path in (*WORKFLOWS, *ACTIONS):
        content = yaml.safe_load(path.read_text())
        jobs = content.get("jobs", {"action": content.get("runs")}).values()
        for step in (step for job in jobs for step in job["steps"] if "uses" in step):
            action = step["uses"].partition("@")[0]
            if action.startswith("actions/") and action != "actions/checkout":
                yield action.partition("/")[2], step.get("with", {})


@pytest.mark.parametrize("double", sorted({name for name, _ in given_to_doubles()}))
def test_a_double_knows_every_input_that_its_action_is_given(double):
    """What it does not know, it would pass over in silence."""
    known = yaml.safe_load((HERE / "actions" / double / "action.yml").read_text())["inputs"]
    asked = {key for name, given in given_to_doubles() if name == double for key in given}

    assert asked <= known.keys()


def test_the_programs_that_a_double_stands_for_are_few():
    """Everything else that a workflow starts is the real thing."""
    assert {path.name for path in (HERE / "programs").iterdir()} == {"apt-get", "gh", "sudo"}
