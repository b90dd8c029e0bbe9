"""The workflows, executed: from an empty fork to a release, a bad model, and the way back.

Real git, real make, a real MLflow server, Docker Engine and registry of images. Doubles stand for
GitHub's API, for the actions of others and for `gh`. The story happens once; each test states one
thing that came out of it.
"""

import pytest

from pipeline.base.names import FAMILIES, HISTORY, registered_name
from pipeline.report.comment import AUTHOR
from tests.nightly.workflows import github
from tests.nightly.workflows.story import REASON, THANKS

pytestmark = pytest.mark.once

NAMES = tuple(map(registered_name, FAMILIES))
REGISTRY = "refs/heads/mlflow-registry"
# Of each pull request, and those that only some changes reach.
ALWAYS = {"affected", "check", "fast", "required-checks-pass"}
REACHED = {"integration", "image", "workflows"}
TOLERANCE = 1e-5
AFTER_BUILD = ("push", "attest", "announce", "attest-registry")
RELEASED = dict.fromkeys(("build", *AFTER_BUILD), "success")
NOT_RELEASED = {"build": "failure", **dict.fromkeys(AFTER_BUILD, "skipped")}
ROLLED_BACK = dict.fromkeys(("rollback", "attest", "release"), "success")
NOT_ROLLED_BACK = {"rollback": "failure", "attest": "skipped", "release": "skipped"}


def results(run):
    """Return how each job of a run ended."""
    return {name: job.result for name, job in run.jobs.items()}


def ran(run):
    """Return how each job of a run ended that was not skipped."""
    return {name: result for name, result in results(run).items() if result != "skipped"}


def failed_steps(run):
    """Return the names of the steps that failed."""
    return [s.name for job in run.jobs.values() for s in job.steps if s.result == "failure"]


def registry_of(refs):
    """Return the registry branch among references."""
    return [line for line in refs if line.startswith(REGISTRY)]


# 1. A first push to an empty fork


def test_a_tag_before_any_champion_is_refused_in_one_clear_line(story):
    """It says what to do first, on the page of the run."""
    run = story.runs["too early"]

    assert results(run) == NOT_RELEASED
    assert failed_steps(run) == ["Resolve the champion, once, and package it"]
    assert "no version holds heart_disease@champion" in run.summary


def test_a_tag_before_any_champion_publishes_nothing(story):
    """No image, no release, not even a draft, and no registry."""
    assert registry_of(story.refs["too early"]) == []
    assert story.images["too early"] == {}
    assert story.drafts["too early"] == []


def test_a_first_push_makes_the_registry_four_versions_and_a_champion(story):
    """With nothing configured."""
    assert results(story.runs["first"]) == {"train": "success", "attest": "success"}
    assert story.moments["first"].counts == dict.fromkeys(NAMES, 1) | {"heart_disease": 1}
    assert story.moments["first"].served == {"champion": 1}


def test_every_version_says_which_commit_and_run_made_it(story):
    """The audit trail begins with the first one."""
    run = story.runs["first"]
    url = f"{github.SERVER}/{github.REPOSITORY}/actions/runs/{run.number}"

    for name in NAMES:
        tags = story.moments["first"].versions[name][1]
        assert (tags["git_commit"], tags["ci_url"]) == (story.commits["first"], url)


def test_the_first_training_shows_its_verdict(story):
    """On the page of the run, with the reason."""
    summary = story.runs["first"].summary

    assert "Training: promote" in summary
    assert "the first champion" in summary


# 2. A pull request with a better feature, whose first push breaks a test


def test_a_good_pull_request_passes_every_check(story):
    """Also the one that branch protection asks for."""
    assert ran(story.runs["better"]) == dict.fromkeys(ALWAYS | {"integration", "image"}, "success")


@pytest.mark.parametrize(
    ("name", "reached"),
    [("docs", set()), ("hyper-parameter", {"image"}), ("better", {"integration", "image"})],
    ids=["a page", "a hyper-parameter", "base"],
)
def test_only_those_jobs_run_that_a_change_reaches(story, name, reached):
    """One that is skipped counts as passed, and the page of the run says why."""
    run = story.runs[name]

    assert ran(run) == dict.fromkeys(ALWAYS | reached, "success")
    assert results(run).keys() == ALWAYS | REACHED
    shown = (
        "yes: `pipeline/base/pages.py` reaches it" if name == "better" else "no: nothing it uses"
    )
    assert f"| comparison | {shown}" in run.summary


def test_a_broken_test_makes_the_pull_request_red(story):
    """The jobs that run it, here both, and the check that branch protection asks for."""
    found = results(story.runs["broken test"])

    assert {name for name, result in found.items() if result == "failure"} == {
        "fast",
        "integration",
        "required-checks-pass",
    }


def test_a_broken_test_is_named_on_the_page_of_the_run(story):
    """Which one, without opening a log."""
    assert "test_the_interval_is_wilsons" in story.runs["broken test"].summary


def test_the_report_compares_with_the_live_champion(story):
    """It is an artifact of the run, as data, and says that the change is better."""
    report = story.reports["better"]

    assert "heart_disease/1" in report
    assert "better than" in report
    assert report in story.runs["better: report"].summary


