"""The recipe of a model: its unfitted pipeline as plain data, from which code builds it again.

A stored model outlives its libraries by two of its files: the ONNX file has the frozen answers, and
the recipe is built and fitted under the libraries of today. A fitted object is read by neither, as
it belongs to the library that wrote it. A parameter stands in a recipe where it is not the default
of its estimator: so a default that a library drops or renames makes no recipe unreadable.
"""

import inspect
import math
from collections.abc import Mapping
from functools import cache, reduce
from typing import Any, Final

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from pipeline.base import manifest
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import ArtifactError
from pipeline.base.records import Record
from pipeline.training.blocks import BLOCKS, MaskingPipeline

# A ColumnTransformer accepts these instead of an estimator.
WORDS: Final = ("drop", "passthrough")
_BLOCKS: Final = {block.__name__: block for block in (*BLOCKS, MaskingPipeline)}


class Recipe(Record):
    """An estimator by its name, such as ``sklearn.svm.SVC`` or ``Bands``, and its parameters.

    An estimator among the parameters has the same form. What JSON does not have is marked:
    ``{"mapping": pairs}``, ``{"number": "nan"}``, ``{"type": "float32"}``.
    """

    estimator: str
    parameters: dict[str, Any]

    @property
    def digest(self) -> str:
        """Return the sha256 of the recipe: equal recipes are fitted to equal models."""
        return manifest.sha256(json_bytes(self))

    def build(self) -> Pipeline:
        """Return the unfitted pipeline.

        Raises:
            ArtifactError: today's code or libraries have no such estimator, or it refuses its
                parameters.

        """
        try:
            return _built(self.model_dump())
        except (TypeError, ValueError, RecursionError) as error:
            line = " ".join(str(error).split()).replace(".__init__()", "")
            raise ArtifactError(f"{self.estimator} cannot be built today: {line}") from error


def of(pipeline: Pipeline) -> Recipe:
    """Return the recipe of a pipeline, fitted or not.

    Raises:
        ArtifactError: a parameter is no plain value.

    """
    return Recipe.model_validate(plain(pipeline))


def with_defaults(estimator: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters of an estimator, as plain data: those given, and today's defaults."""
    return {**_defaults(estimator), **parameters}


def without_defaults(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters, as plain data, that are not today's defaults of an estimator, by name.

    Plain data are compared by their value: 1 and 1.0 are the same parameter.
    """
    defaults = _defaults(name)
    given = sorted(key for key, value in parameters.items() if value != defaults.get(key, ...))
    return {key: parameters[key] for key in given}


def parameter_names(name: str) -> list[str]:
    """Return the parameters that an estimator has today; none of one that is not there."""
    try:
        return list(inspect.signature(_class(name)).parameters)
    except ArtifactError:
        return []


def name_of(module: str, class_: str) -> str:
    """Return how a recipe names a class: by its public name, or a block by its own."""
    if class_ in _BLOCKS and not module.startswith("sklearn"):
        return class_
    # Below the first private one, modules may move.
    public = module.split("._", maxsplit=1)[0]
    return f"{public}.{class_}"


def plain(value: Any) -> Any:
    """Return a value, or an estimator with its parameters, as plain data.

    Raises:
        ArtifactError: there is no form for it.

    """
    if isinstance(value, BaseEstimator):
        name = name_of(type(value).__module__, type(value).__name__)
        parameters = {key: plain(each) for key, each in value.get_params(deep=False).items()}
        return {"estimator": name, "parameters": without_defaults(name, parameters)}
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {"mapping": [[plain(key), plain(each)] for key, each in value.items()]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    if isinstance(value, type) and issubclass(value, np.generic):
        return {"type": value.__name__}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ArtifactError(f"a recipe holds plain values only, not {type(value).__name__} {value!r}")


def _built(value: Any) -> Any:
    match value:
        case {"estimator": str(name), "parameters": dict(parameters)}:
            return _class(name)(**{key: _built(each) for key, each in parameters.items()})
        case {"mapping": list(pairs)}:
            return {_built(key): _built(each) for key, each in pairs}
        case {"number": str(number)}:
            return float(number)
        case {"type": str(name)}:
            return np.dtype(name).type
        case list():
            items = [_built(each) for each in value]
            return tuple(items) if _is_step(items) else items
    return value


def _is_step(items: list[Any]) -> bool:
    """Say whether a list is a named step, for which scikit-learn expects a tuple."""
    match items:
        case [str(), BaseEstimator(), *_]:
            return True
        case [str(), str(word), list()]:
            return word in WORDS
    return False


@cache
def _class(name: str) -> Any:
    if name in _BLOCKS:
        return _BLOCKS[name]
    package, *path = name.split(".")
    try:
        found = reduce(getattr, path, sklearn) if package == "sklearn" else None
    except AttributeError:
        found = None
    if not (isinstance(found, type) and issubclass(found, BaseEstimator)):
        raise ArtifactError(
            f"there is no {name} today: scikit-learn {sklearn.__version__} and "
            "pipeline/training/blocks.py are looked through"
        )
    return found


@cache
def _defaults(name: str) -> dict[str, Any]:
    """Return the defaults of an estimator as plain data; none of one that is not there today."""
    try:
        signature = inspect.signature(_class(name))
    except ArtifactError:
        return {}
    return {
        key: plain(parameter.default)
        for key, parameter in signature.parameters.items()
        if parameter.default is not parameter.empty
    }
