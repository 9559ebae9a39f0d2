"""What was found out about a text is remembered: clients send the same few over and over."""

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from cachetools import LRUCache, cached

P = ParamSpec("P")
R = TypeVar("R")

LARGEST_SHARE = 10
"""One answer takes at most this part of the room, or is not kept."""


def remembered(characters: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a function of texts answer the same question once, from whatever thread.

    It has to depend on nothing but its arguments, and nobody may change what it returns. The last
    answers used are kept, as many as have `characters` with their questions. An error is no answer.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        room = LRUCache[tuple[object, ...], tuple[int, R]](characters, lambda known: known[0])

        @cached(room, lock=threading.Lock())
        def weighed(*args: P.args, **options: P.kwargs) -> tuple[int, R]:
            answer = function(*args, **options)
            texts = [text for text in (*args, *options.values(), answer) if isinstance(text, str)]
            size = sum(map(len, texts))
            # What is larger than the room is not kept.
            return size if size * LARGEST_SHARE <= characters else characters + 1, answer

        @functools.wraps(function)
        def ask(*args: P.args, **options: P.kwargs) -> R:
            return weighed(*args, **options)[1]

        return ask

    return decorate
