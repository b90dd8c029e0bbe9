"""Compares challengers with champions, all cross-validated on today's data in equal folds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from pipeline.base.errors import ArtifactError
from pipeline.base.policies import EvaluationPlan
from pipeline.evaluation import behaviour, cross_validation, groups, metrics, threshold
from pipeline.evaluation.cross_validation import Watch
from pipeline.evaluation.groups import GroupDifference
from pipeline.evaluation.metrics import Evaluation
from pipeline.gate.comparison import Comparison
from pipeline.table import expectations
from pipeline.training import fitting
from pipeline.training.fitting import Data, Subject
from pipeline.training.plan import TrainingPlan
from pipeline.training.trained_model import SILENT, TrainedModel

# The problem of a champion begins with this whose recipe is of other data, code or libraries.
MISFIT: Final = "it cannot be fitted today"


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
    far, by the digest of the recipe: equal recipes, fitted to equal folds, give equal predictions.
    ``known`` are the models that need no examination. ``compared`` are the comparisons so far, so
    that a second decision costs nothing.
    """

    data: Data
    plan: TrainingPlan
    workers: int
    watch: Callable[[str], Watch]
    predictions: dict[str, pd.DataFrame] = field(default_factory=dict)
    known: list[TrainedModel] = field(default_factory=list)
    compared: dict[tuple[str, ...], Comparison] = field(default_factory=dict)

    def know(self, models: Iterable[TrainedModel]) -> None:
        """Take the records of models that were examined on these data, by this very plan."""
        self.known.extend(models)
        self.predictions.update({m.recipe.digest: m.predictions for m in self.known})

    def examine(self, model: TrainedModel, title: str) -> pd.DataFrame:
        """Return the out-of-fold predictions of a model's recipe, fitted by today's libraries."""
        digest = model.recipe.digest
        if digest not in self.predictions:
            self.predictions |= cross_validation.cross_validate(
                {digest: model.recipe.build()},
                self.data.training,
                self._plan,
                self.workers,
                self.watch(title),
                patterns=self.plan.fields_left_out.patterns,
            )
        return threshold.decide(self.predictions[digest], model.threshold_rule)

    def evaluate(self, model: TrainedModel, title: str) -> Evaluation:
        """Return everything the gate asks about a model, by today's data and plan.

        The recipe is cross-validated; the frozen model answers for the rest.

        Raises:
            ArtifactError: the recipe cannot be built, or the frozen model gives no answers.
            ValueError: the recipe does not fit today's data.

        """
        for known in self.known:
            if known.same(model):
                return known.evaluation
        subject = Subject(
            self.examine(model, title),
            model.answer,
            model.evaluation.threshold,
            model.threshold_rule,
        )
        yardsticks = fitting.yardsticks(self.data, self.plan, self.workers)
        found = fitting.evaluate(model.evaluation.family, subject, self.data, self.plan, yardsticks)
        return found.model_copy(update={"conversion": model.evaluation.conversion})

    def refitted(self, model: TrainedModel) -> tuple[int, float | None]:
        """Fit a model's recipe again, and ask it and the frozen model for all known patients.

        Return the number of patients and the greatest difference, in probability; None where one
        of both gives no answers. That is the libraries' doing if the data are those of the model.
        """
        patients = self.data.patients
        try:
            again = cross_validation.fit(model.recipe.build(), self.data.training)
            answers = cross_validation.probability(again, patients)
            return len(patients), behaviour.gap(model.answer(patients), answers)
        except Exception:  # noqa: BLE001 (as in `compare`)
            return len(patients), None

    def challenge(self, challenger: TrainedModel, incumbent: Incumbent | None) -> Comparison | None:
        """Compare a challenger with the champion; None when there is none."""
        if incumbent is None:
            return None
        if incumbent.model is None:
            return Comparison(champion=incumbent.title, problem=incumbent.problem)
        key = (incumbent.title, *_identity(challenger), *_identity(incumbent.model))
        if key not in self.compared:
            self.compared[key] = self.compare(challenger, incumbent.model, incumbent.title)
        return self.compared[key]

    def compare(self, challenger: TrainedModel, champion: TrainedModel, title: str) -> Comparison:
        """Return challenger minus champion; a champion that cannot be evaluated is the problem."""
        if challenger.same(champion):
            return Comparison(champion=title, identical=True)
        silence = self._silence(champion)
        same_rule = challenger.threshold_rule == champion.threshold_rule
        one_recipe = challenger.same_recipe(champion) and not silence
        if one_recipe and same_rule:
            return Comparison(champion=title, other_libraries=True)
        examined = self.examine(challenger, "cross-validating the challenger")
        try:
            found = self.examine(champion, f"cross-validating {title}")
        except Exception as error:  # noqa: BLE001 (whatever a library says to an older recipe)
            line = " ".join(f"{error or type(error).__name__}".split())
            return Comparison(champion=title, problem=f"{MISFIT}: {line}")
        slices, plan = expectations.slices(self.data.training, self.plan.features), self._plan
        return Comparison(
            champion=title,
            other_threshold=one_recipe,
            silence=silence,
            same_recipe=challenger.recipe == champion.recipe,
            same_data=challenger.parameters.same_rows(champion.parameters),
            differences=metrics.paired_differences(examined, found, plan),
            slices=groups.slice_differences(examined, found, slices, plan),
            external=() if silence else self._external(challenger, champion),
        )

    def _external(
        self, challenger: TrainedModel, champion: TrainedModel
    ) -> tuple[GroupDifference, ...]:
        """Compare the frozen models among the patients that neither has seen."""
        external = self.data.external
        mine, theirs = challenger.answer(external), champion.answer(external)
        return groups.cohort_differences(mine, theirs, external, self._plan)

    @property
    def _plan(self) -> EvaluationPlan:
        return self.plan.evaluation

    def _silence(self, champion: TrainedModel) -> str:
        """Say why a frozen champion does not answer; nothing for one that does."""
        try:
            answers = champion.answer(self.data.external)
        except ArtifactError as error:
            return str(error)
        return "" if np.isfinite(answers).all() else f"{SILENT}: one of them is not a number"


def _identity(model: TrainedModel) -> tuple[str, str]:
    return model.digest, model.threshold_rule.model_dump_json()
