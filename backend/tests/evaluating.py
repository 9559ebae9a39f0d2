"""Google's evaluator without the ceremony of its Python library, which takes as long as it does.

The library hands bytes over one by one, and finds out for each message how one of its kind is read.
"""

import ctypes
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from google.protobuf.message import Message
from zetasql.core import local_service
from zetasql.core.wasm_client import WasmClient
from zetasql.types.proto_model import proto_model

Field = tuple[int, str, str, bool, Callable[[Any, str], Any]]
"""How far up the parents, its name there and here, if it is one of a choice, how it is read."""


def answer_quickly() -> None:
    """Has whoever asks the evaluator from now on, in this process, wait for it and little else."""
    WasmClient.write_bytes = _write_bytes
    WasmClient.read_bytes = _read_bytes
    local_service.parse_proto = read_message


def _write_bytes(client: Any, place: int, data: bytes) -> None:
    ctypes.memmove(_memory(client) + place, data, len(data))


def _read_bytes(client: Any, place: int, size: int) -> bytes:
    return ctypes.string_at(_memory(client) + place, size)


def _memory(client: Any) -> int:
    """Where the evaluator's memory begins: it may have moved since the last call."""
    return ctypes.addressof(client.memory.data_ptr().contents)


def read_message(message: Any) -> Any:
    """What the library's own `parse_proto` makes of a message."""
    kind: Any = type(message)
    if not issubclass(kind, Message):
        return message
    if _is_union(kind) and (inner := message.WhichOneof("node")):
        return read_message(getattr(message, inner))
    model, fields = _how_to_read(kind)
    values = {}
    for up, field, name, is_choice, read in fields:
        part = message
        for _ in range(up):
            part = part.parent
        if not is_choice or part.HasField(field):
            values[name] = read(part, field)
    return model(**values)


@cache
def _is_union(kind: Any) -> bool:
    return "node" in kind.DESCRIPTOR.oneofs_by_name


@cache
def _how_to_read(kind: Any) -> tuple[Any, tuple[Field, ...]]:
    """The library's class for messages of a kind, and where it has its fields from."""
    empty = kind()
    model = type(proto_model.parse_proto(empty))
    return model, tuple(_fields(empty, model))


def _fields(empty: Any, model: Any) -> Iterator[Field]:
    """Those of the most general class are in the parent that is furthest up."""
    ancestors = model._get_proto_model_classes(model)
    for number, ancestor in enumerate(ancestors, start=1):
        part, up = empty, 0
        while up < len(ancestors) - number and hasattr(part, "parent"):
            part, up = part.parent, up + 1
        choices = {field.name for choice in part.DESCRIPTOR.oneofs for field in choice.fields}
        for name, about in ancestor._PROTO_FIELD_MAP.items():
            field = about["proto_field"]
            if hasattr(part, field):
                yield up, field, name, field in choices, _reader(about, model)


def _reader(about: dict[str, Any], model: Any) -> Callable[[Any, str], Any]:
    if about["is_message"]:
        return _read_all if about.get("is_repeated") else _read_one
    if not about.get("is_enum"):
        return getattr
    convert = cache(lambda value: proto_model._convert_to_enum(value, about, model))
    if about.get("is_repeated"):
        return lambda part, field: [convert(value) for value in getattr(part, field)]
    return lambda part, field: convert(getattr(part, field))


def _read_one(part: Any, field: str) -> Any:
    inner = getattr(part, field)
    return read_message(inner) if inner.ByteSize() else None


def _read_all(part: Any, field: str) -> Any:
    return [read_message(inner) for inner in getattr(part, field)]
