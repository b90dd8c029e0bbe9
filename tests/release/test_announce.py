"""The Release on GitHub: a draft until it is whole, whatever interrupts it."""

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.base.config import CiRun
from pipeline.base.errors import GitHubError
from pipeline.base.github import GitHub
from pipeline.release import announce
from tests import github_api
from tests.release.conftest import REPOSITORY, TAG
from tests.report.comment.conftest import tags

NAMES = ["MODEL_CARD.md", "SHA256SUMS", "heart_disease_model_v1.tar.gz", "sbom.cdx.json"]

pytestmark = pytest.mark.usefixtures("pushed")


def assets(github, number=0):
    """Return the files of a release by their names."""
    return {one["name"]: github.assets[one["id"]] for one in github.releases[number]["assets"]}


def check_whole(github):
    """Assert that there is exactly one release, published with all of its files."""
    (found,) = github.releases
    assert not found["draft"]
    assert found["tag_name"] == TAG
    assert sorted(assets(github)) == NAMES
    contents = assets(github)
    for name in NAMES:
        path = Path("release", "package" if name == "MODEL_CARD.md" else "", name)
        assert contents[name] == path.read_bytes()


def changes(github):
    """Return the calls that changed something, with what they are about."""
    return [
        (call.method, call.query.get("name") or call.path.rpartition("/")[2])
        for call in github.calls
        if call.method != "GET"
    ]


def test_a_release_is_a_draft_until_all_of_it_is_there(github):
    """The last call publishes it; a reader never sees a part."""
    announce.run(CiRun())

    check_whole(github)
    number = str(github.releases[0]["id"])
    made = [("POST", "releases"), *(("POST", name) for name in NAMES), ("PATCH", number)]
    assert changes(github) == made
    first, *_, last = [call for call in github.calls if call.method != "GET"]
    assert first.body["draft"] is True
    assert last.body == {"draft": False, "make_latest": "true"}


@pytest.fixture
def attested(pushed):
    """Lay out what the job `attest` hands on, and return the file that the release makes of it."""
    for number, what in enumerate(["provenance", "contents"]):
        place = Path("release", "attestations", str(number), "attestation.json")
        place.parent.mkdir(parents=True)
        place.write_text(f'{{"of": "{pushed.plan.pinned}", "what": "{what}"}}\n')
    return "image.intoto.jsonl"


def test_the_attestations_lie_with_the_release(github, attested):
    """One in each line, as `gh attestation verify --bundle` reads them."""
    announce.run(CiRun())

    lines = [json.loads(line) for line in assets(github)[attested].splitlines()]
    assert [line["what"] for line in lines] == ["provenance", "contents"]


def test_a_release_without_attestations_promises_none(github):
    """A private repository may have none."""
    announce.run(CiRun())

    assert "gh attestation" not in github.releases[0]["body"]
    assert "attests nothing" in github.releases[0]["body"]


@pytest.mark.usefixtures("attested")
def test_the_release_says_where_it_comes_from(github, pushed):
    """The tag, the commit, the image by its digest, and how to check that."""
    announce.run(CiRun())

    (found,) = github.releases
    plan, body = pushed.plan, found["body"]
    assert f"{plan.image}@{plan.digest}" in body
    assert f"gh attestation verify oci://{plan.pinned} --repo {REPOSITORY}" in body
    identity = f"{REPOSITORY}/.github/workflows/release.yml@refs/tags/{plan.tag}"
    assert f"--cert-identity https://github.com/{identity}" in body
    assert f"--source-digest {plan.revision}" in body
    assert "heart_disease/1" in body
    assert "| ROC-AUC | 0.918 |" in body
    assert plan.base in body


@pytest.mark.usefixtures("attested")
def test_the_notes_are_what_they_look_like(github):
    """Two commands to copy and one table."""
    announce.run(CiRun())

    shown = [tag.strip("<>").partition(" ")[0] for tag in tags(github.releases[0]["body"])]
    assert (shown.count("pre"), shown.count("table"), shown.count("a")) == (2, 1, 0)


def test_the_files_fit_their_checksums(github, tmp_path):
    """As a person checks them after a download."""
    announce.run(CiRun())
    folder = tmp_path / "download"
    folder.mkdir()
    for name, content in assets(github).items():
        (folder / name).write_bytes(content)

    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.count(": OK") == len(NAMES) - 1


@pytest.mark.parametrize(
    ("prerelease", "highest", "latest"),
    [(False, True, "true"), (False, False, "false"), (True, True, "false")],
    ids=["highest", "backport", "pre-release"],
)
def test_only_the_highest_stable_release_is_the_latest(github, pushed, prerelease, highest, latest):
    """GitHub would take the newest one."""
    pushed.change(prerelease=prerelease, highest=highest)

    announce.run(CiRun())

    (found,) = github.releases
    assert found["prerelease"] is prerelease
    assert found["make_latest"] == latest


