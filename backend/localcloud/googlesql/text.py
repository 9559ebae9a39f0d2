"""GoogleSQL text: tokens, query parameters, and the calls in it.

Only text goes in and out; nothing here runs SQL.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from backend.localcloud.googlesql.literals import string_value
from backend.localcloud.http.errors import InvalidQuery
from backend.localcloud.remembering import remembered

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token
    from sqlglot.tokens import Tokenizer


READ = 200_000
"""Characters of the texts of which what was read is remembered: each rule that a statement is held
to reads its tokens anew, which take ten megabytes or less, and finds the same."""


@remembered(READ)
def tokenize(sql: str) -> tuple[Token, ...]:
    """The tokens of GoogleSQL text, with their positions; comments are left out."""
    from sqlglot.errors import TokenError

    try:
        return tuple(_tokenizer_class()(dialect="bigquery").tokenize(sql))
    except TokenError as error:
        raise InvalidQuery(f"Syntax error: {error}", location="query") from error


def is_literal(token: Token) -> bool:
    """Whether it is a text or bytes in quotes, raw or not: whatever stands in it is no syntax."""
    from sqlglot.tokenizer_core import TokenType

    return token.token_type in (TokenType.STRING, TokenType.RAW_STRING, TokenType.BYTE_STRING)


@functools.cache
def _tokenizer_class() -> type[Tokenizer]:
    from sqlglot.dialects.bigquery import BigQuery

    class WholeText(BigQuery.Tokenizer):
        """Without the words after which sqlglot takes all up to the semicolon as one string."""

        COMMANDS: ClassVar[set[Any]] = set()

    return WholeText


def position(sql: str, offset: int) -> str:
    """Where `offset` is, as Google puts it at the end of a message: `[line:column]`."""
    line = sql.count("\n", 0, offset) + 1
    return f"[{line}:{offset - sql.rfind(chr(10), 0, offset)}]"


def substitute(sql: str, named: Mapping[str, str], positional: list[str] | None = None) -> str:
    """`sql` with its parameters replaced by literals: never in a string or a comment.

    A parameter without a value is refused with Google's words.
    """
    values = iter(positional or [])
    pieces: list[str] = []
    end = 0
    lowered = {name.lower(): value for name, value in named.items()}
    for start, stop, name in _parameters(sql):
        value = lowered.get(name.lower()) if name else next(values, None)
        if value is None:
            what = f"Query parameter '{name}' not found" if name else "Query parameter is missing"
            raise InvalidQuery(f"{what} at {position(sql, start)}", location="query")
        pieces += [sql[end:start], value]
        end = stop
    return "".join([*pieces, sql[end:]])


def _parameters(sql: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and name ("" when positional) of each parameter; not of `@@variables`."""
    from sqlglot.tokenizer_core import TokenType

    if "@" not in sql and "?" not in sql:
        return
    tokens = tokenize(sql)
    for index, token in enumerate(tokens):
        if token.token_type == TokenType.PLACEHOLDER:
            yield token.start, token.end + 1, ""
        elif token.token_type == TokenType.PARAMETER and index + 1 < len(tokens):
            name = tokens[index + 1]
            before = tokens[index - 1].token_type if index else None
            if TokenType.PARAMETER not in (before, name.token_type):
                yield token.start, name.end + 1, name.text


def replace_system_variables(sql: str, values: Mapping[str, str]) -> str:
    """`sql` with its `@@variables` replaced; one that is not in `values` is refused."""
    from sqlglot.tokenizer_core import TokenType

    if "@@" not in sql:
        return sql
    tokens = tokenize(sql)
    pieces, end = [], 0
    for index, token in enumerate(tokens[:-2]):
        if (token.token_type, tokens[index + 1].token_type) != (TokenType.PARAMETER,) * 2:
            continue
        name, last = _dotted_name(tokens, index + 2)
        if name not in values:
            raise InvalidQuery(f"Unrecognized name: @@{name} at {position(sql, token.start)}")
        pieces += [sql[end : token.start], values[name]]
        end = last.end + 1
    return "".join([*pieces, sql[end:]])


