"""The choices a person may change, as values. ``config.yaml`` holds them, ``config`` reads them."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from pipeline.base.names import Family, Metric
from pipeline.base.records import Identifier, Record

Probability = Annotated[float, Field(ge=0, le=1)]
# A difference that is allowed, in the unit of its figure.
Margin = Annotated[float, Field(ge=0, le=100)]


class DownloadPlan(Record):
    """The source of the data, and the patience with it. Times are in seconds."""

    url: str
    timeout_seconds: Annotated[float, Field(gt=0)]
    attempts: Annotated[int, Field(ge=1)]
    wait_seconds: Annotated[float, Field(ge=0)]


class RetryPolicy(Record):
    """The limits of a call to the registry: seconds for an answer, and for all attempts together.

    The waits between the attempts are random, below a limit that doubles from ``wait_seconds``.
    """

    total_seconds: Annotated[float, Field(ge=0)] = 45
    wait_seconds: Annotated[float, Field(ge=0)] = 0.5
    timeout_seconds: Annotated[int, Field(ge=1)] = 12


RiskBand = Literal["low", "moderate", "high"]
GateMode = Literal["enabled", "report-only", "disabled"]


# By the name of the estimator's own parameter; `pipeline.training.families` checks them.
ModelParameters = dict[Family, dict[str, JsonValue]]
# `pipeline.table.engineered` knows their names and checks their values.
FeatureNumbers = dict[str, JsonValue]


class EvaluationPlan(Record):
    """The cross-validation of a model. Two models are comparable when their plans are equal."""

    folds: Annotated[int, Field(ge=2, le=1000)]
    repeats: Annotated[int, Field(ge=1, le=1000)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    calibration_bins: Annotated[int, Field(ge=2, le=1000)]
    bootstrap_samples: Annotated[int, Field(ge=100, le=1_000_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]


class ThresholdRule(Record):
    """The rule by which a model gets its decision threshold.

    ``fixed``: the threshold is ``value``, a probability. ``sensitivity``: it finds at least the
    share ``value`` of the positives. ``cost``: a false negative costs ``value`` false positives.
    """

    rule: Literal["fixed", "sensitivity", "cost"]
    value: Annotated[float, Field(ge=0, le=1000)]

    @model_validator(mode="after")
    def _in_range(self) -> "ThresholdRule":
        if self.rule == "cost" and self.value == 0:
            raise ValueError("a cost must be above 0")
        if self.rule != "cost" and self.value > 1:
            raise ValueError(f"the value of {self.rule} lies between 0 and 1")
        return self

    @property
    def words(self) -> str:
        """Return the rule in words that go on after a threshold."""
        return {
            "fixed": "fixed",
            "sensitivity": f"finds at least {self.value:.0%} of the positives",
            "cost": f"a false negative costs {self.value:g} false positives",
        }[self.rule]


Fields = Annotated[tuple[str, ...], Field(min_length=1)]


class FieldsLeftOut(Record):
    """The patterns of fields that a patient may come without, together.

    A model learns from each patient also without those of each pattern, which counts ``weight``.
    """

    weight: Annotated[float, Field(gt=0, le=1)]
    patterns: Annotated[tuple[Fields, ...], Field(max_length=20)]


class Limits(Record):
    """The lowest and the highest value allowed, both included."""

    low: Annotated[float, Field(ge=-100, le=100)]
    high: Annotated[float, Field(ge=-100, le=100)]


class SlicePolicy(Record):
    """The limits for each slice of patients that has enough of them.

    ``calibration``: how far, in log-odds, the answers may plainly be too low or too high.
    ``margin``: how much worse than the champion's the AUC and the sensitivity of a slice may
    plainly be.
    """

    minimum_of_each_outcome: Annotated[int, Field(ge=1, le=1_000_000)]
    minimum_roc_auc: Probability
    calibration: Margin
    margin: Margin


class IncompletePolicy(Record):
    """The limits for patients who come without some fields.

    ``bias``: how far the mean probability may lie from the share of positives. ``margin``: how much
    worse the AUC may plainly be than that of a logistic regression fitted without these fields.
    """

    bias: Probability
    margin: Margin


class OnnxPolicy(Record):
    """The limits for the file that ships: its distance from the fitted pipeline, size and speed.

    ``difference`` is in probability; ``milliseconds`` are those of an answer for one patient.
    """

    difference: Probability
    megabytes: Annotated[float, Field(gt=0, le=10_000)]
    milliseconds: Annotated[float, Field(gt=0, le=60_000)]


class PromotionPolicy(Record):
    """The limits that a model must keep to become the champion.

    ``margins``: how much worse than the champion's a figure may plausibly be, in its own unit.
    ``external_minimum_roc_auc``: by external cohort; one that is not named blocks nothing there.
    ``external_margin``: how much worse than the champion's the AUC of any of them may plainly be.
    ``minimum_direction``: the share of patients whose risk a change must not lower that should not.
    ``leak_near_copies``: the share of rows that may nearly be another one.
    """

    mode: GateMode
    metric: Literal["roc_auc", "pr_auc"]
    minimum_roc_auc: Probability
    maximum_brier: Probability
    maximum_log_loss: Annotated[float, Field(gt=0, le=100)]
    maximum_calibration_error: Probability
    calibration_slope: Limits
    minimum_sensitivity: Probability
    minimum_specificity: Probability
    slices: SlicePolicy
    fields_left_out: IncompletePolicy
    external_minimum_roc_auc: Annotated[dict[Identifier, Probability], Field(max_length=20)]
    external_margin: Margin
    behaviour_tolerance: Probability
    minimum_direction: Probability
    onnx: OnnxPolicy
    leak_roc_auc: Probability
    leak_single_feature_roc_auc: Probability
    leak_missing_roc_auc: Probability
    leak_near_copies: Probability
    margins: dict[Metric, Margin]


class RiskBands(Record):
    """Names of probabilities: each band begins at its edge, below the first it is low."""

    moderate: Probability
    high: Probability

    @model_validator(mode="after")
    def _rising(self) -> "RiskBands":
        if not self.moderate < self.high:
            raise ValueError("moderate must begin below high")
        return self

    def of(self, probability: float) -> RiskBand:
        """Return the band that ``probability`` lies in."""
        if probability >= self.high:
            return "high"
        return "moderate" if probability >= self.moderate else "low"


class PackagingPlan(Record):
    """What a deployment package holds, and how exactly ONNX must answer.

    ``image`` is the name of the image that serves the package, listening on ``port``; in a cluster,
    probes have the next one.
    """

    tolerance: Annotated[float, Field(gt=0)]
    golden_patients: Annotated[int, Field(ge=1)]
    risk_bands: RiskBands
    image: str
    port: Annotated[int, Field(ge=1, le=65534)]


class RetentionPolicy(Record):
    """The number of newest versions of each family that keep their files, and of runs.

    Whatever was champion once keeps its files for good, and so does whatever holds an alias.
    """

    versions: Annotated[int, Field(ge=1)]
    runs: Annotated[int, Field(ge=1)]
