"""SQL that BigQuery runs and the stand-in does not: it is refused by name, never passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.localcloud.googlesql.text import READ, tokenize
from backend.localcloud.http.errors import NotDone
from backend.localcloud.remembering import remembered

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

MAYBE = re.compile(r"\bmodel\b|\bgap_fill\b|\bst_geogfromwkb\b|\b(?:ai|ml)\s*\.", re.IGNORECASE)
STATEMENTS = {"CREATE", "DROP", "ALTER", "EXPORT"}
FAMILIES = {"AI", "ML"}
FUNCTIONS = {"GAP_FILL", "ST_GEOGFROMWKB"}


def refuse_undone(sql: str) -> None:
    """Refuse models, the functions that use them, and GAP_FILL, which bqemulator passes over."""
    if MAYBE.search(sql) and (name := _first_undone(sql)):
        raise NotDone(name)


@remembered(READ)
def _first_undone(sql: str) -> str:
    return next(_undone(tokenize(sql)), "")


def _undone(tokens: tuple[Token, ...]) -> Iterator[str]:
    from sqlglot.tokenizer_core import TokenType

    texts = [
        "" if token.token_type in (TokenType.STRING, TokenType.RAW_STRING) else token.text.upper()
        for token in tokens
    ]
    for index, text in enumerate(texts):
        after = texts[index + 1 : index + 4]
        if text == "MODEL" and (verb := _verb(texts[max(index - 3, 0) : index])) in STATEMENTS:
            yield f"{verb} MODEL"
        elif text in FAMILIES and after[:1] == ["."] and after[2:3] == ["("]:
            yield f"{text}.{after[1]}"
        elif text in FUNCTIONS and after[:1] == ["("]:
            yield text


def _verb(words: list[str]) -> str:
    """The last of the words before, past the OR REPLACE of CREATE OR REPLACE."""
    if words[-2:] == ["OR", "REPLACE"] and len(words) > 2:
        return words[-3]
    return words[-1] if words else ""
