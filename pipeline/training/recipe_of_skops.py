"""The recipe of a version that was stored before recipes were, from its skops file.

Its ``schema.json`` is read as JSON: an unfitted estimator is its parameters, and those are plain
values there. No object is loaded.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.base.errors import ArtifactError
from pipeline.training import recipe
from pipeline.training.persistence import SCHEMA
from pipeline.training.recipe import Recipe

# The former defaults of parameters that scikit-learn has dropped, or changed, since 1.5.
FORMER: Final[Mapping[str, Mapping[str, tuple[Any, ...]]]] = {
    "sklearn.compose.ColumnTransformer": {"force_int_remainder_cols": (True, "deprecated")},
    "sklearn.ensemble.GradientBoostingClassifier": {"criterion": ("friedman_mse",)},
    "sklearn.linear_model.LogisticRegression": {
        "multi_class": ("auto", "deprecated"),
        "penalty": ("l2",),
        "l1_ratio": (None,),
    },
    "sklearn.svm.SVC": {"probability": (False,)},
}
# Raised over a damaged file, depending on the place. A file that says it is encrypted, or packed in
# an unknown way, and a schema without an end are RuntimeErrors.
_DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError),
    *(AttributeError, KeyError, TypeError, ValueError),
)
# JSON has texts alone for the keys of a mapping.
_KEYS: Final = {"int": int, "float": float, "str": str}

Node = dict[str, Any]


def read(content: bytes) -> Recipe:
    """Return the recipe of the pipeline in a skops file.

    Raises:
        ArtifactError: it holds none, or is damaged.

    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            schema = json.loads(archive.read(SCHEMA))
        return Recipe.model_validate(_Reader(schema).plain(schema))
    except _DAMAGED as error:
        line = " ".join(str(error).split())
        raise ArtifactError(f"no recipe can be read from the model file: {line}") from error


class _Reader:
    """Reads nodes; a node may refer to one that stands before it."""

    def __init__(self, schema: Node) -> None:
        self._by_id = {node["__id__"]: node for node in _nodes(schema) if _is_first(node)}

    def plain(self, node: Node) -> Any:
        match node["__loader__"]:
            case "JsonNode":
                return recipe.plain(json.loads(node["content"]))
            case "ListNode" | "TupleNode":
                return [self.plain(each) for each in node["content"]]
            case "DictNode":
                types = [_KEYS[each["__class__"]] for each in node["key_types"]["content"]]
                pairs = zip(types, node["content"].items(), strict=True)
                return {"mapping": [[type_(k), self.plain(each)] for type_, (k, each) in pairs]}
            case "TypeNode" if node["__module__"] == "numpy":
                return {"type": node["__class__"]}
            case "CachedNode":
                return self.plain(self._by_id[node["__id__"]])
            case "ObjectNode":
                return self._estimator(node)
        raise ValueError(f"{node['__loader__']} is no part of a recipe")

    def _estimator(self, node: Node) -> dict[str, Any]:
        name = recipe.name_of(node["__module__"], node["__class__"])
        former = FORMER.get(name, {})
        known = {*recipe.parameter_names(name), *former}
        stored = node["content"]["content"]
        found = {key: self.plain(stored[key]) for key in stored if key in known}
        given = {key: value for key, value in found.items() if value not in former.get(key, ())}
        return {"estimator": name, "parameters": recipe.without_defaults(name, given)}


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, dict):
        if "__loader__" in value:
            yield value
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _nodes(each)


def _is_first(node: Node) -> bool:
    return "__id__" in node and node["__loader__"] != "CachedNode"
