"""What is told of what a thread does."""

import threading

import pytest

from backend.forecasting.activity import doing, telling, what_is_done
from backend.forecasting.tests.support.clock import FastClock


def test_telling__has_the_parts_and_then_the_whole() -> None:
    told: list[tuple[str, float, bool]] = []
    with telling(lambda *each: told.append(each)), doing("all"):
        with doing("one"):
            pass
        with pytest.raises(ValueError, match="no"), doing("two"):
            raise ValueError("no")
    assert [(what, parts) for what, _, parts in told] == [("one", 0), ("two", 0), ("all", 1)]
    assert all(seconds >= 0 for _, seconds, _ in told)


def test_telling__ends_with_its_block_and_is_of_its_own_thread() -> None:
    told: list[str] = []

    def work() -> None:
        with doing("other"):
            pass

    with telling(lambda what, *_: told.append(what)):
        other = threading.Thread(target=work)
        other.start()
        other.join()
    with doing("late"):
        assert what_is_done(threading.get_ident()) == "late"
    assert told == []
    assert what_is_done(threading.get_ident()) == "The command"


def test_telling__within_another_leaves_it_as_it_was() -> None:
    told: list[str] = []
    with telling(lambda what, *_: told.append(f"outer {what}")):
        with telling(lambda what, *_: told.append(f"inner {what}")), doing("one"):
            pass
        with doing("two"):
            pass
    assert told == ["inner one", "outer two"]


def test_telling__has_the_seconds_that_each_took(fast_clock: FastClock) -> None:
    told: list[tuple[str, float]] = []
    with telling(lambda what, seconds, _: told.append((what, seconds))), doing("all"):
        with doing("part"):
            fast_clock.sleep(2)
        fast_clock.sleep(1)
    assert [what for what, _ in told] == ["part", "all"]
    assert [seconds for _, seconds in told] == pytest.approx([2, 3])
