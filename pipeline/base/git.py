"""The work tree, as git knows it."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.base import addresses, git_settings
from pipeline.base.git_settings import Setting
from pipeline.base.records import Record


class WorkTree(Record):
    """The commit that is checked out, or ``unknown``, and whether files differ from it.

    ``origin`` is the address it was cloned from, as it may be shown, or empty. ``problem`` says why
    nothing is known of a folder that lies in a repository; an unpacked archive has none.
    """

    commit: str = "unknown"
    modified: bool = False
    user: str = "unknown"
    origin: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Remote:
    """The repository that a clone came from, reached as git reaches it from that clone.

    ``settings`` name its address and may hold secrets; ``object_format`` is how it names objects.
    """

    clone: Path
    settings: tuple[Setting, ...] = field(repr=False)
    object_format: str = "sha1"

    @property
    def shown(self) -> str:
        """Return its address as it may be shown."""
        return addresses.shown(dict(self.settings)["remote.origin.url"])


def work_tree(folder: Path, holding: Path) -> WorkTree:
    """Describe the work tree at ``folder``, whose commit holds the file ``holding`` there.

    A folder that lies in no repository is no error.
    """
    user = _git(folder, "config", "user.name") or "unknown"
    if problem := _problem(folder, holding):
        return WorkTree(user=user, problem=problem)
    return WorkTree(
        commit=_git(folder, "rev-parse", "--verify", "HEAD") or "unknown",
        modified=bool(_git(folder, "status", "--porcelain", "--untracked-files=no")),
        user=user,
        origin=addresses.shown(_git(folder, "config", "remote.origin.url")),
    )


def _problem(folder: Path, holding: Path) -> str:
    """Say why git does not know the folder, although it lies in a repository; or nothing."""
    inside = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)
    if inside is None:
        return ""
    try:
        _said(folder, "rev-parse", "--git-dir")
    except OSError as error:
        return f"git cannot be started: {error.strerror}"
    except subprocess.CalledProcessError as error:
        return " ".join(f"git says of {inside}: {error.stderr}".split())
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if commit and not _git(folder, "ls-tree", "HEAD", str(holding)):
        return f"the commit {commit[:12]} of {inside} does not hold {folder / holding}"
    return ""


def remote(folder: Path) -> Remote | None:
    """Return the remote ``origin`` of the clone at ``folder``, or None where it has none."""
    settings = git_settings.way(_git(folder, "config", "--list", "-z"))
    if "remote.origin.url" not in dict(settings):
        return None
    return Remote(
        # Git takes a relative path in an address or a setting from the top of the clone.
        clone=Path(_git(folder, "rev-parse", "--show-toplevel")),
        settings=settings,
        object_format=_git(folder, "rev-parse", "--show-object-format"),
    )


def commit_of(folder: Path, reference: str) -> str:
    """Return the commit that a whole reference like ``refs/tags/v1`` leads to, or nothing."""
    return _git(folder, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")


def contains(folder: Path, reference: str, commit: str) -> bool:
    """Say whether the history of a reference holds a commit."""
    return bool(commit) and _git(folder, "merge-base", reference, commit) == commit


def _git(folder: Path, *arguments: str) -> str:
    """Return what git says, or nothing where it refuses."""
    try:
        return _said(folder, *arguments)
    except (OSError, subprocess.CalledProcessError):
        return ""


def _said(folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 (fixed arguments, no shell)
        ["git", *arguments],  # noqa: S607 (the user's own git)
        cwd=folder,
        env=git_settings.reading(os.environ),
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    return done.stdout.strip()
