"""The names of the things this repository makes: families, metrics, registered models, files."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

# The entry that goes with a name is in `pipeline.training.families`.
Family = Literal["random_forest", "logistic_regression", "gradient_boosting", "svm"]
FAMILIES: Final[tuple[Family, ...]] = get_args(Family)

Metric = Literal[
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
    "accuracy",
    "f1",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "calibration_error",
    "calibration_slope",
    "calibration_intercept",
]
METRIC_TITLES: Final[Mapping[Metric, str]] = MappingProxyType(
    {
        "roc_auc": "ROC-AUC",
        "pr_auc": "PR-AUC",
        "log_loss": "Log loss",
        "brier": "Brier score",
        "accuracy": "Accuracy",
        "f1": "F1",
        "sensitivity": "Sensitivity",
        "specificity": "Specificity",
        "ppv": "Positive predictive value",
        "npv": "Negative predictive value",
        "calibration_error": "Calibration error",
        "calibration_slope": "Calibration slope",
        "calibration_intercept": "Calibration intercept",
    }
)
LOWER_IS_BETTER: Final[frozenset[Metric]] = frozenset({"log_loss", "brier", "calibration_error"})

# The registered model that is served; its versions are the history of promotions.
SERVED: Final = "heart_disease"
# The registered model whose versions are the log of champions: see `pipeline.registry.history`.
HISTORY: Final = "heart_disease_history"

# The tag of a registered version that lists the releases it was shipped in, oldest first.
RELEASED_AS: Final = "released_as"

# The files of a model, wherever they are kept.
SKOPS: Final = "model.skops"
ONNX: Final = "model.onnx"


def registered_name(family: Family) -> str:
    """Return the name of a family's registered model."""
    return f"{SERVED}_{family}"
