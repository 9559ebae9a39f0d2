"""What each thread is doing just now, so that a command that is out of time can say it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_DOING: dict[int, list[str]] = {}


@contextmanager
def doing(what: str) -> Iterator[None]:
    """The block does `what`, as "Looking at table t"."""
    mine = _DOING.setdefault(threading.get_ident(), [])
    mine.append(what)
    try:
        yield
    finally:
        mine.pop()


def what_is_done(thread: int) -> str:
    """What a thread does, the innermost of it; a word for all of it where it does not say."""
    return (_DOING.get(thread) or ["The command"])[-1]
