"""From the 13 clinical fields to the columns a classifier sees. This is the file to experiment in.

Everything here is part of the fitted scikit-learn pipeline and of the ONNX graph: what trains is
what serves.
"""

from collections.abc import Collection
from typing import Final

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipeline.base.policies import FeatureRecipe
from pipeline.table.contract import FIELDS, Kind
from pipeline.training.blocks import Bands, MissingFlags, ShareOfPrediction

MEASURED: Final = [f.name for f in FIELDS if f.kind in {Kind.CONTINUOUS, Kind.COUNT}]
BINARY: Final = [f.name for f in FIELDS if f.kind is Kind.BINARY]
NOMINAL: Final = [f.name for f in FIELDS if f.kind is Kind.NOMINAL]
NULLABLE: Final = [f.name for f in FIELDS if f.nullable]

HEART_RATE_SHARE: Final = "heart_rate_share"
AGE_BANDS: Final = "age_bands"
MISSING_FLAGS: Final = "missing_flags"
ENGINEERED: Final = (HEART_RATE_SHARE, AGE_BANDS, MISSING_FLAGS)


def preprocessing(
    recipe: FeatureRecipe, *, scaled: bool, without: Collection[str] = ()
) -> ColumnTransformer:
    """Return the unfitted preprocessing of a table with the contract's 13 columns, by name.

    Trees take ``scaled=False``: they do not need it, and they round to 32 bit, where an unscaled
    value is the same number in scikit-learn and in ONNX. ``without`` leaves features of
    `ENGINEERED` out, for the ablation.

    Raises:
        ValueError: ``without`` names something else.

    """
    if unknown := sorted(set(without) - set(ENGINEERED)):
        raise ValueError(f"no engineered feature is named {', '.join(unknown)}")
    scale = [StandardScaler()] if scaled else []
    categories = [[float(code) for code in f.codes] for f in FIELDS if f.name in NOMINAL]
    encode = OneHotEncoder(categories=categories, handle_unknown="ignore", sparse_output=False)
    share = ShareOfPrediction(recipe.maximum_heart_rate_intercept)
    blocks = [
        ("measured", make_pipeline(_impute("median"), *scale), MEASURED),
        ("binary", _impute("most_frequent"), BINARY),
        ("nominal", make_pipeline(_impute("most_frequent"), encode), NOMINAL),
        (HEART_RATE_SHARE, make_pipeline(_impute("median"), share, *scale), ["thalach", "age"]),
        (AGE_BANDS, Bands(recipe.age_bands), ["age"]),
        (MISSING_FLAGS, MissingFlags(), NULLABLE),
    ]
    kept = [block for block in blocks if block[0] not in without]
    return ColumnTransformer(kept, verbose_feature_names_out=True)


def _impute(strategy: str) -> SimpleImputer:
    return SimpleImputer(strategy=strategy, keep_empty_features=True)


def column_names(pipeline: Pipeline) -> list[str]:
    """Return the names of the columns that the classifier of a fitted pipeline sees."""
    return list(pipeline[0].get_feature_names_out())
