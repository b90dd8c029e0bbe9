"""The author, time and commit of every change to the registry."""

from datetime import UTC, datetime

from pipeline.base.context import RunContext
from pipeline.registry.history import Action, Promotion


def lineage_tags(context: RunContext) -> dict[str, str]:
    """Return the commit of the work tree, and the page of the CI run where there is one."""
    tree, ci = context.tree, context.ci
    tags = {"git_commit": tree.commit, "git_modified": str(tree.modified).lower()}
    return {**tags, "ci_url": ci.url} if ci.url else tags


def user(context: RunContext) -> str:
    """Return who started this: the actor of the CI run, or else git's user."""
    return context.ci.actor or context.tree.user


def promotion(
    context: RunContext, action: Action, reason: str, *, forced: bool = False
) -> Promotion:
    """Return a move of the alias by the user of this process, now."""
    return Promotion(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        by=user(context),
        action=action,
        reason=reason,
        commit=context.tree.commit,
        forced=forced,
    )
