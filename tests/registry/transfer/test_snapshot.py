"""The rows that a server takes over, and where it finds their files."""

import re
import sqlite3
from contextlib import closing

import pytest

from pipeline.base.errors import RegistryError
from pipeline.registry import snapshot

# Every place in which MLflow notes where files are.
ROWS = (
    """INSERT INTO experiments (experiment_id, name, artifact_location)
       VALUES (1, 'other', '/elsewhere/1'), (7, 'it''s', :at)""",
    """INSERT INTO runs (run_uuid, artifact_uri, experiment_id)
       VALUES ('r', :at || '/r/artifacts', 7)""",
    """INSERT INTO logged_models (model_id, name, artifact_location, experiment_id, status,
           lifecycle_stage, creation_timestamp_ms, last_updated_timestamp_ms)
       VALUES ('m', 'm', :at || '/models/m/artifacts', 7, 2, 'active', 0, 0)""",
    """INSERT INTO model_versions (name, version, storage_location)
       VALUES ('n', 1, :at || '/models/m/artifacts')""",
)
LOCATIONS = re.compile(r"(?:mlflow-artifacts|file:|/elsewhere)\S*")


@pytest.fixture
def taken(template, tmp_path):
    """Return a function that copies a registry in which an experiment has its files somewhere."""

    def take(location):
        database, copy = tmp_path / "mlflow.db", tmp_path / "copy.db"
        database.write_bytes(template.read_bytes())
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("DELETE FROM experiments")
            for statement in ROWS:
                connection.execute(statement, {"at": location})
            connection.commit()
        snapshot.take(database, copy)
        return copy

    return take


@pytest.mark.parametrize(
    "location", ["/elsewhere/10", "file:///elsewhere/10", "/elsewhere/1/7", "mlflow-artifacts:/9"]
)
def test_files_have_the_address_that_every_server_knows(taken, location):
    """Wherever they were, and where one folder's name begins with another's."""
    rows = snapshot.rows(taken(location))

    assert sorted(LOCATIONS.findall(rows)) == [
        *("mlflow-artifacts:/1", "mlflow-artifacts:/7"),
        *(["mlflow-artifacts:/7/models/m/artifacts"] * 2),
        "mlflow-artifacts:/7/r/artifacts",
    ]


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("/elsewhere/10", "/elsewhere/10"),
        ("file:///elsewhere/10", "/elsewhere/10"),
        ("mlflow-artifacts:/9", "{here}/artifacts/9"),
    ],
    ids=["a path", "an address", "a server's, beside its database"],
)
def test_files_are_sent_from_where_they_are(taken, tmp_path, location, folder):
    """Each folder of an experiment goes to its address."""
    folders = {str(path): address for path, address in snapshot.folders(taken(location)).items()}

    assert folders[folder.format(here=tmp_path)] == "mlflow-artifacts:/7"


def test_a_name_ends_where_it_ends(taken):
    """A quote in one is text."""
    assert "WHERE name IN ('it''s', 'other');" in snapshot.rows(taken("/elsewhere/7"))


@pytest.mark.parametrize(
    ("page", "said"),
    [(0, "cannot be read: file is not a database"), (40, "is damaged: ")],
    ids=["at its beginning", "further on"],
)
def test_a_damaged_database_is_one_line(template, tmp_path, page, said):
    """Nothing is made of it."""
    content = bytearray(template.read_bytes())
    content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    (tmp_path / "mlflow.db").write_bytes(content)

    with pytest.raises(RegistryError, match=f"mlflow.db {said}"):
        snapshot.take(tmp_path / "mlflow.db", tmp_path / "copy.db")
