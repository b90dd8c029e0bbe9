"""What the tests of the model report share: a registry with a champion, and reports as values."""

import shutil
from typing import NamedTuple

import pandas as pd
import pytest

from pipeline.base import config
from pipeline.base.names import FAMILIES
from pipeline.base.policies import EvaluationPlan, ThresholdRule
from pipeline.gate.comparison import Comparison
from pipeline.gate.examiner import Examiner, Incumbent
from pipeline.report import model_report
from pipeline.report.model_report import Champion, Lineage, ModelReport, Origin, Source, Standing
from pipeline.training import workspace
from pipeline.training.recipe_changes import Change
from pipeline.training.trained_model import TrainedModel
from tests import prepared
from tests.gate.gate_cases import FIT, POLICY

PLAN = EvaluationPlan(
    folds=10,
    repeats=5,
    seed=1,
    calibration_bins=10,
    bootstrap_samples=100,
    confidence=0.95,
)
ORIGIN = Origin(commit="c" * 40, data_digest="d" * 64, model_digest="e" * 64)
CHANGES = (
    Change(kind="feature", name="age_bands", before=(45, 55, 65), after=(50, 60)),
    Change(
        kind="threshold",
        before=ThresholdRule(rule="fixed", value=0.5),
        after=ThresholdRule(rule="cost", value=4),
    ),
    Change(kind="parameter", family="svm", name="gamma", before=0.5, after="scale"),
)
FIGURES = dict.fromkeys(
    (
        "roc.png",
        "precision_recall.png",
        "reliability.png",
        "distributions.png",
        "decision_curve.png",
        "slices.png",
        "external.png",
    ),
    b"a picture",
)


def report_of(evaluation=FIT, comparison=None, policy=None, **changes):
    """Return a report on a challenger, as the gate decides about it.

    ``comparison`` and ``policy`` hold what differs, as in the table of the gate's cases.
    """
    rules = POLICY.model_copy(update=policy or {})
    found = Comparison(**comparison) if comparison else None
    report = ModelReport(
        changes=CHANGES,
        evaluations={f: evaluation.model_copy(update={"family": f}) for f in FAMILIES},
        comparisons=dict.fromkeys(FAMILIES, found),
        champion=champion_of(found),
        lineage=Lineage(
            challenger=ORIGIN, champion=ORIGIN if comparison else None, changed=CHANGES
        ),
        source=Source(commit="c" * 40, modified=True, trained=("svm",)),
        plan=PLAN,
        policy=rules,
    )
    return report.model_copy(update=changes)


def champion_of(comparison):
    """Return the champion as a report shows the one of a comparison."""
    if comparison is None:
        return Champion(problem="no version holds heart_disease@champion")
    if comparison.problem:
        return Champion(title=comparison.champion, problem=comparison.problem)
    return Champion(title=comparison.champion, evaluation=FIT)


@pytest.fixture(scope="session")
def registered(tmp_path_factory):
    """Return a clone in which tasks 1 to 3 ran once, with a champion in its registry."""
    return prepared.registered(tmp_path_factory.getbasetemp())


@pytest.fixture
def clone(registered, tmp_path, monkeypatch):
    """Return a copy of that clone as the current folder; its registry is the one of the original.

    The registry keeps the address of its files, so it cannot be copied.
    """
    without = shutil.ignore_patterns("mlflow.db", "mlruns", "reports")
    folder = shutil.copytree(registered, tmp_path / "clone", ignore=without)
    prepared.be_in(folder, monkeypatch)
    monkeypatch.setenv(config.TRACKING_URI, f"sqlite:///{registered}/mlflow.db")
    return folder


class Rivals(NamedTuple):
    """Real models of one plan: a report on them, and the predictions that its figures show."""

    report: ModelReport
    answers: dict[str, pd.DataFrame]
    models: dict[str, TrainedModel]
    examiner: Examiner


@pytest.fixture(scope="session")
def rivals(registered):
    """Return a function that compares the best family with a champion, or with none."""
    with pytest.MonkeyPatch.context() as patch:
        prepared.be_in(registered, patch)
        settings, data, models = config.load(), workspace.read_data(), workspace.read_models()
    examiner = Examiner(
        data, workspace.plan(settings), 1, lambda _title: lambda items, _total: items
    )
    examiner.know(models.values())
    source = Source(commit="c" * 40, modified=False, trained=())

    def hold(incumbent):
        standing = Standing(incumbent, "there is no champion")
        report = model_report.build(models, standing, examiner, settings.promotion, source)
        answers = model_report.predictions(report, models, standing, examiner)
        return Rivals(report, answers, models, examiner)

    return hold


@pytest.fixture(scope="session")
def beaten(rivals):
    """Return the best family against another one as the champion."""
    alone = rivals(None)
    other = min(set(alone.models) - {alone.report.winner})
    return rivals(Incumbent("heart_disease/7", alone.models[other]))
