"""From the 13 fields to the columns a classifier sees."""

import numpy as np
import pandas as pd
import pytest

from pipeline.base.errors import SettingsError
from pipeline.dataset.contract import Kind
from pipeline.table.contract import BY_NAME, FEATURES, FIELDS
from pipeline.table.engineered import Engineered, engineered
from pipeline.training import features, workspace

MEASURED = ["age", "trestbps", "chol", "thalach", "oldpeak", "ca"]
ENGINEERED = {"heart_rate_share": 1, "age_bands": 3, "missing_flags": 10}
NULLABLE = [field.name for field in FIELDS if field.nullable]
COLUMNS = [
    *(f"measured__{name}" for name in MEASURED),
    *("binary__sex", "binary__fbs", "binary__exang"),
    *(f"nominal__cp_{code}.0" for code in (1, 2, 3, 4)),
    *(f"nominal__restecg_{code}.0" for code in (0, 1, 2)),
    *(f"nominal__slope_{code}.0" for code in (1, 2, 3)),
    *(f"nominal__thal_{code}.0" for code in (3, 6, 7)),
    "heart_rate_share__thalach_share",
    *(f"age_bands__age_from_{edge}" for edge in (45, 55, 65)),
    *(f"missing_flags__{name}_missing" for name in NULLABLE),
]
either_scale = pytest.mark.parametrize("scaled", [True, False], ids=["scaled", "unscaled"])


@pytest.fixture
def table(training):
    """Return the features of the training table."""
    return training[list(FEATURES)]


@pytest.fixture
def columns(quick):
    """Return a function that fits the preprocessing to one table and applies it to another."""

    def computed(fitted_to, given, *, scaled=False, without=()):
        unfitted = features.preprocessing(
            workspace.plan(quick).features, scaled=scaled, without=without
        )
        fitted = unfitted.fit(fitted_to)
        return pd.DataFrame(fitted.transform(given), columns=fitted.get_feature_names_out())

    return computed


@either_scale
def test_the_classifier_sees_these_columns(columns, table, scaled):
    """In this order, under these names."""
    assert list(columns(table, table, scaled=scaled)) == COLUMNS


@pytest.mark.parametrize("family", ["random_forest", "svm"])
def test_a_fitted_pipeline_names_its_columns(fitted, family):
    """As the preprocessing made them."""
    assert features.column_names(fitted[family]) == COLUMNS


def test_every_nullable_field_has_a_flag_and_no_other():
    """A value that cannot be missing needs none."""
    flagged = [name.removesuffix("_missing").split("__")[1] for name in COLUMNS if "flags" in name]

    assert flagged == NULLABLE
    assert {"age", "sex", "cp"}.isdisjoint(flagged)


def test_every_field_of_the_contract_reaches_the_classifier():
    """None is dropped, and none is read in two ways."""
    assert sorted([*features.MEASURED, *features.BINARY, *features.NOMINAL]) == sorted(FEATURES)


@either_scale
def test_nothing_is_missing_behind_the_preprocessing(columns, table, patients, scaled):
    """Whatever a hospital did not measure is imputed."""
    assert columns(table, patients, scaled=scaled).notna().all(axis=None)


@either_scale
def test_the_order_of_rows_changes_no_row(columns, table, scaled):
    """The same patient becomes the same numbers, wherever the row stands."""
    shuffled = table.sample(frac=1, random_state=1)

    found = columns(table, shuffled, scaled=scaled).set_axis(shuffled.index).sort_index()

    pd.testing.assert_frame_equal(found, columns(table, table, scaled=scaled))


@either_scale
def test_the_order_of_columns_changes_nothing(columns, table, scaled):
    """Columns are found by name, in fitting and after it."""
    turned = table[table.columns[::-1]]

    found = columns(turned, turned, scaled=scaled)

    pd.testing.assert_frame_equal(found, columns(table, table, scaled=scaled))


def test_further_columns_change_nothing(columns, table, training):
    """The target, above all, never gets behind the preprocessing."""
    pd.testing.assert_frame_equal(columns(training, training), columns(table, table))


def test_trees_get_exactly_the_numbers_that_were_measured(columns, table):
    """Unscaled, to the last bit, where they are known."""
    found = columns(table, table)

    for name in MEASURED:
        known = table[name].notna()
        pd.testing.assert_series_equal(
            found.loc[known, f"measured__{name}"], table.loc[known, name], check_names=False
        )


