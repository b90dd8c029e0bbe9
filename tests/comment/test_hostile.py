"""Whatever a pull request leaves where its report should be, the comment is harmless.

Each goes the whole way: a folder, the command's own function, the API, and GitHub's Markdown.
"""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.report import posting
from pipeline.report.comment import MARKER, MOST_CHARACTERS, REPORT, inert, page
from tests.comment.conftest import NUMBER, RUN, SHA, check_harmless
from tests.comment.hostile import ACTIVE, FOLDERS, SECRET, reports

REPORTS = reports()
RUN_ID = RUN.rpartition("/")[2]


@pytest.fixture
def folder(tmp_path):
    """Return the folder of an artifact."""
    made = tmp_path / "artifact"
    made.mkdir()
    return made


def posted(github):
    """Return the body of the one comment there is."""
    assert list(github.comments) == [NUMBER]
    (one,) = github.comments[NUMBER]
    return one["body"]


def test_there_are_at_least_200_hostile_artifacts():
    """All of them different."""
    assert len({*REPORTS.values()}) + len(FOLDERS) >= 200


@pytest.mark.parametrize("content", REPORTS.values(), ids=REPORTS)
def test_a_hostile_report_becomes_a_harmless_comment(github, folder, capfd, content):
    """One comment, where it belongs; nothing in it acts, and the log shows nothing of it."""
    (folder / REPORT).write_bytes(content)

    posting.run(folder, SHA, RUN_ID)

    check_harmless(posted(github))
    shown = capfd.readouterr()
    assert shown.out == f"comment       made on pull request {NUMBER}\n"
    assert shown.err == ""


@pytest.mark.parametrize(("make", "said"), FOLDERS.values(), ids=FOLDERS)
def test_a_hostile_folder_becomes_a_comment_that_says_so(github, folder, capfd, make, said):
    """Nothing is followed, waited for, or read further than it may be."""
    make(folder)

    posting.run(folder, SHA, RUN_ID)

    body = posted(github)
    check_harmless(body)
    assert "The run left no report that can be shown" in body
    assert said in body
    assert SECRET not in body
    assert "root:" not in body
    assert capfd.readouterr().out == f"comment       made on pull request {NUMBER}\n"


@pytest.mark.parametrize("kind", ["a link", "a file", "nothing"])
def test_a_folder_that_is_none_becomes_a_comment_that_says_so(github, folder, tmp_path, kind):
    """A link to a folder is not followed either."""
    (folder / REPORT).write_text(SECRET)
    other = tmp_path / "other"
    if kind == "a link":
        other.symlink_to(folder)
    elif kind == "a file":
        other.write_text(SECRET)

    posting.run(other, SHA, RUN_ID)

    body = posted(github)
    check_harmless(body)
    assert "The run left no report that can be shown" in body
    assert SECRET not in body


def test_what_lies_beside_the_report_is_not_looked_at(github, folder):
    """Numbers of pull requests, and another report; the harmless one is shown as it is."""
    for name, (make, _) in FOLDERS.items():
        if name == "only other names":
            make(folder)
    (folder / REPORT).write_text("## Model report: as it should be\n")

    posting.run(folder, SHA)

    assert "## Model report: as it should be" in posted(github)
    assert SECRET not in posted(github)


FRAGMENTS = st.sampled_from([*ACTIVE.values(), "\n", "\n\n", " ", "|", "\\", "&", "`", "*", "x"])
TEXTS = st.lists(st.one_of(FRAGMENTS, st.text(max_size=5)), max_size=12).map("".join)


@settings(derandomize=True, max_examples=400)
@given(TEXTS)
def test_no_mixture_of_them_acts_either(text):
    """What is harmless alone must not become active beside something else."""
    check_harmless(page(text.encode(errors="replace"), SHA, RUN))


@settings(derandomize=True, max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_at_all_break_it(content):
    """Random ones, most of them no text."""
    check_harmless(page(content, SHA, RUN))


@settings(derandomize=True, max_examples=200)
@given(TEXTS, st.integers(400, 2000))
def test_a_text_is_never_longer_than_it_may_be(text, most):
    """Also when what replaces a character is longer."""
    assert len(inert(text * 5, most)) <= most


def test_a_report_that_is_too_long_says_where_it_was_cut(github, folder):
    """And keeps the beginning, in whole lines."""
    (folder / REPORT).write_text("| row | of a table |\n" * 10_000)

    posting.run(folder, SHA)

    body = posted(github)
    assert MOST_CHARACTERS - 1000 < len(body) <= MOST_CHARACTERS
    assert "**Cut here**: the report has 210,000 characters" in body
    assert "\n| row | of a table |\n\n**Cut here**" in body


@pytest.mark.parametrize("unit", ["@", "\\", "`", "&#", "<details>", "[](", ":", "a/", "w", "# "])
def test_a_report_of_a_megabyte_takes_no_time(unit):
    """Nothing in it makes a pattern go back and forth, which would take hours."""
    started = time.perf_counter()

    page((unit * (1_000_000 // len(unit))).encode(), SHA)

    assert time.perf_counter() - started < 20


def test_the_mark_is_only_ever_at_the_beginning(github, folder):
    """A report that holds it cannot make a second comment of ours."""
    (folder / REPORT).write_text(f"{MARKER}\n" * 3)

    posting.run(folder, SHA)

    assert posted(github).count(MARKER) == 1
