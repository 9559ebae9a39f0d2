"""Numbers as a reader takes them in, and tables and paragraphs of them in Markdown."""

import textwrap
from collections.abc import Sequence

from bench.measuring import Spread

COLUMNS = 110
_NO_PARAGRAPHS = ("|", "#", "-", "<", "```")


def wrapped(text: str) -> str:
    """The text, its paragraphs in lines; tables, headings, lists, marks and code as they are."""
    return "\n\n".join(map(_in_lines, text.split("\n\n")))


def _in_lines(part: str) -> str:
    if "\n" in part or part.startswith(_NO_PARAGRAPHS):
        return part
    return textwrap.fill(part, COLUMNS, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def as_seconds(value: float) -> str:
    """Three digits, whatever the size."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def spread_of_seconds(spread: Spread) -> str:
    """Median, and in brackets the least and the greatest."""
    low, high = as_seconds(spread.low), as_seconds(spread.high)
    return f"{as_seconds(spread.median)} ({low}-{high})"


def as_ratio(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def spread_of_ratios(spread: Spread) -> str:
    """Median, and in brackets the least and the greatest."""
    low, high = as_ratio(spread.low), as_ratio(spread.high)
    return f"{as_ratio(spread.median)} ({low}-{high})"


def megabytes(value: float) -> str:
    """In millions of bytes."""
    return f"{value / 1e6:,.1f}" if value < 100e6 else f"{value / 1e6:,.0f}"