def test_imputation_learns_from_the_fitted_rows_only(columns, table):
    """A missing value becomes the median, or the most frequent code, of those rows alone."""
    first, rest = table.iloc[:100], table.iloc[100:].assign(chol=699, thal=6)
    unknown = rest.iloc[[0]].assign(chol=np.nan, thal=np.nan)

    found = columns(first, pd.concat([unknown, rest])).iloc[0]

    assert found["measured__chol"] == first["chol"].median()
    most_frequent = first["thal"].mode()[0]
    assert found[f"nominal__thal_{most_frequent}"] == 1


def test_scaling_learns_from_the_fitted_rows_only(columns, table):
    """Those rows get mean 0 and deviation 1; whatever else is asked is measured by them."""
    first, rest = table.iloc[:100], table.iloc[100:].assign(age=110)

    found = columns(first, pd.concat([first, rest]), scaled=True)["measured__age"]

    assert found[:100].mean() == pytest.approx(0, abs=1e-12)
    assert found[:100].std(ddof=0) == pytest.approx(1)
    expected = (110 - first["age"].mean()) / first["age"].std(ddof=0)
    assert found[100:].to_numpy() == pytest.approx(expected)


@either_scale
def test_a_field_without_a_measurement_is_imputed_too(columns, table, scaled):
    """A fold of a sparse table may lack a field altogether."""
    empty = table.assign(ca=np.nan, thal=np.nan)

    found = columns(empty, table, scaled=scaled)

    assert list(found) == COLUMNS
    assert found.notna().all(axis=None)


@pytest.mark.parametrize(("feature", "count"), ENGINEERED.items())
@either_scale
def test_without_takes_exactly_the_named_feature_away(columns, table, scaled, feature, count):
    """Every other column stays as it was, in name, place and value."""
    complete = columns(table, table, scaled=scaled)
    removed = [name for name in COLUMNS if name.startswith(f"{feature}__")]

    found = columns(table, table, scaled=scaled, without=[feature])

    assert len(removed) == count
    pd.testing.assert_frame_equal(found, complete.drop(columns=removed))


def test_all_engineered_features_can_be_left_out(columns, table):
    """The 13 fields alone remain: measured, binary and one column for each code."""
    codes = sum(len(BY_NAME[name].codes) for name in ("cp", "restecg", "slope", "thal"))

    assert columns(table, table, without=ENGINEERED).shape[1] == 6 + 3 + codes


@pytest.mark.parametrize("unknown", ["age_band", "measured"])
def test_leaving_out_what_is_no_engineered_feature_is_refused(quick, unknown):
    """A misspelt name would otherwise show a feature that adds nothing."""
    with pytest.raises(ValueError, match=f"no engineered feature is named {unknown}"):
        features.preprocessing(workspace.plan(quick).features, scaled=False, without=[unknown])


def test_a_feature_of_an_unknown_block_is_named_with_the_blocks_that_there_are(quick, monkeypatch):
    """A new block that was not given its place among them is the likeliest one."""
    added = Engineered(name="rate_pressure", block="Product", columns=("thalach", "trestbps"))
    monkeypatch.setattr(features, "engineered", lambda recipe: (*engineered(recipe), added))

    with pytest.raises(
        SettingsError,
        match="rate_pressure: no block is named Product; known: Bands, MissingFlags, ",
    ) as caught:
        features.preprocessing(workspace.plan(quick).features, scaled=False)

    assert "\n" not in str(caught.value)


def test_each_code_has_a_column_of_its_own(columns, table):
    """Exactly one of a field's columns is 1."""
    found = columns(table, table)

    for field in (field for field in FIELDS if field.kind is Kind.NOMINAL):
        of_field = found.filter(like=f"nominal__{field.name}_")
        assert of_field.sum(axis=1).eq(1).all()
        assert of_field.shape[1] == len(field.codes)


def test_the_numbers_of_the_recipe_reach_the_features(quick, table):
    """Edges and the predicted heart rate are configuration."""
    recipe = workspace.plan(quick).features.model_copy(
        update={"age_bands": (50.0,), "maximum_heart_rate_intercept": 208.0}
    )
    fitted = features.preprocessing(recipe, scaled=False).fit(table)
    found = pd.DataFrame(fitted.transform(table), columns=fitted.get_feature_names_out())

    assert found["age_bands__age_from_50"].equals(table["age"].ge(50).astype(float))
    expected = table["thalach"] / (208 - table["age"])
    assert found["heart_rate_share__thalach_share"].to_numpy() == pytest.approx(expected, rel=1e-6)
