"""What BigQuery refuses for its size, and the engine under the stand-in would choke on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.localcloud.googlesql.text import READ, is_literal, tokenize
from backend.localcloud.http.errors import InvalidQuery, QueryTooComplex
from backend.localcloud.remembering import remembered

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

STRUCT_LEVELS = 15
"""As deep as a column may be nested (bigquery/docs/nested-repeated). The engine takes twice as long
for every three more."""

ARRAY_ELEMENTS = 1_048_575
"""Of a generated array (inferred); the text is ZetaSQL's, whose own number is smaller."""

TEXT_BYTES = 100_000_000
"""Of one text, as of a row (bigquery/quotas). ZetaSQL, whose text it is, takes 1 MB; the engine
makes gigabytes, which it does not count."""

_LENGTHENING = {"REPEAT": "REPEAT", "LPAD": "LPAD/RPAD", "RPAD": "LPAD/RPAD"}


@remembered(READ)
def refuse_beyond_limits(sql: str) -> None:
    """Raise InvalidQuery for a STRUCT in too many others, or an array or a text made too long.

    Only of those whose ends or lengths stand in the query it is known before they are made.
    """
    open_structs: list[bool] = []
    tokens = tokenize(sql)
    for index, token in enumerate(tokens):
        if is_literal(token):  # Of a parenthesis, say.
            continue
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
        if called in _LENGTHENING:
            _refuse_long_text(called, tokens[index + 1 :])


def _refuse_long_array(tokens: tuple[Token, ...]) -> None:
    ends = list(_literals(tokens))
    step = ends[2] if len(ends) == 3 else 1
    if len(ends) in (2, 3) and step and (ends[1] - ends[0]) / step >= ARRAY_ELEMENTS:
        raise InvalidQuery(f"Cannot generate arrays with more than {ARRAY_ELEMENTS} elements.")


def _refuse_long_text(called: str, tokens: tuple[Token, ...]) -> None:
    arguments = _arguments(tokens)
    if len(arguments) < 2 or len(arguments[1]) != 1 or not arguments[1][0].text.isdigit():
        return
    text, times = arguments[0], int(arguments[1][0].text)
    if called == "REPEAT" and len(text) == 1 and is_literal(text[0]):
        times *= len(text[0].text)
    if times > TEXT_BYTES:
        raise InvalidQuery(
            f"Output of {_LENGTHENING[called]} exceeds max allowed output size of 1MB"
        )


def _arguments(tokens: tuple[Token, ...]) -> list[list[Token]]:
    """The tokens of each argument, up to the parenthesis that closes the call."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if is_literal(token):
            found[-1].append(token)
            continue
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth < 0:
            break
        if token.text == "," and not depth:
            found.append([])
        else:
            found[-1].append(token)
    return found


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
