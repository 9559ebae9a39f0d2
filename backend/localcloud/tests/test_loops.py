"""How the emulator's coroutines are run."""

import asyncio
from contextvars import ContextVar
from unittest.mock import patch

import pytest

from backend.localcloud.bqemulator.loops import Loops
from backend.localcloud.tests.conftest import Query

asked_for: ContextVar[str] = ContextVar("asked_for")


async def find_out() -> tuple[str, asyncio.AbstractEventLoop]:
    return asked_for.get(), asyncio.get_running_loop()


def test_loops__are_used_again_in_the_context_of_each_caller() -> None:
    loops, found = Loops(), []
    for text in ("first", "second"):
        asked_for.set(text)
        found.append(loops.run(find_out()))
    loops.close()
    (first, loop), (second, again) = found
    assert (first, second) == ("first", "second")
    assert loop is again
    assert loop.is_closed()


def test_loops__are_used_again_after_an_error() -> None:
    async def fail() -> None:
        raise ValueError(str(id(asyncio.get_running_loop())))

    loops = Loops()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"\d"):
            loops.run(fail())
    assert len(loops.free) == 1
    loops.close()


def test_query__takes_no_further_thread(query: Query) -> None:
    with patch("anyio.to_thread.run_sync") as start:
        assert query("SELECT 1 AS one") == [{"one": 1}]
    start.assert_not_called()
