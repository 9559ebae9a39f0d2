"""A look that is remembered: how often it is made, and how long it is waited for."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.cache import cache

from backend.forecasting.errors import ForecastingError
from backend.forecasting.monitoring.remembered import Patience, Remembered

WAIT = Patience(recent=30, recent_seconds=600, without=30)
NO_WAIT = Patience(recent=0, recent_seconds=600, without=0)


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def remember(look: Callable[[], str], fresh_seconds: float = 60) -> Remembered[str]:
    return Remembered(key="test", look=look, fresh_seconds=fresh_seconds)


class Look:
    """A look that answers one word after the other; an empty one is a failure."""

    def __init__(self, *words: str) -> None:
        self.words = list(words)

    def __call__(self) -> str:
        word = self.words.pop(0)
        if not word:
            raise ForecastingError("nobody answers")
        return word


class SlowLook:
    """A look that ends when it is let, in a thread that can be waited for."""

    def __init__(self) -> None:
        self.may_end, self.began = threading.Event(), threading.Event()
        self.count = 0
        self.thread: threading.Thread | None = None

    def __call__(self) -> str:
        self.count, self.thread = self.count + 1, threading.current_thread()
        self.began.set()
        assert self.may_end.wait(30)
        return "late"

    def end(self) -> None:
        self.may_end.set()
        assert self.thread
        self.thread.join(30)


@pytest.fixture
def slow() -> Iterator[SlowLook]:
    look = SlowLook()
    yield look
    look.end()


def test_see__looks_once_while_it_is_fresh() -> None:
    remembered = remember(Look("one"))
    first, second = remembered.see(WAIT), remembered.see(WAIT)
    assert first == second
    assert (first.value, first.problem, first.looking) == ("one", "", False)


def test_see__looks_again_when_it_is_not() -> None:
    remembered = remember(Look("one", "two"), fresh_seconds=0)
    assert [remembered.see(WAIT).value for _ in range(2)] == ["one", "two"]


def test_outdate__keeps_what_is_known_until_the_next_look() -> None:
    remembered = remember(Look("one", "two"))
    remembered.see(WAIT)
    remembered.outdate()
    assert remembered.recall().value == "one"
    assert remembered.see(WAIT).value == "two"


def test_see__failure_keeps_the_older_value_with_its_age() -> None:
    remembered = remember(Look("one", ""), fresh_seconds=0)
    first, second = remembered.see(WAIT), remembered.see(WAIT)
    assert (second.value, second.looked_at) == ("one", first.looked_at)
    assert second.problem == "nobody answers"


def test_see__failure_is_not_repeated_at_once() -> None:
    remembered = remember(Look(""))
    assert remembered.see(WAIT) == remembered.see(WAIT)
    assert remembered.see(WAIT).value is None


def test_see__fault_of_the_look_is_logged_and_is_no_reason_to_ask_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    looks: list[str] = []

    def look() -> str:
        looks.append("")
        raise KeyError("odd")

    remembered = remember(look)
    for _ in range(2):
        assert remembered.see(WAIT).problem.startswith("The look failed by a fault of its own")
    assert len(looks) == 1
    assert "KeyError: 'odd'" in caplog.text


def test_see__success_clears_the_failure() -> None:
    remembered = remember(Look("", "one"), fresh_seconds=0)
    assert [remembered.see(WAIT).problem for _ in range(2)] == ["nobody answers", ""]


def test_see__goes_on_without_a_slow_look_and_has_it_later(slow: SlowLook) -> None:
    remembered = remember(slow)
    seen = remembered.see(NO_WAIT)
    assert (seen.value, seen.looking) == (None, True)
    slow.end()
    seen = remembered.see(NO_WAIT)
    assert (seen.value, seen.looking) == ("late", False)


def test_see__makes_one_look_at_a_time(slow: SlowLook) -> None:
    remembered = remember(slow)
    assert [remembered.see(NO_WAIT).looking for _ in range(3)] == [True] * 3
    slow.end()
    assert slow.count == 1


def test_see__waits_longer_for_figures_that_are_old() -> None:
    remembered = remember(Look("one", "two"), fresh_seconds=0)
    seen = remembered.see(WAIT)
    assert seen.looked_at
    cache.set("test", replace(seen, looked_at=seen.looked_at - timedelta(hours=9)))
    patience = replace(WAIT, recent=0)
    assert remembered.see(patience).value == "two"


def test_seen__age_in_words() -> None:
    seen = remember(Look("one")).see(WAIT)
    assert seen.looked_at
    assert seen.age == "0 seconds"
    hour = replace(seen, looked_at=seen.looked_at - timedelta(hours=1))
    assert hour.age.replace("\xa0", " ") == "1 hour"
    assert replace(seen, looked_at=None).age == ""


def test_seen__age_is_not_negative() -> None:
    seen = remember(Look("one")).see(WAIT)
    assert seen.looked_at
    assert replace(seen, looked_at=seen.looked_at + timedelta(minutes=5)).age == "0 seconds"


def test_see__whoever_asks_meanwhile_waits_for_the_same_look(slow: SlowLook) -> None:
    remembered, seen = remember(slow), list[str | None]()
    ask = [threading.Thread(target=lambda: seen.append(remembered.see(WAIT).value)) for _ in "1234"]
    for thread in ask:
        thread.start()
    assert slow.began.wait(30)
    slow.end()
    for thread in ask:
        thread.join(30)
    assert (seen, slow.count) == (["late"] * 4, 1)


def test_outdate__a_look_that_began_before_is_not_taken_for_a_new_one() -> None:
    def look() -> str:
        looks.append("look")
        if len(looks) == 1:
            remembered.outdate()  # as another process may while this one looks
        return f"{len(looks)}"

    looks: list[str] = []
    remembered = remember(look)
    assert [remembered.see(WAIT).value for _ in range(3)] == ["1", "2", "2"]
