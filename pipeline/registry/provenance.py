"""The author, time and commit of every change to the registry."""

from datetime import UTC, datetime
from pathlib import Path

from pipeline.base import config, git
from pipeline.registry.history import Action, Promotion


def lineage_tags() -> dict[str, str]:
    """Return the commit of the work tree, and the page of the CI run where there is one."""
    tree, ci = git.work_tree(Path.cwd()), config.CiRun()
    tags = {"git_commit": tree.commit, "git_modified": str(tree.modified).lower()}
    return {**tags, "ci_url": ci.url} if ci.url else tags


def promotion(action: Action, reason: str, *, forced: bool = False) -> Promotion:
    """Return a move of the alias by the user of this process, now."""
    tree, ci = git.work_tree(Path.cwd()), config.CiRun()
    return Promotion(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        by=ci.actor or tree.user,
        action=action,
        reason=reason,
        commit=tree.commit,
        forced=forced,
    )
