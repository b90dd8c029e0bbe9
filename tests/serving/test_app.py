"""The application: its routes, what it counts and logs, and what it does when in trouble."""

import asyncio
import json
import os
import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.base.manifest import sha256
from pipeline.base.names import FAMILIES, registered_name
from pipeline.packaging import package
from pipeline.serving import app, model
from pipeline.serving.refusal import Refusal
from pipeline.table.contract import FIELDS
from tests.serving.conftest import Application
from tests.serving.hostile import PAGES, WORD

PATIENT = {field.name: field.low for field in FIELDS}
# A body of this many is answered in a thread.
MANY = [PATIENT] * 500


@dataclass(frozen=True)
class Broken:
    """A model with a defect, whose message holds what must not be seen."""

    error: Exception

    def probabilities(self, _):
        """Fail."""
        raise self.error


@pytest.fixture
def broken(served):
    """Return an application with a defect in its model."""
    return Application(replace(served, onnx=Broken(ValueError(f"the age of {WORD}"))))


@pytest.fixture
def other(served, packages):
    """Return an application whose model is another than the one its manifest is about."""
    family = next(name for name in FAMILIES if name != served.about.family)
    folder = packages / f"{registered_name(family)}_model_v1"
    return Application(replace(served, onnx=model.load(folder).onnx))


def counted(application, name):
    """Return what /metrics counts under a name, by its labels, those in alphabetical order.

    Each carries the version that answers, which is left out.
    """
    families = text_string_to_metric_families(application.get("/metrics").text)
    samples = [sample for each in families for sample in each.samples if sample.name == name]
    assert {sample.labels.pop("model_version") for sample in samples} <= {"1"}
    return {tuple(v for _, v in sorted(each.labels.items())): each.value for each in samples}


def is_problem(response, status):
    """Say whether a response is a problem of this status, from a named model."""
    return (
        response.status_code == response.json()["status"] == status
        and response.headers["content-type"] == "application/problem+json"
        and response.headers["model-version"] == "heart_disease/1"
    )


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_and_names_the_model(application, path):
    """In a header; so a client need not know which version runs where."""
    response = application.get(path)

    assert response.status_code == 200
    assert response.headers["model-version"] == "heart_disease/1"


