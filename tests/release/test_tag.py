"""The tag of a patch release: checked before a champion moves, made once, and of main alone."""

import pytest

from pipeline.base.context import RunContext
from pipeline.base.errors import ReleaseError, SettingsError
from pipeline.release import tag

COMMIT, OTHER = "a" * 40, "b" * 40

pytestmark = pytest.mark.usefixtures("workspace")


@pytest.fixture(autouse=True)
def _of_main(monkeypatch):
    monkeypatch.setenv("GITHUB_REF", "refs/heads/main")
    monkeypatch.setenv("GITHUB_SHA", COMMIT)


def run(name="v1.2.4", *, dry_run=False):
    """Run the command."""
    tag.run(RunContext.read().ci, name, dry_run=dry_run)


def test_a_tag_is_made_once(github, capsys):
    """A run that is repeated finds it, and goes on."""
    run()
    run()

    assert (github.tags, github.changes) == ({"v1.2.4": COMMIT}, 1)
    assert capsys.readouterr().out.splitlines() == [
        f"tag           v1.2.4 of {COMMIT[:12]} was made",
        f"tag           v1.2.4 of {COMMIT[:12]} is there",
    ]


def test_to_check_a_tag_makes_none(github, capsys):
    """That comes first, so that a wrong number moves no champion."""
    run(dry_run=True)

    assert (github.tags, github.changes) == ({}, 0)
    assert capsys.readouterr().out.endswith("is free\n")


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_tag_that_leads_elsewhere_is_never_moved(github, dry_run):
    """Somebody may have pulled what it names."""
    github.tags = {"v1.2.4": OTHER}
    with pytest.raises(ReleaseError, match=f"v1.2.4 leads to {OTHER[:12]} already: choose the ne"):
        run(dry_run=dry_run)

    assert github.changes == 0


@pytest.mark.parametrize("name", ["1.2.4", "v1.2", "v1.2.4+linux", "../v1.2.4", ""])
def test_what_is_no_tag_of_a_release_is_refused(github, name):
    """Before GitHub is asked anything."""
    with pytest.raises(ReleaseError):
        run(name)

    assert github.calls == []


@pytest.mark.parametrize("ref", ["refs/heads/feature", "refs/tags/v1.2.3", "refs/pull/1/merge"])
def test_only_main_is_tagged(github, monkeypatch, ref):
    """A release of something else would be refused anyway, after the champion had moved."""
    monkeypatch.setenv("GITHUB_REF", ref)
    with pytest.raises(ReleaseError, match=f"only main is tagged, not {ref}"):
        run()

    assert github.calls == []


def test_outside_of_ci_what_is_missing_is_named(github, monkeypatch):
    """Git makes a tag there."""
    monkeypatch.delenv("GITHUB_SHA")
    with pytest.raises(SettingsError, match="GITHUB_SHA must be set"):
        run()

    assert github.calls == []


def test_a_refusal_of_github_is_one_line(github):
    """A rule of the repository may keep tags for maintainers."""
    github.failure, github.fail_at = 403, 1
    with pytest.raises(ReleaseError, match=r"403.*a maintainer can push it"):
        run()
