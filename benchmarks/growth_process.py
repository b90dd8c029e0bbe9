"""A measurement in a process of its own: for its memory, and since MLflow knows one registry."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import ending
from benchmarks.findings import BenchmarkError
from benchmarks.measuring import last_line


def measured(module: str, *arguments: str, scratch: Path) -> Any:
    """Run a module of this package and return what its last line says, which is JSON.

    All it writes goes into ``scratch``, and nothing it does reaches a registry of the user's.

    Raises:
        BenchmarkError: it failed.

    """
    name = f"benchmarks.{module}"
    log = scratch / f"{'-'.join((module, *arguments)).replace('/', '_')}.log"
    environment = {
        "TMPDIR": str(scratch),
        "MLFLOW_TRACKING_URI": "",
        "MLFLOW_REGISTRY_URI": "",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = (sys.executable, "-m", name, *arguments)
    code, _ = ending.complete(command, log, environment)
    if code:
        raise BenchmarkError(f"{name} ended with {code}: {last_line(log)}")
    return json.loads(last_line(log))
