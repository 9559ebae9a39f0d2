"""Where text becomes SQL: templates, and the quoting of what is put into them.

A placeholder is `{{ name }}`; rendering fails on a name that is missing or that the text does not
use. The training table's columns are known to all templates.
"""

import re
from importlib import resources

from ..training_table import SERIES_COLUMN, TARGET_COLUMN, TIME_COLUMN

_COLUMNS = {
    "series_column": SERIES_COLUMN,
    "time_column": TIME_COLUMN,
    "target_column": TARGET_COLUMN,
}
_PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")


def load(name: str) -> str:
    """The text of a template of this folder."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def render(template: str, **names: str) -> str:
    """The template with each `{{ name }}` replaced; continuation lines keep its indentation.

    Raises KeyError for a placeholder without a value and for a value without a placeholder.
    """
    wanted = set(_PLACEHOLDER.findall(template)) - _COLUMNS.keys()
    if wanted != names.keys():
        raise KeyError(f"placeholders without value or unused: {sorted(wanted ^ names.keys())}")
    rendered = [_render_line(line, _COLUMNS | names) for line in template.splitlines()]
    return "\n".join(line for line in rendered if line is not None) + "\n"


def _render_line(line: str, names: dict[str, str]) -> str | None:
    """One line; None where it held nothing but a placeholder whose value is empty."""
    alone = _PLACEHOLDER.fullmatch(line.strip())
    if alone and not names[alone.group(1)]:
        return None
    indent = line[: len(line) - len(line.lstrip())]
    return _PLACEHOLDER.sub(lambda m: names[m.group(1)].replace("\n", f"\n{indent}"), line)


def quote_identifier(name: str) -> str:
    """A PostgreSQL identifier of any name."""
    return _quoted(name, '"')


def quote_text(text: str) -> str:
    """A PostgreSQL string literal of any text."""
    return _quoted(text, "'")


def _quoted(text: str, quote: str) -> str:
    """The text in quotes, by the numbers of its characters where one of them could end a literal.

    The query stands in raw literals of GoogleSQL, and has the days put in for @first_day and
    @end_day.
    """
    if re.fullmatch(r"[^\\'\"`;@]*", text) and text.isprintable():
        return f"{quote}{text}{quote}"
    plain = "".join(c if c.isalnum() and c.isascii() else f"!+{ord(c):06X}" for c in text)
    return f"U&{quote}{plain}{quote} UESCAPE '!'"


def quote_string(text: str) -> str:
    """A GoogleSQL string literal of any text (lexical structure: escape sequences)."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("`", "\\`")
    return "'" + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + "'"


def quote_path(*parts: str) -> str:
    """A GoogleSQL identifier path in backticks. Raises ValueError for a part that is none."""
    for part in parts:
        if not re.fullmatch(r"[A-Za-z0-9_.:-]+", part):
            raise ValueError(f'"{part}" cannot be part of a GoogleSQL path')
    return f"`{'.'.join(parts)}`"
