"""The counters of the service, in the format of Prometheus."""

from collections.abc import Iterable
from functools import cache
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from pipeline.packaging.package import Manifest
from pipeline.serving.refusal import Refusal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# Seconds. One patient takes a fraction of the first, a thousand of a large forest about the last.
BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """The counts of one process; each carries the version that answered."""

    def __init__(self, about: Manifest) -> None:
        """Begin at zero."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._name_model(about)
        version = str(about.version)
        answered = self._counter("requests", "Requests that were answered", "route", "status")
        seconds = Histogram(
            "heart_disease_request_seconds",
            "From the head of a request to the end of its response",
            ["route", "model_version"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        predictions = self._counter("predictions", "Patients that were answered", "risk_band")
        refusals = self._counter(
            "refusals",
            "Clients that were refused before their request reached the application",
            "reason",
        )
        self._refusals = {one: refusals.labels(one.label, version) for one in Refusal}
        # To find a count by its labels takes longer than to count; there are few of them.
        self._request = cache(lambda route, status: answered.labels(route, status, version))
        self._duration = cache(lambda route: seconds.labels(route, version))
        self._prediction = cache(lambda band: predictions.labels(band, version))

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        names = [*labels, "model_version"]
        return Counter(f"heart_disease_{name}", help_, names, registry=self._registry)

    def _name_model(self, about: Manifest) -> None:
        model = Gauge(
            "heart_disease_model_info",
            "Always 1; its labels say which model answers",
            ["model", "model_version", "family", "model_digest", "data_digest"],
            registry=self._registry,
        )
        model.labels(
            *(about.model_name, str(about.version), about.family),
            *(about.model_digest, about.data_digest),
        ).set(1)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._request(route, status).inc()
        self._duration(route).observe(seconds)

    def refusal(self, refusal: Refusal) -> None:
        """Count one client that the application did not hear of."""
        self._refusals[refusal].inc()

    def predictions(self, bands: Iterable[str]) -> None:
        """Count the predictions of one response, by risk band."""
        for band in bands:
            self._prediction(band).inc()

    def page(self) -> bytes:
        """Return every count as text."""
        return generate_latest(self._registry)
