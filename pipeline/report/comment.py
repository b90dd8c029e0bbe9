"""The comment about a model on a pull request: what stands in it, and where it goes.

The report was written by the pull request's own code, so nothing in it is trusted. It may be read,
and nothing of it may act: no link, image, tag, mention, reference, or command of a bot or a runner.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from pipeline.base.records import Comment, PullRequest

REPORT: Final = "model-report.md"
# Real reports have 7,000 bytes; a larger file is not opened further.
MOST_BYTES: Final = 1_000_000
# What GitHub takes as a comment.
MOST_CHARACTERS: Final = 65_536
# Our comment begins with this, which nobody sees, and is found again by it.
MARKER: Final = "<!-- heart-disease: model report -->"
AUTHOR: Final = "github-actions[bot]"

SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

# Stands between two characters that would act together; it has no width.
APART: Final = "\N{ZERO WIDTH SPACE}"
# The dollar of mathematics, in which links can hide, as a wide one.
DOLLAR: Final = "\N{FULLWIDTH DOLLAR SIGN}"

_INVISIBLE: Final = {"Cc", "Cf", "Cn", "Co", "Cs"}
_PUNCTUATION: Final = r"!-/:-@\[-`{-~"
_BACKSLASH: Final = re.compile(rf"\\([{_PUNCTUATION}])?")
# Behind a backslash, these are signs that the report shows. The others are judged without it.
_SHOWN: Final = frozenset("\\`*_~|")
# A fold of the report: the only tags in it, written anew from these two lines.
_FOLD: Final = re.compile(r"<details><summary>[A-Za-z0-9 ,]{1,80}</summary>")
_UNFOLD: Final = "</details>"
_KEPT: Final = re.compile(r" {0,3}#{1,6}(?= |$)")
_ACTIVE: Final = re.compile(
    r"""
    (?P<tag> < ) | (?P<entity> & ) | (?P<mathematics> \$ )
    | (?P<fence> `{3,} | ~{3,} )
    | (?P<apart>
        @ | \#                              # mentions, references, commands of old runners
        | \] (?=[(\[:]) | \[ (?=!)          # links, their targets, footnotes, alerts
        | : (?=:|//)                        # commands of runners, addresses
        | (?i:www) (?=\.)                    # addresses without a scheme
        | (?<![^\W_]) (?i:gh|ghsa|cve) (?=-)  # further references
        | (?<![^\W_]) / (?=\w)             # commands of bots
      )
    """,
    re.VERBOSE,
)


def choose(pulls: Iterable[PullRequest], repository: str, head_sha: str) -> PullRequest | None:
    """Return the first pull request to ``repository`` whose head is exactly ``head_sha``."""
    for pull in pulls:
        if pull.head_sha == head_sha and pull.repository.lower() == repository.lower():
            return pull
    return None


def ours(comments: Iterable[Comment], author: str) -> list[Comment]:
    """Return the comments that ``author`` wrote and marked; anybody can copy a mark."""
    return [one for one in comments if one.author == author and one.body.startswith(MARKER)]


def page(report: bytes, head_sha: str, run_url: str = "") -> str:
    """Return the whole comment for the content of a report."""
    try:
        text = report.decode()
    except UnicodeDecodeError:
        return without_report(f"its {REPORT} is no UTF-8", head_sha, run_url)
    end = _signature(head_sha, run_url)
    shown = inert(text, MOST_CHARACTERS - len(MARKER) - len(end) - 2)
    if not shown:
        return without_report(f"its {REPORT} is empty", head_sha, run_url)
    return f"{MARKER}\n{shown}\n{end}"


def without_report(problem: str, head_sha: str, run_url: str = "") -> str:
    """Return the comment for a run that left nothing to show."""
    text = f"## Model report: none\n\n**The run left no report that can be shown**: {problem}."
    return f"{MARKER}\n{text}\n{_signature(head_sha, run_url)}"


def _signature(head_sha: str, run_url: str) -> str:
    run = f" in [this run]({run_url})" if run_url else ""
    return (
        f"\n---\n*Written by the code of this pull request at `{head_sha[:12]}`{run}, which nobody "
        "may have reviewed yet. This comment is edited when the pull request changes.*\n"
    )


def inert(report: str, most: int) -> str:
    """Return ``report`` so that it looks as before and nothing in it acts.

    The text has at most ``most`` characters and says so where it had to be cut.
    """
    lines = list(_lines(report))
    cut = (
        f"\n**Cut here**: the report has {len(report):,} characters, more than a comment may have. "
        "The run's summary shows all of it.\n"
    )
    whole = _closed(lines)
    if len(whole) <= most:
        return whole
    kept: list[str] = []
    room = most - len(cut) - len(f"\n\n{_UNFOLD}\n")
    for line in lines:
        if len(line) >= room:
            kept += [line[:room]] * (not kept)
            break
        kept.append(line)
        room -= len(line) + 1
    return _closed(kept) + cut


def _closed(lines: list[str]) -> str:
    """Join lines; a fold that is open at the end is closed, and the text is one of whole lines."""
    folds = sum(line.startswith("<details>") - (line == _UNFOLD) for line in lines)
    text = "\n".join([*lines, *["", _UNFOLD] * folds])
    return f"{stripped}\n" if (stripped := text.strip("\n")) else ""


def _lines(report: str) -> Iterator[str]:
    """Yield the lines of a report, each inert; there is never one fold in another."""
    text = "".join(map(_visible, html.unescape(report).replace("\r\n", "\n").replace("\r", "\n")))
    inside, last = False, ""
    for line in text.split("\n"):
        if not inside and _FOLD.fullmatch(line):
            shown, inside = ["", line, ""], True
        elif inside and line == _UNFOLD:
            shown, inside = ["", line, ""], False
        else:
            shown = [_inert_line(line)]
        for one in shown:
            if one or last:
                yield one
            last = one


def _visible(character: str) -> str:
    """Take out what is not seen and changes how the rest is read; every separator is a space."""
    if character == "\n":
        return character
    if character == "\t" or unicodedata.category(character).startswith("Z"):
        return " "
    return "" if unicodedata.category(character) in _INVISIBLE else character


def _inert_line(line: str) -> str:
    plain = _BACKSLASH.sub(_without_backslash, line.rstrip())
    heading = _KEPT.match(plain)
    start = heading.end() if heading else 0
    return plain[:start] + _ACTIVE.sub(_harmless, plain[start:])


def _without_backslash(found: re.Match[str]) -> str:
    sign = found[1]
    if sign is None:
        return "\\\\"
    return found[0] if sign in _SHOWN else sign


def _harmless(found: re.Match[str]) -> str:
    kind, text = found.lastgroup, found[0]
    if kind == "fence":
        return APART.join(text)
    return {"tag": "&lt;", "entity": "&amp;", "mathematics": DOLLAR}.get(kind or "", text + APART)
