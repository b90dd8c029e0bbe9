"""The proof that an image answers like the champion in it."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from pipeline.base import artifacts, cli
from pipeline.base.config import Settings
from pipeline.base.errors import ImageError
from pipeline.image.build import PORT
from pipeline.image.checks import (
    Check,
    check_answers,
    check_info,
    check_labels,
    check_refusals,
    check_stop,
    check_user,
)
from pipeline.image.docker import Engine, Image, Running
from pipeline.image.http import Service
from pipeline.image.refusals import REFUSED
from pipeline.packaging import package
from pipeline.packaging.package import GoldenPatient, Manifest
from pipeline.packaging.packager import ModelPackager

# The place of the package in the image.
IN_IMAGE: Final = "/app/package"
READY_SECONDS: Final = 60.0
# The service promises to end within this after SIGTERM.
STOP_SECONDS: Final = 10


def verify(settings: Settings, name: str, chosen: Path | None = None) -> None:
    """Run an image as users are told to, and compare its behaviour with the champion's package.

    Raises:
        ImageError: a check failed; the table names it.

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
    cli.fact("verified", f"{name} answers like {about.model_name}/{about.version}")


def _truth(
    settings: Settings, engine: Engine, name: str, chosen: Path | None
) -> tuple[Manifest, tuple[GoldenPatient, ...], str]:
    """Return the package to compare the image with, by default the one that it carries."""
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
    yield check_labels(about, image.labels)
    yield check_user(image.user)
    try:
        seconds = service.wait(READY_SECONDS, lambda: _reason_gone(container))
    except ImageError as error:
        yield Check(name="ready", found=str(error), passed=False)
        return
    yield Check(name="ready", found=f"after {seconds:.2f} s", passed=True)
    patients = [patient.patient for patient in golden]
    yield check_answers(about, golden, service.post("/predict", patients).body)
    yield check_info(about, service.get("/info").json())
    yield check_refusals(REFUSED, _statuses(service))
    again = check_answers(about, golden, service.post("/predict", patients).body)
    yield again.model_copy(update={"name": "golden patients once more"})
    started = time.perf_counter()
    code, seconds = container.stop(STOP_SECONDS), time.perf_counter() - started
    yield check_stop(code, seconds)


def _reason_gone(container: Running) -> str:
    code = container.exit_code
    if code is None:
        return ""
    last = (container.logs.strip().splitlines() or ["it logged nothing"])[-1]
    return f"exit code {code}: {last}"


def _statuses(service: Service) -> dict[str, int]:
    """Send every hostile request; one without an answer is left out."""
    statuses = {}
    for probe in REFUSED:
        with suppress(ImageError):
            answer = service.ask(probe.method, probe.path, probe.headers, probe.body)
            statuses[probe.name] = answer.status
    return statuses
