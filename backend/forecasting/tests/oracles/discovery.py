"""Google's discovery documents as an oracle: what a request and a reply may look like.

The documents come with google-api-python-client, so no network is needed. They describe each
method's path, query parameters and bodies; what is required they say only in their prose
("Required."), and of errors they describe the part that is `google.rpc.Status`.
"""

import base64
import functools
import importlib.resources
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

DOCUMENTS = (
    "bigquery.v2",
    "bigqueryconnection.v1",
    "bigquerydatatransfer.v1",
    "secretmanager.v1",
)

# A system parameter that Google's clients send and that the documents leave out: `alt` in full.
# https://cloud.google.com/apis/docs/system-parameters
ALT = "$alt"
ENUMS_AS_NUMBERS = "json;enum-encoding=int"

_INTEGERS = {"int32": range(-(2**31), 2**31), "uint32": range(2**32)}
_LONG_INTEGERS = {"int64": range(-(2**63), 2**63), "uint64": range(2**64)}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")
_TEXTS = {
    "date-time": _MOMENT,
    "google-datetime": _MOMENT,
    "google-duration": re.compile(r"-?\d+(?:\.\d{1,9})?s"),
    "google-fieldmask": re.compile(r"[A-Za-z0-9.]+(?:,[A-Za-z0-9.]+)*"),
}


@dataclass(frozen=True)
class Exchange:
    """One request with its reply, as they went over the wire; None for an empty body."""

    method: str
    url: str
    body: Any
    status: int
    reply: Any

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.url).path).lstrip("/")

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.url).query, keep_blank_values=True)


@dataclass(frozen=True)
class Method:
    """A method of a document; `described` is what the document says of it."""

    document: dict[str, Any]
    described: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.described["id"])

    def matches(self, exchange: Exchange) -> bool:
        template = self.document["servicePath"] + self.described["flatPath"]
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        same_verb = self.described["httpMethod"] == exchange.method
        return same_verb and re.fullmatch(pattern, exchange.path) is not None


@functools.cache
def methods() -> tuple[Method, ...]:
    """Every method of the four documents, those with a `:verb` first: they are more specific."""
    found = [method for name in DOCUMENTS for method in _methods_of(_document(name))]
    return tuple(sorted(found, key=lambda m: "}:" not in m.described["flatPath"]))


def method_of(exchange: Exchange) -> Method | None:
    return next((method for method in methods() if method.matches(exchange)), None)


def problems(exchange: Exchange) -> list[str]:
    """Where a request or its reply is not as the documents say; empty where all is well."""
    method = method_of(exchange)
    if method is None:
        return [f"{exchange.method} /{exchange.path}: no such method"]
    found = [*_check_query(method, exchange), *_check_body(method, exchange)]
    found += _check_reply(method, exchange)
    return [f"{method.id}: {problem}" for problem in found]


@functools.cache
def _document(name: str) -> dict[str, Any]:
    folder = importlib.resources.files("googleapiclient.discovery_cache.documents")
    document: dict[str, Any] = json.loads(folder.joinpath(f"{name}.json").read_text("utf-8"))
    return document


def _methods_of(document: dict[str, Any]) -> Iterator[Method]:
    resources = list(document["resources"].values())
    while resources:
        resource = resources.pop()
        resources += resource.get("resources", {}).values()
        for described in resource.get("methods", {}).values():
            yield Method(document, {"flatPath": described["path"], **described})


def _check_query(method: Method, exchange: Exchange) -> Iterator[str]:
    own = {
        name: shape
        for name, shape in method.described.get("parameters", {}).items()
        if shape["location"] == "query"
    }
    given = [name for name, _ in exchange.query]
    for name, value in exchange.query:
        shape = own.get(name) or method.document["parameters"].get(name)
        if shape is None and (name, value) != (ALT, ENUMS_AS_NUMBERS):
            yield f"unknown query parameter {name}={value}"
        elif shape:
            yield from (f"query {p}" for p in _check_text(shape, value, name))
        if shape and given.count(name) > 1 and not shape.get("repeated"):
            yield f"query parameter {name} is given twice"
    yield from (f"query lacks {n}" for n, s in own.items() if s.get("required") and n not in given)


def _check_text(shape: dict[str, Any], text: str, name: str) -> Iterator[str]:
    """A query parameter is text whatever its type; it has to read as one of that type."""
    kind = shape["type"]
    value: Any = text
    if kind in ("integer", "number"):
        value = float(text) if re.fullmatch(r"-?\d+[.]\d+", text) else text
        value = int(text) if re.fullmatch(r"-?\d+", text) else value
    elif kind == "boolean":
        value = {"true": True, "false": False}.get(text.lower(), text)
    elif "enum" in shape and text.isdigit():
        value = int(text)
    yield from Checker({}, numbers=True).check(shape, value, name)


