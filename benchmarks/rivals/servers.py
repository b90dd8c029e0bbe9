"""A server that runs: it is asked, its answers are proven, and what it takes is read."""

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import psutil

from benchmarks.findings import BenchmarkError
from benchmarks.measuring import MEGABYTE
from benchmarks.rivals.dialects import Dialect, Patients
from pipeline.base.errors import ImageError
from pipeline.image.http import JSON, Service
from pipeline.packaging.package import GoldenPatient

START_SECONDS: Final = 90.0
POLL_SECONDS: Final = 0.005
# A server is still when it works less than this part of such a time.
STILL_PART: Final = 0.2
STILL_SECONDS: Final = 0.1
SETTLE_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Server:
    """A server that runs.

    ``pid`` is of its first process, None where that is not on this machine; ``why_gone`` is empty
    while it lives.
    """

    dialect: Dialect
    host: str
    port: int
    pid: int | None
    why_gone: Callable[[], str] = field(repr=False)

    def url(self, patients: int) -> str:
        """Return where so many patients are sent."""
        return f"http://{self.host}:{self.port}{self.dialect.path_for(patients)}"

    def body(self, patients: Patients) -> bytes:
        """Return the request about patients."""
        return json.dumps(self.dialect.body(patients)).encode()

    def expect(self, golden: Sequence[GoldenPatient], tolerance: float) -> None:
        """Ask about patients in one request until the answer comes: it must be the champion's.

        Raises:
            BenchmarkError: the answer is wrong, or none comes.

        """
        deadline, said = time.monotonic() + START_SECONDS, "nothing"
        while time.monotonic() < deadline:
            with suppress(ImageError):
                said = self._ask(golden, tolerance)
                if not said:
                    return
            if reason := self.why_gone():
                raise BenchmarkError(f"{self.url(len(golden))}: the server ended: {reason}")
            time.sleep(POLL_SECONDS)
        raise BenchmarkError(
            f"{self.url(len(golden))}: no answer within {START_SECONDS:g} s, the last was {said}"
        )

    def settle(self) -> None:
        """Wait until it has worked off what nobody waits for any more."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            worked = self.processor_seconds()
            time.sleep(STILL_SECONDS)
            # Where the time is not seen, there is nothing to wait for.
            if not self.processor_seconds() - worked > STILL_PART * STILL_SECONDS:
                return

    def memory(self) -> float:
        """Return the resident memory of all its processes, in MB; NaN where they are elsewhere."""
        if self.pid is None:
            return math.nan
        return float(sum(process.memory_info().rss for process in self._processes()) / MEGABYTE)

    def processor_seconds(self) -> float:
        """Return the time that a core worked for it so far; NaN where that is elsewhere."""
        if self.pid is None:
            return math.nan
        return float(sum(sum(process.cpu_times()[:2]) for process in self._processes()))

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]

    def _ask(self, golden: Sequence[GoldenPatient], tolerance: float) -> str:
        """Return nothing where the answer is right, and what came where there is none yet."""
        path = self.dialect.path_for(len(golden))
        body = self.body([patient.patient for patient in golden])
        answer = Service(self.host, self.port).ask("POST", path, JSON, body)
        if answer.status != HTTPStatus.OK:
            return f"{answer.status}: {answer.body[:200]!r}"
        url, expected = self.url(len(golden)), [patient.probability for patient in golden]
        try:
            answers = self.dialect.probabilities(answer.json())
            gaps = [abs(a - b) for a, b in zip(answers, expected, strict=True)]
        except (LookupError, TypeError, ValueError) as error:
            raise BenchmarkError(f"{url} answers {answer.body[:200]!r}: {error!r}") from error
        if not all(gap < tolerance for gap in gaps):
            raise BenchmarkError(f"{url} answers {answers}, the champion {expected}")
        return ""
