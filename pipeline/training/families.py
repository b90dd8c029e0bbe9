"""The model families, each one entry: what is fitted, and what it needs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from pipeline.base.errors import SettingsError
from pipeline.base.names import FAMILIES, Family
from pipeline.training import recipe
from pipeline.training.blocks import MaskingPipeline
from pipeline.training.features import preprocessing
from pipeline.training.plan import TrainingPlan

TREE: Final = "sklearn.tree._tree.Tree"
SEED: Final = "random_state"
# Twenty rows of two classes that any classifier learns, unless a parameter keeps it from learning.
SAMPLE: Final = (np.arange(200.0).reshape(20, 10) % 7, np.arange(20) % 2)


@dataclass(frozen=True)
class Entry:
    """A family: an unfitted classifier, with the parameters that ``config.yaml`` need not set.

    ``trusted`` are the types in its files that skops does not trust by itself.
    """

    title: str
    classifier: Any
    # Distances and penalties depend on the scale of a column; trees do not.
    scaled: bool = False
    trusted: tuple[str, ...] = ()


ENTRIES: Final[Mapping[Family, Entry]] = MappingProxyType(
    {
        "random_forest": Entry("Random forest", RandomForestClassifier(), trusted=(TREE,)),
        "logistic_regression": Entry(
            "Logistic regression", LogisticRegression(max_iter=1000), scaled=True
        ),
        "gradient_boosting": Entry(
            "Gradient boosting", GradientBoostingClassifier(), trusted=(TREE,)
        ),
        "svm": Entry(
            "SVM",
            CalibratedClassifierCV(SVC(), ensemble=False),
            scaled=True,
            trusted=(
                "sklearn.calibration._CalibratedClassifier",
                "sklearn.calibration._SigmoidCalibration",
            ),
        ),
    }
)
FAMILY_TITLES: Final[Mapping[Family, str]] = MappingProxyType(
    {family: ENTRIES[family].title for family in FAMILIES}
)


def build(family: Family, plan: TrainingPlan, without: Collection[str] = ()) -> Pipeline:
    """Return the unfitted pipeline of a family: the contract's columns in, probabilities out.

    ``without`` names engineered features to leave out.

    Raises:
        SettingsError: the estimator does not have a parameter of the plan; the message names it.
        ArtifactError: a parameter that the code gives is no plain value.

    """
    entry = ENTRIES[family]
    features = preprocessing(plan.features, scaled=entry.scaled, without=without)
    classifier = clone(entry.classifier)
    estimator = _estimator(classifier)
    parameters = plan.models.get(family, {})
    known = estimator.get_params(deep=False).keys() - {SEED}
    if unknown := sorted(parameters.keys() - known):
        raise SettingsError(
            f"models.{family} in config.yaml: {type(estimator).__name__} has no parameter "
            f"{', '.join(unknown)}; it has {', '.join(sorted(known))}"
        )
    estimator.set_params(**parameters, **{SEED: plan.model_seed})
    # So the stored recipe builds the very pipeline that was trained.
    steps = [("features", features), ("classifier", classifier)]
    left_out = plan.fields_left_out
    masking = MaskingPipeline(steps, [*map(list, left_out.patterns)], left_out.weight)
    return recipe.of(masking if left_out.patterns else Pipeline(steps)).build()


def check(plan: TrainingPlan) -> None:
    """Let each family learn a few made-up rows, before any is fitted to the patients.

    Raises:
        SettingsError: an estimator does not have a parameter, or refuses its value.

    """
    for family in FAMILIES:
        estimator = _estimator(build(family, plan)["classifier"])
        try:
            estimator.fit(*SAMPLE)
        except (TypeError, ValueError) as error:
            line = " ".join(str(error).split())
            raise SettingsError(f"models.{family} in config.yaml: {line}") from error


def _estimator(classifier: Any) -> Any:
    """Return the estimator that has the parameters: the classifier, or the one it calibrates."""
    return classifier.estimator if isinstance(classifier, CalibratedClassifierCV) else classifier
