"""What is broken: two families are published, judged and promoted, as task 3 does with four.

Each time under names of its own, so that one server serves all.
"""

import hashlib
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from pipeline.base.errors import OvertakenError
from pipeline.base.policies import RetryPolicy
from pipeline.registry.client import Registry
from pipeline.registry.history import Promotion
from pipeline.registry.publishing import Submission

FAMILIES = {"svm": 0.91, "tree": 0.88}
BASE_SCORE = 0.85
HURRIED = RetryPolicy(total_seconds=4, wait_seconds=0.01, timeout_seconds=1)
# For what does not pass.
RESIGNED = HURRIED.model_copy(update={"total_seconds": 0.1})
PATIENT = RetryPolicy(wait_seconds=0.05, timeout_seconds=20)
FIGURE = b"png"
# How often others may be faster before a promoter gives up.
DECISIONS = 20


class Names(NamedTuple):
    """The names that one promotion uses: its models, its experiment and its key."""

    mark: str
    families: tuple = ("svm",)

    @classmethod
    def new(cls, *families):
        """Return names that no test has used."""
        return cls(uuid.uuid4().hex[:12], families or ("svm",))

    def model(self, family):
        """Return the name of a family's registered model, or of the one that is served."""
        return f"m{self.mark}_{family}"

    @property
    def served(self):
        """Return the name of the model that is served."""
        return self.model("served")

    @property
    def models(self):
        """Return the name of every registered model."""
        return (*map(self.model, self.families), self.served)

    @property
    def experiment(self):
        """Return the name of the experiment."""
        return f"e{self.mark}"

    @property
    def key(self):
        """Return the key that a repeated run has in common with the first."""
        return f"k{self.mark}"


def files(family):
    """Return the files of a family's model."""
    return {"MLmodel": b"flavors: {}\n", "model.skops": family.encode(), "code/a.py": b"a = 1\n"}


def submission(names, family, score, **changes):
    """Return a small submission of a family."""
    given = Submission(
        model_name=names.model(family),
        description="A model",
        run_name=family,
        source_name="tests.nightly.faults",
        user="ann",
        key=names.key,
        files=files(family),
        figures={"roc.png": FIGURE},
        parameters={"C": "0.5"},
        metrics={"roc_auc": score},
        tags={
            "family": family,
            "score": str(score),
            "model_digest": hashlib.sha256(family.encode()).hexdigest(),
            "git_commit": "c" * 40,
        },
        dataset={
            "name": "cleveland",
            "digest": "e" * 36,
            "source_type": "local",
            "source": '{"uri": "data/processed/training.parquet"}',
        },
    )
    return given.model_copy(update=changes)


def promotion(reason):
    """Return who promoted, when and why."""
    return Promotion(
        at="2026-11-25T12:00:00+00:00",
        by="ann",
        action="promoted",
        reason=reason,
        commit="c" * 40,
    )


class Stage(NamedTuple):
    """A part of a promotion that is broken by itself, after what comes before it is prepared."""

    prepare: Callable
    run: Callable


class Base:
    """Versions that were published once, of which other promotions take copies: that is quick."""

    def __init__(self, uri, scores=None) -> None:
        """Publish a version for each score: of each family, and one that is worse than all."""
        self.scores = scores or {**FAMILIES, "base": BASE_SCORE}
        names = Names("base" + uuid.uuid4().hex[:8])
        registry = Registry(uri, names.experiment, PATIENT)
        self._versions = {
            family: registry.publish(submission(names, family, score))
            for family, score in self.scores.items()
        }

    def version(self, family):
        """Return what was published."""
        return self._versions[family]

    def copy(self, registry, family, model_name, tags):
        """Put a copy into a model."""
        registry.ensure_registered(model_name, "A model")
        return registry.copy(self._versions[family], model_name, tags)


def prepare_nothing(uri, names, base):
    """Begin from nothing."""


def prepare_versions(uri, names, base):
    """Let the families be published and something worse be champion of the served model."""
    registry = Registry(uri, names.experiment, PATIENT)
    for family in names.families:
        base.copy(registry, family, names.model(family), {"key": names.key})
    prepare_champion(uri, names, base)


def prepare_champion(uri, names, base):
    """Let something worse be champion of the served model."""
    registry = Registry(uri, names.experiment, PATIENT)
    copied = base.copy(registry, "base", names.served, {"promoted_from": "base"})
    registry.promote(copied, promotion("the first"), over=None)


def publish(uri, names, retry):
    """Publish the families, as task 3 begins."""
    registry = Registry(uri, names.experiment, retry)
    return registry, [
        registry.publish(submission(names, family, FAMILIES[family])) for family in names.families
    ]


def promote(uri, names, retry, acknowledged=None):
    """Publish, judge and promote, in the order of task 3; a repetition finishes what is left.

    Each version that was made champion is added to ``acknowledged`` then.
    """
    acknowledged = [] if acknowledged is None else acknowledged
    registry, versions = publish(uri, names, retry)
    for _ in range(DECISIONS):
        with suppress(OvertakenError):
            return _apply(registry, names, versions, acknowledged)
    raise OvertakenError(f"overtaken {DECISIONS} times")


# The calls of each stage by themselves; and the whole, which has those of both.
STAGES = {
    "publish": Stage(prepare_nothing, publish),
    "promote": Stage(prepare_versions, promote),
    "both": Stage(prepare_champion, promote),
}


def _apply(registry, names, versions, acknowledged):
    champions = {name: registry.settle(name) for name in names.models}
    for champion in filter(None, champions.values()):
        registry.files(champion)
    verdict = {"gate_outcome": "promote", "gate_reason": "better"}
    for version in versions:
        champion = champions[version.model_name]
        registry.tag(version, {k: v for k, v in verdict.items() if k not in version.tags})
        if is_better(version, champion):
            registry.promote(version, promotion("better"), over=champion)
            acknowledged.append(version)
    best = max(versions, key=score_of)
    champion = champions[names.served]
    if is_better(best, champion):
        registry.ensure_registered(names.served, "Served")
        copied = registry.copy(best, names.served, verdict | {"promoted_from": best.title})
        registry.promote(copied, promotion("better"), over=champion)
        acknowledged.append(copied)


def score_of(version):
    """Return the figure by which versions are compared."""
    return float(version.tags["score"])


def is_better(version, champion):
    """Say whether a version may take the champion's place, which may be empty."""
    return champion is None or score_of(version) > score_of(champion)
