"""Short labels for names of any script: cut in the middle, and no two alike."""

import unicodedata
from collections.abc import Iterable, Mapping
from itertools import count

from ..errors import printable
from .terminal import cells

JOINERS = "\u200c\u200d"
"""Invisible, and part of how Persian, Hindi and many emoji are written."""

_ROOM_FOR_ID = 24


def one_line(text: str) -> str:
    """A name as it may be shown and drawn."""
    return " ".join(printable(text, kept=JOINERS).split())


def label_names(names: Mapping[str, str], length: int) -> dict[str, str]:
    """A label of at most `length` columns for each id: entities may share a name, or its ends.

    Long names lose their middle, since many differ in their last word only.
    """
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for entity_id, name in names.items():
        labels[entity_id] = next(
            label
            for mark in _marks(entity_id, length)
            if (label := _cut(name, length - cells(mark)) + mark) not in taken
        )
        taken.add(labels[entity_id])
    return labels


def _marks(entity_id: str, length: int) -> Iterable[str]:
    """What tells labels apart: nothing, some of the id where there is room, a number."""
    yield ""
    if length >= _ROOM_FOR_ID:
        yield f" ({entity_id[:8]})"
    yield from (f" #{number}" for number in count(2))


def _cut(name: str, length: int) -> str:
    if cells(name) <= length:
        return name
    tail = (length - 1) // 2
    head, end = _fitting(name, length - 1 - tail), _fitting(name[::-1], tail)[::-1]
    # A mark without the letter before it would sit on the dots, a joiner would join with them.
    while end and (unicodedata.combining(end[0]) or end[0] in JOINERS):
        end = end[1:]
    return f"{head.rstrip(JOINERS).rstrip()}…{end.lstrip()}"


def _fitting(characters: str, room: int) -> str:
    """As many of the first characters as there is room for, which is not for all of them."""
    end = next(at for at in range(len(characters)) if cells(characters[: at + 1]) > room)
    return characters[:end]
