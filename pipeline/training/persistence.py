"""Fitted pipelines to bytes, without pickle, and the types that a reader may trust.

skops writes the time and the memory addresses of the moment into its files, so two equal models
have different bytes. `dump` rewrites them: ids are numbered in the order they appear, times are
fixed, nothing is compressed. The same training then gives the same bytes, and a sha256 identifies
a model. (Dumping a model that was loaded may give other bytes: the original is the one to keep.)
Nothing here loads a file: a fitted object belongs to the libraries that wrote it. People may, with
the types that are trusted.

To import skops takes most of a second, so only the commands that write a model do.
"""

import io
import json
import warnings
import zipfile
from typing import Any, Final

from sklearn.pipeline import Pipeline

from pipeline.training.blocks import BLOCKS, MaskingPipeline
from pipeline.training.families import ENTRIES

SCHEMA: Final = "schema.json"
# The names of the blocks in models that were stored before the module was moved.
OLD_NAMES: Final = (
    "pipeline.core.transformers.Bands",
    "pipeline.core.transformers.MissingFlags",
    "pipeline.core.transformers.ShareOfPrediction",
)
# Types in our pipelines that skops does not trust by itself. The list in a model's own
# files is never read: a crafted model would trust itself.
TRUSTED_TYPES: Final = (
    "numpy.dtype",
    *OLD_NAMES,
    *sorted(f"{block.__module__}.{block.__name__}" for block in (*BLOCKS, MaskingPipeline)),
    *sorted({name for entry in ENTRIES.values() for name in entry.trusted}),
)


def dump(pipeline: Pipeline) -> bytes:
    """Return ``pipeline`` as a skops file that depends on nothing but the pipeline."""
    import skops.io  # noqa: PLC0415

    with warnings.catch_warnings():
        # skops reads every attribute, also those that scikit-learn is about to drop.
        warnings.simplefilter("ignore", FutureWarning)
        return _canonical(skops.io.dumps(pipeline))


def _canonical(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w") as archive:
        numbering = _Numbering()
        schema = numbering.apply(json.loads(source.read(SCHEMA)))
        for old, new in numbering.files.items():
            archive.writestr(zipfile.ZipInfo(new), source.read(old))
        text = json.dumps(schema, separators=(",", ":"))
        archive.writestr(zipfile.ZipInfo(SCHEMA), text)
    return target.getvalue()


class _Numbering:
    """Replaces memory addresses, and the file names made from them, by running numbers."""

    def __init__(self) -> None:
        self.ids: dict[int, int] = {}
        self.files: dict[str, str] = {}

    def apply(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.apply(item) for item in node]
        if not isinstance(node, dict):
            return node
        # Two equal numbers share an address by chance: plain values keep no id.
        kept = {k: v for k, v in node.items() if k != "__id__" or "is_json" not in node}
        return {key: self._value(key, value) for key, value in kept.items()}

    def _value(self, key: str, value: Any) -> Any:
        if key == "__id__":
            return self.ids.setdefault(value, len(self.ids) + 1)
        if key == "file":
            return self.files.setdefault(value, f"{len(self.files) + 1}.npy")
        return self.apply(value)
