"""A registry moves to the team's server by what its maintainer types."""

from dataclasses import replace

import pytest
from mlflow import MlflowClient

from pipeline.base.names import SERVED
from pipeline.registry.client import Registry
from tests.integration.team_server.conftest import serving
from tests.registries import submission
from tests.registry.transfer.conftest import SVM, census, place, promote, template

__all__ = ["place", "template"]


@pytest.fixture
def empty_team(images, tmp_path):
    """Return a server of its own that holds accounts and no version."""
    assert images
    with serving(tmp_path) as team:
        yield team


@pytest.fixture
def here(place):
    """Return an embedded registry with a champion, and a deleted version before it."""
    here = place("here")
    registry = Registry(here.uri, "heart-disease")
    registry.publish(submission())
    promote(registry, registry.publish(submission()), None)
    MlflowClient(here.uri, here.uri).delete_model_version(SVM, "1")
    return here


def test_a_registry_moves_to_the_server_and_its_accounts_go_on(empty_team, here):
    """As admin, into the database of compose, which nothing else can reach."""
    expected = census(here.uri)
    compose = " ".join(empty_team.compose_command)
    psql = f"{compose} exec -T postgres psql --username mlflow"
    account = {
        "MLFLOW_TRACKING_USERNAME": "admin",
        "MLFLOW_TRACKING_PASSWORD": empty_team.password("admin"),
        "COMPOSE_FILE": "docker/compose.yaml",
        "COMPOSE_PROFILES": "team",
    }
    admin = replace(empty_team, environment={**empty_team.environment, **account})
    done = admin.make("transfer", f"ARGS=--from {here.uri} --psql '{psql}'")
    empty_team.accounts()

    assert not done.returncode, done.stderr
    assert "3 versions are at" in done.stdout
    with empty_team.signed_in("reader"):
        arrived = census(empty_team.address)
        assert arrived["versions"] == expected["versions"]
        # The families without a version are there for `ci`.
        assert expected["models"].items() <= arrived["models"].items()
    with empty_team.registry("ci") as registry:
        added = registry.publish(submission(key="added"))
        assert added.version == 3
        assert promote(registry, added, registry.champion(SERVED)).version == 2
