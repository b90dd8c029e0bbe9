"""The comment about a model on a pull request: the frame of its text, and where it goes."""

import re
from collections.abc import Iterable
from typing import Final

from pipeline.base.records import Comment, PullRequest

# Our comment begins with this, which no reader sees, and is found again by it.
MARKER: Final = "<!-- heart-disease: model report -->"
AUTHOR: Final = "github-actions[bot]"

SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def choose(pulls: Iterable[PullRequest], repository: str, head_sha: str) -> PullRequest | None:
    """Return the first pull request to ``repository`` whose head is exactly ``head_sha``."""
    for pull in pulls:
        if pull.head_sha == head_sha and pull.repository.lower() == repository.lower():
            return pull
    return None


def ours(comments: Iterable[Comment], author: str) -> list[Comment]:
    """Return the comments that ``author`` wrote and marked; anybody can copy a mark."""
    return [
        comment
        for comment in comments
        if comment.author == author and comment.body.startswith(MARKER)
    ]


def page(report: str, head_sha: str, run_url: str = "") -> str:
    """Return the whole comment for a report in Markdown."""
    run = f" in [this run]({run_url})" if run_url else ""
    return (
        f"{MARKER}\n{report}\n---\n"
        f"*About this pull request at `{head_sha[:12]}`{run}. Its code, which may not have been "
        "reviewed yet, computed the figures; the words and the verdict are the default branch's. "
        "This comment is edited when the pull request changes.*\n"
    )


def without_report(problem: str) -> str:
    """Return the report for a run that left none that can be shown."""
    return f"## Model report: none\n\n**The run left no report that can be shown**: {problem}.\n"
