"""The routes, as an ASGI application that BentoML mounts and the image's server runs.

Nothing here writes a log line with anything of a request in it.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Barrier
from time import perf_counter
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.base.errors import PackageError
from pipeline.packaging import package
from pipeline.serving import openapi, patients, problem
from pipeline.serving.metrics import CONTENT_TYPE, Metrics
from pipeline.serving.model import ServedModel
from pipeline.serving.patients import RefusedError
from pipeline.serving.refusal import Refusal

MAXIMUM_BODY: Final = 2**20
# Requests to /predict that may be under way at once; the next is asked to come back.
CAPACITY: Final = 128
RETRY_SECONDS: Final = 1
# A body of more bytes is answered in a thread, so that small ones need not wait for it.
SMALL_BODY: Final = 16_384
# Whatever the host has: a container is given a few cores, and may run few threads.
THREADS: Final = 4
MODEL_HEADER: Final = "model-version"

Endpoint = Callable[[Request], Awaitable[Response]]
log = logging.getLogger(__name__)


@dataclass
class Lifecycle:
    """What the server and the application tell each other.

    ``draining`` is set when the process is about to stop. ``under_way`` holds the task of each
    request; a server that knows of requests before the application does shares its own set. It
    tells ``refused`` whom it refuses before the application hears of it.
    """

    draining: bool = False
    under_way: set[Any] = field(default_factory=set)
    refused: Callable[[Refusal], None] = lambda _: None


def create(model: ServedModel, lifecycle: Lifecycle, capacity: int = CAPACITY) -> ASGIApp:
    """Return the application that answers with ``model``."""
    metrics = Metrics(model.about)
    lifecycle.refused = metrics.refusal
    pages = Pages(model, metrics, lifecycle).by_path()
    # They are tried in order: the one that is asked most comes first.
    routes = [Route("/predict", Predictor(model, metrics, lifecycle, capacity), methods=["POST"])]
    routes += [Route(path, endpoint, methods=["GET"]) for path, endpoint in pages.items()]
    # It would send /predict/ to /predict, and a client's POST would arrive as a GET.
    router = Router(routes, redirect_slashes=False)
    return Observed(router, metrics, model.title, lifecycle, frozenset({*pages, "/predict"}))


class Pages:
    """Answers every `GET`: about the process, its model and its counts."""

    def __init__(self, model: ServedModel, metrics: Metrics, lifecycle: Lifecycle) -> None:
        """Write the pages that do not change, once."""
        self._model, self._metrics, self._lifecycle = model, metrics, lifecycle
        self._document = json.dumps(openapi.document(model.about, model.golden[0])).encode()
        self._info = json.dumps(_info(model)).encode()

    def by_path(self) -> dict[str, Endpoint]:
        """Return the endpoint of each path."""
        return {
            "/info": self._about,
            "/livez": self._alive,
            "/readyz": self._ready,
            "/healthz": self._ready,
            "/metrics": self._counted,
            "/openapi.json": self._described,
        }

    async def _alive(self, _: Request) -> Response:
        return _json(b'{"status": "alive"}')

    async def _ready(self, _: Request) -> Response:
        if self._lifecycle.draining:
            return problem.response(HTTPStatus.SERVICE_UNAVAILABLE, "the service is stopping")
        try:
            self._model.prove()
        except PackageError as error:
            return problem.response(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return _json(b'{"status": "ready"}')

    async def _about(self, _: Request) -> Response:
        return _json(self._info)

    async def _described(self, _: Request) -> Response:
        return _json(self._document)

    async def _counted(self, _: Request) -> Response:
        return Response(self._metrics.page(), media_type=CONTENT_TYPE)


class Predictor:
    """Answers `POST /predict`."""

    def __init__(
        self, model: ServedModel, metrics: Metrics, lifecycle: Lifecycle, capacity: int
    ) -> None:
        """Answer with ``model``, at most ``capacity`` requests at once."""
        self._model, self._metrics, self._capacity = model, metrics, capacity
        self._lifecycle = lifecycle
        self._threads = _started(THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or raise the reason why it gets no answer."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        """Return the predictions for the patients of a request.

        Raises:
            RefusedError: the request gets none; its status and detail are the response's.

        """
        under_way, task = self._lifecycle.under_way, asyncio.current_task()
        under_way.add(task)
        try:
            if len(under_way) > self._capacity:
                raise RefusedError(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"{self._capacity} requests are under way: try again in {RETRY_SECONDS} s",
                )
            _refuse_media_type(request)
            body = await _body(request)
            if len(body) <= SMALL_BODY:
                return _json(self._answer(body))
            loop = asyncio.get_running_loop()
            return _json(await loop.run_in_executor(self._threads, self._answer, body))
        finally:
            # At once: a server forgets a task later, and would refuse all of a crowd.
            under_way.discard(task)

    def _answer(self, body: bytes) -> bytes:
        answer = self._model.answer(patients.read(body))
        self._metrics.predictions(prediction["risk_band"] for prediction in answer["predictions"])
        return json.dumps(answer).encode()


class Observed:
    """Counts every request, says in each response which model answers, and keeps defects quiet.

    A defect is answered with 500 and logged by its kind and place: its message could hold a
    patient's values.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        title: str,
        lifecycle: Lifecycle,
        known: frozenset[str],
    ) -> None:
        """Stand around ``app``; a path that is not ``known`` is counted as ``other``."""
        self._app, self._metrics, self._lifecycle, self._known = app, metrics, lifecycle, known
        self._headers = [(MODEL_HEADER.encode(), title.encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The router then raises what it does not know, as it does in a Starlette application.
        scope["app"] = self
        started, status = perf_counter(), 0

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += self._headers
                if self._lifecycle.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._app(scope, receive, observe)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 (whatever it is, its message must not be logged)
            if not isinstance(error, RefusedError | HTTPException):
                log.error("defect: %s at %s", type(error).__name__, _place(error))  # noqa: TRY400
            if not status:
                await _refusal(error)(scope, receive, observe)
        route = scope["path"] if scope["path"] in self._known else "other"
        self._metrics.request(route, status, perf_counter() - started)


def _started(threads: int) -> ThreadPoolExecutor:
    """Return threads that run already: a process that may start no more shall fail at once."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
    met = Barrier(threads + 1)
    for _ in range(threads):
        pool.submit(met.wait)
    met.wait()
    return pool


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else "unknown"


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _info(model: ServedModel) -> dict[str, object]:
    about = model.about.model_dump(mode="json", exclude={"files", "seal", "greatest_difference"})
    return {**about, "onnx_digest": model.about.files[package.SERVED_MODEL]}


def _refuse_media_type(request: Request) -> None:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in {"", "charset=utf-8"}:
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json, in UTF-8, as content-type"
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without an encoding")


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > MAXIMUM_BODY:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAXIMUM_BODY:
            raise _too_large()
    return bytes(body)


def _too_large() -> RefusedError:
    return RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body holds at most {MAXIMUM_BODY} bytes"
    )


def _refusal(error: Exception) -> Response:
    """Return the reason why a request gets no answer."""
    match error:
        case RefusedError(status=HTTPStatus.TOO_MANY_REQUESTS):
            headers = {"retry-after": str(RETRY_SECONDS)}
            return problem.response(error.status, error.detail, headers=headers)
        case RefusedError():
            return problem.response(error.status, error.detail, error.breaches)
        case HTTPException(status_code=HTTPStatus.METHOD_NOT_ALLOWED):
            detail = "the path does not know this method"
            return problem.response(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=error.headers)
        case HTTPException():
            detail = "no such path: /openapi.json names those that exist"
            return problem.response(HTTPStatus(error.status_code), detail)
    detail = "a defect of the service; its log names the place"
    return problem.response(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