def test_a_pull_request_gets_one_comment_with_the_report(story):
    """From the bot, and marked as its own."""
    (comment,) = story.comments["better"]

    assert comment["user"]["login"] == AUTHOR
    assert story.reports["better"] in comment["body"]


def test_a_second_push_edits_the_same_comment(story):
    """It is about the new commit then."""
    (before,), (after,) = story.comments["broken test"], story.comments["better"]

    assert before["id"] == after["id"]
    assert story.commits["broken test"][:12] in before["body"]
    assert story.commits["better"][:12] in after["body"]


@pytest.mark.parametrize("name", ["broken test", "better", "bad data"])
def test_a_pull_request_leaves_registry_and_main_alone(story, name):
    """It may read the champion, and that is all."""
    assert registry_of(story.refs[name]) == [f"{REGISTRY} {story.moments['first'].commit}"]
    assert f"refs/heads/main {story.commits['first']}" in story.refs[name]


def test_the_image_of_a_pull_request_is_built_and_verified_but_not_pushed(story):
    """The registry of images is as empty as before."""
    image = story.runs["better"].jobs["image"]

    assert image.step("Verify the image").result == "success"
    assert "answers like heart_disease/1" in image.log
    assert story.images["better"] == {}


# 3. A pull request that must not be merged


def test_bad_data_makes_the_pull_request_red(story):
    """Nothing is trained on it, so there is no report."""
    run = story.runs["bad data: report"]

    assert results(run) == {"report": "failure"}
    assert failed_steps(run) == ["Check the data"]
    assert results(story.runs["bad data"])["required-checks-pass"] == "failure"
    assert story.reports["bad data"] == ""


def test_bad_data_is_explained_on_the_page_of_the_run(story):
    """The field and what is wrong with it."""
    summary = story.runs["bad data: report"].summary

    assert "breaks the data contract" in summary
    assert "630" in summary


def test_a_pull_request_without_a_report_is_told_so(story):
    """Its comment does not keep quiet."""
    (comment,) = story.comments["bad data"]

    assert "no report" in comment["body"].lower()


# 4. The merge


def test_a_merge_registers_new_versions_and_promotes_the_better_model(story):
    """The alias moves, and remembers who was before."""
    moment = story.moments["merged"]

    assert moment.counts == dict.fromkeys(NAMES, 2) | {"heart_disease": 2}
    assert moment.served == {"champion": 2, "previous_champion": 1}
    assert "Training: promote" in story.runs["merged"].summary
    assert "better than heart_disease/1" in story.runs["merged"].summary


def test_the_same_run_again_changes_nothing(story):
    """Not even the commit of the registry branch."""
    assert story.runs["merged again"].conclusion == "success"
    assert story.moments["merged again"] == story.moments["merged"]


# 5. A red main, and the release


def test_failing_tests_of_main_open_one_issue(story):
    """It leads to the run."""
    run = story.runs["red"]
    (opened,) = story.issues["red"]

    assert results(run) == {"test": "failure", "issue": "success"}
    assert opened["state"] == "open"
    assert f"/actions/runs/{run.number}" in opened["body"]


def test_no_release_begins_while_the_tests_of_main_fail(story):
    """It names the issue."""
    run = story.runs["held back"]

    assert results(run) == NOT_RELEASED
    # The page of the run shows an error as it is, not as a link.
    assert story.issues["red"][0]["html_url"].removeprefix("https:") in run.summary


def test_a_tag_that_is_pushed_together_with_main_waits_for_its_training(story):
    """It would ship the champion of before; run again after the training, it is released."""
    run = story.runs["untrained"]

    assert results(run) == NOT_RELEASED
    assert failed_steps(run) == ["Resolve the champion, once, and package it"]
    assert "has not ended; the last that has is of" in run.summary
    assert results(story.runs["trained"]) == {"train": "success", "attest": "success"}


def test_passing_tests_of_main_close_the_issue(story):
    """By themselves."""
    (closed,) = story.issues["green"]

    assert results(story.runs["green"]) == {"test": "success", "issue": "success"}
    assert closed["state"] == "closed"


def test_a_tag_is_released(story):
    """Every job, every step."""
    assert results(story.runs["released"]) == RELEASED


def test_the_image_stands_in_the_registry_under_its_version_and_the_moving_tags(story):
    """In small letters, although the owner has capitals."""
    found = story.images["1.0.0"]

    assert found.keys() == {"1.0.0", "1.0", "latest"}
    assert len(set(found.values())) == 1


@pytest.mark.parametrize(("version", "model"), [("1.0.0", 2), ("1.0.1", 1)])
def test_the_image_that_is_pulled_by_digest_answers_like_its_package(story, version, model):
    """The golden patients of the package that the release carries."""
    answer = story.answers[version]

    assert (answer.info["model_name"], answer.info["version"]) == ("heart_disease", model)
    assert len(answer.given) == len(answer.expected) > 0
    for given, expected in zip(answer.given, answer.expected, strict=True):
        assert given["probability"] == pytest.approx(expected["probability"], abs=TOLERANCE)
        assert given["label"] == expected["label"]


