"""What the doctor reads: on ordinary days what is in use or new, with --all every file."""

import pytest

from pipeline.base.errors import RegistryError
from pipeline.base.names import RELEASED_AS
from pipeline.registry.care import RegistryCare
from tests.registries import submission
from tests.registry.doctor.conftest import MODEL, NAME, examine, promotion


@pytest.fixture
def looked_at(world):
    """Return a registry with two further versions that nobody uses, in which nothing is wrong."""
    for key in ("third", "fourth"):
        world.registry.publish(submission(key=key, files={"MLmodel": key.encode()}))
    assert examine() == ""
    return world


def spoil(world, number, name=NAME):
    """Write other bytes over a file of a version."""
    version = world.registry.version(name, number)
    while "/" in version.source.removeprefix("models:/"):
        name, _, number = version.source.removeprefix("models:/").partition("/")
        version = world.registry.version(name, int(number))
    (world.store.path(version) / "MLmodel").write_bytes(b"spoiled")


def test_files_that_nobody_uses_are_read_once(looked_at, capsys):
    """Until somebody asks for all; what a look found right stays right, or a backup has it."""
    spoil(looked_at, 3)
    capsys.readouterr()

    assert examine() == ""
    said = capsys.readouterr().out
    assert "looks at      4 of 6 versions: champions, shipped ones, new since 20" in said
    assert examine(everything=True).startswith("1 thing is wrong")
    assert "MLmodel has changed" in capsys.readouterr().out


def test_a_look_that_finds_something_is_not_the_last(world):
    """What is wrong is found again, however old."""
    world.registry.publish(submission(key="third", files={"MLmodel": b"third"}))
    spoil(world, 3)

    assert examine().startswith("1 thing is wrong")
    assert examine().startswith("1 thing is wrong")


def test_new_versions_are_read(looked_at):
    """And those that were under way."""
    looked_at.registry.publish(submission(key="fifth", files={"MLmodel": b"fifth"}))
    spoil(looked_at, 5)

    assert examine().startswith("1 thing is wrong")


def alias(world):
    """Somebody uses it by a name of their own."""
    world.client.set_registered_model_alias(NAME, "tried", "3")


def champion(world):
    """It was promoted since."""
    version = world.registry.version(NAME, 3)
    world.registry.promote(version, promotion(), over=world.registry.champion(NAME))


def shipped(world):
    """An image of it is out."""
    world.registry.tag(world.registry.version(NAME, 3), {RELEASED_AS: "v1.0.0"})


@pytest.mark.parametrize("use", [alias, champion, shipped])
def test_what_is_in_use_is_read_every_day(looked_at, use):
    """Champions, whatever has an alias, and what was shipped."""
    use(looked_at)
    spoil(looked_at, 3)

    assert "wrong with the registry" in examine()


@pytest.mark.usefixtures("looked_at")
def test_who_may_only_read_the_registry_is_told_the_same(monkeypatch):
    """To note the look takes a right that a reader does not have."""

    def refuse(*_):
        raise RegistryError("403")

    monkeypatch.setattr(RegistryCare, "note_look", refuse)
    assert examine() == ""


# --- the libraries of today


@pytest.fixture
def of_lost_class(world):
    """Return a version that is a class of scikit-learn which is not there any more."""
    recipe = b'{"estimator": "sklearn.svm.Lost", "parameters": {}}'
    files = {**submission().files, **MODEL, "recipe.json": recipe}
    return world.registry.publish(submission(key="lost", files=files))


WORKS_NOT = "does not work with the libraries of today: "


def test_a_champion_that_does_not_work_today_is_named_with_the_way_out(
    world, of_lost_class, capsys
):
    """Before a training or a release stands in front of it."""
    world.registry.promote(of_lost_class, promotion(), over=world.registry.champion(NAME))

    assert examine(repair=True).startswith("1 thing is wrong")
    said = capsys.readouterr().out
    assert f"{WORKS_NOT}" in said
    assert "sklearn.svm.Lost" in said
    assert "`docs/when-the-lock-moves.md` has the choices" in said


def test_a_shipped_version_that_does_not_work_today_is_harmless(world, of_lost_class, capsys):
    """Its image has its own libraries."""
    world.registry.tag(of_lost_class, {RELEASED_AS: "v1.0.0"})

    assert examine() == ""
    said = capsys.readouterr().out
    assert f"{NAME}/3 (harmless)" in said
    assert "its images go on as they are" in said


def test_a_version_that_nobody_uses_is_not_tried(of_lost_class):
    """It may be as old as it likes."""
    assert of_lost_class.version == 3
    assert examine() == ""
