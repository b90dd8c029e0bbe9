"""The arrows between modules: task -> adapters -> core -> errors, and nothing the other way."""

import ast

import pytest

from tests.conftest import ROOT

MODULES = sorted((ROOT / "pipeline").rglob("*.py"))

# What each layer may import of this project. A module that is no layer is a task or a command.
MAY_IMPORT = {
    "errors": set(),
    # The package itself pins it while it is imported.
    "kernel": set(),
    "core": {"core", "errors", "kernel"},
    # An adapter may stand on another: the APIs of GitHub and of registries on `rest`.
    "adapters": {"adapters", "artifacts", "core", "errors"},
    "artifacts": {"core", "errors"},
    "config": {"core", "errors"},
    "cli": {"artifacts", "config", "core", "errors"},
    "serving": {"serving", "core", "errors"},
    "service": {"serving", "core", "errors"},
    "workspace": {"artifacts", "core", "errors"},
    "packager": {"adapters", "artifacts", "config", "core", "errors"},
    "provenance": {"adapters", "config", "core", "errors"},
    "imaging": {"packager", "adapters", "artifacts", "cli", "config", "core", "errors"},
    "task": {
        *(
            "imaging",
            "packager",
            "provenance",
            "workspace",
            "adapters",
            "artifacts",
            "cli",
            "config",
            "core",
        ),
        *("errors", "kernel"),
    },
    "__main__": {"task", "workspace", "adapters", "artifacts", "cli", "config", "core", "errors"},
}

# What core may import besides: nothing here opens a file or a connection, or asks the time, unless
# it is called to; the names after it are those that would.
PURE = {
    *("abc", "annotated_types", "base64", "collections", "contextlib", "copy", "copyreg", "csv"),
    *("dataclasses", "datetime", "decimal", "enum", "functools", "gzip", "hashlib", "html", "io"),
    *("itertools", "json", "math", "numbers", "operator", "pathlib.PurePosixPath"),
    *("pickle", "re"),
    "http.HTTPStatus",
    *("statistics", "string", "struct", "tarfile", "textwrap", "types", "typing"),
    *("typing_extensions", "unicodedata", "warnings", "zipfile", "zlib"),
    "urllib.parse",
    *("cycler", "jinja2", "joblib", "jsonschema", "markupsafe", "matplotlib", "numpy", "onnx"),
    *("onnxruntime", "pandas", "pandera", "pyarrow", "pydantic", "pydantic_core", "scipy"),
    *("semver", "skl2onnx", "sklearn", "skops", "threadpoolctl", "yaml"),
}
REACHING = {
    *("io.open", "now", "today", "utcnow", "read_text", "read_bytes", "write_text"),
    *("write_bytes", "FileSystemLoader", "PackageLoader"),
}
REACHING_CALLS = {"open", "print", "input", "eval", "exec", "__import__"}
# Templates are part of the code; this is the one module that reads them.
EXCEPTIONS = {("pipeline.base.pages", "PackageLoader")}

# The homes of each outside thing.
HOMES = {
    "http.client": {"pipeline.image.http", "pipeline.serving.probe"},
    "bentoml": {"pipeline.service"},
    "docker": {"pipeline.image.docker"},
    "mlflow": {
        "pipeline.registry.mlflow_calls",
        "pipeline.registry.mlflow_model",
        "pipeline.registry.publishing",
        "pipeline.registry.client",
        "pipeline.registry.care",
        "pipeline.registry.transport",
    },
    "pydantic_settings": {"pipeline.base.config"},
    # MLflow and docker let the errors of requests through, so their adapters have to know them.
    "prometheus_client": {"pipeline.serving.metrics"},
    "requests": {
        "pipeline.image.docker",
        "pipeline.registry.mlflow_calls",
        "pipeline.registry.mlflow_server",
        "pipeline.release.images",
        "pipeline.base.rest",
        "pipeline.table.source",
    },
    "rich": {"pipeline.base.cli"},
    "subprocess": {
        "pipeline.image.bento",
        "pipeline.base.command",
        "pipeline.base.git",
        "pipeline.registry.git_branch",
        "pipeline.registry.mlflow_server",
        "pipeline.image.sbom",
    },
    "uvicorn": {"pipeline.serving.protocol", "pipeline.serving.server"},
    "urllib3": {"pipeline.table.source"},
    # MLflow's client takes its limits from the environment and from nowhere else.
    "os.environ": {
        "pipeline",
        # They hand it on to a program.
        "pipeline.image.bento",
        "pipeline.base.command",
        "pipeline.base.git",
        "pipeline.registry.git_branch",
        "pipeline.registry.mlflow_server",
        "pipeline.image.sbom",
        # Their clients look for a proxy nowhere else.
        "pipeline.registry.mlflow_calls",
        "pipeline.base.proxies",
        "pipeline.base.config",
        "pipeline.serving.environment",
    },
    "os.getenv": {"pipeline.base.config"},
    # Loading any of these runs what is in the file, so nobody does.
    "cloudpickle": set(),
    "joblib.load": set(),
    "pickle.load": set(),
    "pickle.loads": set(),
    "pickle.Unpickler": set(),
    # The one module that writes a pickle, for people whose tools expect one.
    "pickle": {"pipeline.packaging.joblib_file"},
}


def module_name(path):
    """Return the dotted name of a module of this repository."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def layer(name):
    """Return the layer that a module of the project belongs to."""
    part = (*name.split("."), "")[1]
    return part if part in MAY_IMPORT else "task"


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
    """Return the bare names that are called."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}


