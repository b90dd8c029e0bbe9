"""The blocks' meaning, in numbers that stay: a model made today is refitted by later code."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from pipeline.table.contract import FEATURES, TARGET
from pipeline.training.blocks import Bands, MaskingPipeline, MissingFlags, ShareOfPrediction

NAN = np.nan
SHARE, BANDS, FLAGS = ShareOfPrediction(220), Bands((45.0, 55.0, 65.0)), MissingFlags()

# block, given columns, expected columns. These numbers never change: a new meaning is a new class.
MEANINGS = {
    "share": (SHARE, [[150, 40], [171, 49], [220, 0]], [[150 / 180], [1.0], [1.0]]),
    "share of another prediction": (ShareOfPrediction(208), [[84, 40]], [[0.5]]),
    "share of a missing measurement": (SHARE, [[NAN, 40], [90, 40]], [[NAN], [0.5]]),
    "share at a missing age": (SHARE, [[90, NAN], [90, 40]], [[NAN], [0.5]]),
    "bands": (
        BANDS,
        [[44], [45], [54.9], [55], [65], [99]],
        [[0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]],
    ),
    "band of a missing value": (BANDS, [[NAN], [70]], [[0, 0, 0], [1, 1, 1]]),
    "band of a single edge": (Bands((0.0,)), [[-1], [0]], [[0], [1]]),
    "flags": (FLAGS, [[NAN, 0], [1, NAN], [NAN, NAN]], [[1, 0], [0, 1], [1, 1]]),
}
BLOCKS = {
    "share": (SHARE, [[150.0, 40.0], [90.0, 60.0]]),
    "bands": (BANDS, [[40.0], [60.0]]),
    "flags": (FLAGS, [[1.0, NAN], [NAN, NAN]]),
}
every_block = pytest.mark.parametrize(("block", "values"), BLOCKS.values(), ids=BLOCKS)
numbers = st.floats(-1000, 1000, width=32)


@pytest.mark.parametrize(("block", "values", "expected"), MEANINGS.values(), ids=MEANINGS)
def test_a_block_computes_what_it_always_did(block, values, expected):
    """To the last bit of a 32-bit number."""
    found = clone(block).fit_transform(np.array(values, dtype=np.float64))

    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))


@every_block
def test_a_block_answers_in_32_bit(block, values):
    """As the ONNX graph computes."""
    assert clone(block).fit_transform(np.array(values)).dtype == np.float32


def test_a_value_is_rounded_to_32_bit_before_it_is_compared():
    """The nearest 32-bit number of this age is 45 itself, in scikit-learn as in ONNX."""
    assert clone(BANDS).fit_transform([[45 - 1e-9]])[0, 0] == 1


@every_block
def test_a_block_learns_nothing_from_the_rows(block, values):
    """Fitted to other rows it answers the same."""
    others = np.array(values)[::-1] + 7

    found = clone(block).fit(others).transform(np.array(values))

    np.testing.assert_array_equal(found, clone(block).fit_transform(np.array(values)))


@pytest.mark.parametrize(
    ("block", "names", "expected"),
    [
        (SHARE, ["thalach", "age"], ["thalach_share"]),
        (BANDS, ["age"], ["age_from_45", "age_from_55", "age_from_65"]),
        (Bands((0.5,)), ["oldpeak"], ["oldpeak_from_0.5"]),
        (FLAGS, ["ca", "thal"], ["ca_missing", "thal_missing"]),
    ],
    ids=["share", "bands", "half an edge", "flags"],
)
def test_columns_are_named_after_those_they_come_from(block, names, expected):
    """Asked with names, or by the table that it was fitted to."""
    fitted = clone(block).fit(pd.DataFrame([[1.0] * len(names)], columns=names))

    assert list(fitted.get_feature_names_out()) == expected
    assert list(fitted.get_feature_names_out(names)) == expected


@every_block
def test_a_block_has_as_many_names_as_columns(block, values):
    """Names and columns do not drift apart."""
    table = pd.DataFrame(values, columns=[f"x{i}" for i in range(len(values[0]))])
    fitted = clone(block).fit(table)

    assert len(fitted.get_feature_names_out()) == fitted.transform(table).shape[1]


@pytest.mark.parametrize(
    ("block", "parameters"),
    [
        (SHARE, {"intercept": 220}),
        (BANDS, {"edges": (45.0, 55.0, 65.0)}),
        (FLAGS, {}),
    ],
    ids=["share", "bands", "flags"],
)
def test_a_block_is_cloned_with_its_parameters_and_unfitted(block, parameters):
    """Cross-validation clones the champion; nothing that was learnt may come along."""
    copy = clone(block)

    assert copy.get_params() == parameters
    assert not hasattr(copy, "n_features_in_")


@every_block
def test_an_unfitted_block_refuses_to_answer(block, values):
    """As every transformer of scikit-learn does."""
    with pytest.raises(NotFittedError):
        clone(block).transform(values)


@pytest.mark.parametrize(
    ("block", "columns", "message"),
    [
        (SHARE, 1, "ShareOfPrediction takes 2 columns, not 1"),
        (SHARE, 3, "ShareOfPrediction takes 2 columns, not 3"),
        (BANDS, 3, "Bands takes 1 columns, not 3"),
    ],
)
def test_a_block_is_not_fitted_to_another_number_of_columns(block, columns, message):
    """Three edges on three columns would otherwise be compared one to one."""
    with pytest.raises(ValueError, match=message):
        clone(block).fit(np.zeros((2, columns)))


@every_block
def test_a_fitted_block_refuses_another_number_of_columns(block, values):
    """A column too many is an error, not ignored."""
    with pytest.raises(ValueError, match="features"):
        clone(block).fit(values).transform(np.zeros((2, 4)))


@every_block
def test_an_infinite_value_is_refused(block, values):
    """Missing values are marked by NaN alone."""
    endless = np.full_like(np.array(values), np.inf)

    with pytest.raises(ValueError, match="infinity"):
        clone(block).fit(values).transform(endless)


@given(arrays(np.float32, (5, 1), elements=numbers), st.lists(numbers, min_size=1, unique=True))
def test_bands_rise_with_the_value_and_fall_with_the_edge(values, edges):
    """A greater value has reached every edge that a smaller one has."""
    ordered = np.sort(values, axis=0)

    found = Bands(tuple(sorted(edges))).fit_transform(ordered)

    assert (np.diff(found, axis=0) >= 0).all()
    assert (np.diff(found, axis=1) <= 0).all()
    assert set(np.unique(found)) <= {0, 1}


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2), elements=numbers | st.just(NAN)))
def test_flags_mark_exactly_the_missing_values(values):
    """Every NaN is 1 and everything else 0."""
    found = MissingFlags().fit_transform(values)

    np.testing.assert_array_equal(found == 1, np.isnan(values))
    np.testing.assert_array_equal(found == 0, ~np.isnan(values))


@given(st.integers(40, 240), st.integers(18, 110))
def test_the_share_times_the_prediction_is_the_measurement(measured, age):
    """Within the rounding of 32 bit."""
    share = clone(SHARE).fit_transform([[measured, age]])[0, 0]

    assert float(share) * (220 - age) == pytest.approx(measured, rel=1e-6)


class Remembering(LogisticRegression):
    """A classifier that keeps what it was fitted to."""

    def fit(self, X, y, sample_weight=None):  # noqa: N803
        """Keep rows, outcomes and weights."""
        self.rows_, self.outcomes_, self.weights_ = X, list(y), sample_weight
        return super().fit(np.nan_to_num(X), y, sample_weight)


def test_a_pipeline_learns_from_each_row_also_with_its_masks():
    """The forms of a row stand together, and count as one row."""
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    pipeline = MaskingPipeline([("it", Remembering())], [["b"], ["a", "b"]], weight=0.5)
    fitted = pipeline.fit(table, pd.Series([0, 1]))["it"]

    np.testing.assert_array_equal(
        fitted.rows_, [[1, 3], [1, NAN], [NAN, NAN], [2, 4], [2, NAN], [NAN, NAN]]
    )
    assert fitted.outcomes_ == [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(fitted.weights_, [0.5, 0.25, 0.25] * 2)
    assert not table.isna().any(axis=None)


def test_a_pipeline_without_masks_is_an_ordinary_one(training):
    """So is a slice of one, which people look into models with."""
    rows, outcomes = training[list(FEATURES)], training[TARGET]

    def fitted(kind, *more):
        steps = [("impute", SimpleImputer()), ("it", LogisticRegression(max_iter=5000))]
        return kind(steps, *more).fit(rows, outcomes)

    plain, masking = fitted(Pipeline), fitted(MaskingPipeline)
    masked = fitted(MaskingPipeline, [["ca"]], 0.5)

    np.testing.assert_array_equal(masking.predict_proba(rows), plain.predict_proba(rows))
    np.testing.assert_array_equal(masked[:-1].transform(rows), plain[:-1].transform(rows))
    assert (masked.predict_proba(rows) != plain.predict_proba(rows)).any()
