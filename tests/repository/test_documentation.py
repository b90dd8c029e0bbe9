"""What the pages say a person can type or open is there."""

import hashlib
import re
import subprocess

import pytest

from tests.conftest import ROOT

FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
MAKE = re.compile(r"(?:^|[\s;&|])make((?: +[\w.=\"/-]+)*)", re.MULTILINE)
MODULE = re.compile(r"python3? -m (pipeline[\w.]*)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
GUIDE = ROOT / "docs" / "team-workflow.md"
# Rows of its table of commands: the target, and the module that it runs.
MODULES = re.compile(
    r"^\| `make ([a-z_-]+)`[^|]*\| `((?:pipeline|benchmarks)[^`]*)` \|", re.MULTILINE
)
RECIPE = re.compile(r"^([a-z_-]+):.*\n((?:\t.*\n)+)", re.MULTILINE)
# The most lines that a page may have.
LONGEST = {
    "README.md": 150,
    "docs/team-workflow.md": 300,
    "docs/serving.md": 220,
    "docs/workflows.md": 150,
    "docs/team-server.md": 100,
    "docs/architecture.md": 60,
}
OTHERS = 80
# From a file on the web to the pages of its repository: they exist in every fork, and in no clone.
GITHUB_PAGES = ("../../actions/",)
TARGET = re.compile(r"^([a-z_-]+|\.PHONY):(?!=)(.*)$", re.MULTILINE)
# Written so that this line does not hold the words itself.
FORBIDDEN = re.compile(r"/work[/]|/root/[.]pyenv|bash_job[s]|pypi[.]org|pythonhoste[d]")


def tracked():
    """Return every file that is under version control and exists."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if (ROOT / name).is_file()]


def code(page):
    """Return what a Markdown page sets as code: its blocks and its inline pieces."""
    return "\n".join([*FENCE.findall(page), *INLINE.findall(FENCE.sub("", page))])


def make_targets(page):
    """Return the targets of every `make` that a page shows, without options and variables."""
    words = " ".join(MAKE.findall(code(page))).split()
    return {word for word in words if "=" not in word and not word.startswith("-")}


def rules():
    """Return the targets of the Makefile, each with the rest of its line."""
    return dict(TARGET.findall((ROOT / "Makefile").read_text()))


def broken_links(path):
    """Return the relative links of a page that lead nowhere."""
    links = LINK.findall(FENCE.sub("", path.read_text()))
    ours = (link for link in links if "://" not in link and not link.startswith(GITHUB_PAGES))
    return [link for link in ours if not leads_somewhere(path, link)]


def leads_somewhere(path, link):
    """Say whether the file of a relative link exists, and the heading that it may name."""
    name, _, anchor = link.partition("#")
    target = path.parent / name if name else path
    return target.exists() and (not anchor or anchor in anchors(target.read_text()))


def anchors(page):
    """Return the names that GitHub gives to the headings of a page."""
    headings = HEADING.findall(FENCE.sub("", page))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_module(name):
    """Say whether Python can run the module with ``-m``."""
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def missing_modules(path):
    """Return the modules that a page runs and that do not exist."""
    return [name for name in MODULE.findall(path.read_text()) if not is_module(name)]


def lines_too_many(path):
    """Return by how many lines a page is longer than it may be."""
    return max(0, len(path.read_text().splitlines()) - LONGEST.get(short(path), OTHERS))


def text_of(path):
    """Return a file's text, or nothing where it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def short(path):
    """Return a path as a person writes it."""
    return path.relative_to(ROOT).as_posix()


def wrong(paths, found_in):
    """Return what is found in each file in which something is found."""
    return {short(path): found for path in paths if (found := found_in(path))}


FILES = tracked()
PAGES = [path for path in FILES if path.suffix == ".md"]


def test_every_make_target_that_a_page_names_exists():
    """A person types what the page shows."""
    targets = rules().keys()

    assert wrong(PAGES, lambda page: make_targets(page.read_text()) - targets) == {}


def test_every_module_that_a_page_runs_exists():
    """The same for `python -m`."""
    assert wrong(PAGES, missing_modules) == {}


def test_every_hint_names_the_python_of_the_environment():
    """An error says what to run, and another Python would miss what the pipeline needs."""
    modules = sorted((ROOT / "pipeline").rglob("*.py"))
    bare = [
        path for path in modules if re.search(r"run `python|next.*[\"{]python", path.read_text())
    ]
    assert bare == []


def test_every_link_to_a_file_leads_to_one():
    """Relative to the page, as it is shown on the web."""
    assert wrong(PAGES, broken_links) == {}


def test_no_page_grows_beyond_its_length():
    """What `--help` or a comment in `config.yaml` says needs no second place."""
    documents = [path for path in PAGES if short(path).startswith(("docs/", "README"))]

    assert wrong(documents, lines_too_many) == {}


def test_the_guide_lists_every_make_target():
    """In its one table of commands, which names the module of each too."""
    table = [line for line in GUIDE.read_text().splitlines() if line.startswith("| `make")]
    listed = set().union(*(make_targets(line.split("|")[1]) for line in table))

    assert listed == rules().keys() - {".PHONY"}


def test_a_target_runs_the_module_that_the_guide_names():
    """A person may type either."""
    recipes = dict(RECIPE.findall((ROOT / "Makefile").read_text()))
    named = MODULES.findall(GUIDE.read_text())

    assert [row for row in named if f"$(BIN)/python -m {row[1]} " not in recipes[row[0]]] == []


def test_every_make_target_has_a_help_text():
    """And is listed by `make` alone."""
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = rules().keys() - {".PHONY"}

    assert set(re.findall(r"^  ([a-z_-]+) +\w", shown.stdout, re.MULTILINE)) == targets
    assert set(rules()[".PHONY"].split()) == targets


def test_decision_records_are_numbered_without_a_gap_and_all_listed():
    """The index is the way in."""
    folder = ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    listed = LINK.findall((folder / "README.md").read_text())

    assert [name[:4] for name in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    assert set(records) <= set(listed)


def test_the_licence_is_the_unchanged_apache_text():
    """The sha256 of the text that the Apache Software Foundation publishes."""
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()

    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_no_file_holds_a_path_of_one_machine_or_the_host_of_a_package_registry():
    """Everyone has another home folder, and perhaps a mirror."""
    assert wrong(FILES, lambda path: FORBIDDEN.findall(text_of(path))) == {}


@pytest.mark.parametrize(
    ("page", "targets"),
    [
        ("`make nothing`", {"nothing"}),
        ("```\nmake one two\n$ make PYTHON=python3.12 -j2 three\n```", {"one", "two", "three"}),
        ("`make test` and `A=1 make check && make lock`", {"test", "check", "lock"}),
        ("make sure of it", set()),
        ("`make`", set()),
    ],
)
def test_make_targets_are_found_in_code_and_not_in_prose(page, targets):
    """The checks above would be empty if this found nothing."""
    assert make_targets(page) == targets


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    """Other links on the same page are left alone."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A part: `x`\n[a](gone.md#part) [b](page.md) [c](https://example.com/x) [d](#a-part-x)"
        "[e](#part) [f](page.md#part)"
    )

    assert broken_links(page) == ["gone.md#part", "#part", "page.md#part"]


@pytest.mark.parametrize(
    ("name", "exists"), [("pipeline.nothing", False), ("pipeline.base.cli", True)]
)
def test_a_module_that_does_not_exist_is_found(name, exists):
    """By its file."""
    assert is_module(name) is exists
