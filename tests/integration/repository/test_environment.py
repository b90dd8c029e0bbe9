"""`make setup`: the environment of the lock, and everything that it must leave alone."""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import venv
from pathlib import Path

import pytest

import environment
from tests.conftest import ROOT

PATIENCE = 60
# No package of that name can be had, and none is asked for.
IMPOSSIBLE = f"heart-disease-impossible==1 --hash=sha256:{'0' * 64}\n"


@pytest.fixture
def clone(tmp_path):
    """Return a clone with a lock that asks for nothing, in a folder with an awkward name."""
    folder = tmp_path / "a clone #1, ours?"
    folder.mkdir()
    for name in ("Makefile", "environment.py"):
        shutil.copy(ROOT / name, folder)
    lock(folder, "# nothing\n")
    return folder


def lock(clone, text):
    """Give the clone another lock, and return the name of its environment."""
    path = clone / environment.LOCK
    path.write_text(text)
    return environment.name(path)


def outside(**variables):
    """Return the environment of a person's shell: no package is asked for over the network."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "PIP_"))}
    return kept | {"PYTHON": sys.executable, "PIP_NO_INDEX": "1"} | variables


def make(clone, *targets, **variables):
    """Run make in the clone, and return how it ended."""
    return subprocess.run(
        ["make", *(targets or ["setup"])],
        cwd=clone,
        env=outside(**variables),
        capture_output=True,
        text=True,
        check=False,
    )


def pretend(folder, name):
    """Make an environment as make does, for another name or in another place, without pip."""
    venv.create(folder, symlinks=True)
    (folder / f"ready-{name}").touch()
    return folder


def test_a_folder_in_which_mlflow_cannot_work_is_refused_at_once(clone):
    """It reads its own path as a template, in which a % begins a name."""
    odd = clone.rename(clone.with_name("100% ours"))
    done = make(odd)

    assert done.returncode
    assert "error: MLflow does not work below a folder with % in its name" in done.stderr
    assert not (odd / ".venv").exists()


def ready(clone, store=None):
    """Make the environment of the clone's lock beforehand, and return where it is."""
    name = environment.name(clone / environment.LOCK)
    return pretend((store or clone / ".venvs") / name, name)


def seen(folder):
    """Return everything below a folder, with what a change of it would change."""
    found = {path: path.lstat() for path in folder.rglob("*") if "__pycache__" not in path.parts}
    return {path: (one.st_ino, one.st_size, one.st_mtime_ns) for path, one in found.items()}


