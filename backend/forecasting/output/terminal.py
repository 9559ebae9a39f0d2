"""What a terminal can show: whether it is to have colours, and how wide its lines are."""

import re
import shutil
import unicodedata
from collections.abc import Iterator, Mapping

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LEAST = 20
"""Columns: what is narrower is not written for, and breaks lines by itself."""

_COLUMNS = re.compile(r"\S+ {2,}(?:\S+ {2,})?")
"""What stands before the text in a line of several columns."""

_PASTED = re.compile(r" *(?:gcloud|bq|python|psql|pip) |.*https?://\S+$")
"""A line to paste, or an address to open: in two it would be none."""


def wants_no_colour(environment: Mapping[str, str]) -> bool:
    """Whether the operator has said so (no-color.org), or the terminal knows no colours."""
    return bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"


def columns() -> int:
    """How wide the terminal is; COLUMNS, where it is set."""
    return shutil.get_terminal_size().columns


def wrap(line: str, width: int) -> str:
    """The line in as many as the width asks for, each but the first indented under its text.

    A word that is longer than a line stays whole, and so does a command to paste.
    """
    width = max(width, _LEAST)
    return "\n".join("\n".join(_wrap(part, width)) for part in line.split("\n"))


def _wrap(line: str, width: int) -> Iterator[str]:
    if cells(line) <= width or _PASTED.match(_COLOUR.sub("", line)):
        yield line
        return
    indent = _indent_of(_COLOUR.sub("", line), width)
    *words, last = re.findall(r"\S+\s*|^\s+", line)
    shown = ""
    for word in (*words, last):
        if shown.strip() and cells(shown) + cells(word.rstrip()) > width:
            yield shown.rstrip()
            shown = " " * indent
        shown += word
    yield shown.rstrip()


def _indent_of(line: str, width: int) -> int:
    """Where the text of a line begins; a little further in than its own beginning otherwise."""
    found = _COLUMNS.match(line)
    indent = found.end() if found else len(line) - len(line.lstrip()) + 2
    return indent if indent <= width // 2 else 2


def cells(text: str) -> int:
    """How many columns a text takes: an ideograph and an emoji take two, a mark none."""
    return sum(_cells_of(character) for character in _COLOUR.sub("", text))


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
