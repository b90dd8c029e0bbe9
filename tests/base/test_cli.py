"""The command line: one line for what a person can act on, a traceback for a defect."""

import os
import re
import runpy
import subprocess
import sys

import pytest

from pipeline.base import errors
from tests.conftest import ROOT

EXPECTED = [
    errors.PipelineError,
    errors.SettingsError,
    errors.NoChampionError,
    errors.RegistryUnavailableError,
]
COMMANDS = [
    "run_tests",
    "benchmarks",
    "benchmarks.contract",
    "pipeline",
    "pipeline.data_acquisition_eda",
    "pipeline.feature_engineering",
    "pipeline.experiment_tracking",
    "pipeline.model_packaging",
    "pipeline.report",
    "pipeline.serving",
    "pipeline.image",
    "pipeline.image verify",
    "pipeline.registry",
    *(f"pipeline.registry {name}" for name in ("doctor", "history", "rollback")),
    *(f"pipeline.registry {name}" for name in ("branch", "transfer")),
    "pipeline.release",
    *(f"pipeline.release {name}" for name in ("prepare", "build", "publish", "announce", "mark")),
]
PAGE = re.compile(
    r"usage: .*?\n\s*\n *([A-Z][^\n]*\.)\s*\n\s*\n.*^ *Exit codes: 0 .*^ *Examples: *$.*python .*"
    r"^\W*options",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)

# Coverage measures these processes too; nothing else of this shell, such as colours, reaches them.
ENVIRONMENT = {"PYTHONPATH": str(ROOT)} | {
    name: value for name, value in os.environ.items() if name.startswith("COV")
}


def run(body, *arguments, **environment):
    """Run a command whose function has ``body``, in a process of its own."""
    command = f"def command() -> None:\n  'What it does.'\n  {body}\ncli.run(command)"
    return subprocess.run(
        [sys.executable, "-c", f"from pipeline.base import cli, errors\n{command}", *arguments],
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", EXPECTED)
def test_an_expected_error_is_one_line_and_its_own_exit_code(kind):
    """On standard error, without a traceback."""
    done = run(f"raise errors.{kind.__name__}('no [champion]: run :this: first')")

    assert done.stderr == "error: no [champion]: run :this: first\n"
    assert done.stdout == ""
    assert done.returncode == kind.exit_code


def test_an_error_that_quotes_several_lines_is_one_line_too():
    """A vendor's message may hold line ends."""
    done = run(r"raise errors.RegistryError('refused:\n  first\r\n  second')")

    assert done.stderr == "error: refused: first second\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ENOSPC", "the disk of this machine is full: make room, here or in the folder of "),
        ("EDQUOT", "the disk of this machine is full: make room, here or in the folder of "),
        ("EROFS", "the disk refuses, here or in the folder of "),
        ("EACCES", "the disk refuses, here or in the folder of "),
    ],
)
def test_a_disk_that_refuses_is_one_line_with_the_file(code, said):
    """A full one, or one that may only be read; wherever a library wanted to write."""
    done = run(f"import errno, os; raise OSError(errno.{code}, os.strerror(errno.{code}), '/a/b')")

    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.endswith(": '/a/b'\n")
    assert done.returncode == 1


def test_where_no_temporary_file_can_be_made_is_one_line(tmp_path):
    """Python looks in several folders; with room in none it says that nothing was found."""
    nowhere = "import tempfile; tempfile._candidate_tempdir_list = lambda: [__file__ + '/none']"
    done = run(nowhere.replace("__file__", repr(str(tmp_path))) + "; tempfile.mkdtemp()")

    assert done.stderr.startswith("error: the disk refuses, ")
    assert "No usable temporary directory found in ['" in done.stderr


def test_another_error_of_the_system_keeps_its_traceback():
    """It is a defect of ours."""
    assert "Traceback" in run("open('/none/such')").stderr


def test_an_output_that_cannot_show_a_character_shows_a_question_mark():
    """A terminal without UTF-8, a log of an old CI."""
    done = run("cli.say('0.90 \u00b1 0.02')", PYTHONIOENCODING="ascii")

    assert (done.returncode, done.stdout) == (0, "0.90 ? 0.02\n")


def test_ci_shows_the_error_on_the_page_of_its_run(tmp_path):
    """As text: nothing that it quotes becomes markup, or notifies a user."""
    page = tmp_path / "summary.md"
    done = run("raise errors.RegistryError('<b> @ann')", GITHUB_STEP_SUMMARY=str(page))

    assert done.returncode == 1
    assert page.read_text() == "**Error:** &lt;b> @&#8203;ann\n\n"


def test_a_breached_contract_lists_every_breach_in_the_one_line():
    """The error keeps them apart as well, for a report."""
    error = errors.ContractError("a.data", ["age: 300", "sex: 7"])

    assert str(error) == "a.data breaks the data contract: age: 300; sex: 7"
    assert error.breaches == ("age: 300", "sex: 7")


def test_exit_codes_of_expected_errors_are_none_that_mean_something_else():
    """0 is success; from 126 on, the shell speaks."""
    assert all(0 < kind.exit_code < 126 for kind in EXPECTED)


def test_a_defect_keeps_its_traceback():
    """A person who reports it needs every line."""
    done = run("1 / 0")

    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert done.returncode == 1


def test_a_command_that_succeeds_ends_with_zero():
    """And is quiet unless it has something to say."""
    done = run("pass")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_shows_what_the_command_does(flag):
    """The docstring is the help page; the command itself does not run."""
    done = run("1 / 0", flag)

    assert done.returncode == 0
    assert "What it does." in done.stdout


def test_an_unknown_option_ends_with_exit_code_2_and_its_name():
    """As every command line does."""
    done = run("pass", "--drrun")

    assert done.returncode == 2
    assert "--drrun" in done.stderr


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/]", ":warning:", "a\\", "[red", "x" * 300])
def test_a_message_is_printed_as_it_is(text):
    """Markup, emoji names and long lines are content, not instructions."""
    done = run(f"cli.say({text!r})")

    assert done.stdout == text + "\n"


def test_a_table_is_printed_as_it_is():
    """Title, column names and cells: none of them is markup."""
    done = run("cli.show_table('[t]', ['[c]', ':x:'], [['[bold]1', '[/]']])")

    assert all(text in done.stdout for text in ["[t]", "[c]", ":x:", "[bold]1", "[/]"])


def test_progress_goes_to_standard_error_and_passes_the_items_on():
    """What a program reads from standard output has no bars in it."""
    done = run("print(sum(cli.track([1, 2, 3], '[fit]', total=3)))")

    assert done.stdout == "6\n"
    assert "[fit]" in done.stderr
    assert "3/3" in done.stderr


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_page_has_the_same_order(command, tmp_path, monkeypatch, capsys):
    """A sentence, more where it takes more, exit codes, examples, options; without settings."""
    module, *words = command.split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [module, *words, "--help"])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__", alter_sys=True)

    assert not ended.value.code
    assert PAGE.search(capsys.readouterr().out)
