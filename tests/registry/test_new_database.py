"""A new registry is a copy of one that MLflow has migrated."""

import sqlite3
from contextlib import closing

import pytest
from mlflow import MlflowClient

from pipeline.registry import new_database

# Not the text of it: the constraints of a table stand in any order.
SCHEMA = (
    "SELECT m.type, m.name, p.* FROM sqlite_master m, pragma_table_info(m.name) p ORDER BY 2, 3"
)


def rows(path, query):
    """Return what a database holds."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


@pytest.fixture
def template(tmp_path, monkeypatch):
    """Return the place of a template that is not made yet."""
    path = tmp_path / "environment" / "mlflow.db"
    path.parent.mkdir()
    monkeypatch.setattr(new_database, "TEMPLATE", path)
    return path


def test_a_copy_is_what_mlflow_would_make(tmp_path, template):
    """The same tables at the same migration, and its own place for files."""
    theirs = tmp_path / "theirs.db"
    MlflowClient(f"sqlite:///{theirs}").search_registered_models()

    for name in ("first.db", "second.db"):
        ours = tmp_path / name
        new_database.lay(ours)
        assert rows(ours, "SELECT * FROM alembic_version") == rows(
            theirs, "SELECT * FROM alembic_version"
        )
        assert rows(ours, SCHEMA) == rows(theirs, SCHEMA)
        assert rows(ours, "SELECT * FROM experiments") == []
    assert [path.name for path in template.parent.iterdir()] == [template.name]


def test_a_registry_that_is_there_is_left_alone(tmp_path, template):
    """An empty file too: a person may have made it."""
    path = tmp_path / "mlflow.db"
    path.touch()

    new_database.lay(path)

    assert path.read_bytes() == b""
    assert not template.exists()


def test_a_registry_that_appears_meanwhile_is_kept(tmp_path, template, monkeypatch):
    """Another process was faster."""
    path = tmp_path / "mlflow.db"
    template.write_bytes(b"template")
    copy = new_database.shutil.copyfile

    def slow(source, target):
        copy(source, target)
        path.write_bytes(b"theirs")

    monkeypatch.setattr(new_database.shutil, "copyfile", slow)
    new_database.lay(path)

    assert path.read_bytes() == b"theirs"
    assert {each.name for each in tmp_path.iterdir()} == {"environment", "mlflow.db"}


def test_without_a_place_for_the_template_mlflow_migrates(tmp_path, template):
    """An environment of the system, for example."""
    template.parent.rmdir()

    new_database.lay(tmp_path / "mlflow.db")

    assert list(tmp_path.iterdir()) == []
