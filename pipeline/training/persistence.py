"""Fitted pipelines to bytes and back, without pickle.

skops writes the time and the memory addresses of the moment into its files, so two equal models
have different bytes. `dump` rewrites them: ids are numbered in the order they appear, times are
fixed, nothing is compressed. The same training then gives the same bytes, and a sha256 identifies
a model. (Dumping a model that was loaded may give other bytes: the original is the one to keep.)

To import skops takes most of a second, so only the commands that read or write a model do.
"""

import io
import json
import warnings
import zipfile
from typing import Any, Final

from sklearn.pipeline import Pipeline

from pipeline.base.errors import ArtifactError
from pipeline.training.blocks import BLOCKS
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
    *sorted(f"{block.__module__}.{block.__name__}" for block in BLOCKS),
    *sorted({name for entry in ENTRIES.values() for name in entry.trusted}),
)
# Raised by zipfile, json, numpy and skops over a damaged file.
UNREADABLE: Final = (zipfile.BadZipFile, AttributeError, KeyError, TypeError, ValueError)


def dump(pipeline: Pipeline) -> bytes:
    """Return ``pipeline`` as a skops file that depends on nothing but the pipeline."""
    import skops.io  # noqa: PLC0415

    with warnings.catch_warnings():
        # skops reads every attribute, also those that scikit-learn is about to drop.
        warnings.simplefilter("ignore", FutureWarning)
        return _canonical(skops.io.dumps(pipeline))


def load(content: bytes) -> Pipeline:
    """Read a skops file whose digest the caller has checked.

    Raises:
        ArtifactError: it is not a skops file, or names a type that is not in `TRUSTED_TYPES`.

    """
    import skops.io  # noqa: PLC0415
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415

    try:
        return skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise ArtifactError(f"the model file is refused: {' '.join(str(error).split())}") from error
    except UNREADABLE as error:
        raise ArtifactError(f"the model file is damaged: {' '.join(str(error).split())}") from error


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
