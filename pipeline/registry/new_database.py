"""A new registry file, copied from one that MLflow has migrated: to migrate takes it seconds."""

import contextlib
import shutil
import sqlite3
import sys
import tempfile
import uuid
from contextlib import closing
from pathlib import Path
from typing import Final

import mlflow
from mlflow import MlflowClient

from pipeline.base import addresses

# It belongs to the environment, whose MLflow made it.
TEMPLATE: Final = Path(sys.prefix) / f"mlflow-{mlflow.__version__}.db"


def lay(path: Path) -> None:
    """Put an empty, migrated registry at ``path`` if no file is there.

    Where that cannot be done, because the environment cannot be written to for example, nothing is
    there afterwards, and MLflow migrates.
    """
    with contextlib.suppress(OSError):
        if not path.exists():
            if not TEMPLATE.exists():
                _make()
            _copy(TEMPLATE, path)


def _make() -> None:
    with tempfile.TemporaryDirectory(dir=TEMPLATE.parent) as folder:
        path = Path(folder, TEMPLATE.name)
        uri = addresses.of_database(str(path))
        MlflowClient(uri, uri).search_registered_models()
        with closing(sqlite3.connect(path)) as database:
            # It names this folder; MLflow makes another, with the place of the new registry.
            database.execute("DELETE FROM experiments")
            database.commit()
        _copy(path, TEMPLATE)


def _copy(source: Path, target: Path) -> None:
    """Copy at once or not at all, and never over a file that another process has made."""
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
    try:
        shutil.copyfile(source, temporary)
        target.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
