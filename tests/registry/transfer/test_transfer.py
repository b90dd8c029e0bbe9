"""In which order a registry is made again, and what counts as the same: values in, values out."""

import pytest

from pipeline.base.errors import RegistryError
from pipeline.base.names import HISTORY, SERVED
from pipeline.registry import inventory as transfer
from pipeline.registry.inventory import (
    ORIGIN,
    PLACEHOLDER,
    Inventory,
    LoggedModel,
    Measurement,
    StoredModel,
    StoredRun,
    StoredVersion,
)
from tests.registry.transfer.conftest import FOREST, SVM


def version(title, source, run="run", **tags):
    """Return a version by its title."""
    name, _, number = title.rpartition("/")
    return StoredVersion(
        name=name, version=int(number), source=source, run=run, description="", tags=tags
    )


def run(id_="run", models=(), metrics=(), **tags):
    """Return a run."""
    return StoredRun(
        id=id_,
        name="svm",
        status="FINISHED",
        started_ms=1,
        ended_ms=2,
        tags=tags,
        parameters={},
        metrics=frozenset(metrics),
        inputs=(),
        models=frozenset(models),
    )


def logged(id_, run="run", metrics=(), **tags):
    """Return a logged model."""
    return LoggedModel(
        id=id_,
        name="svm",
        run=run,
        kind="",
        status="READY",
        tags=tags,
        parameters={},
        metrics=frozenset(metrics),
    )


def inventory(*versions, runs=(), logged=(), **aliases):
    """Return what a registry with these versions holds; ``aliases`` are the served model's."""
    names = {one.name for one in versions} | ({SERVED} if aliases else set())
    models = [
        StoredModel(name=name, description="", tags={}, aliases=aliases if name == SERVED else {})
        for name in sorted(names)
    ]
    return Inventory(
        models=tuple(models), versions=versions, runs=tuple(runs), logged=tuple(logged)
    )


def made(*versions, **more):
    """Return the order in which versions are made, with what each is made from."""
    return [(one.title, one.origin) for one in transfer.plan(inventory(*versions, **more))]


# --- the order


def test_copies_come_after_what_they_were_copied_from_and_the_log_comes_last():
    """Whatever a version names has to be there."""
    versions = (
        version(f"{HISTORY}/1", f"models:/{SERVED}/1"),
        version(f"{SERVED}/1", f"models:/{SVM}/1"),
        version(f"{SVM}/1", "models:/m-1"),
    )
    assert made(*versions) == [
        (f"{SVM}/1", "m-1"),
        (f"{SERVED}/1", f"{SVM}/1"),
        (f"{HISTORY}/1", f"{SERVED}/1"),
    ]


def test_where_a_version_was_deleted_a_placeholder_takes_its_number():
    """It borrows the files of a version that is there."""
    planned = transfer.plan(inventory(version(f"{SVM}/3", "models:/m-3")))

    assert [(one.version, one.is_placeholder) for one in planned] == [
        (1, True),
        (2, True),
        (3, False),
    ]
    assert {one.source for one in planned} == {"models:/m-3"}


@pytest.mark.parametrize("name", [SERVED, HISTORY])
def test_a_deleted_version_that_something_names_keeps_its_number(name):
    """Also the newest: the number must not be given again, for that is what is named."""
    versions = (version(f"{SVM}/1", "models:/m-1"), version(f"{name}/1", f"models:/{SVM}/2"))

    assert made(*versions)[:2] == [(f"{SVM}/1", "m-1"), (f"{SVM}/2", f"{SVM}/2")]


def test_a_copy_whose_origin_was_deleted_has_the_one_model_its_run_has_to_spare():
    """The model is moved with it, as what it is."""
    versions = (
        version(f"{SVM}/1", "models:/m-1", run="a"),
        version(f"{SERVED}/1", f"models:/{SVM}/2", run="b"),
    )
    runs = (run("a", models=["m-1"]), run("b", models=["m-2"]))

    assert (f"{SVM}/2", "m-2") in made(*versions, runs=runs)


def test_a_version_from_elsewhere_is_refused():
    """A copy of a model that is not ours would have nothing to point to."""
    with pytest.raises(RegistryError, match=f"{SERVED}/1 were made from a model that is not"):
        made(version(f"{SERVED}/1", "models:/others/1"))


@pytest.mark.parametrize("source", ["runs:/1/model", "models:/others/latest", "a/folder", ""])
def test_a_source_that_names_no_model_is_refused(source):
    """Only what this project has published can be found again."""
    with pytest.raises(RegistryError, match=f"{SVM}/1 was made from {source}"):
        made(version(f"{SVM}/1", source))


# --- what is left to do

HERE = inventory(
    version(f"{SVM}/1", "models:/m-1"),
    version(f"{SVM}/3", "models:/m-3"),
    version(f"{SERVED}/1", f"models:/{SVM}/4"),
    champion=1,
)


def arrived(*versions, **more):
    """Return what is left to make where these versions have arrived."""
    return [one.title for one in transfer.remaining(HERE, inventory(*versions, **more))]


