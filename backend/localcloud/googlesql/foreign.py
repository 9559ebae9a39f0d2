"""SQL that the engine under the stand-in has and BigQuery has not: refused as BigQuery refuses it.

Nothing but GoogleSQL reaches the engine: neither its statements nor its functions, some of which
read files, and some of which end the process.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.localcloud.googlesql.text import READ, is_literal, position, tokenize
from backend.localcloud.http.errors import InvalidQuery, NotDone
from backend.localcloud.remembering import remembered

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

NAME = re.compile(r"[\w.-]+")
# BigQuery's functions that are not GoogleSQL's, and words that stand before a parenthesis.
BIGQUERY = {"contains_substr", "external_query", "gap_fill", "range_sessionize", "search"}
BIGQUERY |= {"vector_search", "collate", "forecast", "predict"}
WORDS = {"and", "array", "case", "cast", "exists", "extract", "if", "insert", "like", "or"}
WORDS |= {"replace", "safe_cast", "struct", "unnest", "week"}
# A name before a parenthesis is no call after these: CREATE TABLE sum (a INT64).
NAMING = {"INSERT", "INTO", "TABLE", "VIEW", "FUNCTION", "PROCEDURE", "EXISTS", "CALL"}
RUN = {"SELECT", "WITH", "FROM", "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "ASSERT"}
RUN |= {"BEGIN", "COMMIT", "ROLLBACK"}
NOT_RUN = {"EXPORT DATA", "LOAD DATA", "GRANT", "REVOKE", "UNDROP"}
DDL = {"CREATE", "DROP", "ALTER"}
MADE = {"TABLE", "VIEW", "SCHEMA", "FUNCTION", "PROCEDURE", "MATERIALIZED", "SNAPSHOT", "ROW"}
MADE |= {"ALL"}  # DROP ALL ROW ACCESS POLICIES
NOT_MADE = {"EXTERNAL", "SEARCH", "VECTOR", "MODEL", "CAPACITY", "RESERVATION", "ASSIGNMENT"}
MODIFIERS = DDL | {"OR", "REPLACE", "TEMP", "TEMPORARY", "AGGREGATE"}


@functools.cache
def functions() -> frozenset[str]:
    """What a call may name that is not the user's own, in lower case, without its family."""
    text = importlib.resources.files(__package__).joinpath("functions.txt").read_text()
    return frozenset(name.rpartition(".")[2] for name in text.split()) | BIGQUERY | WORDS


@functools.cache
def _translated() -> frozenset[str]:
    """The functions, of any dialect, that are translated into the engine's."""
    from sqlglot.dialects.bigquery import BigQuery

    return frozenset(name.lower() for name in BigQuery.parser_class.FUNCTIONS)


@remembered(READ)
def refuse_foreign_statement(sql: str) -> None:
    """Refuse a statement of a kind that GoogleSQL lacks; by name, one that is merely not done."""
    tokens = [token for token in tokenize(sql) if token.text != "("]
    words = [token.text.upper() for token in tokens]
    if not words or words[0].partition(" ")[0] in RUN:  # BEGIN TRANSACTION is one token.
        return
    if phrase := next((p for p in (words[0], " ".join(words[:2])) if p in NOT_RUN), ""):
        raise NotDone(phrase)
    at = 0
    if words[0] in DDL:
        at = next((n for n, word in enumerate(words) if word not in MODIFIERS), 0)
        if words[at] in MADE:
            return
        if words[at] in NOT_MADE:
            raise NotDone(f"{words[0]} {words[at]}")
    place = position(sql, tokens[at].start)
    raise InvalidQuery(f'Syntax error: Unexpected identifier "{tokens[at].text}" at {place}')


def refuse_foreign_calls(sql: str, engine: frozenset[str]) -> None:
    """Refuse calls of what only the engine has; `engine` are the functions that it would find."""
    for name, start in _calls(tokenize(sql)):
        last = name.rpartition(".")[2].lower()
        if (last in engine or last in _translated()) and last not in functions():
            place = position(sql, start)
            raise InvalidQuery(f"Function not found: {name} at {place}", location="query")


def _calls(tokens: tuple[Token, ...]) -> Iterator[tuple[str, int]]:
    """Each name that stands before a parenthesis, with its path and where it begins."""
    from sqlglot.tokenizer_core import TokenType

    for index, token in enumerate(tokens):
        if token.token_type != TokenType.L_PAREN or index == 0 or not _is_name(tokens[index - 1]):
            continue
        first = index - 1
        while first >= 2 and tokens[first - 1].token_type == TokenType.DOT:
            first -= 2
        if first == 0 or tokens[first - 1].text.upper() not in NAMING:
            yield ".".join(t.text for t in tokens[first:index:2]), tokens[first].start


def _is_name(token: Token) -> bool:
    return not is_literal(token) and NAME.fullmatch(token.text) is not None
