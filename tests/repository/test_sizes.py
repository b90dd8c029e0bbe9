"""A function fits on a screen, and a module is read in one go."""

import ast

import pytest

from tests.conftest import ROOT

CODE = ("*.py", "benchmarks/**/*.py", "data/**/*.py", "docker/**/*.py", "pipeline/**/*.py")
MODULES = sorted(path for pattern in CODE for path in ROOT.glob(pattern))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LINES_OF_A_MODULE = 300
# Without the docstring: a command's is its help page.
LINES_OF_A_FUNCTION = 30
LEVELS = 3
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def lines(function):
    """Return how many lines a function has without its docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    docstring = first.end_lineno - first.lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - docstring


def levels(node):
    """Return how many blocks stand inside each other below a node; an `elif` opens none."""
    inner = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*FUNCTIONS, ast.ClassDef)):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        inner.append(levels(child) + (isinstance(child, BLOCKS) and not is_elif))
    return max(inner, default=0)


def functions(source):
    """Return all functions in the source of a module, those inside others too."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, FUNCTIONS)]


def too_deep(source):
    """Name each function whose blocks are nested deeper than they may be."""
    return [f.name for f in functions(source) if levels(f) > LEVELS]


def too_large(source):
    """Name everything in the source of a module that is larger than it may be."""
    yield from too_deep(source)
    yield from (f.name for f in functions(source) if lines(f) > LINES_OF_A_FUNCTION)
    if source.count("\n") > LINES_OF_A_MODULE:
        yield "the module"


def test_no_module_is_larger_than_it_may_be():
    """In lines, in lines of each function, and in levels of nesting."""
    assert {path: large for path in MODULES if (large := [*too_large(path.read_text())])} == {}


def test_no_function_of_the_tests_is_nested_deeper():
    """They may be long: a table of cases has as many lines as it has cases."""
    deep = {str(path.relative_to(ROOT)): too_deep(path.read_text()) for path in TESTS}
    assert {path: names for path, names in deep.items() if names} == {}


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("def f():\n" + "    x = 1\n" * 29, []),
        ("def f():\n    '''Say.\n\n    More.\n    '''\n" + "    x = 1\n" * 29, []),
        ("def f():\n" + "    x = 1\n" * 30, ["f"]),
        ("async def f():\n" + "    x = 1\n" * 30, ["f"]),
        ("def f():\n  if a:\n    for b in c:\n      with d:\n        e", []),
        (
            "def f():\n  if a:\n    for b in c:\n      with d:\n        try: e\n        finally: g",
            ["f"],
        ),
        ("def f():\n  if a: b\n  elif c: d\n  elif e: g\n  elif h: i", []),
        ("x = 1\n" * 301, ["the module"]),
    ],
)
def test_what_is_too_large_is_named(source, named):
    """The check above can fail, for each of its limits."""
    assert list(too_large(source)) == named
