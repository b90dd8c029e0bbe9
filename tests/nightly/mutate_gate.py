"""Mutants of the gate: each comparison, limit and decision of its modules, changed one at a time.

``python tests/nightly/mutate_gate.py`` prints each mutant and the case that
caught it, and ends with 1 when one survives.
"""

import ast
import copy
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parents[2]))

from pipeline.gate import checks, comparison, decision
from tests.gate import gate_cases

# In the order in which one imports the other.
GATE = (comparison, checks, decision)

OPPOSITE = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
BOUNDARY = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
SWAPPED = {"PASSED": "FAILED", "FAILED": "PASSED", "low": "high", "high": "low"}
LIMITS = ("minimum", "maximum", "leak", "behaviour_tolerance", "external", "margin", "megabytes")
# These put a decision into words and take part in none.
NOT_DECIDING = {"_interval", "_check", "_verdict", "checks_with", "registered_name"}


def mutants() -> Iterator[tuple[str, dict[str, ast.Module]]]:
    """Yield each mutant of the gate as its modules by name, and what was changed where."""
    trees = {m.__name__: ast.parse(Path(m.__file__).read_text(encoding="utf-8")) for m in GATE}
    for name, tree in trees.items():
        for number, node in enumerate(_deciding(tree)):
            for what, change in _changes(node):
                mutant = copy.deepcopy(tree)
                change(list(_deciding(mutant))[number])
                where = f"{name}, line {node.lineno}: {what}"
                yield where, {**trees, name: ast.fix_missing_locations(mutant)}


def _deciding(tree: ast.Module) -> Iterator[ast.expr | ast.stmt]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for top in (*tree.body, *(node for found in classes for node in found.body)):
        if isinstance(top, ast.FunctionDef) and top.name not in NOT_DECIDING:
            yield from (n for n in ast.walk(top) if isinstance(n, ast.expr | ast.stmt))


def _changes(node):
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for table in (t for t in (OPPOSITE, BOUNDARY) if type(operator) in t):
                new = table[type(operator)]
                yield f"{ast.unparse(node)}: {new.__name__}", _set_operator(index, new)
    if isinstance(node, ast.BoolOp):
        yield f"{ast.unparse(node)}: and <-> or", _flip_bool
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield f"{ast.unparse(node)}: without the minus", lambda n: setattr(n, "op", ast.UAdd())
    if isinstance(node, ast.Attribute) and node.attr in SWAPPED:
        swapped = SWAPPED[node.attr]
        yield f"{ast.unparse(node)}: {swapped}", lambda n: setattr(n, "attr", swapped)
    if isinstance(node, ast.Call):
        given = enumerate([*node.args, *(k.value for k in node.keywords)])
        limits = ((n, g) for n, g in given if getattr(g, "attr", "").startswith(LIMITS))
        for (index, limit), factor in itertools.product(limits, (0.95, 1.05)):
            yield f"{ast.unparse(limit)} times {factor}", _scale(index, factor)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
        yield f"{ast.unparse(node)}: dropped", lambda n: setattr(n, "value", ast.Constant(None))


def _set_operator(index, new):
    def change(node):
        node.ops[index] = new()

    return change


def _flip_bool(node):
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _scale(index, factor):
    def change(node):
        given = [*node.args, *(keyword.value for keyword in node.keywords)][index]
        scaled = ast.BinOp(given, ast.Mult(), ast.Constant(factor))
        if index < len(node.args):
            node.args[index] = scaled
        else:
            node.keywords[index - len(node.args)].value = scaled

    return change


def caught_by(mutant: dict[str, ast.Module]) -> str:
    """Return the name of the first case that a mutant decides otherwise, or nothing."""
    try:
        for name, tree in mutant.items():
            sys.modules[name] = module = ModuleType(name)
            exec(compile(tree, name, "exec"), module.__dict__)  # noqa: S102
        return gate_cases.misjudged(module)
    except Exception as error:  # noqa: BLE001 (a mutant may break in any way)
        return type(error).__name__
    finally:
        sys.modules.update({module.__name__: module for module in GATE})


def main() -> int:
    """Print every mutant and what caught it."""
    if case := gate_cases.misjudged(decision):
        sys.exit(f"the gate itself fails: {case}")
    survivors = 0
    for what, mutant in mutants():
        case = caught_by(mutant)
        survivors += not case
        print(f"{'caught ' if case else 'SURVIVED'}  {what}  <-  {case or 'no case'}")
    print(f"{survivors} survived")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
