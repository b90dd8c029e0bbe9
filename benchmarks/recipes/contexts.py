"""What the engine builds: ours, and what others recommend, each over the same base.

A rival's model is the package's own, with the code that its file names.
"""

import io
import re
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

import joblib
import skops.io

from benchmarks import measuring
from benchmarks.rivals import dialects, mlflow_sklearn, starting
from benchmarks.rivals.dialects import Dialect
from pipeline.base import artifacts
from pipeline.base.manifest import Files
from pipeline.base.names import SKOPS
from pipeline.image import build
from pipeline.packaging import package
from pipeline.training.persistence import TRUSTED_TYPES

HERE: Final = Path(__file__).parent
REPOSITORY: Final = "heart-disease-bench"
BASE: Final = f"{REPOSITORY}:base"
OURS: Final = "ours"
OURS_IMAGE: Final = f"{REPOSITORY}:{OURS}"
OURS_PYTHON: Final = "/opt/venv/bin/python"
DOCKERFILE: Final = "Dockerfile"
ON_SKLEARN: Final = ("joblib", "pandas", "scikit-learn")
_FROM: Final = re.compile(rb"^FROM \S+", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """How an image is made, and how what it serves is asked.

    ``code`` is the file of the context that changes most often.
    """

    name: str
    dialect: Dialect
    port: int
    context: Files = field(repr=False)
    code: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def image(self) -> str:
        """Return the name of its image."""
        return f"{REPOSITORY}:{self.name.lower()}"

    def changed(self, mark: str) -> Files:
        """Return the context after a change of the code alone."""
        return {**self.context, self.code: self.context[self.code] + f"# {mark}\n".encode()}


def base(run: str, image: str) -> tuple[Files, Mapping[str, str]]:
    """Return the context and the arguments of the base that a run builds everything on."""
    context = {DOCKERFILE: (HERE / "Base.Dockerfile").read_bytes()}
    return context, {"BASE_IMAGE": image, "RUN": run}


def ours(files: Files) -> Recipe:
    """Return what `python -m pipeline.image` builds of a package."""
    bento = artifacts.files_below(build.build_bento(files))
    return Recipe(
        name=OURS,
        dialect=dialects.OURS,
        port=build.PORT,
        context={**bento, DOCKERFILE: build.DOCKERFILE.read_bytes()},
        code="src/pipeline/serving/app.py",
        arguments={"BASE_IMAGE": BASE},
    )


def fastapi(files: Files) -> Recipe:
    """Return the Dockerfile of a tutorial, with FastAPI and scikit-learn."""
    app = "fastapi_sklearn.py"
    return Recipe(
        name="FastAPI",
        dialect=dialects.FASTAPI,
        port=8000,
        context={
            **_sklearn(files),
            DOCKERFILE: _over_base((HERE / "FastAPI.Dockerfile").read_bytes()),
            "requirements.txt": _pins("fastapi", "uvicorn", *ON_SKLEARN),
            app: (starting.HERE / app).read_bytes(),
        },
        code=app,
    )


def bentoml(files: Files, scratch: Path) -> Recipe:
    """Return what `bentoml build` makes of a plain service for `bentoml containerize`."""
    app = "bento_sklearn.py"
    sources = {
        **_sklearn(files),
        "bentofile.yaml": (HERE / "bentofile.yaml").read_bytes(),
        "requirements.txt": _pins(*ON_SKLEARN),
        app: (starting.HERE / app).read_bytes(),
    }
    for name, content in sources.items():
        artifacts.write_file(scratch / "bentoml" / name, content)
    home = scratch.absolute() / "bentoml-home"
    command = [sys.executable, "-m", "bentoml", "build", "--version", "bench"]
    environment = {
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONPATH": "",
        # Wanted where the service is imported, which a build does too.
        "WORKERS": "1",
    }
    measuring.usage(command, scratch / "bentoml.log", scratch / "bentoml", environment)
    bento = artifacts.files_below(home / "bentos" / "heart_disease" / "bench")
    return Recipe(
        name="BentoML",
        dialect=dialects.BENTOML,
        port=3000,
        context={**bento, DOCKERFILE: _over_base(bento["env/docker/Dockerfile"])},
        code=f"src/{app}",
    )


def mlflow(folder: Path, scratch: Path) -> Recipe:
    """Return what `mlflow models build-docker` builds of a package's scikit-learn model."""
    made, model = scratch / "mlflow-image", scratch / "mlflow"
    mlflow_sklearn.save(folder, model)
    command = [sys.executable, "-m", "mlflow", "models", "generate-dockerfile"]
    command += ["--model-uri", str(model), "--env-manager", "local"]
    command += ["--output-directory", str(made)]
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true"}
    measuring.usage(command, scratch / "mlflow.log", Path.cwd(), environment)
    context = artifacts.files_below(made)
    return Recipe(
        name="MLflow",
        dialect=dialects.MLFLOW,
        port=8080,
        context={**context, DOCKERFILE: _over_base(context[DOCKERFILE])},
        code="model_dir/mlflow/code/pipeline/training/blocks.py",
    )


def _sklearn(files: Files) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(files[package.CODE])) as code:
        modules = {name: code.read(name) for name in code.namelist()}
    # As they would save it: the package's own file would bring skops into their images.
    model, content = io.BytesIO(), files[f"{package.MODEL}{SKOPS}"]
    joblib.dump(skops.io.loads(content, trusted=list(TRUSTED_TYPES)), model)
    return {**modules, "model.joblib": model.getvalue()}


def _pins(*names: str) -> bytes:
    return "".join(f"{name}=={metadata.version(name)}\n" for name in sorted(names)).encode()


def _over_base(dockerfile: bytes) -> bytes:
    return _FROM.sub(f"FROM {BASE}".encode(), dockerfile, count=1)
