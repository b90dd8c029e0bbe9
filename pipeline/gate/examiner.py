"""Compares challengers with champions, all cross-validated on today's data in equal folds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from pipeline.evaluation import cross_validation, metrics, threshold
from pipeline.evaluation.cross_validation import Watch
from pipeline.evaluation.metrics import Evaluation
from pipeline.gate.decision import Comparison
from pipeline.table import expectations
from pipeline.training import fitting
from pipeline.training.fitting import Data, Fitted
from pipeline.training.plan import TrainingPlan
from pipeline.training.trained_model import TrainedModel

# The problem of a champion that was fitted to another form of data begins with this.
MISFIT: Final = "it does not fit today's data"


@dataclass(frozen=True)
class Incumbent:
    """The champion of a registered model; without ``model``, ``problem`` says what is wrong.

    ``commit`` is the one at which its version was registered.
    """

    title: str
    model: TrainedModel | None
    problem: str = ""
    commit: str = "unknown"


@dataclass
class Examiner:
    """Examines models on ``data`` by ``plan``.

    ``watch`` makes, from a title, the watcher of the folds. ``predictions`` are those known so
    far, by model digest: equal models are refitted to equal folds and give equal predictions.
    ``known`` are the models that need no examination.
    """

    data: Data
    plan: TrainingPlan
    workers: int
    watch: Callable[[str], Watch]
    predictions: dict[str, pd.DataFrame] = field(default_factory=dict)
    known: list[TrainedModel] = field(default_factory=list)

    def know(self, models: Iterable[TrainedModel]) -> None:
        """Take the records of models that were examined on these data, by this very plan."""
        self.known.extend(models)
        self.predictions.update({model.digest: model.predictions for model in self.known})

    def examine(self, model: TrainedModel, title: str) -> pd.DataFrame:
        """Return the out-of-fold predictions of a model's pipeline, cloned unfitted."""
        digest = model.digest
        if digest not in self.predictions:
            self.predictions |= cross_validation.cross_validate(
                {digest: model.pipeline},
                self.data.training,
                self.plan.evaluation,
                self.workers,
                self.watch(title),
            )
        return threshold.decide(self.predictions[digest], model.threshold_rule)

    def evaluate(self, model: TrainedModel, title: str) -> Evaluation:
        """Return everything the gate asks about a fitted model, by today's data and plan.

        Raises:
            ValueError: the model does not fit today's data.

        """
        for known in self.known:
            if known.same(model):
                return known.evaluation
        fitted = Fitted(
            self.examine(model, title),
            model.pipeline,
            model.evaluation.threshold,
            model.threshold_rule,
        )
        return fitting.evaluate(model.evaluation.family, fitted, self.data, self.plan)

    def challenge(self, challenger: TrainedModel, incumbent: Incumbent | None) -> Comparison | None:
        """Compare a challenger with the champion; None when there is none."""
        if incumbent is None:
            return None
        if incumbent.model is None:
            return Comparison(champion=incumbent.title, problem=incumbent.problem)
        return self.compare(challenger, incumbent.model, incumbent.title)

    def compare(self, challenger: TrainedModel, champion: TrainedModel, title: str) -> Comparison:
        """Return challenger minus champion; a champion that cannot be evaluated is the problem."""
        same_data = challenger.parameters.data_digest == champion.parameters.data_digest
        if challenger.same(champion):
            return Comparison(champion=title, identical=True)
        try:
            return self._differences(challenger, champion, title, same_data=same_data)
        except ValueError as error:
            line = " ".join(str(error).split())
            return Comparison(champion=title, problem=f"{MISFIT}: {line}")

    def _differences(
        self, challenger: TrainedModel, champion: TrainedModel, title: str, *, same_data: bool
    ) -> Comparison:
        challenger_predictions = self.examine(challenger, "cross-validating the challenger")
        champion_predictions = self.examine(champion, f"cross-validating {title}")
        table, external, _ = self.data
        challenger_external = cross_validation.probability(challenger.pipeline, external)
        champion_external = cross_validation.probability(champion.pipeline, external)
        slices, plan = expectations.slices(table, self.plan.features), self.plan.evaluation
        return Comparison(
            champion=title,
            same_data=same_data,
            differences=metrics.paired_differences(
                challenger_predictions, champion_predictions, plan
            ),
            slices=metrics.slice_differences(
                challenger_predictions, champion_predictions, slices, plan
            ),
            external=metrics.cohort_differences(
                challenger_external, champion_external, external, plan
            ),
        )
