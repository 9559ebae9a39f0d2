"""SQL that BigQuery runs and the stand-in does not: it is refused by name, never passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.localcloud.googlesql.text import tokenize
from backend.localcloud.http.errors import NotDone

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

MAYBE = re.compile(r"\bmodel\b|\bgap_fill\b|\bst_geogfromwkb\b|\b(?:ai|ml)\s*\.", re.IGNORECASE)
STATEMENTS = {"CREATE", "DROP", "ALTER", "EXPORT"}
FAMILIES = {"AI", "ML"}
FUNCTIONS = {"GAP_FILL", "ST_GEOGFROMWKB"}


def refuse_undone(sql: str) -> None:
    """Refuse models, the functions that use them, and GAP_FILL, which bqemulator passes over."""
    if not MAYBE.search(sql):
        return
    if name := next(_undone(tokenize(sql)), None):
        raise NotDone(name)


def _undone(tokens: tuple[Token, ...]) -> Iterator[str]:
    from sqlglot.tokenizer_core import TokenType

    texts = [
        "" if token.token_type in (TokenType.STRING, TokenType.RAW_STRING) else token.text.upper()
        for token in tokens
    ]
    for index, text in enumerate(texts):
        before, after = texts[:index], texts[index + 1 :]
        if text == "MODEL" and _is_verb_before(before):
            yield f"{_verb(before)} MODEL"
        elif text in FAMILIES and after[:1] == ["."] and after[2:3] == ["("]:
            yield f"{text}.{after[1]}"
        elif text in FUNCTIONS and after[:1] == ["("]:
            yield text


def _is_verb_before(words: list[str]) -> bool:
    return bool(words) and _verb(words) in STATEMENTS


def _verb(words: list[str]) -> str:
    """The last word, past the OR REPLACE of CREATE OR REPLACE."""
    return words[-3] if words[-2:] == ["OR", "REPLACE"] and len(words) > 2 else words[-1]
