"""The registry of models knows what was shipped, and as what."""

import sqlite3
from contextlib import closing

import pytest

from pipeline.base.errors import RegistryError, ReleaseError
from pipeline.release import mark
from tests.release.conftest import TAG


@pytest.fixture
def shipped(settings, pushed, place, monkeypatch):
    """Return a release whose image is pushed, in the clone with its registry."""
    assert settings.registry.tracking_uri.endswith(f"{place}/mlflow.db")
    assert pushed.plan.model_version == 1
    monkeypatch.chdir(place.parent)
    return pushed


def version(registry, number=1):
    """Return a version of the served model."""
    return registry.version("heart_disease", number)


def test_a_stable_release_is_in_production(settings, shipped, registry, capsys):
    """With when, as what, and in which image."""
    mark.run(settings)

    assert registry.find_alias("heart_disease", "production") == version(registry)
    tags = version(registry).tags
    assert tags["released_as"] == TAG
    assert tags["released_at"].startswith("20")
    assert tags["released_image"] == shipped.plan.pinned
    assert registry.find_alias("heart_disease", "staging") is None
    assert registry.champion("heart_disease").version == 1
    assert capsys.readouterr().out == "marked        heart_disease/1: v1.2.3, production\n"


def test_a_pre_release_is_in_staging(settings, shipped, registry):
    """And production stays as it is."""
    shipped.change(tag="v1.2.3-rc.1", prerelease=True)

    mark.run(settings)

    assert registry.find_alias("heart_disease", "staging") == version(registry)
    assert registry.find_alias("heart_disease", "production") is None


def test_a_backport_leaves_production_with_the_higher_release(settings, shipped, registry, capsys):
    """People who follow the alias would be taken back."""
    other = registry.copy(registry.version("heart_disease_svm", 1), "heart_disease", {})
    registry.set_alias(other, "production")
    shipped.change(highest=False)

    mark.run(settings)

    assert registry.find_alias("heart_disease", "production").version == other.version
    assert version(registry).tags["released_as"] == TAG
    assert "production stays with a higher release" in capsys.readouterr().out


def test_a_version_keeps_every_release_it_was_shipped_in(settings, shipped, registry):
    """A candidate and then the release, with one model."""
    shipped.change(tag="v1.2.3-rc.1", prerelease=True)
    mark.run(settings)
    shipped.change(tag=TAG, prerelease=False)
    mark.run(settings)

    assert version(registry).tags["released_as"] == "v1.2.3-rc.1 v1.2.3"


def test_marking_again_changes_nothing(settings, shipped, registry):
    """Also the moment stays that of the release."""
    mark.run(settings)
    tags = version(registry).tags | {"released_at": "2026-01-01"}
    registry.tag(version(registry), tags)

    mark.run(settings)

    assert shipped.plan.tag == TAG
    assert version(registry).tags == tags


@pytest.mark.parametrize("there", ["alias", "alias and moment"])
def test_marking_ends_what_was_interrupted(settings, shipped, registry, there):
    """The list of releases comes last: a release that is not in it is not finished."""
    registry.set_alias(version(registry), "production")
    if there != "alias":
        registry.tag(version(registry), {"released_at": "2026-01-01"})

    mark.run(settings)

    assert shipped.plan.tag == TAG
    assert version(registry).tags["released_as"] == TAG
    assert registry.find_alias("heart_disease", "production") == version(registry)


@pytest.mark.parametrize("broken", ["released_at", "released_image", "released_as"])
def test_a_release_is_not_listed_before_all_else_is_written(
    settings, shipped, registry, place, broken
):
    """The registry breaks off at one of the tags; then the release is taken up again."""
    with closing(sqlite3.connect(place / "mlflow.db")) as database:
        database.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON model_version_tags "
            f"WHEN NEW.key = '{broken}' BEGIN SELECT RAISE(ABORT, 'broken off'); END"
        )
    with pytest.raises(RegistryError):
        mark.run(settings)
    assert "released_as" not in version(registry).tags

    with closing(sqlite3.connect(place / "mlflow.db")) as database:
        database.execute("DROP TRIGGER broken")
    mark.run(settings)

    assert shipped.plan.tag == TAG
    assert version(registry).tags.keys() >= {"released_at", "released_image", "released_as"}
    assert registry.find_alias("heart_disease", "production") == version(registry)


def test_another_registry_is_not_marked(settings, shipped, registry):
    """Its version of that number holds another model."""
    shipped.change(model_digest="0" * 64)

    with pytest.raises(ReleaseError, match="heart_disease/1 of this registry is another model"):
        mark.run(settings)
    assert "released_as" not in version(registry).tags
    assert registry.find_alias("heart_disease", "production") is None


def test_a_version_that_is_gone_is_one_line(settings, shipped):
    """A registry that was begun anew."""
    shipped.change(model_version=7)

    with pytest.raises(RegistryError, match="holds no heart_disease/7"):
        mark.run(settings)
