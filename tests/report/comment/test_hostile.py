"""Whatever a pull request leaves where its report should be, the comment is this branch's own text.

Each goes the whole way: a folder, the command's own function, and the API.
"""

import os
from pathlib import Path

import pytest

from pipeline.base.config import CiRun
from pipeline.base.encoding import json_bytes
from pipeline.report import posting
from pipeline.report.comment import page, without_report
from pipeline.report.report_record import FILE, MOST_BYTES, record
from tests.gate.gate_cases import FIT, WON
from tests.report.comment.conftest import NUMBER, RUN, SHA
from tests.report.comparison.conftest import report_of

GOOD = json_bytes(record(report_of(FIT, WON)))
NONE = f"it has no {FILE}"
LARGE = f"its {FILE} has more than 500,000 bytes"
OTHER = f"its {FILE} has another schema version than the default branch reads"
REFUSED = f"its {FILE} is not a record of the form that the default branch reads"


def but(old, new):
    """Return the good record with something else in one place or more."""
    assert old.encode() in GOOD
    return GOOD.replace(old.encode(), new if isinstance(new, bytes) else new.encode())


def named(text):
    """Return the good record with another name for the women."""
    return but('"female"', f'"{text}"')


# Beside three others.
ONE_MORE = '{"kind": "code", "family": null, "name": null, "before": null, "after": null},'
# A line of JSON that says how many patients a group has, and one with a figure.
ROWS, MEAN = '"rows": 100', '"mean": 0.91'
RECORDS = {
    "nothing": (b"", REFUSED),
    "half a record": (GOOD[: len(GOOD) // 2], REFUSED),
    "half a character": (named("female").replace(b"female", b"\xf0\x9f"), REFUSED),
    "lists in lists": (b"[" * 400_000, REFUSED),
    "a byte too many": (GOOD.ljust(MOST_BYTES + 1), LARGE),
    "the next schema": (but('"schema_version": 5', '"schema_version": 6'), OTHER),
    "no schema": (but('"schema_version": 5,', ""), OTHER),
    "a key more": (but('"schema_version"', '"<img src=x>": 0, "schema_version"'), REFUSED),
    "a family more": (but('"svm"', '"@octocat"'), REFUSED),
    "a tag": (named("<img src=x>"), REFUSED),
    "a link": (named("[a](//evil.example)"), REFUSED),
    "a mention": (named("@octocat"), REFUSED),
    "a command": (named(r"\n/merge"), REFUSED),
    "an end of line behind a name": (named(r"female\n"), REFUSED),
    "a space": (named("fe male"), REFUSED),
    "wide letters": (named("\uff46emale"), REFUSED),
    "42 letters": (named("f" * 42), REFUSED),
    "markup as a key": (but('"row_order"', '"<b>"'), REFUSED),
    "a text for a problem": (but('"problem": null', '"problem": "see @octocat"'), REFUSED),
    "a text for a commit": (but("c" * 40, "c" * 39 + "\\n"), REFUSED),
    "no number": (but(MEAN, '"mean": NaN'), REFUSED),
    "beyond every number": (but(MEAN, '"mean": 1e999'), REFUSED),
    "a figure out of range": (but(MEAN, '"mean": 1000001'), REFUSED),
    "a number as a text": (but(MEAN, '"mean": "0.91"'), REFUSED),
    "a count of ten thousand digits": (but(ROWS, '"rows": ' + "9" * 10_000), REFUSED),
    "yes for a count": (but(ROWS, '"rows": true'), REFUSED),
    "a share above one": (but('"threshold": 0.5', '"threshold": 1.01'), REFUSED),
    "a limit without end": (but('"maximum_log_loss": 0.5', '"maximum_log_loss": 1e300'), REFUSED),
    "another kind of change": (but('"kind": "feature"', '"kind": "<b>"'), REFUSED),
    "a mention for a change": (but('"age_bands"', '"@octocat"'), REFUSED),
    "a sentence for a value": (but('"scale"', '"see www.evil.example"'), REFUSED),
    "42 letters for a value": (but('"scale"', f'"{"s" * 42}"'), REFUSED),
    "no letter for a value": (but('"scale"', '""'), REFUSED),
    "a number without end": (but('"before": 0.5', '"before": 1e300'), REFUSED),
    "a list in a list": (but("45.0,", "[45.0],"), REFUSED),
    "21 edges": (but("45.0,", "45.0," * 19), REFUSED),
    "a rule of its own": (but('"rule": "cost"', '"rule": "sudo"'), REFUSED),
    "21 changes": (but('"changes": [', f'"changes": [{ONE_MORE * 18}'), REFUSED),
}
FOLDERS = {
    "nothing": (lambda _: None, NONE),
    "another name": (lambda path: path.with_suffix(".JSON").write_bytes(GOOD), NONE),
    "a folder": (lambda path: path.mkdir(), NONE),
    "a pipe": (os.mkfifo, NONE),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), NONE),
    "a link to itself": (lambda path: path.symlink_to(FILE), NONE),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), NONE),
    "a link to passwords": (lambda path: path.symlink_to("/etc/passwd"), REFUSED),
    "a link to secrets": (lambda path: path.symlink_to("/proc/self/environ"), REFUSED),
    "a terabyte of zeros": (lambda path: _large(path, 1 << 40), LARGE),
}


def _large(path, size):
    path.touch()
    os.truncate(path, size)


def posted(github, capfd):
    """Return the body of the one comment; the log names its place and nothing else."""
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == (f"comment       made on pull request {NUMBER}\n", "")
    (one,) = github.comments[NUMBER]
    return one["body"]


@pytest.mark.parametrize(("content", "said"), RECORDS.values(), ids=RECORDS)
def test_a_hostile_record_is_refused(github, tmp_path, capfd, content, said):
    """The comment says so in a sentence, leads to the run, and repeats nothing."""
    (tmp_path / FILE).write_bytes(content)

    posting.run(CiRun(), tmp_path, SHA, Path(RUN).name)

    assert posted(github, capfd) == page(without_report(said), SHA, RUN)


@pytest.mark.parametrize(("make", "said"), FOLDERS.values(), ids=FOLDERS)
def test_a_hostile_folder_is_refused(github, tmp_path, capfd, make, said):
    """Nothing is waited for, shown, or read further than it may be."""
    make(tmp_path / FILE)

    posting.run(CiRun(), tmp_path, SHA, Path(RUN).name)

    assert posted(github, capfd) == page(without_report(said), SHA, RUN)


def test_what_lies_beside_the_record_is_not_looked_at(github, tmp_path, capfd):
    """Neither another report nor the number of another pull request."""
    for name in ("model-report.md", "model-report.html", "pr-number"):
        (tmp_path / name).write_text("@octocat")
    (tmp_path / FILE).write_bytes(GOOD)

    posting.run(CiRun(), tmp_path, SHA)

    body = posted(github, capfd)
    assert "## Model report: promote" in body
    assert "octocat" not in body
