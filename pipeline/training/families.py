"""The four model families, as unfitted scikit-learn pipelines."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from pipeline.base.names import Family
from pipeline.base.policies import FeatureRecipe, ModelParameters
from pipeline.training.features import preprocessing


def _forest(parameters: Mapping[str, Any], seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(**parameters, random_state=seed)


def _logistic(parameters: Mapping[str, Any], seed: int) -> LogisticRegression:
    return LogisticRegression(**parameters, max_iter=1000, random_state=seed)


def _boosting(parameters: Mapping[str, Any], seed: int) -> GradientBoostingClassifier:
    return GradientBoostingClassifier(**parameters, random_state=seed)


def _svm(parameters: Mapping[str, Any], seed: int) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(SVC(**parameters, random_state=seed), ensemble=False)


CLASSIFIERS: Final[Mapping[Family, Callable[[Mapping[str, Any], int], Any]]] = MappingProxyType(
    {
        "random_forest": _forest,
        "logistic_regression": _logistic,
        "gradient_boosting": _boosting,
        "svm": _svm,
    }
)
# Distances and penalties depend on the scale of a column; trees do not.
SCALED: Final = frozenset({"logistic_regression", "svm"})


def build(
    family: Family,
    models: ModelParameters,
    recipe: FeatureRecipe,
    seed: int,
    without: Collection[str] = (),
) -> Pipeline:
    """Return the unfitted pipeline of a family: the contract's 13 columns in, probabilities out."""
    parameters = getattr(models, family).model_dump()
    features = preprocessing(recipe, scaled=family in SCALED, without=without)
    return Pipeline([("features", features), ("classifier", CLASSIFIERS[family](parameters, seed))])
