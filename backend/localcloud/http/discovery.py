"""Google's discovery documents: served to `bq`, and used to refuse unknown fields.

They come from google-api-python-client, which packages them; no network is needed.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from typing import Any

from backend.localcloud.http.call import Call
from backend.localcloud.http.errors import InvalidArgument, NotFound

PACKAGED = "googleapiclient.discovery_cache.documents"
# `bq` asks one address for "v1" of both services, so the answer has to hold both.
V1_PARTS = ("bigqueryconnection.v1", "bigquerydatatransfer.v1")


@functools.cache
def packaged(name: str) -> dict[str, Any]:
    """One of Google's documents, such as `bigquery.v2`."""
    text = importlib.resources.files(PACKAGED).joinpath(f"{name}.json").read_text()
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def document(call: Call, endpoint: str) -> dict[str, Any]:
    """The document that was asked for, its addresses pointing to `endpoint`."""
    version = call.params.get("version") or call.argument("version")
    if version == "v2":
        found = packaged("bigquery.v2")
    elif version == "v1":
        found = _merged()
    else:
        raise NotFound(f"Discovery document not found for version {version}")
    return found | _addresses(found, endpoint)


def _addresses(found: dict[str, Any], endpoint: str) -> dict[str, Any]:
    path = found.get("servicePath", "")
    return {"rootUrl": f"{endpoint}/", "baseUrl": f"{endpoint}/{path}", "mtlsRootUrl": ""}


@functools.cache
def _merged() -> dict[str, Any]:
    connection, transfer = (packaged(name) for name in V1_PARTS)
    merged = {**connection, "schemas": {**connection["schemas"], **transfer["schemas"]}}
    merged["resources"] = _merge_resources(connection["resources"], transfer["resources"])
    return merged


def _merge_resources(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Resources and methods of both documents, at every level."""
    merged = dict(left)
    for name, value in right.items():
        both = isinstance(value, dict) and isinstance(left.get(name), dict)
        merged[name] = _merge_resources(left[name], value) if both else value
    return merged


def check_resource(schema: str, body: dict[str, Any]) -> None:
    """Refuse what BigQuery's schema of that name does not have, at any depth."""
    _check(packaged("bigquery.v2")["schemas"], {"$ref": schema}, body, "")


def _check(schemas: dict[str, Any], shape: dict[str, Any], value: Any, path: str) -> None:
    shape = schemas[shape["$ref"]] if "$ref" in shape else shape
    kind = shape.get("type")
    if value is None or kind == "any":
        return
    if kind == "array":
        if not isinstance(value, list):
            raise InvalidArgument(f"Invalid value at '{path}': an array is due")
        for index, item in enumerate(value):
            _check(schemas, shape["items"], item, f"{path}[{index}]")
    elif kind == "object":
        _check_object(schemas, shape, value, path)
    elif isinstance(value, dict | list):
        raise InvalidArgument(f"Invalid value at '{path}' ({kind})")
    elif kind == "string" and not isinstance(value, str) and not {"format", "enum"} & {*shape}:
        raise InvalidArgument(f"Invalid value at '{path}' (TYPE_STRING), {json.dumps(value)}")


def _check_object(schemas: dict[str, Any], shape: dict[str, Any], value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise InvalidArgument(f"Invalid value at '{path}': an object is due")
    known, others = shape.get("properties", {}), shape.get("additionalProperties")
    for name, item in value.items():
        inner = known.get(name) or others
        if inner is None:
            at = f" at '{path}'" if path else ""
            raise InvalidArgument(
                f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
            )
        _check(schemas, inner, item, f"{path}.{name}".strip("."))
