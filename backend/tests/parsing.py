"""A stand-in that reads each text of SQL once, and copies what it read without ceremony.

Reading and copying are most of what it works in a test.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any
from unittest.mock import patch

from cachetools import LRUCache
from sqlglot.dialects.dialect import Dialect
from sqlglot.expressions import Expr, Expression

_CHARACTERS = 300_000
"""Of the texts that are kept: commands and the nightly load say the same few over and over.

A tree takes some 170 bytes for each character of its text.
"""


@contextmanager
def parsing_once() -> Iterator[None]:
    """What a text was parsed to is remembered; whoever asks has trees of their own."""
    parse, lock = Dialect.parse, threading.Lock()
    known = LRUCache[Any, tuple[int, list[Any]]](_CHARACTERS, lambda kept: kept[0])

    def parse_once(dialect: Dialect, sql: str, **options: Any) -> list[Any]:
        key = type(dialect), repr(dialect.settings), sql, repr(options)
        with lock:
            kept = known.get(key)
        if kept is None:
            kept = len(sql), parse(dialect, sql, **options)
            with lock, suppress(ValueError):  # Larger than all that is kept.
                known[key] = kept
        return [tree and tree.copy() for tree in kept[1]]

    with (
        patch.object(Dialect, "parse", parse_once),
        patch.object(Expression, "__deepcopy__", copied),
    ):
        yield


def copied(root: Expr, memo: object = None) -> Expr:
    """The same tree anew, as sqlglot copies it; it goes through `set` for each node of it."""
    whole = type(root)()
    left = [(root, whole)]
    while left:
        node, copy = left.pop()
        copy.comments = None if node.comments is None else list(node.comments)
        copy._type = None if node._type is None else deepcopy(node._type)
        copy._meta = None if node._meta is None else dict(node._meta)
        for key, value in node.args.items():
            if type(value) is list:
                copy.args[key] = [_child(copy, key, i, v, left) for i, v in enumerate(value)]
            else:
                copy.args[key] = _child(copy, key, None, value, left)
    return whole


def _child(
    parent: Expr, key: str, index: int | None, value: Any, left: list[tuple[Expr, Expr]]
) -> Any:
    """A value's place in the copy; what it holds itself is left to do."""
    if not isinstance(value, Expr):
        return value
    child = type(value)()
    child.parent, child.arg_key, child.index = parent, key, index
    left.append((value, child))
    return child
