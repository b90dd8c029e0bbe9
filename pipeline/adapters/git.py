"""What git says about the work tree."""

import re
import subprocess
from pathlib import Path

from pipeline.core.records import Record


class WorkTree(Record):
    """The commit that is checked out, or ``unknown``, and whether files differ from it.

    ``origin`` is the address it was cloned from, without user and password, or empty.
    """

    commit: str
    modified: bool
    user: str
    origin: str


def work_tree(folder: Path) -> WorkTree:
    """Describe the work tree at ``folder``; a folder without git is not an error."""
    commit = _git(folder, "rev-parse", "HEAD")
    return WorkTree(
        commit=commit or "unknown",
        modified=bool(_git(folder, "status", "--porcelain", "--untracked-files=no")),
        user=_git(folder, "config", "user.name") or "unknown",
        origin=re.sub(r"//[^/@]+@", "//", _git(folder, "config", "remote.origin.url")),
    )


def commit_of(folder: Path, reference: str) -> str:
    """Return the commit that a whole reference like ``refs/tags/v1`` leads to, or nothing."""
    return _git(folder, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")


def contains(folder: Path, reference: str, commit: str) -> bool:
    """Say whether the history of a reference holds a commit."""
    return bool(commit) and _git(folder, "merge-base", reference, commit) == commit


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (fixed arguments, no shell)
            ["git", *arguments],  # noqa: S607 (the user's own git)
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