@pytest.mark.parametrize(("version", "model"), [("1.0.0", 2), ("1.0.1", 1)])
def test_the_release_is_published_with_its_files(story, version, model):
    """Package, SBOM, model card, checksums; and no draft any more."""
    release = story.releases[version]

    assert not release["draft"]
    assert {asset["name"] for asset in release["assets"]} == {
        f"heart_disease_model_v{model}.tar.gz",
        "sbom.cdx.json",
        "MODEL_CARD.md",
        "SHA256SUMS",
        "image.intoto.jsonl",
    }


def test_a_release_that_a_person_made_is_taken_over_with_its_text(story):
    """It stands above what the workflow writes."""
    body = story.releases["1.0.0"]["body"]

    assert body.startswith(THANKS)
    assert "Serves **heart_disease/2**" in body
    assert "gh attestation verify" in body


@pytest.mark.parametrize("version", ["1.0.0", "1.0.1"])
def test_provenance_and_contents_of_the_image_are_attested(story, version):
    """For the digest that was pushed."""
    digest = story.images[version][version]
    attested = [call[2:] for call in story.calls if call[0] == "attest"]

    assert [what for subject, what in attested if subject.endswith(f"@{digest}")] == [
        "provenance",
        "pushed/sbom.cdx.json",
    ]


def test_each_writer_of_the_registry_attests_it_and_asks_who_wrote_it_before(story):
    """Also who only reads it for a release; the first of all finds none."""
    writers = ["first", "merged", "released", "rolled back", "patched"]
    signed = {call[1] for call in story.calls if call[0] == "attest" and "SHA256SUMS@" in call[2]}
    asked = [call for call in story.calls if call[0] == "gh" and "attestation verify" in call[2]]

    assert {str(story.runs[name].number) for name in writers} <= signed
    assert len(asked) >= len(writers)


def test_the_shipped_version_gets_the_alias_production(story):
    """And remembers the release."""
    moment = story.moments["released"]

    assert moment.served == {"champion": 2, "previous_champion": 1, "production": 2}
    assert moment.versions["heart_disease"][2]["released_as"] == "v1.0.0"


def test_the_same_tag_again_is_refused(story):
    """Nothing that was released is ever replaced."""
    run = story.runs["released again"]

    assert results(run) == NOT_RELEASED
    assert "v1.0.0 is released already" in run.summary
    assert story.images["released again"] == story.images["1.0.0"]


# 6. A bad model, and the way back


def test_a_bad_model_is_registered_and_kept_out(story):
    """Four new versions, and the champion stays."""
    moment = story.moments["bad"]

    assert moment.counts == dict.fromkeys(NAMES, 3) | {"heart_disease": 2}
    assert moment.served == story.moments["released"].served


def test_the_run_of_a_bad_model_explains_itself(story):
    """A refusal is an outcome with a reason, not a broken build."""
    run = story.runs["bad"]

    assert run.conclusion == "success"
    assert "Training: refuse" in run.summary
    assert "limit >= 0.85" in run.summary


def test_the_button_puts_the_champion_before_back(story):
    """With the reason on the page of the run and in the registry."""
    moment = story.moments["patched"]

    assert results(story.runs["rolled back"]) == ROLLED_BACK
    assert moment.served["champion"] == 1
    assert REASON in story.runs["rolled back"].summary
    assert REASON in str(moment.versions[HISTORY])


def test_a_tag_that_leads_elsewhere_stops_the_button_before_a_champion_moves(story):
    """Nobody notices otherwise that what was put back is not shipped."""
    run = story.runs["wrong tag"]

    assert results(run) == NOT_ROLLED_BACK
    assert failed_steps(run) == ["Check the tag of the patch release"]
    assert "choose the next number" in run.summary
    assert story.moments["wrong tag"].served == story.moments["bad"].served


def test_the_button_can_be_pressed_again(story):
    """The champion does not go back once more, and the tag is there."""
    assert results(story.runs["rolled back again"]) == ROLLED_BACK
    assert story.moments["rolled back again"].served == story.moments["patched"].served


def test_the_patch_release_ships_the_version_that_was_put_back(story):
    """The button tags the commit and starts the release of that tag."""
    assert results(story.runs["patched"]) == RELEASED
    assert story.moments["patched"].served["production"] == 1
    assert story.images["1.0.1"]["latest"] == story.images["1.0.1"]["1.0.1"]
    assert story.images["1.0.1"]["1.0.0"] == story.images["1.0.0"]["1.0.0"]


# And of all of them


def test_no_release_and_no_writer_of_the_registry_uses_a_cache(story):
    """The double of setup-python was told what to keep: only pull requests and tests keep any."""
    writers = {run.number for run in story.runs.values() if run.workflow in {"release", "rollback"}}
    kept = {int(call[1]) for call in story.calls if call[0] == "setup-python" and call[3]}

    assert kept.isdisjoint(writers)


def test_no_run_prints_its_token(story):
    """Act masks the secrets that it knows; no step writes them elsewhere."""
    for run in story.runs.values():
        assert github.github_api.TOKEN not in run.log + run.summary
