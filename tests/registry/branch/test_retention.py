"""Which files stay: the newest, every champion there ever was, and whatever holds an alias."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.policies import RetentionPolicy
from pipeline.registry.retention import Stored, expired

POLICY = RetentionPolicy(versions=2, runs=1)


def version(number, name="svm", **changes):
    """Return the version of a family that was made as the ``number``-th."""
    return Stored(
        title=f"{name}/{number}",
        model_id=f"m-{name}-{number}",
        run_id=f"r-{name}-{number}",
        created_ms=number,
    ).model_copy(update=changes)


def champion(origin):
    """Return a version of the served model that was copied from another."""
    return version(1, "heart_disease", origin=origin, model_id=origin)


def test_the_newest_versions_of_each_family_keep_their_files():
    """Each family by itself."""
    families = {name: [version(n, name) for n in (1, 2, 3)] for name in ("svm", "forest")}

    gone = expired(families, [], POLICY)

    assert gone.titles == ("forest/1", "svm/1")
    assert gone.model_ids == ("m-forest-1", "m-svm-1")


def test_whatever_was_champion_once_keeps_its_files_and_figures():
    """A rollback may need it years later."""
    gone = expired({"svm": [version(n) for n in range(1, 6)]}, [champion("svm/1")], POLICY)

    assert "svm/1" not in gone.titles
    assert "r-svm-1" not in gone.run_ids
    assert gone.titles == ("svm/2", "svm/3")


def test_whatever_holds_an_alias_keeps_its_files():
    """The champion of its family, for example."""
    versions = [version(1, kept_by_alias=True), *(version(n) for n in range(2, 5))]

    assert expired({"svm": versions}, [], POLICY).titles == ("svm/2",)


def test_figures_go_earlier_than_models_where_the_policy_says_so():
    """They are for people who look at the last runs."""
    gone = expired({"svm": [version(n) for n in (1, 2, 3)]}, [], POLICY)

    assert gone.run_ids == ("r-svm-1", "r-svm-2")


def test_a_folder_that_a_kept_version_shares_stays():
    """Two versions may have been made of one model."""
    versions = [version(1, model_id="m"), version(2, model_id="m"), version(3), version(4)]
    shared = [*versions, version(5, model_id="m")]

    assert "m" not in expired({"svm": shared}, [], POLICY).model_ids


@pytest.mark.parametrize("families", [{}, {"svm": []}])
def test_an_empty_registry_loses_nothing(families):
    """The first run prunes too."""
    gone = expired(families, [], POLICY)

    assert (gone.titles, gone.model_ids, gone.run_ids) == ((), (), ())


@given(
    st.lists(st.integers(1, 10**6), unique=True, max_size=30),
    st.sets(st.integers(0, 29)),
    st.integers(1, 5),
)
def test_no_champion_is_ever_lost(moments, promoted, kept):
    """Whatever the order in which versions are listed, and however few are kept."""
    versions = [version(n) for n in moments]
    champions = [champion(one.title) for n, one in enumerate(versions) if n in promoted]

    gone = expired({"svm": versions}, champions, RetentionPolicy(versions=kept, runs=kept))

    assert not {one.origin for one in champions} & set(gone.titles)
    assert len(versions) - len(gone.titles) >= min(kept, len(versions))
