"""The environment variables of the service and of its probe."""

import os
from typing import Final

from pipeline.base.errors import SettingsError

HIGHEST_PORT: Final = 65535


def port() -> int:
    """Return the port of the service: the variable PORT, or 3000.

    Raises:
        SettingsError: the variable holds no port.

    """
    text = os.environ.get("PORT") or "3000"
    if text.isdecimal() and int(text) <= HIGHEST_PORT:
        return int(text)
    raise SettingsError(f"the variable PORT must be a number from 0 to {HIGHEST_PORT}")
