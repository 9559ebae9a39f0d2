"""What DuckDB is not given, whoever sends it: the last lock, behind GoogleSQL's own.

DuckDB's settings keep it from files and network. This keeps from it what they leave: statements
that change its settings, table functions that take addresses of memory (one with a NULL ends the
process), and those whose C libraries have their own way to files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb

from backend.localcloud.http.errors import NotDone
from backend.localcloud.remembering import remembered

TEXT = 500_000
"""Characters of the statements that are known to be of the kinds that run: about a megabyte."""

Kind = duckdb.StatementType
KINDS = {Kind.SELECT, Kind.INSERT, Kind.UPDATE, Kind.DELETE, Kind.MERGE_INTO, Kind.EXPLAIN}
KINDS |= {Kind.CREATE, Kind.ALTER, Kind.DROP, Kind.TRANSACTION}
TABLE_FUNCTIONS = {"unnest", "range", "generate_series", "repeat", "histogram"}
TABLE_FUNCTIONS |= {"json_each", "json_tree", "table_info", "pragma_table_info"}
TABLE_FUNCTIONS |= {"duckdb_columns", "duckdb_schemas", "duckdb_tables", "duckdb_views"}
# Deeply nested WKB overflows the stack of its parser; PROJ reads the files that a text names.
SCALAR_FUNCTIONS = {"st_geomfromwkb", "st_geomfromhexwkb", "st_geomfromhexewkb", "st_transform"}
SCALAR_FUNCTIONS |= {"st_point2dfromwkb", "st_linestring2dfromwkb", "st_polygon2dfromwkb"}
FUNCTIONS = "SELECT lower(function_name), function_type FROM duckdb_functions()"
YIELD_TABLES = ("table", "table_macro", "pragma")


class Guard:
    """Refuses statements for a database; made once everything is in it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        found = connection.execute(FUNCTIONS).fetchall()
        self.functions = frozenset(name for name, _ in found)
        yielding = {name for name, kind in found if kind in YIELD_TABLES}
        self.refused = (yielding - TABLE_FUNCTIONS) | SCALAR_FUNCTIONS
        names = "|".join(sorted(map(re.escape, self.refused)))
        self.maybe = re.compile(rf"\b(?:{names})\b", re.IGNORECASE)
        self._connection = connection
        self._problem_of = remembered(TEXT)(self._find_problem)

    def check(self, sql: str) -> None:
        """Raise NotDone for what is not one statement of a known kind, or calls what is refused."""
        try:
            problem = self._problem_of(sql)
        except duckdb.Error:
            return  # The same error comes of running it.
        if problem:
            raise NotDone(problem)

    def _find_problem(self, sql: str) -> str:
        statements = self._connection.extract_statements(sql)
        if len(statements) > 1:
            return "several statements at once"
        for statement in statements:
            if statement.type not in KINDS:
                return f"DuckDB's {statement.type.name}"
        if self.maybe.search(sql):
            for name in _called(sql):
                if name in self.refused:
                    return f"DuckDB's {name}()"
        return ""


def _called(sql: str) -> Iterator[str]:
    """The names before a parenthesis, as DuckDB's own lexer sees them, but those of a dataset."""
    text = sql.encode()
    starts = [start for start, _ in duckdb.tokenize(sql)]
    ends = [*starts[1:], len(text)]
    words = ["", "", *(_word(text[a:b]) for a, b in zip(starts, ends, strict=True))]
    for owner, dot, word, after in zip(words, words[1:], words[2:], words[3:], strict=False):
        if after == "(" and not (dot == "." and "__" in owner):
            yield word


def _word(token: bytes) -> str:
    """A token without what DuckDB counts to it: quotes, and the blanks and comments after it."""
    return AFTER.sub("", token.decode(errors="replace")).strip('"').lower()


AFTER = re.compile(r"\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*\Z", re.DOTALL)
