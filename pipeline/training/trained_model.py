"""A trained model and everything known about it, as one value and as a set of files.

These files are what task 2 writes, task 3 publishes, the gate reads back for the champion and
task 4 packages. They stay in registries for years: a new field of a record that they hold needs a
default, or older champions can no longer be read. The fitted object in the skops file is kept for
people and is never loaded here: it belongs to the libraries of its time.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
from pyarrow import ArrowInvalid
from pydantic import BeforeValidator, ValidationError

from pipeline.base import arithmetic, manifest
from pipeline.base.encoding import flat, json_bytes
from pipeline.base.errors import ArtifactError
from pipeline.base.manifest import Files
from pipeline.base.names import ONNX, SKOPS
from pipeline.base.policies import EvaluationPlan, ThresholdRule
from pipeline.base.records import Record
from pipeline.dataset.tables import read_table, table_bytes
from pipeline.evaluation.cross_validation import Answer, Vector
from pipeline.evaluation.metrics import Evaluation
from pipeline.scoring.onnx_model import UNUSABLE, OnnxModel
from pipeline.table.contract import FEATURES
from pipeline.table.engineered import FeatureRecipe
from pipeline.training import recipe_of_skops
from pipeline.training.recipe import Recipe

RECIPE: Final = "recipe.json"
METRICS: Final = "metrics.json"
PARAMETERS: Final = "parameters.json"
PREDICTIONS: Final = "answers.parquet"
# The problem of a frozen model begins with this that onnxruntime cannot run.
SILENT: Final = "its ONNX file gives no answers"

# Raised by pyarrow over a damaged file, depending on the place.
BROKEN_TABLE: Final = (ArrowInvalid, OSError)


def _without_inner_folds(plan: Any) -> Any:
    """Read a plan of an older champion, which had the folds of an inner cross-validation."""
    if not isinstance(plan, dict):
        return plan
    return {name: value for name, value in plan.items() if name != "threshold_folds"}


class Parameters(Record):
    """All that a training depends on. Two trainings with equal parameters give equal models.

    ``data_digest`` names the files of all patients, ``training_digest`` the rows that were fitted.
    ``recipe_digest`` is that of the `Recipe`, so it changes with the code that builds the pipeline;
    ``libraries`` are the versions of those that compute, ``kernel`` is what they compute with.
    """

    data_digest: str
    recipe_digest: str
    libraries: dict[str, str]
    seed: int
    hyperparameters: dict[str, Any]
    features: FeatureRecipe
    # Stored under this name since the first champion.
    exam: Annotated[EvaluationPlan, BeforeValidator(_without_inner_folds)]
    kernel: str = arithmetic.UNPINNED
    # Of older champions, whose threshold was chosen in an inner cross-validation.
    threshold: ThresholdRule | None = None
    # Unknown of older champions.
    training_digest: str = ""

    def same_rows(self, other: "Parameters") -> bool:
        """Say whether both were fitted to the same rows; without their digest the files decide."""
        if self.training_digest and other.training_digest:
            return self.training_digest == other.training_digest
        return self.data_digest == other.data_digest

    def differing(self, other: "Parameters") -> list[str]:
        """Name what differs between two trainings; nothing when they would give equal models."""
        mine, others = dict(self), dict(other)
        return [name for name, value in mine.items() if value != others[name]]

    def flat(self) -> dict[str, str]:
        """Return every value as text under its dotted name, as a registry keeps parameters."""
        return flat(self.model_dump(mode="json"))


@dataclass(frozen=True)
class TrainedModel:
    """The recipe of a model and its fitted forms, with all that is known about it.

    ``onnx`` is the form that answers; ``skops`` is the fitted pipeline, for tools of people.
    """

    recipe: Recipe
    skops: bytes
    onnx: bytes
    parameters: Parameters
    evaluation: Evaluation
    predictions: pd.DataFrame

    @property
    def digest(self) -> str:
        """Return the sha256 of the model file: equal for equal trainings."""
        return manifest.sha256(self.skops)

    @property
    def threshold_rule(self) -> ThresholdRule:
        """Return the rule of the decision threshold; that of an older champion is fixed now."""
        chosen = ThresholdRule(rule="fixed", value=self.evaluation.threshold)
        return self.parameters.threshold or chosen

    def same(self, other: "TrainedModel") -> bool:
        """Say whether both predict the same: equal fits, with thresholds by the same rule."""
        return self.digest == other.digest and self.threshold_rule == other.threshold_rule

    def same_recipe(self, other: "TrainedModel") -> bool:
        """Say whether both are one recipe, fitted to the same rows."""
        return self.recipe == other.recipe and self.parameters.same_rows(other.parameters)

    def other_libraries(self, other: "TrainedModel") -> bool:
        """Say whether other libraries fitted both, to the same rows: their recipes may differ."""
        mine, others = self.parameters, other.parameters
        return mine.same_rows(others) and mine.libraries != others.libraries

    @cached_property
    def answer(self) -> Answer:
        """Return the function that gives the answers of the frozen model."""
        return answering(self.onnx)

    def files(self) -> dict[str, bytes]:
        """Return the model as files; `read` is the inverse."""
        return {
            SKOPS: self.skops,
            ONNX: self.onnx,
            RECIPE: json_bytes(self.recipe),
            PARAMETERS: json_bytes(self.parameters),
            METRICS: json_bytes(self.evaluation),
            PREDICTIONS: table_bytes(self.predictions),
        }


def answering(onnx: bytes) -> Answer:
    """Return the function that gives the answers of an ONNX model, which is opened once.

    It raises ArtifactError if onnxruntime cannot run the model.
    """
    opened = cache(lambda: OnnxModel(onnx))

    def answer(patients: pd.DataFrame) -> Vector:
        try:
            return opened().probabilities(patients[list(FEATURES)].to_numpy(np.float32))
        except UNUSABLE as error:
            line = " ".join(str(error).split())
            raise ArtifactError(f"{SILENT}: {line}") from error

    return answer


def read(files: Files, origin: str) -> TrainedModel:
    """Read what `TrainedModel.files` wrote; further files are left alone.

    Raises:
        ArtifactError: a file is missing or unreadable; the message names ``origin``.

    """
    try:
        return TrainedModel(
            recipe=_recipe(files),
            skops=files[SKOPS],
            onnx=files[ONNX],
            parameters=Parameters.model_validate_json(files[PARAMETERS]),
            evaluation=Evaluation.model_validate_json(files[METRICS]),
            predictions=read_table(files[PREDICTIONS]),
        )
    except KeyError as error:
        raise ArtifactError(f"{origin} has no file {error}") from error
    except (ArtifactError, ValidationError, *BROKEN_TABLE) as error:
        raise ArtifactError(f"{origin}: {' '.join(str(error).split())}") from error


def _recipe(files: Files) -> Recipe:
    if RECIPE in files:
        return Recipe.model_validate_json(files[RECIPE])
    return recipe_of_skops.read(files[SKOPS])
