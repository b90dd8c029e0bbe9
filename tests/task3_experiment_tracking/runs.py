"""Runs of task 3, and the registry as it is after each."""

import contextlib
import io
from typing import NamedTuple

from pipeline import experiment_tracking
from pipeline.base.context import RunContext
from pipeline.base.names import FAMILIES, HISTORY, SERVED, registered_name
from pipeline.registry.client import Registry
from pipeline.registry.history import CHAMPION, PREVIOUS_CHAMPION
from pipeline.registry.version import Version
from tests import command_line
from tests.registries import counts

NAMES = [registered_name(family) for family in FAMILIES]


class Moment(NamedTuple):
    """A registry after a run: what was printed, what it holds, who holds which alias."""

    printed: str
    counts: dict[str, int]
    champion: Version | None
    previous: Version | None
    champions: dict[str, str]


def run(uri, **options):
    """Run the task in the current folder and return what is there then."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        experiment_tracking.run(RunContext.read(), **options)
    registry = Registry(uri, "heart-disease")
    holders = {name: registry.find_alias(name, CHAMPION) for name in NAMES}
    return Moment(
        " ".join(printed.getvalue().split()),
        counts(uri),
        registry.find_alias(SERVED, CHAMPION),
        registry.find_alias(SERVED, PREVIOUS_CHAMPION),
        {name: found.title for name, found in holders.items() if found},
    )


def command(*arguments, **environment):
    """Run the task as a person does."""
    return command_line.call("pipeline.experiment_tracking", *arguments, **environment)


def versions(each, served=1):
    """Return the number of versions of each registered model."""
    return dict.fromkeys(NAMES, each) | {SERVED: served}


def made(moment):
    """Return the number of versions of each registered model after a run."""
    others = {"runs", "models", HISTORY}
    return {name: n for name, n in moment.counts.items() if name not in others}
