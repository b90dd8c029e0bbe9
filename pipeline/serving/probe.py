"""The container's health check: `python -m pipeline.serving.probe` ends with 0 or 1.

It starts every few seconds, so it imports nothing but the standard library.
"""

import http.client
import json
import sys
from contextlib import closing, suppress
from typing import Final

from pipeline.base.errors import SettingsError
from pipeline.serving import environment

# Docker waits for 10 s, with the start of Python, and would give no reason.
SECONDS: Final = 5.0


def main() -> None:
    """Ask the service of this machine whether it is ready; end with 1 and the reason if not."""
    try:
        reason = _why_not_ready(environment.port())
    except (SettingsError, OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
    if reason:
        sys.exit(f"not ready: {' '.join(reason.split())}")


def _why_not_ready(port: int) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        if answer.status == http.client.OK:
            return ""
        with suppress(ValueError, LookupError, TypeError):
            return f"{answer.status} {json.loads(answer.read())['detail']}"
        return f"{answer.status} {answer.reason}"


if __name__ == "__main__":
    main()
