"""What was found out about a text is remembered: clients send the same few over and over."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

LARGEST_SHARE = 10
"""One answer takes at most this part of the room, or is not kept."""


def remembered(characters: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a function of texts answer the same question once.

    It has to depend on nothing but its arguments, and nobody may change what it returns. The last
    answers used are kept, as many as have `characters` with their questions. An error is no answer.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        answers = _Answers(characters)

        @functools.wraps(function)
        def ask(*args: P.args, **options: P.kwargs) -> R:
            key = args, tuple(options.items())
            known: tuple[R] | None = answers.get(key)
            if known is None:
                known = (function(*args, **options),)
                answers.keep(key, known)
            return known[0]

        return ask

    return decorate


class _Answers:
    """By question, the one used last at the end; for several threads."""

    def __init__(self, characters: int) -> None:
        self._room = characters
        self._taken = 0
        self._known: OrderedDict[Any, tuple[Any]] = OrderedDict()
        self._turn = threading.Lock()

    def get(self, key: Any) -> tuple[Any] | None:
        with self._turn:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def keep(self, key: Any, answer: tuple[Any]) -> None:
        size = _characters(key, answer)
        if size * LARGEST_SHARE > self._room:
            return
        with self._turn:
            if key not in self._known:
                self._taken += size
            self._known[key] = answer
            while self._taken > self._room:
                self._taken -= _characters(*self._known.popitem(last=False))


def _characters(key: Any, answer: tuple[Any]) -> int:
    args, options = key
    values = (*args, *(value for _, value in options), *answer)
    return sum(len(value) for value in values if isinstance(value, str))
