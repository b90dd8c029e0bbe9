"""The raw data: the four files as UCI publishes them, on disk and on UCI's server."""

import io
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import requests
import tenacity
import urllib3.exceptions

from pipeline.base import artifacts
from pipeline.base.addresses import shown
from pipeline.base.errors import SourceError
from pipeline.base.manifest import sha256
from pipeline.base.policies import DownloadPlan
from pipeline.dataset.contract import Cohort
from pipeline.table.contract import COHORTS

ARCHIVE_SHA256: Final = "b17cd273da9ce1caa4710fce80227ea454d4dbf9fcbc8e6a9121672751563adc"
# UCI's archive has 129 kB, the longest file 18 kB: far more than that is something else.
MOST_ARCHIVE_BYTES: Final = 10_000_000
MOST_MEMBER_BYTES: Final = 1_000_000
CHUNK_BYTES: Final = 65_536
# A body that comes byte by byte never times out, so an attempt has this many timeouts in all.
TIMEOUTS_PER_ATTEMPT: Final = 10
# The other methods of zip can unpack a few bytes into gigabytes at once.
COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DAMAGED_ARCHIVE: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)

# Passes the chunks on as they come; is told how many bytes they will have, if the server said so.
Watch = Callable[[Iterator[bytes], int | None], Iterable[bytes]]


class _InterruptedError(Exception):
    """The download failed in a way that may be gone the next time."""


def read(folder: Path) -> dict[str, bytes]:
    """Return the content of each hospital's file by the hospital's name.

    Raises:
        SourceError: names every file that is missing or not what UCI publishes.

    """
    contents = {hospital: _content(folder / hospital.file) for hospital in COHORTS}
    checked = [
        _fault(str(folder / hospital.file), hospital, content)
        for hospital, content in contents.items()
    ]
    if faults := [fault for fault in checked if fault]:
        remedy = f"`git checkout -- {folder}` or `--refresh` brings them back"
        raise SourceError(f"{'; '.join(faults)}: {remedy}")
    return {hospital.name: content for hospital, content in contents.items() if content is not None}


def download(plan: DownloadPlan, folder: Path, watch: Watch) -> tuple[str, ...]:
    """Replace the files in ``folder`` by those in UCI's archive and return the archive's oddities.

    Nothing is replaced unless all four files are right.

    Raises:
        SourceError: the archive cannot be had, or a file in it is missing or not the one we know.

    """
    try:
        archive = _retried(plan)(_fetch, plan, watch)
        contents = unpack(archive)
    except (_InterruptedError, SourceError) as error:
        remedy = "nothing was replaced; try later, or work without --refresh on the files here"
        place = shown(plan.url)
        raise SourceError(f"cannot refresh {folder} from {place}: {error}: {remedy}") from None
    _replace(folder, contents)
    return _oddities(plan.url, archive)


def unpack(archive: bytes) -> dict[Cohort, bytes]:
    """Return the content of each hospital's file in ``archive``.

    Raises:
        SourceError: the archive is damaged, or a file in it is missing or not the one we know.

    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as unzipped:
            known = {PurePosixPath(info.filename).name: info for info in unzipped.infolist()}
            contents = {hospital: _member(unzipped, known, hospital) for hospital in COHORTS}
    except DAMAGED_ARCHIVE:
        raise SourceError(f"the answer of {len(archive)} bytes is no intact zip archive") from None
    checked = [_fault(hospital.file, hospital, content) for hospital, content in contents.items()]
    if faults := [fault for fault in checked if fault]:
        raise SourceError(f"in the archive, {'; '.join(faults)}")
    return {hospital: content for hospital, content in contents.items() if content is not None}


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None


def _fault(name: str, hospital: Cohort, content: bytes | None) -> str:
    if content is None:
        return f"{name} is missing"
    changed = sha256(content) != hospital.sha256
    return f"{name} has changed (its sha256 must be {hospital.sha256})" if changed else ""


def _retried(plan: DownloadPlan) -> tenacity.Retrying:
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(plan.attempts),
        wait=tenacity.wait_exponential(multiplier=plan.wait_seconds),
        retry=tenacity.retry_if_exception_type(_InterruptedError),
        reraise=True,
    )


def _fetch(plan: DownloadPlan, watch: Watch) -> bytes:
    ask: dict[str, Any] = {"stream": True, "headers": {"Accept-Encoding": "identity"}}
    try:
        with requests.get(plan.url, timeout=plan.timeout_seconds, **ask) as response:
            _check_status(response)
            body = watch(_chunks(response, plan), response.raw.length_remaining)
            return b"".join(body)
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise _InterruptedError(f"no answer for {plan.timeout_seconds:g} s") from None
    except requests.ConnectionError as error:
        raise _InterruptedError(f"no connection ({type(error).__name__})") from None
    except urllib3.exceptions.HTTPError:
        raise _InterruptedError("the answer broke off") from None
    except requests.RequestException as error:
        raise SourceError(f"the request failed ({type(error).__name__})") from None


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status >= requests.codes.internal_server_error:
        raise _InterruptedError(f"the server answered {status}")
    if status != requests.codes.ok:
        raise SourceError(f"the server answered {status}, so source.url in config.yaml is wrong")


def _chunks(response: requests.Response, plan: DownloadPlan) -> Iterator[bytes]:
    end = time.monotonic() + TIMEOUTS_PER_ATTEMPT * plan.timeout_seconds
    size = 0
    while chunk := response.raw.read1(CHUNK_BYTES):
        size += len(chunk)
        if size > MOST_ARCHIVE_BYTES:
            raise SourceError(f"the answer has more than {MOST_ARCHIVE_BYTES} bytes")
        if time.monotonic() > end:
            raise _InterruptedError(f"the answer took longer than {TIMEOUTS_PER_ATTEMPT} timeouts")
        yield chunk


def _member(
    unzipped: zipfile.ZipFile, known: Mapping[str, zipfile.ZipInfo], hospital: Cohort
) -> bytes | None:
    info = known.get(hospital.file)
    if info is None:
        return None
    if info.file_size > MOST_MEMBER_BYTES:
        raise SourceError(f"in the archive, {hospital.file} has {info.file_size} bytes")
    if info.compress_type not in COMPRESSIONS:
        raise SourceError(f"in the archive, {hospital.file} is neither stored nor deflated")
    return unzipped.read(info)


def _oddities(url: str, archive: bytes) -> tuple[str, ...]:
    if sha256(archive) == ARCHIVE_SHA256:
        return ()
    return (f"{shown(url)} is not the archive we know (packed anew?), but its four files are",)


def _replace(folder: Path, contents: Mapping[Cohort, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".refresh-") as staging:
            for hospital, content in contents.items():
                (Path(staging) / hospital.file).write_bytes(content)
            for hospital in contents:
                (Path(staging) / hospital.file).replace(folder / hospital.file)
    except OSError as error:
        raise SourceError(f"cannot write {folder}: {artifacts.reason(error)}") from None
