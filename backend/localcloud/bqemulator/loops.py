"""How bqemulator's coroutines run: at once, in the thread that asks, on an event loop kept for it.

They wait for nothing: DuckDB holds the thread until it has answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

import fastapi.dependencies.utils
import fastapi.routing

P = ParamSpec("P")
R = TypeVar("R")


class Loops:
    """Event loops, each used by one thread at a time; as many as there have been at once."""

    def __init__(self) -> None:
        self.free: list[asyncio.Runner] = []

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """What the coroutine returns; it sees the context variables of the caller."""
        try:
            runner = self.free.pop()
        except IndexError:
            runner = asyncio.Runner()
        try:
            return runner.run(coroutine, context=copy_context())
        finally:
            self.free.append(runner)

    def close(self) -> None:
        while self.free:
            self.free.pop().close()


async def run_here(function: Callable[P, R], /, *args: P.args, **options: P.kwargs) -> R:
    """In place of a thread of its own for a function that is no coroutine."""
    return function(*args, **options)


def install() -> None:
    """Have FastAPI start no threads, of which each event loop would have its own."""
    for module in (fastapi.routing, fastapi.dependencies.utils):
        vars(module).update(run_in_threadpool=run_here)