def test_the_summary_leads_to_the_release(github, pushed, tmp_path, capsys):
    """And the log does."""
    announce.run(CiRun())

    url = github.releases[0]["html_url"]
    assert pushed.plan.pinned in (tmp_path / "summary.md").read_text()
    assert url in (tmp_path / "summary.md").read_text()
    assert url in capsys.readouterr().out


def test_announcing_again_changes_nothing(github, pushed):
    """A published release is never touched."""
    announce.run(CiRun())
    before = github.changes
    pushed.change(digest="sha256:" + "e" * 64)

    announce.run(CiRun())

    assert github.changes == before
    check_whole(github)


CALLS = 2 + len(NAMES)


@pytest.mark.parametrize("done_before", [False, True], ids=["not done", "done, answer lost"])
@pytest.mark.parametrize("number", range(1, CALLS + 1))
def test_a_crash_at_any_call_is_made_good_by_the_next_run(github, number, done_before):
    """Nothing is public before all is there, nothing is double, nothing is lost."""
    github.fail_at, github.done_before = number, done_before

    with pytest.raises(GitHubError, match="injected by the test"):
        announce.run(CiRun())

    public = [one for one in github.releases if not one["draft"]]
    assert bool(public) == (done_before and number == CALLS)
    if public:
        check_whole(github)
    github.fail_at = 0
    announce.run(CiRun())
    check_whole(github)
    assert github_api.TOKEN not in str(vars(github))


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 2), (3, 1), (3, 2), (5, 2)])
def test_two_crashes_in_a_row_are_made_good_as_well(github, first, second):
    """The second one in the middle of making good."""
    github.fail_at, github.done_before = first, True
    with pytest.raises(GitHubError):
        announce.run(CiRun())
    github.fail_at, github.done_before = github.changes + second, False
    with pytest.raises(GitHubError):
        announce.run(CiRun())

    github.fail_at = 0
    announce.run(CiRun())

    check_whole(github)


def test_a_half_uploaded_file_is_uploaded_again(github):
    """GitHub keeps the name of an upload that broke off."""
    github.fail_at, github.done_before = 3, True
    with pytest.raises(GitHubError):
        announce.run(CiRun())
    github.releases[0]["assets"][1]["state"] = "starter"
    github.fail_at = 0

    announce.run(CiRun())

    check_whole(github)
    assert ("DELETE", "4") not in changes(github)[:3]


def test_a_draft_of_another_attempt_is_brought_up_to_date(github, pushed):
    """The champion changed between two attempts that had pushed nothing."""
    draft = {"tag_name": TAG, "body": "old", "draft": True, "prerelease": True}
    made = by_hand(github, "releases", draft)
    for name in ("heart_disease_model_v7.tar.gz", "SHA256SUMS"):
        by_hand(github, f"releases/{made['id']}/assets", b"old", name=name)

    announce.run(CiRun())

    check_whole(github)
    assert pushed.plan.digest in github.releases[0]["body"]
    assert github.releases[0]["prerelease"] is False


@pytest.mark.parametrize("number", [0, 1, 2, CALLS])
def test_a_release_that_a_person_published_is_taken_over_with_what_they_wrote(github, number):
    """On GitHub's page, which makes the tag too; nobody sees it half done."""
    made = by_hand(github, "releases", {"tag_name": TAG, "body": "Thanks to Ann."})
    if number:
        github.fail_at = number
        with pytest.raises(GitHubError):
            announce.run(CiRun())
        github.fail_at = 0

    announce.run(CiRun())

    check_whole(github)
    assert github.releases[0]["id"] == made["id"]
    body = github.releases[0]["body"]
    assert body.startswith("Thanks to Ann.\n")
    assert body.count("Thanks to Ann.") == body.count("Serves **") == 1


def test_no_file_and_no_token_go_where_a_release_of_another_server_says(github):
    """An answer could name any address."""
    made = by_hand(github, "releases", {"tag_name": TAG, "draft": True})
    made["upload_url"] = f"{CiRun().api_url.replace('127.0.0.1', 'localhost')}/x{{?name}}"
    api = GitHub(CiRun(), wait=0)
    found = api.find_release(TAG)
    before = len(github.calls)

    with pytest.raises(GitHubError, match="nothing is sent"):
        api.upload(found, "file", b"content")
    assert len(github.calls) == before


def test_an_answer_of_another_form_is_one_line(github):
    """A proxy may answer in GitHub's place."""
    github.releases.append({"draft": False})

    with pytest.raises(GitHubError, match=r"/releases does not answer as GitHub's API does: is G"):
        announce.run(CiRun())


def by_hand(github, path, body, **query):
    """Do what a person or another run would."""
    call = github_api.Call("POST", f"/repos/{REPOSITORY}/{path}", query, body, authorized=True)
    return github_api.route(github, call, CiRun().api_url)[1]


def test_a_short_trouble_of_github_is_waited_for(github):
    """Reading is repeated; making something is not."""
    github.troubles = [502]

    announce.run(CiRun())

    check_whole(github)
    assert [call.status for call in github.calls[:2]] == [502, 200]
