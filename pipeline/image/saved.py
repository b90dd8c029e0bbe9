"""The file that an engine saves an image to."""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.base.errors import ImageError


def image_id(path: Path) -> str:
    """Return the digest of the configuration of the one image in a file.

    Registries know an image by it too, and engines of every kind keep it.

    Raises:
        ImageError: the file is missing, or is none of those.

    """
    with readable(path), tarfile.open(path) as tar:
        (image,) = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
        configuration = tar.extractfile(image["Config"]).read()  # type: ignore[union-attr]
    return f"sha256:{hashlib.sha256(configuration).hexdigest()}"


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say in one line that the file, which the block reads, cannot be read.

    Raises:
        ImageError: it is missing, or is not the file of one image.

    """
    try:
        yield
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from None
    except (tarfile.TarError, LookupError, ValueError, TypeError, AttributeError):
        raise ImageError(f"{path} is not the file of one image") from None
