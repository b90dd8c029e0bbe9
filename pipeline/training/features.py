"""From the fields of a row to the columns a classifier sees. This is the file to experiment in.

Everything here is part of the fitted scikit-learn pipeline and of the ONNX graph: what trains is
what serves.
"""

from collections.abc import Collection
from typing import Any, Final

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipeline.base.errors import SettingsError
from pipeline.dataset.contract import Kind
from pipeline.table.contract import FIELDS
from pipeline.table.engineered import FeatureRecipe, engineered
from pipeline.training.blocks import BLOCKS

MEASURED: Final = [f.name for f in FIELDS if f.kind in {Kind.CONTINUOUS, Kind.COUNT}]
BINARY: Final = [f.name for f in FIELDS if f.kind is Kind.BINARY]
NOMINAL: Final = [f.name for f in FIELDS if f.kind is Kind.NOMINAL]
_BY_NAME: Final = {block.__name__: block for block in BLOCKS}

Steps = list[tuple[str, Any, list[str]]]


def preprocessing(
    recipe: FeatureRecipe, *, scaled: bool, without: Collection[str] = ()
) -> ColumnTransformer:
    """Return the unfitted preprocessing of a table with the contract's columns, by name.

    Trees take ``scaled=False``: they do not need it, and they round to 32 bit, where an unscaled
    value is the same number in scikit-learn and in ONNX. ``without`` leaves engineered
    features out, for the ablation.

    Raises:
        ValueError: ``without`` names something else.
        SettingsError: a feature names a block that does not exist; the message names both.

    """
    scale = [StandardScaler()] if scaled else []
    added = _engineered(recipe, scale)
    if unknown := sorted(set(without) - {name for name, *_ in added}):
        raise ValueError(f"no engineered feature is named {', '.join(unknown)}")
    categories = [[float(code) for code in f.codes] for f in FIELDS if f.name in NOMINAL]
    encode = OneHotEncoder(categories=categories, handle_unknown="ignore", sparse_output=False)
    blocks: Steps = [
        ("measured", make_pipeline(_impute("median"), *scale), MEASURED),
        ("binary", _impute("most_frequent"), BINARY),
        ("nominal", make_pipeline(_impute("most_frequent"), encode), NOMINAL),
        *(step for step in added if step[0] not in without),
    ]
    return ColumnTransformer(blocks, verbose_feature_names_out=True)


def _engineered(recipe: FeatureRecipe, scale: list[StandardScaler]) -> Steps:
    steps: Steps = []
    for feature in engineered(recipe):
        if feature.block not in _BY_NAME:
            raise SettingsError(
                f"the engineered feature {feature.name}: no block is named {feature.block}; "
                f"known: {', '.join(_BY_NAME)} (a new one needs its place in BLOCKS)"
            )
        block = _BY_NAME[feature.block](**feature.parameters)
        if feature.measured:
            block = make_pipeline(_impute("median"), block, *scale)
        steps.append((feature.name, block, list(feature.columns)))
    return steps


def _impute(strategy: str) -> SimpleImputer:
    return SimpleImputer(strategy=strategy, keep_empty_features=True)


def column_names(pipeline: Pipeline) -> list[str]:
    """Return the names of the columns that the classifier of a fitted pipeline sees."""
    return list(pipeline[0].get_feature_names_out())
