"""A look that is remembered: how often it is made, and how long it is waited for."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock, patch

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.utils.timesince import timesince

from backend.forecasting.errors import ForecastingError
from backend.forecasting.monitoring.remembered import Patience, Remembered, Seen, run_within

REMEMBERED = "backend.forecasting.monitoring.remembered"
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


def set_clock(monkeypatch: pytest.MonkeyPatch, now: datetime | None = None) -> datetime:
    """Have it be this moment for whoever remembers; the present one, where none is given."""
    moment = now or datetime.now(UTC)
    monkeypatch.setattr(f"{REMEMBERED}.datetime", Mock(now=lambda zone: moment))
    monkeypatch.setattr(f"{REMEMBERED}.timesince", lambda then: timesince(then, moment))
    return moment


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
        assert self.began.wait(30)
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


def test_outdate__has_the_next_one_look_each_time() -> None:
    remembered, seen = remember(Look("one", "two", "three")), list[str | None]()
    for _ in range(3):
        seen += [remembered.see(WAIT).value for _ in range(2)]
        remembered.outdate()
    assert seen == ["one", "one", "two", "two", "three", "three"]


def test_outdate__is_kept_for_as_long_as_what_it_outdates() -> None:
    with patch.object(LocMemCache, "set") as kept:
        remember(Look()).outdate()
    assert [call.args[2] for call in kept.call_args_list] == [24 * 3600]


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
    said = "The look failed by a fault of its own, which is in the log."
    assert [record.getMessage() for record in caplog.records] == [said]


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


@pytest.mark.parametrize(("minutes", "seconds"), [(9, 5), (11, 30)])
def test_see__waits_longer_where_what_it_could_show_is_old(
    monkeypatch: pytest.MonkeyPatch, minutes: int, seconds: float
) -> None:
    now, waited = set_clock(monkeypatch), Mock(return_value=True)
    monkeypatch.setattr(f"{REMEMBERED}.time", Mock(monotonic=lambda: 7.0))
    monkeypatch.setattr(f"{REMEMBERED}.run_within", waited)
    looked_at, tried_at = now - timedelta(minutes=minutes), now - timedelta(minutes=2)
    cache.set("test", Seen(value="old", looked_at=looked_at, tried_at=tried_at))
    remember(Look()).see(Patience(recent=5, recent_seconds=600, without=30))
    assert waited.call_args.args[0] == seconds


def test_see__look_that_somebody_else_has_just_ended_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add, remembered = LocMemCache.add, remember(Look())  # A look would find no word.

    def add_late(self: LocMemCache, key: str, *arguments: Any) -> bool:
        cache.set("test", Seen(value="theirs", tried_at=datetime.now(UTC)))
        return bool(add(self, key, *arguments))

    monkeypatch.setattr(LocMemCache, "add", add_late)
    seen = remembered.see(WAIT)
    assert (seen.value, seen.looking) == ("theirs", False)
    assert cache.get(remembered._lock) is None


@pytest.mark.parametrize(("others", "left"), [(2, 10), (3, 0)])
def test_see__waits_no_longer_in_all_for_two_looks_than_for_one(
    monkeypatch: pytest.MonkeyPatch, others: int, left: int
) -> None:
    passed, waited, begun = [0.0], Mock(return_value=True), iter([*[False] * others, True])
    clock = Mock(monotonic=lambda: passed[0], sleep=lambda pause: passed.append(passed.pop() + 10))
    monkeypatch.setattr(LocMemCache, "add", lambda *arguments: next(begun))
    monkeypatch.setattr(f"{REMEMBERED}.time", clock)
    monkeypatch.setattr(f"{REMEMBERED}.run_within", waited)
    remember(Look()).see(WAIT)
    assert waited.call_args.args[0] == left


def test_see__waits_for_another_look_until_its_patience_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed, slept = [0.0], list[float]()

    def sleep(pause: float) -> None:
        slept.append(pause)
        passed.append(passed.pop() + 10)

    monkeypatch.setattr(LocMemCache, "add", lambda *arguments: False)
    monkeypatch.setattr(f"{REMEMBERED}.time", Mock(monotonic=lambda: passed[0], sleep=sleep))
    seen = remember(Look()).see(WAIT)
    assert (seen.value, passed, slept) == (None, [30], [0.05] * 3)


@pytest.mark.parametrize("moved", [59.9, -59.9])
def test_see__is_fresh_for_a_minute(monkeypatch: pytest.MonkeyPatch, moved: float) -> None:
    remembered = remember(Look("one"))
    now = set_clock(monkeypatch)
    remembered.see(WAIT)
    set_clock(monkeypatch, now + timedelta(seconds=moved))
    assert remembered.see(WAIT).value == "one"


def test_see__look_that_ends_a_moment_late_is_not_said_to_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def end_late(seconds: float, work: Callable[[], None]) -> bool:
        work()
        return False

    monkeypatch.setattr(f"{REMEMBERED}.run_within", end_late)
    seen = remember(Look("one")).see(WAIT)
    assert (seen.value, seen.looking) == ("one", False)


def test_look__that_never_ends_holds_no_process_back() -> None:
    looking: list[threading.Thread] = []
    assert run_within(600, lambda: looking.append(threading.current_thread()))
    assert [(thread.name, thread.daemon) for thread in looking] == [("forecasting", True)]


def test_look__leaves_no_connection_to_the_database_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connections = Mock()
    monkeypatch.setattr(f"{REMEMBERED}.connections", connections)
    assert run_within(30, lambda: None)
    connections.close_all.assert_called_once_with()


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-300, "0 seconds"),
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (3600, "1 hour"),
    ],
)
def test_seen__age_in_words(monkeypatch: pytest.MonkeyPatch, seconds: int, age: str) -> None:
    now = set_clock(monkeypatch)
    seen: Seen[str] = Seen(looked_at=now - timedelta(seconds=seconds))
    assert seen.age.replace("\xa0", " ") == age


def test_seen__version_is_that_of_the_last_look_however_it_went() -> None:
    at = datetime(2026, 3, 2, 7, tzinfo=UTC)
    assert Seen(tried_at=at, looked_at=None).version == "2026-03-02T07:00:00+00:00"
    assert Seen(looked_at=at).version == ""


def test_look__that_is_lost_lets_another_begin_after_two_minutes() -> None:
    with patch.object(LocMemCache, "add", return_value=True) as added:
        remember(Look("one")).see(WAIT)
    assert [call.args for call in added.call_args_list] == [("test.looking", True, 120)]


def test_seen__age_of_nothing_is_empty() -> None:
    assert Seen(looked_at=None).age == ""


@pytest.mark.parametrize("moved", [60, 3600, -60, -3600])
def test_see__of_a_clock_that_was_set_nothing_is_fresh(
    monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    remembered = remember(Look("one", "two"))
    now = set_clock(monkeypatch)
    remembered.see(WAIT)
    set_clock(monkeypatch, now + timedelta(seconds=moved))
    assert remembered.see(WAIT).value == "two"


def test_see__what_was_found_is_as_old_as_the_beginning_of_the_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = set_clock(monkeypatch)
    ended = began + timedelta(seconds=50)

    def look() -> str:
        set_clock(monkeypatch, ended)
        return "one"

    seen = remember(look).see(WAIT)
    assert (seen.looked_at, seen.tried_at) == (began, ended)


def test_see__fault_of_the_look_keeps_the_older_value() -> None:
    remembered = remember(Look("one"), fresh_seconds=0)  # The second look finds no word left.
    assert [remembered.see(WAIT).value for _ in range(2)] == ["one", "one"]
    assert remembered.recall().problem


def test_see__what_was_found_is_kept_for_a_day() -> None:
    # Each thread has a cache of its own, all of them the same class.
    with patch.object(LocMemCache, "set") as kept:
        remember(Look("one"), fresh_seconds=5).see(WAIT)
    assert [call.args[2] for call in kept.call_args_list] == [24 * 3600]


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


def test_see__of_what_another_looked_up_does_not_mind_who_looks_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lock is let go, and may be somebody else's before it is asked about."""
    remembered = remember(Look("first"))
    remembered.see(WAIT)
    delete = LocMemCache.delete

    def hand_on(self: LocMemCache, key: str, version: int | None = None) -> bool:
        return delete(self, key, version) and self.add(key, True, 60)

    monkeypatch.setattr(LocMemCache, "delete", hand_on)
    monkeypatch.setattr(Remembered, "_is_fresh", Mock(side_effect=[False, True]))
    seen = remembered.see(WAIT)
    assert cache.get(remembered._lock) is True
    assert (seen.value, seen.looking) == ("first", False)
