"""A registry that grows faster than by publishing: the rows of real versions, cloned.

What is cloned was published, copied and promoted by the registry's own code. A clone has the same
rows in every table of MLflow, with ids of its own, the next numbers, and new noise in whatever
differs between real versions: figures, digests, verdicts.
"""

import random
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.base.names import Family, registered_name
from pipeline.registry.history import Promotion
from pipeline.registry.log import AFTER, VERSION
from pipeline.registry.publishing import KEY, Submission
from pipeline.registry.version import MANIFEST, PRUNED, Version

# Bytes of a version's verdict, and the numbers of its figures and settings, as the pipeline
# writes them.
VERDICT: Final = 6_000
METRICS: Final = 40
PARAMETERS: Final = 30
PROMOTION: Final = Promotion(at="now", by="x", action="promoted", reason="x", commit="x")

# Which rows of a table belong to a run or to its logged model.
OWNED: Final = {
    **dict.fromkeys(("runs", "tags", "params", "metrics", "latest_metrics"), ":run = run_uuid"),
    **dict.fromkeys(
        (
            *("logged_models", "logged_model_metrics"),
            *("logged_model_params", "logged_model_tags"),
        ),
        ":model = model_id",
    ),
    "inputs": ":run IN (source_id, destination_id)",
}
NUMBERED: Final = ("model_versions", "model_version_tags")
# The index begins with the workspace.
NUMBERED_BY: Final = "workspace = 'default' AND name = :of AND version = :at"
# Columns that say what a row is about, and columns that hold it.
KEYS: Final = ("key", "tag_key")
VALUES: Final = ("value", "tag_value")
# Of these tags every version has its own, so many bytes in hexadecimal; a manifest begins with one.
NOISE: Final = {"git_commit": 20, "model_digest": 32, "gate_verdict": VERDICT // 2}
DIGEST: Final = 64


@dataclass(frozen=True)
class Row:
    """A version, a copy or an entry of the log: where it stands, and the distance of its clones."""

    name: str
    number: int
    distance: int = 1


@dataclass(frozen=True)
class Lineage:
    """A version that was really published, and all that was made from it, itself the first."""

    version: Version
    rows: Sequence[Row]

    @property
    def model_id(self) -> str:
        """Return the id of its logged model."""
        return self.version.source.removeprefix("models:/")


def submission(
    family: Family, key: str, noise: random.Random, model: int, figure: int
) -> Submission:
    """Return what is published of a family, its files as many bytes as ``model`` and ``figure``."""
    return Submission(
        model_name=registered_name(family),
        description=family,
        run_name=family,
        source_name="benchmark",
        user="benchmark",
        key=key,
        files={"model.skops": noise.randbytes(model)},
        figures={"figures.png": noise.randbytes(figure)},
        parameters={f"parameter.{n}": str(n) for n in range(PARAMETERS)},
        metrics={f"metric_{n}": noise.random() for n in range(METRICS)},
        tags={
            "family": family,
            **{tag: noise.randbytes(size).hex() for tag, size in NOISE.items()},
        },
        dataset={"name": "cleveland", "digest": "e" * 36, "source_type": "local", "source": "{}"},
    )


def clone(database: Path, lineage: Lineage, distances: Iterable[int], *, pruned: bool) -> list[str]:
    """Clone a lineage at each of the distances from it; return the ids of the new logged models.

    Of a clone that is ``pruned`` the files count as dropped, and were others than the original's.
    """
    version = lineage.version
    known: dict[str, str | int] = {
        "run": version.run_id,
        "model": lineage.model_id,
        "address": f"models:/{version.title}",
        "name": version.model_name,
        "number": version.version,
        "key": version.tags[KEY],
    }
    with closing(sqlite3.connect(database)) as connection, connection:
        models = _draw(connection, distances)
        for table, owned in OWNED.items():
            _insert(connection, table, owned, known, _Making(pruned))
        for row in lineage.rows:
            where = {**known, "of": row.name, "at": row.number}
            for table in NUMBERED:
                making = _Making(pruned, row.distance)
                _insert(connection, table, NUMBERED_BY, where, making)
        if pruned:
            connection.execute(
                "INSERT INTO model_version_tags (name, version, key, value)"
                " SELECT :name, :number + n, :pruned, 'true' FROM clones",
                {**known, "pruned": PRUNED},
            )
    return models


def _draw(connection: sqlite3.Connection, distances: Iterable[int]) -> list[str]:
    """Make the table of the clones, with ids and noise of their own; return their models' ids."""
    made = [f"lower(hex(randomblob({size})))" for size in (16, 16, *NOISE.values())]
    connection.execute(f"CREATE TEMP TABLE clones (n INTEGER, run, model, {', '.join(NOISE)})")
    connection.executemany(
        f"INSERT INTO clones VALUES (?, {', '.join(made)})",  # noqa: S608 (our own words)
        ((n,) for n in distances),
    )
    connection.execute("UPDATE clones SET model = 'm-' || model")
    return [model for (model,) in connection.execute("SELECT model FROM clones")]


def _insert(
    connection: sqlite3.Connection,
    table: str,
    owned: str,
    known: Mapping[str, str | int],
    making: "_Making",
) -> None:
    described = connection.execute(f"PRAGMA table_info({table})").fetchall()
    columns = {name: kind for _, name, kind, *_ in described}
    key = next((name for name in KEYS if name in columns), "")
    names = ", ".join(f'"{name}"' for name in columns)
    made = ", ".join(making.column(name, kind, key) for name, kind in columns.items())
    connection.execute(
        f"INSERT INTO {table} ({names}) SELECT {made} FROM {table}, clones WHERE {owned}",  # noqa: S608
        known,
    )


@dataclass(frozen=True)
class _Making:
    """How a row of a clone is made from that of the original, as expressions of SQL."""

    pruned: bool
    # Between the numbers of two clones; 0 where rows have none.
    distance: int = 0

    def column(self, name: str, kind: str, key: str) -> str:
        """Return the expression for a column; ``key`` is the one that says what it is about."""
        if name == "version":
            return f"version + n * {self.distance}"
        if name == "source" and self.distance:
            entry = f"source LIKE 'promotion:%' THEN {self._entry()}"
            return f"CASE WHEN {entry} ELSE {self._text(name)} END"
        if kind == "FLOAT":
            return "abs(random()) / 9.3e18"
        if kind == "BIGINT" and not name.endswith("step"):
            return f'"{name}" + n'
        if not kind.startswith(("VARCHAR", "TEXT")):
            return f'"{name}"'
        return self._value(name, key) if name in VALUES and key else self._text(name)

    def _entry(self) -> str:
        # It keeps no digests: the clone's tags are noise.
        promoted = "substr(source, 1, instr(source, '?') - 1 - length(:number)) || (:number + n)"
        return f"{promoted} || '?after=' || (version + (n - 1) * {self.distance}) || '&run=' || run"

    def _text(self, name: str) -> str:
        text = f'replace(replace(replace("{name}", :run, run), :model, model)'
        text += ", :address, 'models:/' || :name || '/' || (:number + n))"
        return f"replace({text}, :key, :key || '-' || n)"

    def _value(self, name: str, key: str) -> str:
        cases = {f"= '{tag}'": tag for tag in NOISE}
        if self.distance:
            # An entry of the log names the one before it, which is another clone's.
            cases[f"= '{AFTER}'"] = f"version + (n - 1) * {self.distance}"
            cases[f"= '{VERSION}'"] = f'"{name}" + n'
        if self.pruned:
            cases[f"= '{MANIFEST}'"] = (
                f'lower(hex(randomblob(32))) || substr("{name}", {1 + DIGEST})'
            )
        when = " ".join(f'WHEN "{key}" {case} THEN {made}' for case, made in cases.items())
        return f"CASE {when} ELSE {self._text(name)} END"