def below(name, listed):
    """Say whether a dotted name is one of those listed, or inside of one."""
    parts = name.split(".")
    return any(".".join(parts[: n + 1]) in listed for n in range(len(parts)))


def wrong_arrows(module, tree):
    """Name the imports of the project that the module's layer must not make."""
    ours = {name for name in imported(tree) if name.startswith(("pipeline.", "."))}
    allowed = MAY_IMPORT[layer(module)]
    return {name for name in ours if name.startswith(".") or layer(name) not in allowed}


def impurities(module, tree):
    """Name what a module of core imports or uses that reaches out of the process."""
    if layer(module) != "core":
        return set()
    others = {name for name in imported(tree) if not name.startswith("pipeline.")}
    outside = {name for name in others if not below(name, PURE)}
    last_names = {name.split(".")[-1] for name in others}
    reaching = (used(tree) | others | last_names) & REACHING
    reaching |= called(tree) & REACHING_CALLS
    return outside | {name for name in reaching if (module, name) not in EXCEPTIONS}


def strays(module, tree):
    """Name the outside things that the module touches and whose home is another one."""
    names = imported(tree) | used(tree)
    return {
        thing for thing, homes in HOMES.items() if module not in homes and touches(names, thing)
    }


def touches(names, thing):
    """Say whether any of the names is the thing or inside of it."""
    return any(below(name, {thing}) for name in names)


def breaches(module, source):
    """Name everything in the source of a module that breaks a rule of this file."""
    tree = ast.parse(source)
    return sorted(wrong_arrows(module, tree) | impurities(module, tree) | strays(module, tree))


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_the_module_keeps_to_its_layer(path):
    """Each module of the pipeline, also those that are added later."""
    assert breaches(module_name(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "named"),
    [
        ("pipeline.base.errors", "import pipeline.base.manifest", "pipeline.base.manifest"),
        ("pipeline.core.x", "from pipeline.adapters import registry", "pipeline.registry.client"),
        ("pipeline.core.x", "from pipeline import config", "pipeline.base.config"),
        (
            "pipeline.core.x",
            "from pipeline.base.artifacts import RAW",
            "pipeline.base.artifacts.RAW",
        ),
        ("pipeline.core.x", "from pipeline import cli", "pipeline.base.cli"),
        ("pipeline.core.x", "from . import y", "..y"),
        ("pipeline.core.x", "import os", "os"),
        ("pipeline.core.x", "def f():\n    import time", "time"),
        ("pipeline.core.x", "from pathlib import Path", "pathlib.Path"),
        ("pipeline.core.x", "import socket", "socket"),
        ("pipeline.core.x", "import requests.adapters", "requests.adapters"),
        ("pipeline.core.x", "open('x')", "open"),
        ("pipeline.core.x", "from io import open as o", "io.open"),
        ("pipeline.core.x", "datetime.datetime.now()", "now"),
        ("pipeline.core.x", "pd.Timestamp.today()", "today"),
        ("pipeline.core.x", "print('x')", "print"),
        ("pipeline.core.x", "from jinja2 import PackageLoader", "PackageLoader"),
        ("pipeline.base.pages", "import jinja2; jinja2.FileSystemLoader", "FileSystemLoader"),
        ("pipeline.base.git", "import pipeline.model_packaging", "pipeline.model_packaging"),
        ("pipeline.base.git", "from pipeline import config", "pipeline.base.config"),
        ("pipeline.base.git", "from pipeline.base.cli import say", "pipeline.base.cli.say"),
        ("pipeline.base.git", "import mlflow", "mlflow"),
        ("pipeline.base.rest", "import os; os.environ['X']", "os.environ"),
        ("pipeline.table.source", "from os import getenv", "os.getenv"),
        ("pipeline.service", "from pipeline.adapters import git", "pipeline.base.git"),
        ("pipeline.one", "from pipeline import another", "pipeline.another"),
        ("pipeline.one", "from pipeline.another import run", "pipeline.another.run"),
        ("pipeline.one", "from mlflow.tracking import MlflowClient", "mlflow"),
        ("pipeline.one", "import subprocess", "subprocess"),
        ("pipeline.one", "import requests", "requests"),
        ("pipeline.one", "from rich import print", "rich"),
        ("pipeline.one", "import joblib; joblib.load('x')", "joblib.load"),
        ("pipeline.registry.client", "import pickle", "pickle"),
    ],
)
def test_a_planted_breach_is_named(module, source, named):
    """The check above can fail, for each of its rules."""
    assert named in breaches(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pipeline.core.x", "from pathlib import PurePosixPath"),
        (
            "pipeline.core.x",
            "from pipeline.core import manifest\nfrom pipeline.base.errors import E",
        ),
        ("pipeline.core.x", "import io; io.BytesIO(b'')"),
        ("pipeline.base.pages", "from jinja2 import PackageLoader"),
        ("pipeline.base.git", "import subprocess"),
        ("pipeline.registry.client", "import mlflow.sklearn"),
        ("pipeline.one", "from pipeline import artifacts, cli, config\nimport typer"),
        ("pipeline.__main__", "from pipeline import one, another, cli"),
        ("pipeline.base.config", "import os; os.environ"),
    ],
)
def test_what_is_allowed_is_not_named(module, source):
    """No false alarm, which people would learn to overrule."""
    assert breaches(module, source) == []
