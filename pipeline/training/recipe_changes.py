"""The differences between the trainings of two models, as records without free text."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from pipeline.base.names import Family
from pipeline.base.policies import ThresholdRule
from pipeline.base.records import Record
from pipeline.training import recipe
from pipeline.training.families import SEED
from pipeline.training.recipe import Recipe
from pipeline.training.trained_model import TrainedModel

MOST: Final = 20
# Below it, every whole number is exact.
GREATEST: Final = 1e12
# As they are named where they are installed from.
LIBRARIES: Final = {"sklearn": "scikit-learn"}

Kind = Literal[
    "family",
    "parameter",
    "feature",
    "feature_added",
    "feature_removed",
    "feature_fields",
    "field_added",
    "field_removed",
    "model_seed",
    "library",
    "masks",
    "threshold",
    "data",
    "evaluation",
    "kernel",
    "code",
    "unreadable",
    "more",
]
# They leave the recipe as it is.
_OUTSIDE: Final[frozenset[Kind]] = frozenset(
    {"threshold", "data", "evaluation", "kernel", "library"}
)
_FORMS: Final[Mapping[Kind, str]] = {
    "feature": "feature {name}: {step}",
    "feature_added": "feature added: {name}",
    "feature_removed": "feature removed: {name}",
    "feature_fields": "feature {name}: other fields",
    "field_added": "field added: {name}",
    "field_removed": "field removed: {name}",
    "masks": "fields left out in training: changed",
    "data": "training data: other rows",
    "evaluation": "evaluation {name}: {step}",
    "code": "code of the pipeline changed",
    "unreadable": "the newest registered version cannot be read",
    "more": "and {after} more",
}

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,41}$")]
Number = Annotated[float, Field(ge=-GREATEST, le=GREATEST)]
Numbers = Annotated[tuple[Number, ...], Field(max_length=MOST)]
Value = Number | Name | Numbers | ThresholdRule | None


class Change(Record):
    """A change of one value, or of what has a name; of every family where none is given.

    ``unreadable``: the model before could not be read. ``more``: so many changes are left out.
    """

    kind: Kind
    family: Family | None = None
    name: Name | None = None
    before: Value = None
    after: Value = None


Changes = Annotated[tuple[Change, ...], Field(max_length=MOST)]


def changes(before: TrainedModel | None, after: TrainedModel) -> tuple[Change, ...]:
    """Return what changed from one model to another; None is one that could not be read."""
    if before is None:
        return (Change(kind="unreadable"),)
    found = [*_structure(before, after), *_settings(before, after)]
    if before.recipe != after.recipe and _OUTSIDE.issuperset(change.kind for change in found):
        found.append(Change(kind="code"))
    return _first(found)


def together(by_family: Mapping[Family, Sequence[Change]]) -> tuple[Change, ...]:
    """Return the changes of several families; one that all of them share is there once."""
    every = dict.fromkeys(change for found in by_family.values() for change in found)
    several = len(by_family) > 1
    shared = [c for c in every if several and all(c in found for found in by_family.values())]
    own = [
        change.model_copy(update={"family": family})
        for family, found in by_family.items()
        for change in found
        if change not in shared
    ]
    return _first([*shared, *own])


def _first(found: Sequence[Change]) -> tuple[Change, ...]:
    if len(found) <= MOST:
        return tuple(found)
    kept = found[: MOST - 1]
    return (*kept, Change(kind="more", after=len(found) - len(kept)))


def _structure(before: TrainedModel, after: TrainedModel) -> Iterator[Change]:
    (taken, old), (takes, new) = map(_parts, (before.recipe, after.recipe))
    if before.evaluation.family != after.evaluation.family:
        yield Change(kind="family", before=before.evaluation.family, after=after.evaluation.family)
    elif old["estimator"] == new["estimator"]:
        yield from _differences("parameter", _parameters(old), _parameters(new))
    if _learning(before.recipe) != _learning(after.recipe):
        yield Change(kind="masks")
    yield from _named("feature_added", takes.keys() - taken.keys())
    yield from _named("feature_removed", taken.keys() - takes.keys())
    fields, others = set().union(*takes.values()), set().union(*taken.values())
    yield from _named("field_added", fields - others)
    yield from _named("field_removed", others - fields)
    both = fields & others
    yield from _named(
        "feature_fields",
        {name for name in takes.keys() & taken.keys() if (takes[name] ^ taken[name]) & both},
    )


def _settings(before: TrainedModel, after: TrainedModel) -> Iterator[Change]:
    old, new = before.parameters, after.parameters
    yield from _differences("feature", old.features.model_dump(), new.features.model_dump())
    yield from _difference("threshold", before.threshold_rule, after.threshold_rule)
    yield from _difference("model_seed", old.seed, new.seed)
    if not old.same_rows(new):
        yield Change(kind="data")
    yield from _differences("library", _versions(old.libraries), _versions(new.libraries))
    yield from _differences("evaluation", old.exam.model_dump(), new.exam.model_dump())
    yield from _difference("kernel", old.kernel, new.kernel)


def _named(kind: Kind, names: Collection[str]) -> Iterator[Change]:
    yield from (Change(kind=kind, name=_name(name)) for name in sorted(names))


def _differences(kind: Kind, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        yield from _difference(kind, old.get(name), new.get(name), _name(name))


def _difference(kind: Kind, old: Any, new: Any, name: str | None = None) -> Iterator[Change]:
    # An array is not one value when it is compared, and NaN is another one each time.
    if repr(old) != repr(new):
        yield Change(kind=kind, name=name, before=_value(old), after=_value(new))


def _parts(of: Recipe) -> tuple[dict[str, set[str]], dict[str, Any]]:
    """Return the fields that each block of the features takes, and the classifier."""
    match of.parameters.get("steps"):
        case [[_, {"parameters": {"transformers": blocks}}], *_, [_, {"estimator": _} as last]]:
            return {name: set(columns) for name, _, columns in blocks}, last
    return {}, of.model_dump()


def _learning(of: Recipe) -> tuple[Any, ...]:
    """Return what a pipeline also learns without; nothing of one that has it all."""
    return tuple(of.parameters.get(name) for name in ("masks", "weight"))


def _parameters(estimator: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a classifier and of one that it calibrates, without the seed."""
    found: dict[str, Any] = {}
    for name, value in recipe.with_defaults(**estimator).items():
        match value:
            case {"estimator": _}:
                found |= _parameters(value)
            case {"mapping": pairs}:
                found[name] = pairs
            case _ if name != SEED:
                found[name] = value
    return found


