"""A package as a container image: the Bento, and the image around it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline.base import artifacts, cli, manifest
from pipeline.base.context import RunContext
from pipeline.base.manifest import Files
from pipeline.image import bento, sbom
from pipeline.image.checks import model_labels
from pipeline.image.docker import Engine, Image
from pipeline.packaging import package
from pipeline.packaging.package import Manifest
from pipeline.packaging.packager import ModelPackager

MEGABYTE: Final = 1_000_000
DOCKERFILE: Final = Path("docker/Dockerfile")
LOCK: Final = Path("requirements-serving.txt")
BENTOFILE: Final = Path("bentofile.yaml")
SBOM: Final = "sbom.cdx.json"
# Of the service in the image.
PORT: Final = 3000


def build_bento(files: Files) -> Path:
    """Build the Bento of a package's files, unless there is one of that content already."""
    served = {f"package/{name}": files[name] for name in package.SERVED}
    lock = LOCK.read_bytes()
    sources = {
        **{f"pipeline/{name}": content for name, content in artifacts.source_code().items()},
        **served,
        BENTOFILE.name: BENTOFILE.read_bytes(),
        LOCK.name: lock,
        "requirements.txt": bento.requirements(lock.decode()).encode(),
    }
    about = package.check({name: files[name] for name in package.SERVED}, "", package.SERVED)
    digest = manifest.folder_digest(manifest.digests(sources))
    return bento.build(artifacts.BENTOML_HOME, f"v{about.version}-{digest[:12]}", sources)


def python_image(folder: Path) -> str:
    """Return the image of the Python that a package was made with."""
    packaged = json.loads((folder / package.PACKAGED_WITH).read_bytes())
    return f"python:{'.'.join(packaged['python'].split('.')[:2])}-slim"


def build_image(  # noqa: PLR0913 (an image is made of these)
    engine: Engine, folder: Path, labels: dict[str, str], *, tag: str, base: str, written: Path
) -> Image:
    """Build the image over the Bento in ``folder``; ``written`` gets the build's log and the SBOM.

    Raises:
        ImageError: the engine or syft refused; the message says why.

    """
    context = {**artifacts.files_below(folder), "Dockerfile": DOCKERFILE.read_bytes()}
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(line)
        cli.say(line)

    try:
        built = engine.build(context, tag, {"BASE_IMAGE": base}, labels, log)
    finally:
        content = "".join(f"{line}\n" for line in lines).encode()
        artifacts.write_file(written / "build.log", content)
    artifacts.write_file(written / SBOM, sbom.make(tag))
    return built


def image_labels(context: RunContext, about: Manifest, tag: str) -> dict[str, str]:
    """Return the labels of the image of a package: its version, its source and its model."""
    opencontainers = {
        "version": tag.rpartition(":")[2],
        "revision": context.tree.commit,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": context.ci.source or context.tree.origin,
    }
    return {
        **{f"org.opencontainers.image.{k}": value for k, value in opencontainers.items() if value},
        **model_labels(about),
    }


def build(  # noqa: PLR0913 (each is an option of the command)
    context: RunContext,
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
    packager = ModelPackager(context.settings)
    folder = chosen or packager.create_package()
    about = packager.validate_package(folder)
    bento_folder = build_bento(artifacts.files_below(folder))
    cli.say(f"Bento         {bento_folder}/")
    if only_bento:
        return
    engine = Engine()
    tag = tag or f"{context.settings.packaging.image}:{about.folder}"
    base = base_image or python_image(folder)
    written = _written(about)
    labels = image_labels(context, about, tag)
    built = build_image(engine, bento_folder, labels, tag=tag, base=base, written=written)
    if push:
        cli.fact("pushed", f"{tag}@{engine.push(tag, cli.say)}")
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
        ("log, SBOM", f"{_written(about)}/"),
    )
    cli.show_table("Image", ("", ""), rows)
    cli.fact("next", f".venv/bin/python -m pipeline.image verify {built.name}")