@pytest.mark.parametrize("path", PAGES)
def test_a_head_request_gets_the_head_of_the_page(application, path):
    """Load balancers ask this way."""
    assert application.ask("HEAD", path).status_code == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/info", "application/json"),
        ("/livez", "application/json"),
        ("/readyz", "application/json"),
        ("/openapi.json", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_every_page_says_what_it_is(application, path, kind):
    """The last is the type that Prometheus asks for."""
    assert application.get(path).headers["content-type"] == kind


def test_a_wrong_method_is_told_the_right_one(application):
    """In the header that HTTP has for it."""
    assert application.get("/predict").headers["allow"] == "POST"
    assert "GET" in application.ask("POST", "/info").headers["allow"].split(", ")


def test_info_is_the_manifest_without_the_list_of_files(application, served, package_folder):
    """All that a client may want to know about the model, and the digest of what answers."""
    manifest = json.loads((package_folder / "manifest.json").read_bytes())
    info = application.get("/info").json()

    onnx_digest = info.pop("onnx_digest")
    for name in ("files", "seal", "greatest_difference"):
        assert manifest.pop(name)
    assert info == manifest
    assert onnx_digest == sha256((package_folder / package.SERVED_MODEL).read_bytes())
    assert info["threshold"] == served.about.threshold


def test_a_prediction_names_the_model_in_its_body_too(application):
    """A body may be stored without its headers."""
    response = application.predict(PATIENT)

    assert response.json()["model"] == {"name": "heart_disease", "version": 1}
    assert response.headers["model-version"] == "heart_disease/1"
    assert response.headers["content-type"] == "application/json"


def test_a_large_body_gets_the_same_answers_as_a_small_one(application):
    """It takes another way, through a thread."""
    (alone,) = application.predict(PATIENT).json()["predictions"]
    found = application.predict(MANY).json()["predictions"]

    probabilities = np.array([one["probability"] for one in found])
    assert len(found) == 500
    assert np.abs(probabilities - alone["probability"]).max() < 1e-6


def test_many_at_once_get_their_own_answers(application, served):
    """No client gets the answer to another's request."""
    patients = [one.patient for one in served.golden] * 4

    async def all_at_once():
        """Return the answers to requests that are all on their way."""
        async with application.client() as client:
            requests = (client.post("/predict", json=one) for one in patients)
            return await asyncio.gather(*requests)

    found = [one.json()["predictions"][0]["probability"] for one in asyncio.run(all_at_once())]
    expected = [one.probability for one in served.golden] * 4
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


class Held:
    """A body that is under way until it is let go."""

    def __init__(self):
        """Hold it."""
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def __aiter__(self):
        """Give it in two parts."""
        content = json.dumps(PATIENT).encode()
        yield content[:10]
        self.begun.set()
        await self.go.wait()
        yield content[10:]


def test_at_capacity_the_next_request_is_asked_to_come_back(served):
    """While those under way are finished, and probes and pages answer; then there is room again."""
    application = Application(served, capacity=1)

    async def scene():
        """Return what comes while a request holds the service."""
        held, kind = Held(), {"content-type": "application/json"}
        async with application.client() as client, asyncio.timeout(30):
            first = asyncio.create_task(client.post("/predict", content=held, headers=kind))
            await held.begun.wait()
            refused = await client.post("/predict", json=PATIENT)
            pages = [await client.get(path) for path in PAGES]
            held.go.set()
            return await first, refused, pages, await client.post("/predict", json=PATIENT)

    first, refused, pages, last = asyncio.run(scene())

    assert is_problem(refused, 429)
    assert refused.headers["retry-after"] == "1"
    assert {page.status_code for page in pages} == {200}
    assert first.status_code == last.status_code == 200
    assert counted(application, "heart_disease_requests_total")["/predict", "429"] == 1


def test_its_threads_run_before_the_first_request_and_are_few(served, monkeypatch):
    """A container counts them among its processes, whatever cores its host has."""
    monkeypatch.setattr(os, "cpu_count", lambda: 256)
    before = {*threading.enumerate()}
    application = Application(served)
    started = [each for each in threading.enumerate() if each not in before]

    assert [each.name.partition("_")[0] for each in started] == ["predict"] * app.THREADS
    assert application.predict(MANY).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"json": {}}, {"content": b"{", "headers": {"content-type": "application/json"}}]
)
def test_a_refused_request_gives_its_place_back(served, body):
    """Otherwise a service would be full for ever after a few wrong requests."""
    application = Application(served, capacity=1)

    for _ in range(3):
        assert application.ask("POST", "/predict", **body).status_code in {400, 415, 422}
    assert application.predict(PATIENT).status_code == 200


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
def test_a_service_that_is_stopping_is_not_ready(application, path):
    """So that a load balancer sends it no more."""
    application.lifecycle.draining = True

    assert is_problem(application.get(path), 503)


def test_a_service_that_is_stopping_still_answers_and_closes_the_connection(application):
    """A request that was under way is not lost, and the next goes elsewhere."""
    application.lifecycle.draining = True

    for response in (application.predict(PATIENT), application.get("/livez")):
        assert response.status_code == 200
        assert response.headers["connection"] == "close"


def test_a_service_that_is_not_stopping_keeps_the_connection(application):
    """A new one for each request costs more than the answer."""
    assert "connection" not in application.predict(PATIENT).headers


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
def test_a_model_that_is_not_the_champion_is_not_ready(other, path):
    """It is asked for the golden patients at each probe."""
    response = other.get(path)

    assert is_problem(response, 503)
    assert "golden patients otherwise than the champion" in response.json()["detail"]
    assert other.get("/livez").status_code == 200


@pytest.mark.parametrize("patients", [PATIENT, MANY], ids=["here", "in a thread"])
def test_a_defect_is_answered_with_500_and_nothing_of_its_message(broken, patients, caplog):
    """The message could hold a patient's values; the kind and the place suffice to find it."""
    response = broken.predict(patients)

    assert is_problem(response, 500)
    assert response.json()["detail"] == "a defect of the service; its log names the place"
    assert WORD not in response.text
    (record,) = caplog.records
    assert record.getMessage().startswith("defect: ValueError at Broken.probabilities:")
    assert WORD not in caplog.text
    assert record.exc_info is None


