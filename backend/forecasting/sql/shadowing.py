"""The names of the query's own parts, kept apart from those of the tables that it reads.

A part (WITH) hides a table of its name from all parts behind it, unless that has its schema.
"""

import re
from collections.abc import Iterable

from ..database.lookups import Table

_PARTS = ("mention", "event", "counted", "daily")
# What may hold such a word and is no name of ours: quoted names, texts and comments, and columns.
_OTHERS = r"""--[^\n]*|"(?:[^"]|"")*"|'(?:[^']|'')*'|[.]\w+"""


def keep_apart(query: str, tables: Iterable[Table]) -> str:
    """The query, its own parts called otherwise where one would hide one of the tables."""
    taken = {table.name for table in tables if not table.schema}
    renamed = {part: _free(part, taken) for part in _PARTS if part in taken}
    if not renamed:
        return query
    ours = rf"\b(?:{'|'.join(renamed)})\b"
    return re.sub(rf"{_OTHERS}|{ours}", lambda m: renamed.get(m.group(), m.group()), query)


def _free(part: str, taken: set[str]) -> str:
    while part in taken:
        part = f"{part}_read"
    return part
