"""The model report as data, from which the default branch's own code renders a pull request's.

What reads a record takes it for hostile. So every string in it is one of a list, a digest, or a
name of 41 small letters, digits and underscores at most; every number is finite and in a range;
every list ends. Titles, reasons and the verdict are not in it: the reader makes them.
"""

import math
import re
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializationInfo,
    ValidationError,
    ValidationInfo,
)

from pipeline.base.errors import ArtifactError
from pipeline.base.names import FAMILIES, SERVED, Family, Metric
from pipeline.base.policies import EvaluationPlan, Probability, PromotionPolicy, ThresholdRule
from pipeline.base.records import Identifier, Record
from pipeline.gate.comparison import Comparison
from pipeline.gate.examiner import MISFIT
from pipeline.report.model_report import UNKNOWN, Champion, Lineage, ModelReport, Refits, Source
from pipeline.table.expectations import CHANGES
from pipeline.training.recipe_changes import Changes
from pipeline.training.trained_model import SILENT

FILE: Final = "model-report.json"
# Real records have 75,000 bytes.
MOST_BYTES: Final = 500_000
MOST_ITEMS: Final = 20
GREATEST: Final = 1e6

Problem = Literal["no_registry", "no_champion", "no_answer", "unreadable", "misfit", "silent"]
PROBLEMS: Final[dict[Problem, str]] = {
    "no_registry": "there is no registry yet",
    "no_champion": f"no version holds {SERVED}@champion",
    "no_answer": "the registry does not answer",
    "misfit": MISFIT,
    "silent": SILENT,
    "unreadable": "its files are missing, changed or unreadable",
}


