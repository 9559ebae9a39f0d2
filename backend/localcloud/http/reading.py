"""Reading a request off the wire, and refusing those that no program of this machine has sent.

A browser sends what a web page asks it to, wherever the page is from. It says so: by the Host that
the page believes it is on, by an Origin, by Sec-Fetch-Site; and without asking first (which is
refused, too) it cannot send JSON as JSON.
"""

from __future__ import annotations

import re
import zlib
from typing import Any
from urllib.parse import parse_qsl, unquote

from backend.localcloud.http.broken_replies import Receive
from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import (
    InvalidArgument,
    PayloadTooLarge,
    PermissionDenied,
    UnsupportedMediaType,
)

NAMES = ("127.0.0.1", "localhost", "[::1]")
PROXIED = re.compile(r"forwarded|via|x-forwarded-.*")
LARGEST_BODY = 64 * 1024 * 1024


class ClientGone(Exception):
    """Whoever sends a request has hung up before all of it was read: there is nothing to do."""


async def read_call(scope: dict[str, Any], receive: Receive, port: int) -> Call:
    """The request, whole; CloudError says why it is refused. Raises ClientGone."""
    headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    _check_caller(hosts, headers, port)
    path = unquote(scope["raw_path"].decode("latin-1").partition("?")[0])
    announced = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    body = await _body(receive) if announced else b""
    if body and not path.startswith("/upload/"):  # None of which is done, whatever its type.
        _check_type([v.decode("latin-1") for k, v in scope["headers"] if k == b"content-type"])
    query = scope["query_string"].decode("latin-1")
    pairs = parse_qsl(query, keep_blank_values=True)
    return Call(scope["method"], path, query, pairs, headers, _plain(body, headers))


def _check_caller(hosts: list[str], headers: dict[str, str], port: int) -> None:
    allowed = [f"{name}:{port}" for name in NAMES]
    if len(hosts) != 1 or hosts[0].lower() not in allowed:
        raise PermissionDenied(
            f"The local stand-in answers to {allowed[0]} and {allowed[1]}, not to the Host "
            f"{', '.join(map(repr, hosts)) or 'that is missing'}."
        )
    if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
        raise PermissionDenied("The local stand-in does not answer web pages.")
    if any(map(PROXIED.fullmatch, headers)):
        raise PermissionDenied("The local stand-in does not answer what came through a proxy.")


def _check_type(kinds: list[str]) -> None:
    kind = ", ".join(kinds)
    if len(kinds) != 1 or kind.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType(
            f"Invalid content type {kind!r}: a body has to be sent as application/json."
        )


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LARGEST_BODY:
            raise PayloadTooLarge(LARGEST_BODY)
    return body


def _plain(body: bytes, headers: dict[str, str]) -> bytes:
    """The body, unzipped where it came zipped, as BigQuery's client sends large ones."""
    encoding = headers.get("content-encoding", "").lower()
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise UnsupportedMediaType(f"Invalid content encoding {encoding!r}: only gzip is read.")
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, LARGEST_BODY)
    except zlib.error as error:
        raise InvalidArgument(f"The body is not gzip: {error}") from error
    if inflater.unconsumed_tail:
        raise PayloadTooLarge(LARGEST_BODY)
    if not inflater.eof:
        raise InvalidArgument("The body is not gzip: it ends too early")
    return plain
