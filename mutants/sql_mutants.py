"""Mutants of the SQL templates, by a table: comparisons, bounds, conditions, constants."""

import re
from collections.abc import Callable, Iterator

from mutants.mutant import Mutant, make_mutant
from mutants.site import Site

_SWAPS = (
    # Comparisons and bounds.
    (r"(?<![<>!=])<(?![<>=])", "<="),
    (r"<=", "<"),
    (r"(?<![<>!=-])>(?![<>=])", ">="),
    (r">=", ">"),
    (r"(?<![<>!=:])=(?!=)", "<>"),
    (r"!=|<>(?!')", "="),
    (r"\bBETWEEN\b", "NOT BETWEEN"),
    # Conditions.
    (r"\bAND\b(?! CURRENT)", "OR"),
    (r"\bOR\b", "AND"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bNOT EXISTS\b", "EXISTS"),
    (r"(?<!NOT )\bEXISTS\b", "NOT EXISTS"),
    (r"\bNOT (?!EXISTS|NULL|MATCHED)", ""),
    (r"\bTRUE\b", "FALSE"),
    (r"\bFALSE\b", "TRUE"),
    (r"\bLEFT JOIN\b", "JOIN"),
    (r"(?<!LEFT )(?<!CROSS )\bJOIN\b", "LEFT JOIN"),
    # What is computed.
    (r"\bMIN\(", "MAX("),
    (r"\bMAX\(", "MIN("),
    (r"\b(SUM|sum)\(", "AVG("),
    (r"\b(AVG|avg)\(", "SUM("),
    (r"\bABS\(", "("),
    (r"\bDISTINCT ", ""),
    (r"\bDESC\b", "ASC"),
    (r"\bDATE_SUB\b", "DATE_ADD"),
    (r"\bDATE_ADD\b", "DATE_SUB"),
    (r"\bLEAST\b", "GREATEST"),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" \* ", " / "),
    (r" / ", " * "),
    (r"\b(COALESCE|coalesce)\((\w+), (\w+)", r"\1(\3, \2"),
    # Days and constants.
    (r", 'UTC'\)", ", 'America/Caracas')"),
    (r"AT TIME ZONE 'UTC'", "AT TIME ZONE 'America/Caracas'"),
    (r"\bwindow_start\b", "first_day"),
    (r"\bfirst_day\b", "window_start"),
    (r"@window_start\b", "@end_day"),
    (r"@today\b", "@window_start"),
)
_NUMBER = re.compile(r"(?<![\w.'$%-])\d+(?:\.\d+)?(?![\w.'])")


def sql_sites(file: str, text: str) -> list[Site]:
    """The parts of a template that can be mutated, in its order."""
    found: dict[tuple[int, int], list[str]] = {}
    code = _without_comments(text)
    for start, end, new in _changes(code):
        if code[start:end] != new:
            found.setdefault((start, end), []).append(new)
    return [
        Site(
            file,
            text.count("\n", 0, start) + 1,
            [_change(file, text, start, end, new) for new in made],
        )
        for (start, end), made in sorted(found.items())
    ]


def _changes(code: str) -> Iterator[tuple[int, int, str]]:
    for pattern, new in _SWAPS:
        for match in re.finditer(pattern, code):
            yield match.start(), match.end(), match.expand(new)
    for match in _NUMBER.finditer(code):
        number = match[0]
        yield match.start(), match.end(), str(int(number) + 1) if number.isdigit() else f"{number}1"


def _change(file: str, text: str, start: int, end: int, new: str) -> Callable[[], Mutant | None]:
    return lambda: make_mutant(file, file, text, text[:start] + new + text[end:])


def _without_comments(text: str) -> str:
    """The text with its comments and messages blank, each character at its place."""
    blank = re.compile(
        r"--[^\n]*|(?<=AS )'[^'\n]{30,}'|^\\[^\n]*|(?<=\{\{) \w+ (?=\}\})", re.MULTILINE
    )
    return blank.sub(lambda match: " " * len(match[0]), text)