def _slug(words: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", words.lower())
    return (slug if slug[:1].isalpha() else f"by_{slug}")[:41]


# Of a change that is more than small letters, only this program knows how it is written.
_WORDS: Final = {_slug(words): words for words in CHANGES}


def _name(words: str, info: ValidationInfo) -> str:
    """Turn words of this program into a name; one that was read from a file has to be a name."""
    return words if info.mode == "json" else _slug(words)


def _words(name: str, info: SerializationInfo) -> str:
    return name if info.mode_is_json() else _WORDS.get(name, name.replace("_", " "))


def _figure(value: Any, info: ValidationInfo) -> Any:
    """Turn a figure that is not a number, or absurd, into None; a file has to say null."""
    unknown = info.mode == "python" and value is not None and not abs(value) <= GREATEST
    return None if unknown else value


def _number(value: float | None, info: SerializationInfo) -> float | None:
    return math.nan if value is None and not info.mode_is_json() else value


Name = Annotated[Identifier, BeforeValidator(_name), PlainSerializer(_words)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Figure = Annotated[
    Annotated[float, Field(ge=-GREATEST, le=GREATEST)] | None,
    BeforeValidator(_figure),
    PlainSerializer(_number),
]
_FEW: Final = Field(max_length=MOST_ITEMS)


class Estimate(Record):
    """A figure; what is not a number is null."""

    mean: Figure
    standard_error: Figure
    low: Figure
    high: Figure


class GroupDifference(Record):
    """Challenger minus champion among some patients."""

    name: Name
    rows: Count
    positives: Count
    roc_auc: Estimate
    brier: Estimate
    sensitivity: Estimate | None


class Group(GroupDifference):
    """How a model does among some patients."""

    calibration_error: Estimate
    calibration: Estimate | None


class Direction(Record):
    """A change that should not lower the risk, and for which share of patients it does not."""

    change: Name
    patients: Count
    holds: Probability


class Behaviour(Record):
    """How a model behaves."""

    differences: Annotated[dict[Name, Probability], _FEW]
    directions: Annotated[tuple[Direction, ...], _FEW]


class Leaks(Record):
    """What would make a good figure suspicious."""

    repeated_rows: Count
    near_copies: Probability
    feature: Annotated[Identifier, BeforeValidator(_name)]
    feature_roc_auc: Probability
    missing_feature: Annotated[Identifier, BeforeValidator(_name)] | None
    missing_roc_auc: Probability
    trained_on: Annotated[dict[Name, Probability], _FEW]


class Conversion(Record):
    """How far the ONNX form is from the fitted pipeline."""

    rows: Count
    difference: Probability
    size: Annotated[int, Field(ge=0, le=10**12)]
    milliseconds: Count


class Incomplete(Record):
    """How a model does for patients who come without some fields."""

    fields: Annotated[tuple[Identifier, ...], _FEW]
    bias: Estimate
    sensitivity: Estimate
    roc_auc: Estimate
    difference: Estimate


class Evaluation(Record):
    """What is known about a fitted model."""

    family: Family
    threshold: Probability
    threshold_rule: ThresholdRule | None
    metrics: dict[Metric, Estimate]
    slices: Annotated[tuple[Group, ...], _FEW]
    external: Annotated[tuple[Group, ...], _FEW]
    behaviour: Behaviour
    leaks: Leaks
    incomplete: Annotated[tuple[Incomplete, ...], _FEW]
    conversion: Conversion | None


class Differences(Record):
    """Challenger minus champion in the same cross-validation."""

    identical: bool
    other_libraries: bool
    other_threshold: bool
    same_data: bool
    same_recipe: bool
    differences: dict[Metric, Estimate]
    slices: Annotated[tuple[GroupDifference, ...], _FEW]
    external: Annotated[tuple[GroupDifference, ...], _FEW]


class Version(Record):
    """The champion: its version, and what is known of it or why that is nothing."""

    version: Count | None
    problem: Problem | None
    evaluation: Evaluation | None


class ReportRecord(Record):
    """All that a report is rendered from. ``comparisons`` has the families that were compared."""

    schema_version: Literal[5]
    changes: Changes | None
    refits: Refits
    evaluations: Annotated[dict[Family, Evaluation], Field(min_length=4)]
    comparisons: dict[Family, Differences]
    champion: Version
    lineage: Lineage
    source: Source
    plan: EvaluationPlan
    policy: PromotionPolicy


def record(shown: ModelReport) -> ReportRecord:
    """Return a report as a record; of a problem it keeps the kind."""
    values, champion = shown.model_dump(), shown.champion
    _, _, number = champion.title.partition(f"{SERVED}/")
    compared = {
        family: {name: comparison[name] for name in Differences.model_fields}
        for family, comparison in values["comparisons"].items()
        if comparison and not comparison["problem"]
    }
    version = {
        "version": int(number) if number else None,
        "problem": _problem(champion),
        "evaluation": values["champion"]["evaluation"],
    }
    changed = {"schema_version": 5, "comparisons": compared, "champion": version}
    return ReportRecord.model_validate(values | changed)


def _problem(champion: Champion) -> Problem | None:
    if not champion.known:
        return "no_answer"
    if not champion.problem:
        return None
    said = (kind for kind, text in PROBLEMS.items() if champion.problem.startswith(text))
    return next(said, "unreadable")


def report(stored: ReportRecord) -> ModelReport:
    """Return the report that a record was made from; a problem is said in general words."""
    values, version = stored.model_dump(exclude={"schema_version"}), stored.champion
    title = "" if version.version is None else f"{SERVED}/{version.version}"
    champion = Champion(
        title=UNKNOWN if version.problem == "no_answer" else title,
        evaluation=values["champion"]["evaluation"],
        problem=PROBLEMS[version.problem] if version.problem else "",
        known=version.problem != "no_answer",
    )
    silence = champion.problem if version.problem == "silent" else ""
    comparisons = {
        family: {"champion": champion.title, "silence": silence, **values["comparisons"][family]}
        if family in stored.comparisons
        else _not_compared(champion)
        for family in FAMILIES
    }
    changed = {"champion": champion, "comparisons": comparisons}
    return ModelReport.model_validate(values | changed)


def _not_compared(champion: Champion) -> Comparison | None:
    if not champion.title:
        return None
    return Comparison(champion=champion.title, problem=champion.problem or MISFIT)


def read(content: bytes) -> ModelReport:
    """Return the report that a file holds.

    Raises:
        ArtifactError: it holds none. The message repeats nothing of the file.

    """
    if len(content) > MOST_BYTES:
        raise ArtifactError(f"its {FILE} has more than {MOST_BYTES:,} bytes")
    try:
        return report(ReportRecord.model_validate_json(content, strict=True))
    except ValidationError as error:
        other = any(each["loc"] == ("schema_version",) for each in error.errors())
    form = "has another schema version than" if other else "is not a record of the form that"
    raise ArtifactError(f"its {FILE} {form} the default branch reads")
