"""Values to bytes. The same value always becomes the same bytes."""

import json
from typing import Any

from pydantic import BaseModel


def json_bytes(value: BaseModel | dict[str, Any]) -> bytes:
    """Return ``value`` as indented JSON in UTF-8.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot say.

    """
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()