def test_a_service_with_a_defect_lives_on(broken):
    """The next request is refused in the same way, and pages answer."""
    assert [broken.predict(PATIENT).status_code for _ in range(3)] == [500, 500, 500]
    assert broken.get("/livez").status_code == 200
    assert counted(broken, "heart_disease_requests_total")["/predict", "500"] == 3


def test_a_refusal_is_not_logged(application, caplog):
    """It is the caller's to repair, and a log of it holds what was sent."""
    application.predict({**PATIENT, "age": WORD})
    application.get(f"/{WORD}")
    application.ask("DELETE", "/info")

    assert caplog.records == []


def test_a_caller_who_leaves_is_neither_logged_nor_counted_and_gives_its_place_back(served, caplog):
    """Half a body came, and then the client was gone: that is no defect."""
    application = Application(served, capacity=1)
    part = {"type": "http.request", "body": b'{"age"', "more_body": True}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "headers": [(b"content-type", b"application/json")],
    }

    run(application, scope, part, {"type": "http.disconnect"})

    assert caplog.records == []
    assert counted(application, "heart_disease_requests_total") == {}
    assert application.predict(PATIENT).status_code == 200


def run(application, scope, *messages):
    """Give an application messages as a server does; return what it sends."""
    waiting, sent = iter(messages), []

    async def receive():
        """Return the next message."""
        return next(waiting)

    async def send(message):
        """Remember a message."""
        sent.append(message)

    asyncio.run(application.app(scope, receive, send))
    return sent


def test_requests_are_counted_by_route_and_status(application):
    """Each once, and under the version that answered."""
    application.predict(PATIENT)
    application.predict([PATIENT] * 3)
    application.predict({})
    application.get("/info")
    application.ask("POST", "/info")

    assert counted(application, "heart_disease_requests_total") == {
        ("/predict", "200"): 2,
        ("/predict", "422"): 1,
        ("/info", "200"): 1,
        ("/info", "405"): 1,
    }


def test_unknown_paths_are_counted_as_one(application):
    """Otherwise a million paths would fill the memory, and that of Prometheus."""
    for number in range(50):
        application.get(f"/{WORD}/{number}")
        application.ask("POST", f"/predict/{number}")

    assert counted(application, "heart_disease_requests_total") == {("other", "404"): 100}
    assert WORD not in application.get("/metrics").text


def test_the_time_of_each_request_is_counted(application):
    """In buckets from half a millisecond to a second, by route."""
    application.predict(PATIENT)
    application.get("/info")

    assert counted(application, "heart_disease_request_seconds_count") == {
        ("/predict",): 1,
        ("/info",): 1,
    }
    buckets = counted(application, "heart_disease_request_seconds_bucket")
    assert {edge for edge, route in buckets if route == "/predict"} >= {"0.0005", "1.0", "+Inf"}


def test_predictions_are_counted_by_risk_band(application, served):
    """One for each patient, so that a shift in the answers can be seen."""
    patients = [one.patient for one in served.golden]
    found = application.predict(patients).json()["predictions"]
    application.predict({})

    bands = [one["risk_band"] for one in found]
    assert counted(application, "heart_disease_predictions_total") == {
        (band,): bands.count(band) for band in set(bands)
    }


def test_each_reason_of_a_refusal_is_counted_from_the_beginning(application):
    """A rate of what was never there could not be watched."""
    application.lifecycle.refused(Refusal.LATE)

    assert counted(application, "heart_disease_refusals_total") == {
        ("crowded",): 0,
        ("head_too_large",): 0,
        ("late",): 1,
        ("malformed",): 0,
        ("too_large",): 0,
    }


def test_the_metrics_say_which_model_answers(application, served):
    """As labels of a 1, which queries join with."""
    about = served.about

    assert counted(application, "heart_disease_model_info") == {
        (about.data_digest, about.family, about.model_name, about.model_digest): 1
    }


def test_every_application_counts_for_itself(served):
    """A second one in the same process begins at zero."""
    Application(served).predict(PATIENT)

    assert counted(Application(served), "heart_disease_requests_total") == {}


def test_what_is_no_http_is_not_counted(application):
    """A server announces its own start this way."""
    started, stopped = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}

    sent = run(application, {"type": "lifespan"}, started, stopped)

    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert counted(application, "heart_disease_requests_total") == {}