def _versions(libraries: Mapping[str, str]) -> dict[str, Any]:
    """Return versions as their numbers, where they have nothing else."""
    numeric = re.compile(r"\d{1,9}(\.\d{1,9}){0,9}")
    return {
        name: tuple(map(int, text.split("."))) if numeric.fullmatch(text) else text
        for name, text in libraries.items()
    }


def _value(raw: Any) -> Value:
    """Return a value as a change holds it; what is no number is cut down to a name."""
    if raw is None or isinstance(raw, ThresholdRule):
        return raw
    if _is_number(raw):
        return float(raw)
    if isinstance(raw, list | tuple) and len(raw) <= MOST and all(map(_is_number, raw)):
        return tuple(map(float, raw))
    return _name(str(raw))


def _is_number(raw: Any) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) <= GREATEST


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:41] or "_"


def words(change: Change) -> str:
    """Return a change as a line of plain text."""
    name = change.name or change.kind
    line = _FORMS.get(change.kind, "{name}: {step}").format(
        name=LIBRARIES.get(name, name), step=_step(change), after=_text(change.after)
    )
    # A parameter follows its family as it does in the configuration.
    separator = " " if change.kind == "parameter" else ": "
    return f"{change.family}{separator}{line}" if change.family else line


def _step(change: Change) -> str:
    separator = "." if change.kind == "library" else ", "
    before, after = _text(change.before, separator), _text(change.after, separator)
    # Values that differ in more than a name can hold.
    return "changed" if before == after else f"{before} -> {after}"


def _text(value: Value, separator: str = ", ") -> str:
    match value:
        case ThresholdRule(rule=rule, value=number):
            return f"{rule} {number:g}"
        case tuple():
            return separator.join(map(_text, value))
        case float():
            return f"{value:.12g}"
    return str(value)