def prefix(clone):
    """Return the folder of the environment in which .venv's Python runs."""
    command = [".venv/bin/python", "-c", "import sys; print(sys.prefix)"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_the_environment_of_the_lock_is_made_and_its_scripts_run(clone):
    """In a folder with blanks and signs that make and shells know better."""
    done = make(clone)

    assert done.returncode == 0, done.stderr
    assert prefix(clone) == clone / ".venv"
    subprocess.run([".venv/bin/pip", "--version"], cwd=clone, capture_output=True, check=True)


def test_another_lock_makes_an_environment_of_its_own(clone):
    """As the workflows do that need no tools of a developer."""
    (clone / "requirements.txt").write_text("# less\n")
    done = make(clone, "setup", "REQUIREMENTS=requirements.txt")

    assert done.returncode == 0, done.stderr
    wanted = environment.name(clone / "requirements.txt")
    assert (clone / ".venv").resolve() == clone / ".venvs" / wanted


def test_no_code_of_a_package_runs_while_it_is_installed(clone, tmp_path):
    """A package that would have to be built, which runs what is in it, is none for us."""
    package = tmp_path / "surprise-1.0.tar.gz"
    with tarfile.open(package, "w:gz") as archive:
        for name, text in [("setup.py", "1 / 0"), ("PKG-INFO", "Name: surprise\nVersion: 1.0\n")]:
            content = tarfile.TarInfo(f"surprise-1.0/{name}")
            content.size = len(text)
            archive.addfile(content, io.BytesIO(text.encode()))
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    lock(clone, f"surprise==1.0 --hash=sha256:{digest}\n")
    done = make(clone, PIP_FIND_LINKS=str(tmp_path))

    assert "No matching distribution found for surprise==1.0" in done.stderr
    assert not (clone / ".venv").exists()


def test_nothing_is_done_a_second_time(clone):
    """And nothing said, also where git has written the same lock anew: every target asks."""
    ready(clone)
    make(clone)
    os.utime(clone / environment.LOCK)
    before = seen(clone)

    done = make(clone)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert seen(clone) == before


@pytest.mark.parametrize("content", ["notes.txt", "unfinished", "ready-3.11-1", "pyvenv/lib"])
def test_a_folder_named_for_environments_keeps_what_is_in_it(clone, content):
    """Ours is beside it."""
    path = clone / "p" / content
    path.parent.mkdir(parents=True)
    path.write_text("a year of work")
    place = ready(clone, clone / "p")

    done = make(clone, PIPELINE_VENV=str(clone / "p"))

    assert done.returncode == 0, done.stderr
    assert path.read_text() == "a year of work"
    assert (clone / ".venv").readlink() == place


def test_the_variable_of_another_project_is_not_ours(clone):
    """VENV is what many Makefiles call theirs."""
    (clone / "p").mkdir()
    (clone / "p" / "notes.txt").write_text("a year of work")
    place = ready(clone)
    before = seen(clone / "p")

    done = make(clone, VENV=str(clone / "p"))

    assert done.returncode == 0
    assert seen(clone / "p") == before
    assert (clone / ".venv").resolve() == place


def mine(clone):
    """Make an environment that a person made."""
    venv.create(clone / ".venv", symlinks=True)


def mine_through_a_link(clone):
    """Make one elsewhere, with a link to it."""
    venv.create(clone.parent / "mine", symlinks=True)
    (clone / ".venv").symlink_to(clone.parent / "mine")


def notes(clone):
    """Make a folder that is no environment at all."""
    (clone / ".venv").mkdir()
    (clone / ".venv" / "notes.txt").touch()


def a_file(clone):
    """Make a file, in which some tools name a folder."""
    (clone / ".venv").write_text("../mine")


@pytest.mark.parametrize("theirs", [mine, mine_through_a_link, notes, a_file])
def test_what_make_did_not_make_is_refused_in_one_line_and_left_alone(clone, theirs):
    """Neither emptied nor hidden behind a link."""
    theirs(clone)
    before = seen(clone.parent)

    done = make(clone)

    line, _ = done.stderr.splitlines()
    assert line == "error: .venv was not made by `make setup`: move it away, or remove it"
    assert seen(clone.parent) == before


@pytest.mark.parametrize("theirs", ["a link", "a folder"])
def test_what_stands_in_the_environment_s_place_is_refused(clone, theirs):
    """Nothing is ever cleared through a link."""
    place = clone / ".venvs" / environment.name(clone / environment.LOCK)
    aim = clone / "elsewhere" if theirs == "a link" else place
    aim.mkdir(parents=True)
    (aim / "notes.txt").touch()
    if aim != place:
        place.parent.mkdir()
        place.symlink_to(aim)
    before = seen(aim)

    done = make(clone)

    assert f"{place.name} was not made by `make setup`" in done.stderr
    assert seen(aim) == before


@pytest.mark.parametrize("given", [".venv", "mine"])
def test_an_environment_is_no_folder_for_environments(clone, given):
    """PIPELINE_VENV=.venv is a likely mistake."""
    (clone / "mine").mkdir()
    (clone / "mine" / "pyvenv.cfg").touch()
    before = seen(clone)

    done = make(clone, PIPELINE_VENV=given)

    line, _ = done.stderr.splitlines()
    assert line.startswith("error: PIPELINE_VENV names a folder for environments, and ")
    assert seen(clone) == before


def test_a_clone_with_another_lock_leaves_a_shared_environment_alone(clone):
    """Each lock has its own below the folder that they share."""
    shared = clone.parent / "shared"
    pretend(shared / "3.11-1", "3.11-1")
    (clone / ".venv").symlink_to(shared / "3.11-1")
    before = seen(shared / "3.11-1")
    place = ready(clone, shared)

    done = make(clone, PIPELINE_VENV=str(shared))

    assert done.returncode == 0, done.stderr
    assert seen(shared / "3.11-1") == before
    assert (clone / ".venv").readlink() == place
    assert set(shared.iterdir()) == {shared / "3.11-1", place}


def test_an_environment_behind_a_link_is_left_for_the_clones_that_use_it(clone):
    """As they were shared before each lock had its own; the link alone moves."""
    shared = pretend(clone.parent / "venv", "3.11-1")
    (clone / ".venv").symlink_to(shared)
    before = seen(shared)
    place = ready(clone)

    done = make(clone)

    assert done.returncode == 0, done.stderr
    assert seen(shared) == before
    assert (clone / ".venv").resolve() == place


def test_a_failed_install_leaves_the_environment_before_at_work(clone):
    """And nothing of the new one."""
    ready(clone)
    make(clone)
    before, aim = list(seen(clone)), (clone / ".venv").readlink()
    lock(clone, IMPOSSIBLE)

    done = make(clone, "check")

    assert done.returncode != 0
    assert "error: no environment was made: see above; .venv is as it was" in done.stderr
    assert (clone / ".venv").readlink() == aim
    assert list(seen(clone)) == before
    assert prefix(clone) == clone / ".venv"


def test_a_new_lock_replaces_a_clone_s_own_environment(clone):
    """That of another Python stays, for those who change between two."""
    other = pretend(clone / ".venvs" / "3.99-1", "3.99-1")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    former = pretend(clone / ".venvs" / f"{python}-1", f"{python}-1")
    (clone / ".venv").symlink_to(former)
    place = ready(clone)

    done = make(clone)

    assert done.returncode == 0, done.stderr
    assert set((clone / ".venvs").iterdir()) == {other, place}


def test_a_folder_that_an_older_make_made_is_used_while_its_lock_is_the_same(clone):
    """A person does not wait for minutes for what is there already."""
    pretend(clone / ".venv", environment.name(clone / environment.LOCK))
    before = seen(clone)

    done = make(clone)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert seen(clone) == before


def test_a_folder_that_an_older_make_made_gives_way_to_a_link(clone):
    """It is removed when the new environment is complete."""
    pretend(clone / ".venv", "3.11-1")
    place = ready(clone)

    done = make(clone)

    assert done.returncode == 0, done.stderr
    assert (clone / ".venv").readlink() == Path(".venvs") / place.name
    assert list((clone / ".venvs").iterdir()) == [place]


def started(clone, **variables):
    """Start make, and return it as soon as an environment is begun."""
    process = subprocess.Popen(
        ["make", "setup"], cwd=clone, env=outside(**variables), start_new_session=True
    )
    give_up = time.monotonic() + PATIENCE
    while not list(clone.glob(f".venvs/*/{environment.UNFINISHED}")):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    return process


def kill(process):
    """End a run of make, and everything that it has started, at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_what_a_killed_run_began_is_made_by_the_next(clone):
    """Nothing has to be cleared up by hand."""
    kill(started(clone))

    done = make(clone)

    assert done.returncode == 0, done.stderr
    assert prefix(clone) == clone / ".venv"


def test_what_killed_runs_left_does_not_pile_up(clone):
    """Also where the lock has changed since."""
    kill(started(clone))
    lock(clone, "# another\n")
    place = ready(clone)

    done = make(clone)

    assert done.returncode == 0, done.stderr
    assert list((clone / ".venvs").iterdir()) == [place]


def test_a_run_waits_for_one_that_is_at_work(clone):
    """And has nothing left to do then."""
    first = started(clone)

    second = make(clone)

    assert first.wait() == second.returncode == 0
    assert second.stderr == "waiting for the make that is at work in .venvs\n"
    assert prefix(clone) == clone / ".venv"


def test_clean_removes_links_and_not_what_they_lead_to(clone):
    """A person may keep reports elsewhere."""
    precious = clone.parent / "reports"
    precious.mkdir()
    (precious / "notes.txt").touch()
    (clone / "reports").symlink_to(precious)

    make(clone, "clean")

    assert not (clone / "reports").is_symlink()
    assert (precious / "notes.txt").exists()


def test_an_old_python_says_which_one_is_needed(clone):
    """In one line; the script itself must still be read by it."""
    code = "import sys; sys.version_info = (3, 8, 18); import runpy; runpy.run_path"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}('environment.py', run_name='__main__')"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == (
        "error: Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.11 ...\n"
    )