def _dotted_name(tokens: tuple[Token, ...], index: int) -> tuple[str, Token]:
    name, last = tokens[index].text.lower(), tokens[index]
    while index + 2 < len(tokens) and tokens[index + 1].text == ".":
        index += 2
        name, last = f"{name}.{tokens[index].text.lower()}", tokens[index]
    return name, last


@dataclass(frozen=True)
class TableCall:
    """One EXTERNAL_QUERY call in a text: where it is, and its arguments as written."""

    start: int
    end: int
    arguments: list[str]


def external_queries(sql: str) -> list[TableCall]:
    """Each EXTERNAL_QUERY(...) of `sql`, in order; none in strings and comments."""
    from sqlglot.tokenizer_core import TokenType

    if "external_query" not in sql.lower():
        return []
    tokens = tokenize(sql)
    return [
        _call_at(sql, tokens, index)
        for index, token in enumerate(tokens[:-1])
        if token.text.upper() == "EXTERNAL_QUERY"
        and token.token_type == TokenType.VAR
        and tokens[index + 1].token_type == TokenType.L_PAREN
    ]


def _call_at(sql: str, tokens: tuple[Token, ...], index: int) -> TableCall:
    """The call whose name is token `index`, its arguments split at the top-level commas."""
    arguments: list[str] = []
    depth, begin = 0, tokens[index + 1].end + 1
    for token in tokens[index + 1 :]:
        if token.text in ("(", "[") and len(sql[token.start : token.end + 1]) == 1:
            depth += 1
        elif token.text in (")", "]") and len(sql[token.start : token.end + 1]) == 1:
            depth -= 1
        if depth == 0 or (depth == 1 and token.text == "," and sql[token.start] == ","):
            arguments.append(sql[begin : token.start].strip())
            begin = token.end + 1
        if depth == 0:
            return TableCall(tokens[index].start, token.end + 1, arguments)
    raise InvalidQuery('Syntax error: Expected ")" but got end of script', location="query")


def argument_text(argument: str) -> str:
    """The text of an EXTERNAL_QUERY argument, which has to be one string literal."""
    from sqlglot.tokenizer_core import TokenType

    tokens = tokenize(argument)
    kinds = (TokenType.STRING, TokenType.RAW_STRING)
    if len(tokens) != 1 or tokens[0].token_type not in kinds:
        raise InvalidQuery(
            "Invalid table-valued function EXTERNAL_QUERY Table-valued function EXTERNAL_QUERY "
            f"only accepts string literals and query parameters, not {argument}",
            location="query",
        )
    return string_value(argument[tokens[0].start : tokens[0].end + 1])


def split_assertion(sql: str) -> tuple[str, str | None]:
    """`ASSERT condition [AS 'text']` as the condition and the text."""
    from sqlglot.tokenizer_core import TokenType

    tokens = tokenize(sql)
    start = tokens[0].end + 1
    if len(tokens) > 2 and tokens[-2].token_type == TokenType.ALIAS:
        if tokens[-1].token_type not in (TokenType.STRING, TokenType.RAW_STRING):
            raise InvalidQuery(
                "Syntax error: Expected string literal but got "
                f"{tokens[-1].text} at {position(sql, tokens[-1].start)}",
                location="query",
            )
        return sql[start : tokens[-2].start], string_value(sql[tokens[-1].start :].strip())
    return sql[start:], None


def using_name(expression: str) -> tuple[str, str]:
    """`expr AS name` of EXECUTE IMMEDIATE ... USING as the expression and the name, or ""."""
    from sqlglot.tokenizer_core import TokenType

    tokens = tokenize(expression)
    if len(tokens) > 2 and tokens[-2].token_type == TokenType.ALIAS:
        return expression[: tokens[-2].start], tokens[-1].text
    return expression, ""


def view_text(sql: str) -> str:
    """The query of a CREATE VIEW statement, as it is written."""
    from sqlglot.tokenizer_core import TokenType

    depth = 0
    for token in tokenize(sql):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if depth == 0 and token.token_type == TokenType.ALIAS:
            return sql[token.end + 1 :].removeprefix("\n")
    return ""


def first_word(sql: str) -> str:
    """The first word of a statement, in capitals, past comments and parentheses."""
    for token in tokenize(sql):
        if token.text != "(":
            return token.text.upper()
    return ""
