"""A registry that lies in files, as rows that a server's database takes over as they are.

Ids, numbers and times stay. Only the places of the files change: at every server which hands files
out they have an address below ``mlflow-artifacts:/``.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from mlflow.utils.file_utils import local_file_uri_to_path

from pipeline.base.errors import RegistryError
from pipeline.registry.mlflow_server import ARTIFACTS

# The address of files at a server, for any place that it keeps them in.
_AT_SERVERS: Final = "mlflow-artifacts:"

_LOCATIONS: Final = (
    *(("experiments", "artifact_location"), ("runs", "artifact_uri")),
    *(("logged_models", "artifact_location"), ("model_versions", "storage_location")),
)
# The tables of runs, models and versions, each after those that it refers to.
_TABLES: Final = (
    *("experiments", "experiment_tags", "runs", "tags", "params", "metrics", "latest_metrics"),
    *("datasets", "inputs", "input_tags", "logged_models", "logged_model_tags"),
    *("logged_model_params", "logged_model_metrics", "registered_models"),
    *("registered_model_tags", "model_versions", "model_version_tags", "registered_model_aliases"),
)
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})

# psql stops at the first error, and says it in one line.
_PREAMBLE: Final = r"""\set ON_ERROR_STOP on
\set VERBOSITY terse
\encoding UTF8
"""
_REFUSAL: Final = """DO $$ BEGIN
IF (SELECT version_num FROM alembic_version) <> '{schema}' THEN
  RAISE EXCEPTION 'the server runs another version of MLflow than this project';
END IF;
IF EXISTS (SELECT FROM runs) OR EXISTS (SELECT FROM model_versions) THEN
  RAISE EXCEPTION 'the server holds other runs or versions: move to an empty one';
END IF;
END $$;
"""
# The next experiment that is made there gets the next number.
_NUMBERING: Final = """SELECT setval(
  pg_get_serial_sequence('experiments', 'experiment_id'), max(experiment_id)
) FROM experiments;
"""


def take(database: Path, copy: Path) -> None:
    """Copy the database of a registry; the files stay where they are, and the copy says where.

    Raises:
        RegistryError: the database cannot be read, or is damaged.

    """
    address = f"{database.absolute().as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(address, uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            (verdict,) = target.execute("PRAGMA quick_check(1)").fetchone()
            # Those of a server over this database, as the branch has one, are beside it.
            _relocate(target, _AT_SERVERS, f"{database.parent.absolute()}/{ARTIFACTS}")
            target.commit()
    except sqlite3.Error as error:
        raise RegistryError(f"the registry {database} cannot be read: {error}") from error
    if verdict != "ok":
        raise RegistryError(f"the registry {database} is damaged: {verdict}")


def _relocate(database: sqlite3.Connection, before: str, after: str) -> None:
    for table, column in _LOCATIONS:
        database.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
            f"WHERE substr({column} || '/', 1, ?) = ?",
            (after, len(before) + 1, len(before) + 1, f"{before}/"),
        )


def folders(copy: Path) -> dict[Path, str]:
    """Return the folder of each experiment's files, with the address that a server gives it."""
    with closing(sqlite3.connect(copy)) as database:
        return {
            Path(local_file_uri_to_path(location)): address  # type: ignore[no-untyped-call]
            for location, address in _addresses(database)
        }


def _addresses(database: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = database.execute("SELECT artifact_location, experiment_id FROM experiments")
    # A folder inside of another one goes first.
    return sorted(((place, f"{_AT_SERVERS}/{number}") for place, number in rows), reverse=True)


def refusal(copy: Path) -> str:
    """Return what psql runs to see whether a server's database can take the rows."""
    with closing(sqlite3.connect(copy)) as database:
        return _PREAMBLE + _refusal(database)


def rows(copy: Path) -> str:
    """Return what psql runs to give the rows to PostgreSQL: all of them or none.

    Models and experiments that have been made there and hold nothing give way.
    """
    # These changes are not committed: the copy stays as it is.
    with closing(sqlite3.connect(copy)) as database:
        for location, address in _addresses(database):
            _relocate(database, location, address)
        parts = [_PREAMBLE, "BEGIN;\n", _refusal(database)]
        parts += [_give_way(database, table) for table in ("experiments", "registered_models")]
        parts += [line for table in _TABLES for line in _copy(database, table)]
    return "".join([*parts, _NUMBERING, "COMMIT;\n"])


def _refusal(database: sqlite3.Connection) -> str:
    (schema,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    return _REFUSAL.format(schema=schema)


def _give_way(database: sqlite3.Connection, table: str) -> str:
    rows = database.execute(f"SELECT quote(name) FROM {table}")  # noqa: S608
    names = ", ".join(name for (name,) in rows)
    return f"DELETE FROM {table} WHERE name IN ({names});\n"  # noqa: S608


def _copy(database: sqlite3.Connection, table: str) -> Iterator[str]:
    rows = database.execute(f"SELECT * FROM {table}")  # noqa: S608
    columns = ", ".join(f'"{column[0]}"' for column in rows.description)
    yield f"COPY {table} ({columns}) FROM STDIN;\n"
    for row in rows:
        yield "\t".join(map(_field, row)) + "\n"
    yield "\\.\n"


def _field(value: object) -> str:
    return r"\N" if value is None else str(value).translate(_ESCAPES)
