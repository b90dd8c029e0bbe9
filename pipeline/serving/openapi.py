"""The service as an OpenAPI 3.1 document, made from the data contract."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, get_args

from pipeline.base.policies import RiskBand
from pipeline.packaging.package import GoldenPatient, Manifest
from pipeline.serving import problem
from pipeline.serving.patients import BREACHES_SHOWN, MAXIMUM_PATIENTS
from pipeline.table import wording
from pipeline.table.contract import patient_schema

# Headers of every response.
VERSION_HEADER: Final = {
    "model-version": {
        "description": "The model that answers, as name/version.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[a-z_]+/[0-9]+$"},
    }
}
REFUSALS: Final = {
    HTTPStatus.BAD_REQUEST: "The body is no JSON in UTF-8.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than 1 MiB.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not declared as application/json.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The body does not hold 1 to 1,000 patients of the contract; "
    "`errors` names each field and what is allowed there.",
    HTTPStatus.TOO_MANY_REQUESTS: "The service is at its capacity.",
}
# Refused by the connection, on every route.
OF_THE_CONNECTION: Final = {
    HTTPStatus.REQUEST_TIMEOUT: "The request took too long to arrive.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The request is too large without its body.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many connections are open.",
}
NOT_READY: Final = {
    HTTPStatus.SERVICE_UNAVAILABLE: "The service is stopping, its model is wrong, or too many "
    "connections are open."
}


def document(about: Manifest, example: GoldenPatient) -> dict[str, Any]:
    """Return the document of the service of one package, with ``example`` as the request."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": wording.TITLE,
            "version": f"{about.model_name}/{about.version}",
            "description": f"{wording.ABOUT} **{wording.CAUTION}**",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/predict": {"post": _predict(example)},
            "/info": {"get": _get("The model that answers", _any_object())},
            "/livez": {"get": _get("Whether the process answers", _status("alive"))},
            "/readyz": {"get": _get("Whether to send requests", _status("ready"), NOT_READY)},
            "/healthz": {"get": _get("The same as /readyz", _status("ready"), NOT_READY)},
            "/metrics": {
                "get": _get("Counts for Prometheus", {"type": "string"}, kind="text/plain")
            },
            "/openapi.json": {"get": _get("This document", _any_object())},
        },
        "components": {
            "schemas": {
                "Patient": {k: v for k, v in patient_schema().items() if k != "$schema"},
                "Predictions": _predictions(),
                "Problem": _problem(),
            }
        },
    }


def _predict(example: GoldenPatient) -> dict[str, Any]:
    patient = {"$ref": "#/components/schemas/Patient"}
    several = {"type": "array", "items": patient, "minItems": 1, "maxItems": MAXIMUM_PATIENTS}
    body = {"schema": {"oneOf": [patient, several]}, "example": example.patient}
    too_many = _failure(REFUSALS[HTTPStatus.TOO_MANY_REQUESTS])
    too_many["headers"] |= {
        "retry-after": {
            "description": "Seconds to wait.",
            "required": True,
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        }
    }
    return {
        "summary": f"The {wording.PROBABILITY} of one patient, or of up to 1,000",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": _success({"$ref": "#/components/schemas/Predictions"}),
            **_failures(REFUSALS),
            "429": too_many,
        },
    }


def _get(
    summary: str,
    schema: dict[str, Any],
    refusals: Mapping[HTTPStatus, str] = MappingProxyType({}),
    kind: str = "application/json",
) -> dict[str, Any]:
    responses = {"200": _success(schema, kind), **_failures(refusals)}
    return {"summary": summary, "responses": responses}


def _success(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {
        "description": "The answer",
        "headers": {**VERSION_HEADER},
        "content": {kind: {"schema": schema}},
    }


def _failures(refusals: Mapping[HTTPStatus, str]) -> dict[str, Any]:
    answers = {**OF_THE_CONNECTION, **refusals}
    return {str(int(status)): _failure(reason) for status, reason in answers.items()}


def _failure(reason: str) -> dict[str, Any]:
    return {
        "description": reason,
        "headers": {**VERSION_HEADER},
        "content": {problem.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _any_object() -> dict[str, Any]:
    return {"type": "object"}


def _status(word: str) -> dict[str, Any]:
    return _object(status={"const": word})


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def _predictions() -> dict[str, Any]:
    prediction = _object(
        probability={"type": "number", "minimum": 0, "maximum": 1},
        label={"enum": [0, 1], "description": "1 from the threshold of /info on."},
        risk_band={"enum": [*get_args(RiskBand)], "description": "By the edges of /info."},
    )
    return _object(
        model=_object(name={"type": "string"}, version={"type": "integer", "minimum": 1}),
        predictions={
            "type": "array",
            "items": prediction,
            "minItems": 1,
            "maxItems": MAXIMUM_PATIENTS,
            "description": "One for each patient, in the order of the request.",
        },
    )


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    breach = _object(
        pointer={**text, "description": "Where in the body, as a JSON pointer."},
        detail={**text, "description": "What is allowed there."},
    )
    schema = _object(
        type={"const": "about:blank"},
        title={**text, "description": "The status in words."},
        status={"type": "integer", "minimum": 400, "maximum": 599},
        detail=text,
        errors={"type": "array", "items": breach, "maxItems": BREACHES_SHOWN},
    )
    return {**schema, "required": [name for name in schema["required"] if name != "errors"]}
