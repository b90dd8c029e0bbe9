"""Values to bytes and to text. The same value always becomes the same."""

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


def flat(value: Any, name: str = "") -> dict[str, str]:
    """Return every value inside of nested mappings as text under its dotted name."""
    if not isinstance(value, dict):
        return {name: str(value)}
    inner = (flat(v, f"{name}.{k}".lstrip(".")) for k, v in value.items())
    return {key: text for part in inner for key, text in part.items()}
