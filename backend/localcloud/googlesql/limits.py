"""What BigQuery refuses for its size, and the engine under the stand-in would choke on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.localcloud.googlesql.text import tokenize
from backend.localcloud.http.errors import InvalidQuery, QueryTooComplex

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

STRUCT_LEVELS = 15
"""As deep as a column may be nested (bigquery/docs/nested-repeated). The engine takes twice as long
for every three more."""

ARRAY_ELEMENTS = 1_048_575
"""Of a generated array (inferred); the text is ZetaSQL's, whose own number is smaller."""


def refuse_beyond_limits(sql: str) -> None:
    """Raise InvalidQuery for a STRUCT in too many others, or an array generated too long.

    Only of an array whose ends stand in the text the length is known before it is made.
    """
    open_structs: list[bool] = []
    tokens = tokenize(sql)
    for index, token in enumerate(tokens):
        if token.text == ")" and open_structs:
            open_structs.pop()
        if token.text != "(":
            continue
        called = tokens[index - 1].text.upper() if index else ""
        open_structs.append(called == "STRUCT")
        if sum(open_structs) > STRUCT_LEVELS:
            raise QueryTooComplex
        if called == "GENERATE_ARRAY":
            _refuse_long_array(tokens[index + 1 :])


def _refuse_long_array(tokens: tuple[Token, ...]) -> None:
    ends = list(_literals(tokens))
    step = ends[2] if len(ends) == 3 else 1
    if len(ends) in (2, 3) and step and (ends[1] - ends[0]) / step >= ARRAY_ELEMENTS:
        raise InvalidQuery(f"Cannot generate arrays with more than {ARRAY_ELEMENTS} elements.")


def _literals(tokens: tuple[Token, ...]) -> Iterator[float]:
    """The numbers up to the closing parenthesis; none where anything else stands there."""
    words: list[str] = []
    for token in tokens:
        if token.text == ")":
            break
        words.append(token.text)
    try:
        numbers = [float(part) for part in "".join(words).split(",")]
    except ValueError:
        return
    yield from numbers
