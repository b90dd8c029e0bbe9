"""Checks that a service answers like the champion, decided on values alone."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from pipeline.base.policies import RiskBand
from pipeline.base.records import Record
from pipeline.image.refusals import Probe
from pipeline.packaging.package import GoldenPatient, Manifest

WRONG_SHOWN: Final = 3
# The labels that name the model in an image.
MODEL_NAME: Final = "heart-disease.model.name"
MODEL_VERSION: Final = "heart-disease.model.version"
MODEL_LABELS: Final = {
    MODEL_NAME: "model_name",
    MODEL_VERSION: "version",
    "heart-disease.model.family": "family",
    "heart-disease.model.digest": "model_digest",
    "heart-disease.model.commit": "git_commit",
    "heart-disease.data.digest": "data_digest",
}


class Check(Record):
    """One check: its name, the observed facts in words, and whether they are right."""

    name: str
    found: str
    passed: bool


class Prediction(Record):
    """The answer about one patient, as the service gives it."""

    probability: float
    label: int
    risk_band: RiskBand


class ModelName(Record):
    """The model that a response names as its author."""

    name: str
    version: int


class Predictions(Record):
    """A response of the service."""

    model: ModelName
    predictions: tuple[Prediction, ...]


def model_labels(about: Manifest) -> dict[str, str]:
    """Return the labels that an image of a package must carry."""
    return {label: str(getattr(about, name)) for label, name in MODEL_LABELS.items()}


def check_labels(about: Manifest, labels: Mapping[str, str]) -> Check:
    """Compare the labels of an image with the manifest of the package."""
    wrong = [
        f"{label} is {labels.get(label, 'missing')}"
        for label, value in model_labels(about).items()
        if labels.get(label) != value
    ]
    return Check(name="labels", found="; ".join(wrong) or "name the model", passed=not wrong)


def check_user(user: str) -> Check:
    """Require that an image names a user, and that it is not root."""
    named = user.partition(":")[0]
    return Check(name="user", found=user or "none, so root", passed=named not in {"", "0", "root"})


def check_stop(code: int, seconds: float) -> Check:
    """Require that a service ended by itself when it was asked to."""
    observed = f"exit code {code} after {seconds:.1f} s"
    return Check(name="SIGTERM", found=observed, passed=code == 0)


def check_info(about: Manifest, info: Mapping[str, Any]) -> Check:
    """Compare the answer of /info with the manifest of the package."""
    expected = about.model_dump(mode="json")
    wrong = [name for name in info.keys() & expected.keys() if info[name] != expected[name]]
    needed = {*MODEL_LABELS.values(), "threshold", "metrics"}
    wrong += [f"{name} is missing" for name in needed - info.keys()]
    observed = f"differs: {', '.join(sorted(wrong))}" if wrong else "as the manifest"
    return Check(name="/info", found=observed, passed=not wrong)


def check_answers(about: Manifest, golden: Sequence[GoldenPatient], response: bytes) -> Check:
    """Compare the answers to the golden patients with the champion's."""
    title = f"golden patients of {about.model_name}/{about.version}"
    try:
        answer = Predictions.model_validate_json(response)
    except ValidationError:
        return Check(name=title, found="the response is of another shape", passed=False)
    if (answer.model.name, answer.model.version) != (about.model_name, about.version):
        observed = f"{answer.model.name}/{answer.model.version} answers"
        return Check(name=title, found=observed, passed=False)
    if len(answer.predictions) != len(golden):
        observed = f"{len(answer.predictions)} answers to {len(golden)} patients"
        return Check(name=title, found=observed, passed=False)
    pairs = list(zip(answer.predictions, golden, strict=True))
    gap = max(abs(prediction.probability - champion.probability) for prediction, champion in pairs)
    # Closer to an edge than rounding reaches, both sides are right.
    differing = sum(
        (prediction.label, prediction.risk_band) != (champion.label, champion.risk_band)
        for prediction, champion in pairs
        if not _at_an_edge(about, champion.probability)
    )
    observed = f"{len(pairs)} answers, at most {gap:.1e} from the champion's"
    if differing:
        observed += f"; {differing} with another label or band"
    return Check(name=title, found=observed, passed=gap < about.tolerance and not differing)


def _at_an_edge(about: Manifest, probability: float) -> bool:
    edges = (about.threshold, about.risk_bands.moderate, about.risk_bands.high)
    return any(abs(probability - edge) <= about.tolerance for edge in edges)


def check_refusals(sent: Sequence[Probe], statuses: Mapping[str, int]) -> Check:
    """Compare the statuses of hostile requests, by their names, with those they must get."""
    wrong = [
        f"{probe.name}: {statuses.get(probe.name, 'no answer')}, not {int(probe.status)}"
        for probe in sent
        if statuses.get(probe.name) != probe.status
    ]
    more = f" and {len(wrong) - WRONG_SHOWN} more" if len(wrong) > WRONG_SHOWN else ""
    return Check(
        name=f"{len(sent)} hostile requests",
        found="; ".join(wrong[:WRONG_SHOWN]) + more or "each refused as documented",
        passed=not wrong,
    )
