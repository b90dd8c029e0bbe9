"""The commands of the image."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base import cli
from pipeline.base.context import RunContext
from pipeline.image.build import build
from pipeline.image.verify import verify


def build_command(  # noqa: PLR0913 (each is an option)
    context: typer.Context,
    *,
    chosen: Annotated[
        Path | None,
        typer.Option("--package", metavar="PATH", help="A package; without it, the champion's."),
    ] = None,
    tag: Annotated[str, typer.Option(help="Name and tag; by default after the package.")] = "",
    base_image: Annotated[
        str, typer.Option(help="The image to build on, best with its digest.")
    ] = "",
    push: Annotated[
        bool, typer.Option("--push", help="Push the tag to the registry that it names.")
    ] = False,
    only_bento: Annotated[
        bool, typer.Option("--only-bento", help="Stop at the Bento, which needs no Docker.")
    ] = False,
) -> None:
    """Build the Bento and the container image of the champion.

    The Bento lies in `.bentoml/`; `images/` has the build's log and the SBOM (CycloneDX).

    Exit codes: 0 built; 1 something is wrong; 2 a setting or an option does not exist; 4 the
    registry of models does not answer.

    Examples:
    - `python -m pipeline.image` builds `heart-disease:heart_disease_model_v<N>`
    - `python -m pipeline.image --package packages/heart_disease_model_v1 --tag heart-disease:test`
    - `python -m pipeline.image verify heart-disease:test` proves that it answers like the champion

    """
    if context.invoked_subcommand is None:
        build(
            RunContext.read(),
            chosen=chosen,
            tag=tag,
            base_image=base_image,
            push=push,
            only_bento=only_bento,
        )


def verify_command(
    image: Annotated[str, typer.Argument(help="Name and tag, or digest, of a local image.")],
    *,
    chosen: Annotated[
        Path | None,
        typer.Option(
            "--package", metavar="PATH", help="What it must answer like; else what it carries."
        ),
    ] = None,
) -> None:
    """Start an image, locked down, and prove that it answers like its champion.

    It replays the golden patients, sends hostile requests, compares `/info` and the labels with
    the manifest, and stops the container with SIGTERM.

    Exit codes: 0 proven; 1 something differs, or is wrong; 2 a setting or an option does not exist.

    Examples:
    - `python -m pipeline.image verify heart-disease:test --package packages/heart_disease_model_v1`

    """
    verify(RunContext.read().settings, image, chosen)


if __name__ == "__main__":
    cli.run(build_command, verify=verify_command)
