"""The accounts as values, and the commands as far as they need no server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base import config
from pipeline.base.errors import RegistryError
from pipeline.team_server import __main__ as command
from pipeline.team_server import access
from pipeline.team_server.access import ACCOUNTS, ANY, CI, EXPERIMENT, MODELS, READER, Grant

GRANTS = st.sets(
    st.builds(
        Grant,
        kind=st.sampled_from(["experiment", "registered_model"]),
        resource=st.sampled_from(["1", "2", "*"]),
        permission=st.sampled_from(["READ", "EDIT"]),
    )
)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_account_may_manage(account):
    """MANAGE deletes, and hands rights on."""
    assert {one.permission for one in access.wanted(account, "1")} <= {"READ", "EDIT"}


def test_ci_writes_what_the_pipeline_writes_and_nothing_else():
    """Each by its name: a model that somebody adds is not among them."""
    grants = access.wanted(CI, "7")

    assert {one.resource for one in grants} == {"7", *MODELS}
    assert {one.resource for one in grants if one.kind == EXPERIMENT} == {"7"}
    assert len(MODELS) == 6


def test_the_reader_only_reads():
    """And reads everything."""
    grants = access.wanted(READER, "7")

    assert {(one.resource, one.permission) for one in grants} == {(ANY, "READ")}


@given(held=GRANTS, asked=GRANTS)
def test_the_changes_turn_what_is_held_into_what_is_asked_for(held, asked):
    """Whatever somebody did by hand."""
    taken, given_ = access.changes(held, asked)

    assert (held - set(taken)) | set(given_) == asked
    assert set(taken) <= held
    assert not set(given_) & held


def test_every_secret_is_written_once(tmp_path, capsys):
    """For its owner, long, and each another one."""
    folder = tmp_path / "secrets"
    command.write_secrets(folder)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    command.write_secrets(folder)

    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert set(first) == {*command.PASSWORDS, command.FLASK_KEY}
    assert len(set(first.values())) == len(first)
    assert min(map(len, first.values())) >= 32
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "all there, nothing was changed" in capsys.readouterr().out


@pytest.mark.usefixtures("workspace")
def test_without_a_server_the_next_step_is_named(tmp_path):
    """The embedded registry has no accounts."""
    with pytest.raises(RegistryError, match="export MLFLOW_TRACKING_URI=http"):
        command.set_users(config.load(), tmp_path)


def test_a_missing_secret_names_the_command_that_writes_it(workspace, monkeypatch):
    """It is looked for before anything is asked."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    with pytest.raises(RegistryError, match=r"admin_password: .*team_server secrets` writes it"):
        command.set_users(config.load(), workspace / "none")
