"""Values of the mapping as expressions of PostgreSQL."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..database.lookups import Column, Join, Table
from ..database.source_mapping import Kind, Value
from .template import load, quote_identifier, quote_text, render

# A plain decimal number in text. Of at most this length it casts to float8, and squares, without
# overflow. The length is not in the pattern: counted repetitions make it four times as slow.
# Written without backslashes, which GoogleSQL would read as escapes in some kinds of literals.
_PLAIN_NUMBER = "^ *[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9][0-9]?)? *$"
_LONGEST_NUMBER = 40


@dataclass(frozen=True)
class Selection:
    """A select of values from the tables that hold them.

    `columns` are its expressions by the names that they get, and `reads` what stands for each
    value around it: JSON text is selected once for all the keys that are looked for in it.
    """

    columns: Mapping[str, str]
    reads: Mapping[str, str]
    joins: tuple[Join, ...]

    @property
    def list(self) -> str:
        return ",\n".join(f"{text} AS {name}" for name, text in self.columns.items())

    @property
    def join_clauses(self) -> str:
        """The joins, each of which finds one row or none."""
        return "\n".join(
            f"LEFT JOIN {named(join.table, join.rows)}\n"
            f"    ON {column(Column(join.rows, join.key))} = {column(join.column)}"
            for join in self.joins
        )


def select(values: Mapping[str, Value]) -> Selection:
    """A selection of values under these names."""
    columns: dict[str, str] = {}
    reads: dict[str, str] = {}
    for name, value in values.items():
        source = column(value.column)
        if value.kind is Kind.JSON_TEXT:
            # Text that is no JSON holds no number. Under a view's text there may be json.
            text = f"{source}::text"
            json = f"CASE WHEN pg_input_is_valid({text}, 'jsonb') THEN {text}::jsonb END"
            once = next((n for n, read in columns.items() if read == json), f"{name}_json")
            columns[once] = json
            reads[name] = _in_json(once, value.keys)
        else:
            columns[name] = _in_json(source, value.keys) if value.keys else source
            reads[name] = name
    joins = dict.fromkeys(join for value in values.values() for join in value.joins)
    return Selection(columns, reads, tuple(joins))


def column(name: Column) -> str:
    """A column of rows that have a name."""
    return f"{_plain_or_quoted(name.rows)}.{_plain_or_quoted(name.name)}"


def table(name: Table) -> str:
    """A table, with its schema where the mapping knows it."""
    parts = (name.schema, name.name) if name.schema else (name.name,)
    return ".".join(map(quote_identifier, parts))


def named(name: Table, rows: str) -> str:
    """A table whose rows get a name."""
    return f"{table(name)} AS {_plain_or_quoted(rows)}"


def _plain_or_quoted(name: str) -> str:
    """A name that stands behind a dot or AS, where PostgreSQL takes its key words too."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else quote_identifier(name)


def number(value: Value, read: str) -> str:
    """The number that a value is, as float8; NULL where it is none, or one of no use in a mean."""
    if value.kind is Kind.INTEGER:
        return f"{read}::float8"
    if value.kind is Kind.FLOAT:
        return f"CASE WHEN abs({read}) < 1e100 THEN {read} END"
    if value.kind is Kind.DECIMAL:
        return render(load("decimal_number.sql"), value=read).strip()
    return render(
        load("json_number.sql"),
        value=read,
        plain_number=_PLAIN_NUMBER,
        longest_number=str(_LONGEST_NUMBER),
    ).strip()


def _in_json(json: str, keys: tuple[str, ...]) -> str:
    """What a JSON holds under keys; one that is a whole number may be a place in a list."""
    if len(keys) == 1 and not keys[0].lstrip("-").isdecimal():
        return f"({json} -> {quote_text(keys[0])})"
    return f"({json} #> ARRAY[{', '.join(map(quote_text, keys))}])"
