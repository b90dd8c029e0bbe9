"""The building blocks that scikit-learn does not have. Their meaning never changes.

A model file names these classes and holds their parameters, and a champion is cross-validated by
the code of a later commit. So a block, once merged, keeps its behaviour for good: to do something
else, add a class, and its name to `BLOCKS`. All of them compute in 32 bit, as the
ONNX graph does: a tree's threshold then falls on the same side in both.

This module goes with every package, so it imports nothing but NumPy and scikit-learn.
"""

from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

Matrix = npt.NDArray[np.float32]
# ONNX's code for a number of 32 bit.
FLOAT: Final = 1


class _Block(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learns nothing from the rows, only how many columns there are and what they are called."""

    # The number of columns that the block takes; None is any number.
    takes: ClassVar[int | None] = None

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 (scikit-learn's name)
        """Remember the columns.

        Raises:
            ValueError: they are more or fewer than the block takes.

        """
        del y
        validate_data(self, X, dtype=np.float32, ensure_all_finite="allow-nan")
        if self.takes not in {None, self.n_features_in_}:
            block, given = type(self).__name__, self.n_features_in_
            raise ValueError(f"{block} takes {self.takes} columns, not {given}")
        return self

    def transform(self, X: Any) -> Matrix:  # noqa: N803
        """Return the block's columns, shape (rows, outputs)."""
        check_is_fitted(self)
        given = validate_data(self, X, dtype=np.float32, ensure_all_finite="allow-nan", reset=False)
        return self._compute(given)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return one name for each output column."""
        names = self.feature_names_in_ if input_features is None else input_features
        return np.asarray(self._names([str(name) for name in names]), dtype=object)

    def nodes(self, onnx: Any, inputs: Any, version: int, names: Any) -> Any:
        """Return the fitted block as ONNX: its last node, which gives ``names``.

        ``onnx`` makes the nodes: `skl2onnx.algebra.onnx_ops`, for the opset ``version``.
        """
        raise NotImplementedError

    def _compute(self, given: Matrix) -> Matrix:
        raise NotImplementedError

    def _names(self, names: list[str]) -> list[str]:
        raise NotImplementedError


class ShareOfPrediction(_Block):
    """The share of a predicted value that was reached: ``measured / (intercept - other)``.

    Takes two columns, the measured value and the other one, and gives one, without unit.
    """

    takes = 2

    def __init__(self, intercept: float) -> None:
        """Keep the value predicted where the other column is 0, in the unit of the first."""
        self.intercept = intercept

    def _compute(self, given: Matrix) -> Matrix:
        measured, other = given[:, [0]], given[:, [1]]
        return measured / (np.float32(self.intercept) - other)

    def nodes(self, onnx: Any, inputs: Any, version: int, names: Any) -> Any:
        """Divide the first column by the intercept less the second."""
        measured, other = (
            onnx.OnnxGather(inputs[0], np.array([column]), axis=1, op_version=version)
            for column in (0, 1)
        )
        intercept = np.array([self.intercept], dtype=np.float32)
        predicted = onnx.OnnxSub(intercept, other, op_version=version)
        return onnx.OnnxDiv(measured, predicted, op_version=version, output_names=names)

    def _names(self, names: list[str]) -> list[str]:
        return [f"{names[0]}_share"]


class Bands(_Block):
    """The edges that a value has reached: one column of 0 and 1 for each, ``value >= edge``.

    Takes one column. The coding is cumulative, so a linear model learns the step at each edge. A
    missing value has reached none.
    """

    takes = 1

    def __init__(self, edges: tuple[float, ...]) -> None:
        """Keep the edges, rising, in the unit of the column."""
        self.edges = edges

    def _compute(self, given: Matrix) -> Matrix:
        return (given >= np.asarray(self.edges, dtype=np.float32)).astype(np.float32)

    def nodes(self, onnx: Any, inputs: Any, version: int, names: Any) -> Any:
        """Compare the column with each edge."""
        edges = np.asarray([self.edges], dtype=np.float32)
        reached = onnx.OnnxGreaterOrEqual(inputs[0], edges, op_version=version)
        return onnx.OnnxCast(reached, to=FLOAT, op_version=version, output_names=names)

    def _names(self, names: list[str]) -> list[str]:
        return [f"{names[0]}_from_{edge:g}" for edge in self.edges]


class MissingFlags(_Block):
    """The missing values: a column of 0 and 1 for each column, 1 where it is NaN.

    ``SimpleImputer(add_indicator=True)`` does the same, but its ONNX conversion drops the flags
    without a word (skl2onnx 1.20).
    """

    def _compute(self, given: Matrix) -> Matrix:
        return np.isnan(given).astype(np.float32)

    def nodes(self, onnx: Any, inputs: Any, version: int, names: Any) -> Any:
        """Ask each value whether it is a number."""
        missing = onnx.OnnxIsNaN(inputs[0], op_version=version)
        return onnx.OnnxCast(missing, to=FLOAT, op_version=version, output_names=names)

    def _names(self, names: list[str]) -> list[str]:
        return [f"{name}_missing" for name in names]


class MaskingPipeline(Pipeline):  # type: ignore[misc]
    """A pipeline that also learns from each row with some of its columns missing.

    ``masks`` are lists of columns. It learns from a row as it is, and with each of them missing,
    which counts ``weight`` times as much; all forms of a row together count as one row. They stand
    side by side: a split of rows in order, as calibration makes it, parts none of them.
    """

    def __init__(
        self,
        steps: list[tuple[str, Any]],
        masks: Any = (),
        weight: float = 1.0,
        *,
        memory: Any = None,
        verbose: bool = False,
    ) -> None:
        """Keep the steps; the last one must take a ``sample_weight``."""
        super().__init__(steps, memory=memory, verbose=verbose)
        self.masks = masks
        self.weight = weight

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:  # noqa: N803
        """Fit to a table of numbers with named columns, and the outcome of each row."""
        forms = 1 + len(self.masks)
        rows = X.iloc[np.repeat(np.arange(len(X)), forms)].reset_index(drop=True)
        for place, columns in enumerate(self.masks, start=1):
            rows.loc[place::forms, list(columns)] = np.nan
        shares = np.array([1.0, *[self.weight] * len(self.masks)])
        weights = np.tile(shares / shares.sum(), len(X))
        weighted = {f"{self.steps[-1][0]}__sample_weight": weights, **params}
        super().fit(rows, np.repeat(np.asarray(y), forms), **weighted)
        return self


# Model files may hold these, and they are converted to ONNX.
BLOCKS: Final[tuple[type[_Block], ...]] = (Bands, MissingFlags, ShareOfPrediction)
