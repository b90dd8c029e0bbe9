"""The rooms: each imports only rooms below it, and each outside thing has one home."""

import ast
import re

import pytest

from tests.conftest import ROOT

PICTURE = (ROOT / "docs" / "architecture.md").read_text()
# From the ground up; the tasks are on top of all rooms.
FLOORS = re.findall(r"^\| `(\w+)/` \|", PICTURE, re.MULTILINE)[::-1]
# Stored models look for their blocks there.
OLD_NAME = "pipeline.core"

# Decisions and computations. What they import, of this project too, touches nothing outside.
PURE_ROOMS = {"dataset", "evaluation", "gate", "scoring", "table", "training"}
PURE_MODULES = {
    *("base.addresses", "base.archives", "base.arithmetic", "base.encoding", "base.errors"),
    *("base.git_settings", "base.kernel", "base.manifest", "base.names", "base.pages"),
    *("base.policies", "base.records", "base.registry_settings", "base.variables"),
    *("registry.champion_faults", "registry.diagnosis", "registry.findings"),
    *("registry.history", "registry.retention"),
    *("packaging.build", "packaging.container", "packaging.package"),
    *("report.comment", "report.comparison_figures", "report.data_figures", "report.drawing"),
    *(
        "report.group_rows",
        "report.model_figures",
        "report.model_report",
        "report.page",
        "report.report_record",
    ),
    "report.rows",
    *("serving.patients", "image.checks", "image.refusals", "release.plan"),
}
REACHES_OUT = {"table.source", "training.workspace"}
# Asks for nothing but the processor, before numpy chooses its kernel.
KERNEL = "pipeline.base.kernel"

# What a pure module may import besides: nothing here opens a file or a connection, or asks the
# time, unless it is called to; the names after it are those that would.
PURE = {
    *("abc", "annotated_types", "base64", "collections", "contextlib", "copy", "csv"),
    *("dataclasses", "datetime", "decimal", "enum", "functools", "gzip", "hashlib", "html"),
    *("inspect", "io"),
    *("itertools", "json", "math", "numbers", "operator", "pathlib.PurePosixPath"),
    *("http.HTTPStatus", "re"),
    *("statistics", "string", "struct", "tarfile", "textwrap", "types", "typing"),
    *("typing_extensions", "unicodedata", "warnings", "zipfile", "zlib"),
    "urllib.parse",
    *(
        "cycler",
        "jinja2",
        "joblib",
        "jsonschema",
        "markdown_it",
        "markupsafe",
        "matplotlib",
        "numpy",
    ),
    *("onnx", "onnxruntime", "pandas", "pandera", "pyarrow", "pydantic", "pydantic_core", "scipy"),
    *("semver", "skl2onnx", "sklearn", "skops", "threadpoolctl", "yaml"),
    # How long an answer takes is a fact about a model.
    "timeit",
}
REACHING = {
    *("io.open", "now", "today", "utcnow", "read_text", "read_bytes", "write_text"),
    *("write_bytes", "FileSystemLoader", "PackageLoader"),
}
REACHING_CALLS = {"open", "print", "input", "eval", "exec", "__import__"}
# Templates are part of the code; this is the one module that reads them.
EXCEPTIONS = {("pipeline.base.pages", "PackageLoader")}

# The homes of each outside thing: rooms or single modules.
HOMES = {
    "http.client": {"image.http", "serving.probe"},
    "bentoml": {"service"},
    "docker": {"image.docker", "release.images"},
    "mlflow": {"registry"},
    "pydantic_settings": {"base.config"},
    "prometheus_client": {"serving.metrics"},
    # MLflow and docker let the errors of requests through, so their homes have to know them.
    "requests": {"base.rest", "image.docker", "registry", "release.images", "table.source"},
    "rich": {"base.cli"},
    "subprocess": {
        *("base.command", "base.git", "image.bento", "image.sbom"),
        *("registry.git_branch", "registry.mlflow_server"),
    },
    "uvicorn": {"serving.protocol", "serving.server"},
    "urllib3": {"table.source"},
    "os.environ": {
        "",
        # They hand it on to a program.
        *("base.command", "base.git", "image.bento", "image.sbom"),
        *("registry.git_branch", "registry.mlflow_server"),
        # Their clients look for limits and for a proxy nowhere else.
        *("base.proxies", "registry.mlflow_calls"),
        *("base.config", "serving.environment"),
    },
    "os.getenv": {"base.config"},
    # A command reads its surroundings once and hands them down; errors of that are shown in CI too.
    "CiRun()": {"base.cli", "base.context"},
    "Path.cwd": {"base.context"},
    "RunContext.read": {
        *("__main__", "data_acquisition_eda", "feature_engineering", "experiment_tracking"),
        *("model_packaging", "image.__main__", "registry.__main__", "release.__main__"),
        "report.__main__",
    },
    # Loading any of these runs what is in the file.
    "cloudpickle": set(),
    "joblib.load": set(),
    "pickle": set(),
    # It writes a pickle, for people whose tools expect one.
    "joblib.dump": {"packaging.build"},
}


