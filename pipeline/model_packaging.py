"""Task 4: turn the champion, or any other version, into a deployment package that is proven."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base import cli
from pipeline.base.context import RunContext
from pipeline.base.names import SERVED
from pipeline.packaging.package import Manifest
from pipeline.packaging.packager import ModelPackager

__all__ = ["ModelPackager", "run"]


def run(context: RunContext, model_name: str = SERVED, version: int | None = None) -> None:
    """Package a version, by default the champion, and validate what was written."""
    packager = ModelPackager(context.settings)
    folder = packager.create_package(model_name, version)
    _show(packager.validate_package(folder))
    cli.fact("package", f"{folder}/")
    cli.fact("archive", f"{folder}.tar.gz")


def _show(about: Manifest) -> None:
    rows = (
        ("model", f"{about.model_name}/{about.version}, from {about.registered_as}"),
        ("family", about.family),
        ("ROC-AUC", f"{about.metrics['roc_auc']:.3f}"),
        ("threshold", f"{about.threshold:.3f}"),
        ("ONNX", _conversion(about)),
        ("files", f"{len(about.files)}, every sha256 checked"),
    )
    cli.show_table("Package", ("", ""), rows)


def _conversion(about: Manifest) -> str:
    if about.greatest_difference is None:
        return "compared with scikit-learn when the model was first packaged"
    return f"within {about.greatest_difference:.1e} on {about.rows_compared:,} patients"


def main(
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The registered model to package.")
    ] = SERVED,
    version: Annotated[
        int | None, typer.Option(min=1, help="Its version; without it, the champion.")
    ] = None,
    validate: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Only check the package in this folder; write nothing."),
    ] = None,
) -> None:
    """Write a deployment package for the champion, and validate it.

    Writes `packages/heart_disease_model_v<N>/`, a `.tar.gz` of it, and `environments/`. A valid
    package has every file of its manifest, unchanged, and gives its golden patients the answers
    that are stored with them. One that is not valid is made again, never repaired.

    Exit codes: 0 the package is valid; 1 something is wrong; 2 a setting or an option does not
    exist; 4 the registry does not answer.

    Examples:
    - `python -m pipeline.model_packaging` packages the champion
    - `python -m pipeline.model_packaging --model heart_disease_svm --version 1` packages another
    - `python -m pipeline.model_packaging --validate packages/heart_disease_model_v1` only checks

    """
    context = RunContext.read()
    if validate is None:
        run(context, model, version)
    else:
        _show(ModelPackager(context.settings).validate_package(validate))


if __name__ == "__main__":
    cli.run(main)