def test_everything_is_left_where_nothing_is():
    """In the order of the plan."""
    assert arrived() == [f"{SVM}/1", f"{SVM}/2", f"{SVM}/3", f"{SVM}/4", f"{SERVED}/1"]


@pytest.mark.parametrize(
    ("there", "left"),
    [
        ([0], 4),
        ([0, "placeholder"], 3),
        ([0, 1], 2),
        ([0, "placeholder", 1], 2),
        ([0, 1, 2], 0),
    ],
    ids=["one", "a placeholder", "one deleted again", "two", "the newest deleted again"],
)
def test_what_is_there_is_not_made_again(there, left):
    """A number that was given counts, whether its placeholder is still there or not."""
    known = [
        version(f"{SVM}/2", "models:/m-3", **{PLACEHOLDER: "true"})
        if one == "placeholder"
        else HERE.versions[one]
        for one in there
    ]
    assert len(arrived(*known)) == left


@pytest.mark.parametrize(
    ("versions", "aliases", "named"),
    [
        ([version(f"{FOREST}/1", "models:/m-1")], {}, f"{FOREST}/1 is not expected"),
        ([version(f"{SVM}/2", "models:/m-1")], {}, f"{SVM}/2 is not expected"),
        ([version(f"{SVM}/1", "models:/m-9")], {}, rf"{SVM}/1 is another \(source\)"),
        ([version(f"{SVM}/1", "models:/m-1", family="svm")], {}, rf"{SVM}/1 is another \(tags\)"),
        ([HERE.versions[1]], {}, f"{SVM}/1 is missing"),
        (HERE.versions, {"champion": 2}, f"{SERVED}@champion is version 2"),
        (HERE.versions, {"staging": 1}, f"{SERVED}@staging is version 1"),
    ],
    ids=["model", "gap", "source", "tags", "missing", "alias", "further alias"],
)
def test_what_this_move_has_not_made_is_named(versions, aliases, named):
    """Nothing is written over."""
    with pytest.raises(RegistryError, match=named):
        arrived(*versions, **aliases)


# --- what counts as the same


def test_what_was_moved_is_known_by_its_former_ids():
    """Of runs, of logged models, and wherever one is named."""
    here = inventory(
        version(f"{SVM}/1", "models:/m-1"), runs=[run(models=["m-1"])], logged=[logged("m-1")]
    )
    there = inventory(
        version(f"{SVM}/1", "models:/m-9", run="other"),
        runs=[run("other", models=["m-9"], **{ORIGIN: "run"})],
        logged=[logged("m-9", run="other", **{ORIGIN: "m-1"})],
    )
    assert transfer.arrived(there) == here
    assert transfer.differences(here, transfer.arrived(there)) == []
    assert transfer.departing(there).runs[0].tags == {}


def test_every_difference_is_named():
    """With the fields that differ."""
    here = inventory(version(f"{SVM}/1", "models:/m-1"), runs=[run()], logged=[logged("m-1")])
    there = inventory(
        version(f"{SVM}/1", "models:/m-1", family="svm"),
        version(f"{SVM}/2", "models:/m-1"),
        runs=[run(git_commit="a")],
    )
    assert transfer.differences(here, there) == [
        f"{SVM}/1 is another (tags)",
        f"{SVM}/2 is not expected",
        "logged model m-1 is missing",
        "run run is another (tags)",
    ]


def test_what_an_earlier_move_left_for_itself_stays_behind():
    """Placeholders, and runs and logged models that no version has."""
    found = inventory(
        version(f"{SVM}/1", "models:/m-0", run="old", **{PLACEHOLDER: "true"}),
        version(f"{SVM}/2", "models:/m-1"),
        runs=[run(models=["m-1", "m-2"]), run("old")],
        logged=[logged("m-0"), logged("m-1"), logged("m-2")],
    )
    left = transfer.departing(found)

    assert [one.title for one in left.versions] == [f"{SVM}/2"]
    assert [one.id for one in left.logged] == ["m-1"]
    assert [(one.id, one.models) for one in left.runs] == [("run", {"m-1"})]


def test_a_metric_that_is_no_number_comes_from_the_run():
    """MLflow takes it for 0 on the page of a logged model; it is logged once."""
    nothing = Measurement(name="slope", value="nan", at_ms=1, step=0)
    alone = Measurement(name="brier", value="0.1", at_ms=1, step=0)
    zero = nothing.model_copy(update={"value": "0.0"})
    its_run, model = run(metrics=[nothing, alone]), logged("m-1", metrics=[zero])

    assert transfer.metrics_of(model, its_run) == {nothing}
    assert transfer.own_metrics(inventory(logged=[model]), its_run) == {alone}


def test_verified_files_come_before_others():
    """Of two versions with one folder."""
    cut, whole = version(f"{SVM}/1", "models:/m"), version(f"{SVM}/2", "models:/m", complete="true")
    assert transfer.complete_first([cut, whole]) == [whole, cut]