def module_name(path):
    """Return the dotted name of a module of this repository."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted((ROOT / "pipeline").rglob("*.py"))}


def short(name):
    """Return the name of a module within the pipeline."""
    return name.removeprefix("pipeline").removeprefix(".")


def floor(name):
    """Return how high a module of the project lies; whatever is in no room lies on top."""
    room = short(name).partition(".")[0]
    return FLOORS.index(room) if room in FLOORS else len(FLOORS)


def is_pure(name):
    """Say whether a module of the project may not touch anything outside."""
    parts = short(name).split(".")
    module = ".".join(parts[:2])
    return module in PURE_MODULES or (parts[0] in PURE_ROOMS and module not in REACHES_OUT)


def imported(tree):
    """Return the dotted name of everything that is imported, also inside functions."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            names |= {f"{start}.{alias.name}" for alias in node.names}
    return names


def used(tree):
    """Return each name that is used, and each attribute alone and with what it stands on."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names |= {node.attr, f"{ast.unparse(node.value)}.{node.attr}"}
    return names


def called(tree):
    """Return the name of everything that is called, as it is written."""
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def below(name, listed):
    """Say whether a dotted name is one of those listed, or inside of one."""
    parts = name.split(".")
    return any(".".join(parts[: n + 1]) in listed for n in range(len(parts)))


def wrong_arrows(module, tree):
    """Name the imports of the project that lead up, or sideways between tasks."""
    ours = {name for name in imported(tree) if name.startswith(("pipeline.", "."))}
    up = {name for name in ours if name.startswith(".") or floor(name) > floor(module)}
    between = {name for name in ours if floor(name) == len(FLOORS)} - up
    # The commands of all tasks stand on the tasks; nothing else does.
    return up | (set() if module == "pipeline.__main__" else between)


def impurities(module, tree):
    """Name what a pure module imports or uses that reaches out of the process."""
    if module == KERNEL or not is_pure(module):
        return set()
    ours = {name for name in imported(tree) if name.startswith("pipeline.")}
    impure = {name for name in ours if not is_pure(name) and name.count(".") > 1}
    others = imported(tree) - ours
    outside = {name for name in others if not below(name, PURE)}
    last_names = {name.split(".")[-1] for name in others}
    reaching = (used(tree) | others | last_names) & REACHING
    reaching |= called(tree) & REACHING_CALLS
    return impure | outside | {name for name in reaching if (module, name) not in EXCEPTIONS}


def strays(module, tree):
    """Name the outside things that the module touches and whose home is another one."""
    calls = {f"{name.rpartition('.')[2]}()" for name in called(tree)}
    names = imported(tree) | used(tree) | calls
    return {
        thing
        for thing, homes in HOMES.items()
        if not {short(module), short(module).partition(".")[0]} & homes and touches(names, thing)
    }


def touches(names, thing):
    """Say whether any of the names is the thing or inside of it."""
    return any(below(name, {thing}) for name in names)


def breaches(module, source):
    """Name everything in the source of a module that breaks a rule of this file."""
    tree = ast.parse(source)
    return sorted(wrong_arrows(module, tree) | impurities(module, tree) | strays(module, tree))


def test_every_module_keeps_to_its_floor():
    """Each module of the pipeline, also those that are added later."""
    found = {name: breaches(name, path.read_text()) for name, path in MODULES.items()}

    assert {name: named for name, named in found.items() if named} == {}


def test_the_page_names_each_room():
    """A newcomer draws the house from it, and the drawing agrees with the imports."""
    rooms = {path.parent.name for path in (ROOT / "pipeline").glob("*/__init__.py")}

    assert set(FLOORS) == rooms - {OLD_NAME.partition(".")[2]}
    assert len(PICTURE.splitlines()) <= 60


def test_the_page_says_of_each_room_what_the_room_says():
    """In the same words, so that neither grows old."""
    said = {
        room: ast.get_docstring(ast.parse(MODULES[f"pipeline.{room}"].read_text()))
        for room in FLOORS
    }
    rows = [
        f"| `{room}/` | {text[0].lower()}{text[1:].removesuffix('.')} |"
        for room, text in said.items()
    ]

    assert [row for row in rows if row not in PICTURE] == []


@pytest.mark.parametrize(
    ("module", "source", "named"),
    [
        ("pipeline.base.x", "import pipeline.gate.decision", "pipeline.gate.decision"),
        ("pipeline.gate.x", "from pipeline.registry import client", "pipeline.registry.client"),
        ("pipeline.gate.x", "from pipeline.base import config", "pipeline.base.config"),
        ("pipeline.gate.x", "from pipeline import service", "pipeline.service"),
        ("pipeline.gate.x", "from . import y", "..y"),
        ("pipeline.gate.x", "import os", "os"),
        ("pipeline.gate.x", "def f():\n    import time", "time"),
        ("pipeline.gate.x", "from pathlib import Path", "pathlib.Path"),
        ("pipeline.gate.x", "import requests.adapters", "requests.adapters"),
        ("pipeline.gate.x", "open('x')", "open"),
        ("pipeline.gate.x", "from io import open as o", "io.open"),
        ("pipeline.gate.x", "datetime.datetime.now()", "now"),
        ("pipeline.gate.x", "print('x')", "print"),
        ("pipeline.gate.x", "from jinja2 import PackageLoader", "PackageLoader"),
        ("pipeline.base.pages", "import jinja2; jinja2.FileSystemLoader", "FileSystemLoader"),
        ("pipeline.table.x", "from pipeline.table import source", "pipeline.table.source"),
        ("pipeline.report.drawing", "import socket", "socket"),
        ("pipeline.registry.x", "import pipeline.model_packaging", "pipeline.model_packaging"),
        ("pipeline.serving.x", "from pipeline.image import docker", "pipeline.image.docker"),
        ("pipeline.base.git", "import mlflow", "mlflow"),
        ("pipeline.base.rest", "import os; os.environ['X']", "os.environ"),
        ("pipeline.table.source", "from os import getenv", "os.getenv"),
        ("pipeline.one", "from pipeline import another", "pipeline.another"),
        ("pipeline.one", "from pipeline.another import run", "pipeline.another.run"),
        ("pipeline.one", "from mlflow.tracking import MlflowClient", "mlflow"),
        ("pipeline.one", "import subprocess", "subprocess"),
        ("pipeline.one", "from rich import print", "rich"),
        ("pipeline.one", "import joblib; joblib.load('x')", "joblib.load"),
        ("pipeline.registry.client", "import pickle", "pickle"),
        ("pipeline.registry.client", "ci = config.CiRun()", "CiRun()"),
        ("pipeline.registry.client", "Path.cwd()", "Path.cwd"),
        ("pipeline.registry.client", "RunContext.read()", "RunContext.read"),
    ],
)
def test_a_planted_breach_is_named(module, source, named):
    """The check above can fail, for each of its rules."""
    assert named in breaches(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pipeline.gate.x", "from pathlib import PurePosixPath"),
        (
            "pipeline.gate.x",
            "from pipeline.base import manifest\nfrom pipeline.base.records import R",
        ),
        ("pipeline.gate.x", "import io; io.BytesIO(b'')"),
        ("pipeline.base.pages", "from jinja2 import PackageLoader"),
        ("pipeline.base.git", "import subprocess"),
        ("pipeline.registry.client", "import mlflow.sklearn"),
        ("pipeline.one", "from pipeline.base import artifacts, cli, config\nimport typer"),
        ("pipeline.__main__", "from pipeline import one, another\nfrom pipeline.base import cli"),
        ("pipeline.base.config", "import os; os.environ"),
        ("pipeline.registry.client", "def f(ci: CiRun): ..."),
    ],
)
def test_what_is_allowed_is_not_named(module, source):
    """No false positive, which people would learn to overrule."""
    assert breaches(module, source) == []
