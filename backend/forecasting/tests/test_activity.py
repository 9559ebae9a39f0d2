"""What is told of what a thread does."""

import threading

import pytest

from backend.forecasting.activity import doing, telling, what_is_done


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
