"""A server on PostgreSQL, empty for each test."""

import shutil
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from mlflow import MlflowClient

from pipeline.base.context import RunContext
from pipeline.registry import transfer
from tests.databases import running
from tests.registry.transfer.conftest import origin, place, template

__all__ = ["origin", "place", "template"]

EMPTY = """
TRUNCATE experiments, registered_models, runs, inputs, input_tags CASCADE;
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)
VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active');
"""


class Team(NamedTuple):
    """A server, the folder of its files, its database, and the command that leads there."""

    uri: str
    artifacts: Path
    database: str
    psql: str

    @property
    def client(self):
        """Return MLflow's own client."""
        return MlflowClient(self.uri, self.uri)

    def execute(self, statement):
        """Change the database."""
        with psycopg.connect(self.database) as connection:
            connection.execute(statement)

    def files(self):
        """Return the names of the files that the server keeps."""
        return sorted(path.name for path in self.artifacts.rglob("*") if path.is_file())

    def take(self, source, psql=""):
        """Move a registry here."""
        context = RunContext.read()
        there = context.settings.registry.model_copy(update={"tracking_uri": self.uri})
        transfer.run(context, source, there, psql or self.psql)


@pytest.fixture(scope="session")
def running_team(tmp_path_factory):
    """Return a server for all tests."""
    with running("postgresql", tmp_path_factory.mktemp("team")) as (server, database):
        address = database.uri.replace("+psycopg", "")
        yield Team(server.uri, server.artifacts, address, database.psql)


@pytest.fixture
def team(running_team):
    """Return that server with nothing in it."""
    running_team.execute(EMPTY)
    shutil.rmtree(running_team.artifacts)
    running_team.artifacts.mkdir()
    return running_team
