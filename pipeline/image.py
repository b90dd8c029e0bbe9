"""The champion as a container image: the Bento, the image around it, and the proof of both."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from pipeline import artifacts, cli, config
from pipeline.adapters import bento, git, syft
from pipeline.adapters.docker import Engine, Image, Running
from pipeline.adapters.http import Service
from pipeline.config import Settings
from pipeline.core import hostile, manifest, package, verification
from pipeline.core.manifest import Files
from pipeline.core.package import GoldenPatient, Manifest
from pipeline.core.verification import Check
from pipeline.errors import ImageError
from pipeline.packager import ModelPackager

DOCKERFILE: Final = Path("docker/Dockerfile")
LOCK: Final = Path("requirements-serving.txt")
BENTOFILE: Final = Path("bentofile.yaml")
# Where the image has its package, and the port of its service.
IN_IMAGE: Final = "/app/package"
PORT: Final = 3000
READY_SECONDS: Final = 60.0
# The service promises to end within this after SIGTERM.
STOP_SECONDS: Final = 10
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
    bento_folder = _build_bento(artifacts.files_below(folder))
    cli.say(f"Bento         {bento_folder}/")
    if only_bento:
        return
    engine = Engine()
    tag = tag or f"{settings.packaging.image}:{about.folder}"
    base = base_image or f"python:{_python(folder)}-slim"
    context = {**artifacts.files_below(bento_folder), "Dockerfile": DOCKERFILE.read_bytes()}
    built = _build_image(engine, context, about, tag, base)
    artifacts.write_file(_written(about) / "sbom.cdx.json", syft.bill_of_materials(tag))
    if push:
        cli.say(f"pushed        {tag}@{engine.push(tag, cli.say)}")
    _show(built, engine.image(base), about)


def _build_bento(files: Files) -> Path:
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


def _python(folder: Path) -> str:
    packaged = json.loads((folder / package.PACKAGED_WITH).read_bytes())
    return ".".join(packaged["python"].split(".")[:2])


def _build_image(engine: Engine, context: Files, about: Manifest, tag: str, base: str) -> Image:
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(line)
        cli.say(line)

    try:
        return engine.build(context, tag, {"BASE_IMAGE": base}, _labels(about, tag), log)
    finally:
        content = "".join(f"{line}\n" for line in lines).encode()
        artifacts.write_file(_written(about) / "build.log", content)


def _written(about: Manifest) -> Path:
    return artifacts.IMAGES / about.folder


def _labels(about: Manifest, tag: str) -> dict[str, str]:
    tree, ci = git.work_tree(Path.cwd()), config.CiRun()
    opencontainers = {
        "version": tag.rpartition(":")[2],
        "revision": tree.commit,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": ci.source or tree.origin,
    }
    return {
        **{f"org.opencontainers.image.{k}": value for k, value in opencontainers.items() if value},
        **verification.model_labels(about),
    }


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


def verify(settings: Settings, name: str, chosen: Path | None = None) -> None:
    """Run an image as users are told to, and compare what it does with the champion's package.

    Raises:
        ImageError: something differs; the table says what.

    """
    engine = Engine()
    image = engine.image(name)
    about, golden, origin = _truth(settings, engine, name, chosen)
    with engine.running(name, PORT) as container:
        checks = list(_checks(image, container, about, golden))
    rows = ((check.name, check.found, "passed" if check.passed else "FAILED") for check in checks)
    cli.show_table(f"{name} against {origin}", ("check", "found", "result"), rows)
    if failed := [f"{check.name}: {check.found}" for check in checks if not check.passed]:
        raise ImageError(f"{name} is not to be used: {'; '.join(failed)}")
    cli.say(f"verified      {name} answers like {about.model_name}/{about.version}")


def _truth(
    settings: Settings, engine: Engine, name: str, chosen: Path | None
) -> tuple[Manifest, tuple[GoldenPatient, ...], str]:
    """Return what the image is held against: a package, or what the image itself carries."""
    if chosen is not None:
        about = ModelPackager(settings).validate_package(chosen)
        return about, package.read_golden(artifacts.files_below(chosen)), f"{chosen}"
    files = engine.read(name, IN_IMAGE)
    about = package.check(files, f"{name}:{IN_IMAGE}", only=package.SERVED)
    return about, package.read_golden(files), "the package it carries"


def _checks(
    image: Image, container: Running, about: Manifest, golden: tuple[GoldenPatient, ...]
) -> Iterator[Check]:
    service = Service(container.host, container.port)
    yield verification.check_labels(about, image.labels)
    yield Check(
        name="user", found=image.user, passed=image.user.split(":")[0] not in {"", "0", "root"}
    )
    try:
        seconds = service.wait(READY_SECONDS, lambda: _why_gone(container))
    except ImageError as error:
        yield Check(name="ready", found=str(error), passed=False)
        return
    yield Check(name="ready", found=f"after {seconds:.2f} s", passed=True)
    patients = [one.patient for one in golden]
    yield verification.check_answers(about, golden, service.post("/predict", patients).body)
    yield verification.check_info(about, service.get("/info").json())
    yield verification.check_refusals(hostile.REFUSED, _statuses(service))
    again = verification.check_answers(about, golden, service.post("/predict", patients).body)
    yield again.model_copy(update={"name": "golden patients once more"})
    started = time.perf_counter()
    code, seconds = container.stop(STOP_SECONDS), time.perf_counter() - started
    yield Check(name="SIGTERM", found=f"exit code {code} after {seconds:.1f} s", passed=code == 0)


def _why_gone(container: Running) -> str:
    code = container.exit_code
    if code is None:
        return ""
    last = (container.logs.strip().splitlines() or ["it logged nothing"])[-1]
    return f"exit code {code}: {last}"


def _statuses(service: Service) -> dict[str, int]:
    """Send every hostile request; one without an answer is left out."""
    found = {}
    with closing(cli.track(hostile.REFUSED, "Hostile requests", len(hostile.REFUSED))) as watched:
        for one in watched:
            with suppress(ImageError):
                found[one.name] = service.ask(one.method, one.path, one.headers, one.body).status
    return found


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
