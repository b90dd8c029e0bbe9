"""A package as a container image: how one is built, and how it is proven to answer like it."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline.base import artifacts, cli, config, git, manifest
from pipeline.base.config import Settings
from pipeline.base.errors import ImageError
from pipeline.base.manifest import Files
from pipeline.image import bento, hostile, sbom
from pipeline.image import checks as verification
from pipeline.image.checks import Check
from pipeline.image.docker import Engine, Image, Running
from pipeline.image.http import Service
from pipeline.packaging import package
from pipeline.packaging.package import GoldenPatient, Manifest
from pipeline.packaging.packager import ModelPackager

DOCKERFILE: Final = Path("docker/Dockerfile")
LOCK: Final = Path("requirements-serving.txt")
BENTOFILE: Final = Path("bentofile.yaml")
BILL: Final = "sbom.cdx.json"
# Where the image has its package, and the port of its service.
IN_IMAGE: Final = "/app/package"
PORT: Final = 3000
READY_SECONDS: Final = 60.0
# The service promises to end within this after SIGTERM.
STOP_SECONDS: Final = 10


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


def base_image(folder: Path) -> str:
    """Return the image of the Python that a package was made with."""
    packaged = json.loads((folder / package.PACKAGED_WITH).read_bytes())
    return f"python:{'.'.join(packaged['python'].split('.')[:2])}-slim"


def build_image(  # noqa: PLR0913 (an image is made of these)
    engine: Engine, bento_folder: Path, about: Manifest, *, tag: str, base: str, written: Path
) -> Image:
    """Build the image over a Bento; ``written`` gets the build's log and the bill of materials.

    Raises:
        ImageError: the engine or syft refused; the message says why.

    """
    context = {**artifacts.files_below(bento_folder), "Dockerfile": DOCKERFILE.read_bytes()}
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(line)
        cli.say(line)

    try:
        built = engine.build(context, tag, {"BASE_IMAGE": base}, _labels(about, tag), log)
    finally:
        content = "".join(f"{line}\n" for line in lines).encode()
        artifacts.write_file(written / "build.log", content)
    artifacts.write_file(written / BILL, sbom.bill_of_materials(tag))
    return built


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
    yield verification.check_user(image.user)
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
    yield verification.check_stop(code, seconds)


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
