"""Google's proto3 JSON, read strictly against Google's own message definitions.

A request is bound as Google's own transcoding binds it: path variables, query parameters and
body fill one request message; whatever the message does not have is refused.
"""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import InvalidArgument

SYSTEM_PARAMETERS = frozenset(
    [
        "$alt",
        "$.xgafv",
        "access_token",
        "alt",
        "callback",
        "fields",
        "key",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "trace",
        "upload_protocol",
        "uploadType",
    ]
)
# Fields of the Data Transfer requests themselves, which their update masks name all the same.
REQUEST_FIELDS = ("service_account_name", "version_info", "authorization_code")
UNKNOWN_FIELD = re.compile(r'has no field named "([^"]+)" at "([^"]*)"')


def snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def bind(message_class: Any, call: Call, body: str = "") -> dict[str, Any]:
    """The request as proto3 JSON: camelCase, enums by name, only what was sent.

    `body` names the field that the HTTP body fills; "*" is the whole message, "" none.
    An `updateMask` comes back as a list of snake_case paths, each checked.
    """
    descriptor = message_class.DESCRIPTOR
    fields: dict[str, Any] = {n: v for n, v in call.params.items() if "." not in n}
    mask = ""
    for name, value in call.query:
        if snake(name) == "update_mask" and "update_mask" in descriptor.fields_by_name:
            mask = value
        elif name not in SYSTEM_PARAMETERS:
            _add_parameter(fields, descriptor, name, value)
    _add_body(fields, call.body, body)
    for name, value in call.params.items():
        if "." in name:  # Such as transfer_config.name: a field of the body's message.
            owner, _, inner = name.partition(".")
            fields[camel(owner)] = {**fields.get(camel(owner), {}), inner: value}
    request = _parse(fields, message_class)
    if request.get("pageSize", 0) < 0:
        raise InvalidArgument(f"Invalid value at 'page_size': {request['pageSize']} is negative")
    if mask:
        request["updateMask"] = _paths(
            mask, f"{body}.", descriptor.fields_by_name[body].message_type
        )
    return request


def _add_parameter(fields: dict[str, Any], owner: Descriptor, name: str, value: str) -> None:
    field = owner.fields_by_name.get(snake(name))
    if field is None or name not in (field.name, field.json_name):
        raise InvalidArgument(
            f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
            f"Field '{name}' could not be found in request message."
        )
    key = field.json_name
    scalar: Any = value
    if field.type == FieldDescriptor.TYPE_BOOL:
        scalar = {"true": True, "1": True, "false": False, "0": False}.get(value.lower(), value)
    if field.is_repeated:
        fields.setdefault(key, []).append(scalar)
    else:
        fields[key] = scalar


def _add_body(fields: dict[str, Any], content: Any, body: str) -> None:
    if not body:
        if content:
            raise InvalidArgument("Invalid JSON payload received. The request takes no body.")
    elif not isinstance(content, dict | None):
        raise InvalidArgument("Invalid JSON payload received. Unexpected token; an object is due.")
    elif body == "*":
        for name, value in (content or {}).items():
            fields.setdefault(camel(name), value)
    else:
        fields[camel(body)] = content or {}


def _parse(fields: dict[str, Any], message_class: Any) -> dict[str, Any]:
    message = message_class()
    try:
        json_format.ParseDict(fields, message)
    except (json_format.ParseError, TypeError, AttributeError) as error:
        raise InvalidArgument(_explain(str(error))) from error
    parsed: dict[str, Any] = json_format.MessageToDict(message)
    _refuse_unknown_enums(parsed, message_class.DESCRIPTOR)
    return parsed


def _refuse_unknown_enums(parsed: dict[str, Any], descriptor: Descriptor) -> None:
    for field in descriptor.fields:
        value = parsed.get(field.json_name)
        if field.enum_type and isinstance(value, int):
            raise InvalidArgument(f"Invalid value at '{field.name}': {value}")
        if isinstance(value, dict) and field.message_type:
            _refuse_unknown_enums(value, field.message_type)


def _explain(problem: str) -> str:
    if match := UNKNOWN_FIELD.search(problem):
        place = snake(match[2].partition(".")[2])
        at = f" at '{place}'" if place else ""
        return f'Invalid JSON payload received. Unknown name "{match[1]}"{at}: Cannot find field.'
    return f"Invalid JSON payload received. {problem}"


def _paths(mask: str, prefix: str, descriptor: Descriptor) -> list[str]:
    # `bq` names the request's field as well: transfer_config.schedule_options_v2.
    paths = [snake(path.strip()).removeprefix(prefix) for path in mask.split(",") if path.strip()]
    for path in paths:
        _check_path(path, descriptor)
    return paths


def _check_path(path: str, descriptor: Descriptor | None) -> None:
    owner = descriptor
    for part in path.split("."):
        field = owner.fields_by_name.get(part) if owner else None
        if path in REQUEST_FIELDS:
            return
        if field is None or (owner and owner.full_name == "google.protobuf.Struct"):
            raise InvalidArgument(f"Invalid field mask: unknown path '{path}'.")
        owner = field.message_type


def patch(resource: dict[str, Any], changes: dict[str, Any], paths: list[str]) -> None:
    """Give each masked path of `resource` the value that `changes` has there, or none."""
    for path in paths:
        _set_path(resource, changes, [camel(part) for part in path.split(".")])


def _set_path(target: dict[str, Any], source: dict[str, Any], parts: list[str]) -> None:
    head, *rest = parts
    if rest:
        _set_path(target.setdefault(head, {}), source.get(head, {}), rest)
    elif head in source:
        target[head] = source[head]
    else:
        target.pop(head, None)
