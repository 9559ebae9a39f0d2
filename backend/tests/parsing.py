"""A stand-in that reads each text of SQL once: reading is most of what it works in a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlglot.dialects.dialect import Dialect

_MOST = 1000
"""Texts that are kept: commands and the nightly load say the same few over and over."""


@contextmanager
def parsing_once() -> Iterator[None]:
    """What a text was parsed to is remembered; whoever asks has trees of their own."""
    parse, known = Dialect.parse, dict[Any, list[Any]]()

    def parse_once(dialect: Dialect, sql: str, **options: Any) -> list[Any]:
        key = type(dialect), repr(dialect.settings), sql, repr(options)
        trees = known.get(key)
        if trees is None:
            if len(known) >= _MOST:
                known.clear()
            trees = known[key] = parse(dialect, sql, **options)
        return [tree and tree.copy() for tree in trees]

    with patch.object(Dialect, "parse", parse_once):
        yield
