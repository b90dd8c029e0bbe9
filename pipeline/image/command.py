"""The champion as a container image: the Bento, the image around it, and the proof of both."""

from pathlib import Path
from typing import Annotated, Final

import typer

from pipeline.base import artifacts, cli, config
from pipeline.base.config import Settings
from pipeline.image import build as imaging
from pipeline.image.build import verify
from pipeline.image.docker import Engine, Image
from pipeline.packaging.package import Manifest
from pipeline.packaging.packager import ModelPackager

MEGABYTE: Final = 1_000_000


def build(  # noqa: PLR0913 (each is an option of the command)
    settings: Settings,
    *,
    chosen: Path | None = None,
    tag: str = "",
    base_image: str = "",
    push: bool = False,
    only_bento: bool = False,
) -> None:
    """Build the Bento of a package, by default the champion's, and the image over it.

    Raises:
        PackageError: a file of the package is not what was packaged; nothing is built.
        ImageError: BentoML, the engine or the registry refused; the message says why.

    """
    packager = ModelPackager(settings)
    folder = chosen or packager.create_package()
    about = packager.validate_package(folder)
    bento_folder = imaging.build_bento(artifacts.files_below(folder))
    cli.say(f"Bento         {bento_folder}/")
    if only_bento:
        return
    engine = Engine()
    tag = tag or f"{settings.packaging.image}:{about.folder}"
    base = base_image or imaging.base_image(folder)
    written = _written(about)
    built = imaging.build_image(engine, bento_folder, about, tag=tag, base=base, written=written)
    if push:
        cli.say(f"pushed        {tag}@{engine.push(tag, cli.say)}")
    _show(built, engine.image(base), about)


def _written(about: Manifest) -> Path:
    return artifacts.IMAGES / about.folder


def _show(built: Image, base: Image, about: Manifest) -> None:
    added = built.size - base.size
    rows = (
        ("image", built.name),
        ("id", built.id),
        ("model", f"{about.model_name}/{about.version}, {about.family}"),
        ("size", f"{built.size / MEGABYTE:.0f} MB, {added / MEGABYTE:.0f} MB over {base.name}"),
        ("user", built.user),
        ("log, bill of materials", f"{_written(about)}/"),
    )
    cli.show_table("Image", ("", ""), rows)
    cli.say(f"next          python -m pipeline.image verify {built.name}")


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

    The Bento lies in `.bentoml/`; `images/` has the build's log and the bill of materials
    (CycloneDX).

    Examples:
    - `python -m pipeline.image` builds `heart-disease:heart_disease_model_v<N>`
    - `python -m pipeline.image --package packages/heart_disease_model_v1 --tag heart-disease:test`
    - `python -m pipeline.image verify heart-disease:test` proves that it answers like the champion

    """
    if context.invoked_subcommand is None:
        build(
            config.load(),
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
    the manifest, and stops the container with SIGTERM. Ends with 1 when anything differs.

    Examples:
    - `python -m pipeline.image verify heart-disease:test --package packages/heart_disease_model_v1`

    """
    verify(config.load(), image, chosen)


if __name__ == "__main__":
    cli.run(build_command, verify=verify_command)
