"""Name the integration tests that a change reaches, by what they import and what they name.

    python -m tests.affected main

compares the work tree with the commit where it left `main`. A group of tests is a folder of
`tests/integration`, or the executed workflows. It is reached by each file of this repository that
its modules import, name as a module to start, or name as a path. It needs the standard library
alone. In GitHub Actions the groups go to `GITHUB_OUTPUT`, and the reasons to the run's page.

Exit codes: 0 done; 1 git does not know the commit.

Examples:
  python -m tests.affected main
  python -m tests.affected HEAD~1

"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
INTEGRATION = ROOT / "tests" / "integration"
WORKFLOWS = "workflows"
# The candidate of a pull request is packaged, and its image built and verified. That is reached by
# all that the tests of images use, and by what models are made of.
CANDIDATE, IMAGE = "candidate", "image"
DOCKER = ROOT / "docker"
# The fast tests hold what pages say.
PAGES = ".md"
# No module names a template by its path.
TEMPLATES, READER_OF_TEMPLATES = "pipeline/templates/", "pipeline/base/pages.py"
# Long: a change of what they execute reaches them, not one of what that starts.
EXECUTED = (".github/", "tests/nightly/workflows/", "tests/github_api.py")
# The environment of every test, and how it is started.
EVERYTHING = (
    "requirements",
    "pyproject.toml",
    "environment.py",
    "Makefile",
    ".ci/",
    "tests/conftest.py",
)
# Files whose words name other files.
READ_BY_NAME = (".yaml", ".yml")
# What models are made of: the report trains it, and the fast tests read it.
MODELS = ("config.yaml", "data/")


def main(arguments: list[str] | None = None) -> int:
    """Print the groups, and why each runs or does not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", help="the commit or branch that the change is made to")
    try:
        changed = changes(parser.parse_args(arguments).base)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"error: {error.stderr.strip()}\n")
        return 1
    found = reached(changed)
    lines = [f"| {group} | {_reason(group, found)} |\n" for group in groups()]
    page = "".join(["| tests | run |\n", "|---|---|\n", *lines, "\n"])
    sys.stdout.write(page)
    _add("GITHUB_STEP_SUMMARY", page)
    folders = [group for group in found if group not in {CANDIDATE, WORKFLOWS}]
    _add("GITHUB_OUTPUT", f"integration={json.dumps(folders)}\n")
    for group in (CANDIDATE, WORKFLOWS):
        _add("GITHUB_OUTPUT", f"{group}={json.dumps(group in found)}\n")
    return 0


def changes(base: str) -> list[str]:
    """Return the files that differ from where the work tree left ``base``, as names in git."""
    fork = _git("merge-base", base, "HEAD").strip()
    return _git("diff", "--name-only", "--no-renames", "-z", fork).split("\0")[:-1]


def groups() -> list[str]:
    """Return the names of all groups."""
    folders = {path.parent.name for path in INTEGRATION.glob("*/test_*.py")}
    return [*sorted(folders), CANDIDATE, WORKFLOWS]


def reached(changed: Iterable[str]) -> dict[str, str]:
    """Return the groups that run, each with the first file that reaches it."""
    found: dict[str, str] = {}
    for name in changed:
        for group in groups():
            if _reaches(name, group):
                found.setdefault(group, name)
    return dict(sorted(found.items()))


def _reaches(name: str, group: str) -> bool:
    if name.startswith(EVERYTHING):
        return True
    if group == WORKFLOWS:
        return name.startswith(EXECUTED)
    if name.endswith(PAGES):
        return False
    if name.startswith(MODELS):
        return group == CANDIDATE
    if name.startswith(TEMPLATES):
        name = READER_OF_TEMPLATES
    return any(PurePosixPath(name).is_relative_to(used) for used in uses(group))


@cache
def uses(group: str) -> frozenset[str]:
    """Return the files and folders that a group of integration tests uses, its own among them."""
    folder = INTEGRATION / (IMAGE if group == CANDIDATE else group)
    unread, known = set(folder.rglob("*.py")), {folder}
    while unread:
        known |= unread
        unread = {used for path in unread for used in _uses(path)} - known
    return frozenset(path.relative_to(ROOT).as_posix() for path in known)


@cache
def _uses(path: Path) -> frozenset[Path]:
    if path.suffix in READ_BY_NAME or path.name == "Dockerfile":
        words = path.read_text(encoding="utf-8").split()
        return frozenset(place for word in words for place in _named(word.strip("/\"'")))
    if path.suffix != ".py":
        return frozenset()
    tree = ast.parse(path.read_bytes())
    return frozenset(place for node in ast.walk(tree) for place in _places(node))


def _places(node: ast.AST) -> Iterator[Path]:
    """Yield the files and folders of this repository that a node imports or names."""
    if isinstance(node, ast.Import):
        yield from (place for alias in node.names for place in _modules(alias.name))
    if isinstance(node, ast.ImportFrom) and node.module:
        yield from _modules(node.module)
        yield from (p for alias in node.names for p in _modules(f"{node.module}.{alias.name}"))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _named(node.value)


def _modules(name: str) -> Iterator[Path]:
    place = ROOT / name.replace(".", "/")
    for file in (place.with_suffix(".py"), place / "__init__.py", place / "__main__.py"):
        if file.exists():
            yield file


def _named(text: str) -> Iterator[Path]:
    """Yield what a text may mean: a module to start, files by path, or what Docker builds from."""
    if re.fullmatch(r"[a-z_]+(\.\w+)+", text):
        yield from _modules(text)
    if re.fullmatch(r"\w[\w.-]*(/[\w*][\w.*-]*)*", text):
        yield from (path for path in ROOT.glob(text) if path.is_file())
    if text == DOCKER.name:
        yield DOCKER


def _reason(group: str, found: Mapping[str, str]) -> str:
    return f"yes: `{found[group]}` reaches it" if group in found else "no: nothing it uses changed"


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _add(variable: str, text: str) -> None:
    if path := os.environ.get(variable):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main())
