"""Calls to MLflow that survive a server's bad moment, and errors in one line where they do not.

MLflow's own client repeats every request, creations too: one lost answer made two versions. So its
repeating is off; ours repeats calls that change nothing more, and looks before it creates again.
"""

import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

import mlflow
import requests
import tenacity
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.entities.paged_list import PagedList

from pipeline.base import artifacts, proxies
from pipeline.base.addresses import database, redacted, shown
from pipeline.base.errors import RegistryError, RegistryUnavailableError
from pipeline.base.policies import RetryPolicy
from pipeline.registry import new_database

Answer = TypeVar("Answer")

EXISTS: Final = "RESOURCE_ALREADY_EXISTS"
ABSENT: Final = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})

_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_LONGEST_WAIT: Final = 5.0
# Another client that sets the same is done sooner than a server that restarts.
_RACE_SECONDS: Final = 5.0
# MLflow lets SQLite wait this long for a lock, in each attempt.
_LOCK_SECONDS: Final = 20.0
_SHOWN: Final = 150
# Of a message: how HTTP was tried, and the refused SQL statement.
_DETOUR: Final = re.compile(r"HTTPS?ConnectionPool.*Caused by | \[SQL: .*")
# MLflow would print between our own lines, too.
_CLIENT: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class MlflowCalls:
    """The registry at one tracking URI, as a client that is patient within limits.

    ``done`` says, for the message of a failure, what has been achieved until then.
    """

    def __init__(self, tracking_uri: str, retry: RetryPolicy) -> None:
        """Point MLflow at ``tracking_uri``; an embedded registry is made if it does not exist.

        Raises:
            RegistryError: the embedded registry's file cannot be opened, or MLflow knows no such
                kind of address.

        """
        proxies.spare_this_machine()
        os.environ.update(_CLIENT, MLFLOW_HTTP_REQUEST_TIMEOUT=str(retry.timeout_seconds))
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # It would print a traceback for every attempt that finds the database locked.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        _open_file(tracking_uri, retry.total_seconds)
        mlflow.set_tracking_uri(tracking_uri)
        self.uri, self._address = shown(tracking_uri), tracking_uri
        self.done: list[str] = []
        self._retry = retry
        self._client = self._persist(lambda: MlflowClient(tracking_uri, tracking_uri))

    def ask(self, call: Callable[[MlflowClient], Answer], task: str = "answer") -> Answer:
        """Return the answer to a call that may be repeated: a question, or a value that is set.

        ``task`` is named in the error when the registry keeps failing: it "fails to ``task``".

        Raises:
            RegistryUnavailableError: no good answer within the limits.
            RegistryError: the registry refuses.

        """
        return self._persist(lambda: call(self._client), task)

    def find(self, call: Callable[[MlflowClient], Answer]) -> Answer | None:
        """Return the answer as `ask` does, or None where there is no such thing."""

        def lookup() -> Answer | None:
            try:
                return call(self._client)
            except MlflowException as error:
                if error.error_code not in ABSENT:
                    raise
            return None

        return self._persist(lookup)

    def create(
        self,
        find: Callable[[MlflowClient], Answer | None],
        make: Callable[[MlflowClient], Answer],
    ) -> Answer:
        """Return the thing that ``find`` finds, or else ``make`` it.

        When an answer is lost, ``find`` is asked again before anything is made again.
        """

        def found_or_made() -> Answer:
            existing = find(self._client)
            return make(self._client) if existing is None else existing

        return self._persist(found_or_made)

    def _persist(self, call: Callable[[], Answer], task: str = "answer") -> Answer:
        wait = tenacity.wait_random_exponential(self._retry.wait_seconds, _LONGEST_WAIT)
        patient = tenacity.Retrying(
            stop=self._is_over,
            wait=wait,
            retry=tenacity.retry_if_exception(_may_pass),
            reraise=True,
        )
        racing = tenacity.Retrying(
            stop=tenacity.stop_before_delay(min(_RACE_SECONDS, self._retry.total_seconds)),
            wait=wait,
            retry=tenacity.retry_if_exception(_is_race),
            reraise=True,
        )
        with self._explained(patient, task):
            answer: Answer = patient(racing, call)
        return answer

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        """Say whether the time is over before another attempt could tell something new."""
        error = state.outcome.exception() if state.outcome else None
        needed = state.upcoming_sleep + (_LOCK_SECONDS if _is_locked(error) else 0)
        return time.monotonic() - state.start_time + needed >= self._retry.total_seconds

    @contextmanager
    def _explained(self, retrying: tenacity.Retrying, task: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        except (MlflowException, OSError) as error:
            line = _line(error, self._address)
            if refusal := _refusal_here(error):
                raise RegistryUnavailableError(refusal) from error
            if not _may_pass(error):
                raise RegistryError(f"the registry at {self.uri} refused: {line}") from error
            safe = f"done so far: {', '.join(self.done)}" if self.done else "nothing is lost"
            raise RegistryUnavailableError(
                f"the registry at {self.uri} {self._state(error, task)}, and run the same "
                f"command again; {safe} (asked {retrying.statistics['attempt_number']} times in "
                f"{time.monotonic() - started:.0f} s: {line})"
            ) from error

    def _state(self, error: Exception, task: str) -> str:
        """Say what is wrong with the registry, and what to do about it."""
        if _is_silent(error):
            return (
                "does not answer: start it, or unset MLFLOW_TRACKING_URI to work with the embedded "
                "one"
            )
        if _is_locked(error):
            return "is locked: another process writes to it; wait for it"
        if database(self._address):
            return f"fails to {task}: mend what SQLite says"
        # MLflow's client keeps the server's own words to itself.
        return f"fails to {task}: see its log; if the disk of the server is full, make room there"


def first(answers: Iterable[Answer]) -> Answer | None:
    """Return the first of the answers, or None."""
    return next(iter(answers), None)


def every_page(search: Callable[[str | None], PagedList[Any]]) -> list[Any]:
    """Return the rows of every page; ``search`` takes the token of a page, None for the first."""
    page = search(None)
    rows = [*page]
    while page.token:
        page = search(page.token)
        rows += page
    return rows


def plain(client: MlflowClient) -> Any:
    """Return the client for versions that MLflow's public one works with; it has no types.

    The public one first reads every version of the model, in each of several calls, to see that it
    is not a prompt: that takes longer with every version.
    """
    return client._get_registry_client()  # type: ignore[no-untyped-call]  # noqa: SLF001


def unless_there(create: Callable[[], object]) -> None:
    """Create something that has a name, unless another client was faster."""
    try:
        create()
    except MlflowException as error:
        if error.error_code != EXISTS:
            raise


def is_made(tracking_uri: str) -> bool:
    """Say whether there is a registry to ask. One at an address is; an embedded one has a file."""
    path = file_of(tracking_uri)
    return path is None or (path.is_file() and path.stat().st_size > 0)


def file_of(tracking_uri: str) -> Path | None:
    """Return the file of an embedded registry, or None for a registry of another kind."""
    path = database(tracking_uri)
    return None if path is None else Path(path)


def _open_file(tracking_uri: str, seconds: float) -> None:
    """Open an embedded registry once: MLflow would try a file that cannot be opened for 100 s.

    A lock that another process holds may last for ``seconds``.
    """
    if (path := file_of(tracking_uri)) is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new_database.lay(path)
        with closing(sqlite3.connect(path, timeout=seconds)) as opened:
            opened.execute("PRAGMA schema_version")
    except (OSError, sqlite3.Error) as error:
        if _is_locked(error):
            raise RegistryUnavailableError(
                f"the registry {path} is locked: another process writes to it; wait for it, and "
                "run the same command again"
            ) from error
        raise RegistryError(f"the registry {path} cannot be opened: {error}") from error


def _line(error: BaseException, address: str) -> str:
    """Return MLflow's message in one line, without the detours of its libraries."""
    line = redacted(" ".join(str(error).split()), address)
    line = _DETOUR.sub("", line)
    # A chain of causes begins with what failed, and ends with why.
    middle = slice(_SHOWN, -_SHOWN)
    return f"{line[:_SHOWN]} ... {line[-_SHOWN:]}" if line[middle] else line


def _refusal_here(error: BaseException) -> str:
    """Return what a disk of this machine says, not one of a server; nothing for other errors."""
    of_a_server = isinstance(error, RestException | requests.RequestException)
    return "" if of_a_server or "API request" in str(error) else artifacts.refusal(error)


def _may_pass(error: BaseException) -> bool:
    """Say whether a call that failed so may succeed in a moment."""
    if _refusal_here(error):
        return False
    if isinstance(error, MlflowException):
        status = int(error.get_http_status_code())  # type: ignore[no-untyped-call]
    elif isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
    else:
        return isinstance(error, requests.RequestException)
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER


def _is_race(error: BaseException) -> bool:
    """Say whether MLflow's database refused because another client set the same just now."""
    return isinstance(error, MlflowException) and error.error_code == "BAD_REQUEST"


def _is_locked(error: BaseException | None) -> bool:
    """Say whether SQLite refused because another process writes."""
    return "database is locked" in str(error)


def _is_silent(error: BaseException | None) -> bool:
    """Look through the chain of causes: MLflow wraps what `requests` raised."""
    if error is None:
        return False
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return True
    return _is_silent(error.__cause__ or error.__context__)