def _check_body(method: Method, exchange: Exchange) -> Iterator[str]:
    if "request" not in method.described:
        if exchange.body is not None:
            yield "takes no body"
        return
    numbers = (ALT, ENUMS_AS_NUMBERS) in exchange.query
    checker = Checker(
        method.document["schemas"],
        numbers=numbers,
        sent=True,
        partial=exchange.method == "PATCH",
    )
    yield from checker.check(method.described["request"], exchange.body, "body")


def _check_reply(method: Method, exchange: Exchange) -> Iterator[str]:
    if exchange.status >= 400:
        yield from _check_error(exchange)
    elif "response" in method.described:
        numbers = (ALT, ENUMS_AS_NUMBERS) in exchange.query
        checker = Checker(method.document["schemas"], numbers=numbers)
        yield from checker.check(method.described["response"], exchange.reply, "reply")
    elif exchange.reply not in (None, {}):
        yield "the reply is not empty"


def _check_error(exchange: Exchange) -> Iterator[str]:
    """`error` is google.rpc.Status with the HTTP code, the status' name and the older `errors`.

    https://cloud.google.com/apis/design/errors#http_mapping
    """
    error = exchange.reply.get("error") if isinstance(exchange.reply, dict) else None
    if not isinstance(error, dict):
        yield "the error reply has no error"
        return
    status = {name: value for name, value in error.items() if name not in ("status", "errors")}
    schemas = _document("bigquerydatatransfer.v1")["schemas"]
    yield from Checker(schemas, numbers=False).check({"$ref": "Status"}, status, "error")
    if error.get("code") != exchange.status:
        yield f"error.code is {error.get('code')}, the reply's status {exchange.status}"
    if not re.fullmatch(r"[A-Z_]+", str(error.get("status"))):
        yield f"error.status is {error.get('status')}"
    kinds = [detail.get("@type", "") for detail in error.get("details", [])]
    yield from (f"detail without type: {k}" for k in kinds if "googleapis.com/google.rpc" not in k)


@dataclass(frozen=True)
class Checker:
    """Compares a value with a schema.

    `numbers`: enums may be numbers, which a client asks for by `enum-encoding=int` and which the
    documents do not list. `sent`: a request, which may not have what is read only. `partial`: a
    patch, which needs nothing and in which null takes a field away.
    """

    schemas: dict[str, Any]
    numbers: bool
    sent: bool = False
    partial: bool = False

    def check(self, shape: dict[str, Any], value: Any, path: str) -> Iterator[str]:
        shape = self.schemas[shape["$ref"]] if "$ref" in shape else shape
        kind = shape.get("type")
        if kind == "any" or (value is None and self.partial):
            return
        if shape.get("repeated") and not isinstance(value, list):
            value = [value]
            shape = {"type": "array", "items": {k: v for k, v in shape.items() if k != "repeated"}}
            kind = "array"
        if kind == "object":
            yield from self._check_object(shape, value, path)
        elif kind == "array":
            yield from self._check_array(shape, value, path)
        elif not self._fits(shape, value):
            yield f"{path} is {json.dumps(value)[:80]}, not {shape.get('format') or kind}"

    def _check_array(self, shape: dict[str, Any], value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path} is no array"
            return
        for index, item in enumerate(value):
            yield from self.check(shape["items"], item, f"{path}[{index}]")

    def _check_object(self, shape: dict[str, Any], value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path} is no object"
            return
        known, others = shape.get("properties", {}), shape.get("additionalProperties")
        for name, item in value.items():
            inner = known.get(name) or others
            if inner is None:
                yield f"{path}.{name} is unknown"
            elif self.sent and inner.get("readOnly"):
                yield f"{path}.{name} is read only"
            else:
                yield from self.check(inner, item, f"{path}.{name}")
        if self.sent and not self.partial:
            missing = (n for n, s in known.items() if _is_required(s) and n not in value)
            yield from (f"{path}.{name} is required" for name in missing)

    def _fits(self, shape: dict[str, Any], value: Any) -> bool:
        kind, form = shape.get("type"), shape.get("format", "")
        if "enum" in shape:
            number = isinstance(value, int) and not isinstance(value, bool)
            return value in shape["enum"] or (self.numbers and number)
        if kind == "boolean" or isinstance(value, bool):
            return kind == "boolean" and isinstance(value, bool)
        if kind == "integer":
            return isinstance(value, int) and value in _INTEGERS[form]
        if kind == "number":
            return isinstance(value, int | float)
        return isinstance(value, str) and _is_text_of(form, value)


def _is_text_of(form: str, text: str) -> bool:
    if form in _LONG_INTEGERS:
        return bool(re.fullmatch(r"-?\d+", text)) and int(text) in _LONG_INTEGERS[form]
    if form == "byte":
        return base64.b64encode(base64.b64decode(text)).decode() == text
    return form not in _TEXTS or bool(_TEXTS[form].fullmatch(text))


def _is_required(shape: dict[str, Any]) -> bool:
    return re.match(r"\[?Required\b", shape.get("description", "")) is not None
