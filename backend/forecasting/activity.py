"""What each thread is doing just now, and how long it took.

So a command that is out of time can say what it was at, and one that is asked to can tell all.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Told = Callable[[str, float, bool], None]
"""Takes what was done, how many seconds it took, and whether its parts have been told."""


@dataclass
class _Activity:
    what: str
    # By the name that the clock has then: a test that stops it stops it for both ends.
    began: float = field(default_factory=lambda: time.monotonic())
    has_parts: bool = False


_DOING: dict[int, list[_Activity]] = {}
_TOLD: dict[int, Told] = {}


@contextmanager
def doing(what: str) -> Iterator[None]:
    """The block does `what`, as "Looking at table t"."""
    thread = threading.get_ident()
    mine = _DOING.setdefault(thread, [])
    mine.append(_Activity(what))
    try:
        yield
    finally:
        _end(mine.pop(), mine, _TOLD.get(thread))


def _end(ended: _Activity, around: list[_Activity], tell: Told | None) -> None:
    if around:
        around[-1].has_parts = True
    if tell:
        tell(ended.what, time.monotonic() - ended.began, ended.has_parts)


@contextmanager
def telling(tell: Told) -> Iterator[None]:
    """In the block, each thing that this thread has done is told."""
    thread = threading.get_ident()
    before = _TOLD.get(thread)
    _TOLD[thread] = tell
    try:
        yield
    finally:
        if before is None:
            del _TOLD[thread]
        else:
            _TOLD[thread] = before


def what_is_done(thread: int) -> str:
    """What a thread does, the innermost of it; a word for all of it where it does not say."""
    mine = _DOING.get(thread)
    return mine[-1].what if mine else "The command"
