"""A gRPC call as the same request over REST, and the answer to it as a message or a status.

What the stand-in does is told by requests over REST: their handlers, faults and records are the
only ones. Google's own mapping of the two leads there: https://google.aip.dev/127
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlencode

from google.api_core import path_template
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

# Registers the messages that a status may have as details.
from google.rpc import code_pb2, error_details_pb2, status_pb2  # noqa: F401

from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import InvalidArgument
from backend.localcloud.http.rpc import Rpc, plain

# The status of an error that names none: https://google.aip.dev/193
STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}
STATUSES |= {404: "NOT_FOUND", 409: "ALREADY_EXISTS", 412: "FAILED_PRECONDITION"}
STATUSES |= {429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 501: "UNIMPLEMENTED"}
STATUSES |= {503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}


def request_call(rpc: Rpc, content: bytes) -> Call:
    """The REST form of the request with these bytes."""
    message = plain(rpc.request)()
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise InvalidArgument(f"The request is no {message.DESCRIPTOR.full_name}") from error
    parts = _transcoded(rpc, message)
    query = list(_parameters(json_format.MessageToDict(parts["query_params"])))
    raw = b""
    if rpc.body:
        raw = json.dumps(json_format.MessageToDict(parts["body"])).encode()
    return Call(rpc.verb, unquote(parts["uri"]), urlencode(query), query, {}, raw, transport="grpc")


def _transcoded(rpc: Rpc, message: Message) -> dict[str, Any]:
    body = {"body": rpc.body} if rpc.body else {}
    options = [{"method": rpc.verb.lower(), "uri": uri, **body} for uri in rpc.templates]
    try:
        found: dict[str, Any] = path_template.transcode(options, message)
    except ValueError as error:
        field = rpc.templates[0].partition("{")[2].partition("=")[0]
        raise InvalidArgument(f"Invalid value for {field} of {rpc.name}") from error
    return found


def _parameters(fields: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            yield name, json.dumps(item) if isinstance(item, bool) else str(item)


def reply_bytes(rpc: Rpc, result: dict[str, Any]) -> bytes:
    """The bytes of the reply that REST gives as `result`."""
    message = json_format.ParseDict(result, plain(rpc.reply)(), ignore_unknown_fields=True)
    content: bytes = message.SerializeToString()
    return content


def refusal(result: dict[str, Any]) -> status_pb2.Status:
    """The status, with its details, of the error that REST gives as `result`."""
    error = result["error"]
    name = error.get("status") or STATUSES.get(error["code"], "INTERNAL")
    fields = {"message": error["message"], "details": error.get("details", [])}
    status = json_format.ParseDict(fields, status_pb2.Status())
    status.code = code_pb2.Code.Value(name)
    return status
