"""Outputs that take no more, or not everything, within one process."""

import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from backend.forecasting.management.commands import _ending
from backend.forecasting.management.commands._ending import (
    EndedFromOutside,
    OutputError,
    StandardError,
    flush_output,
    forget_output,
    leave_for,
    print_error,
    show_what_can_be_shown,
    signals_raised,
)

Forgotten = list[int]


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Forgotten:
    """The outputs that are let go, which a test needs itself."""
    numbers: Forgotten = []
    monkeypatch.setattr(_ending, "forget_output", lambda number=1: numbers.append(number))
    return numbers


def test_output__that_is_forgotten_goes_nowhere() -> None:
    reading, writing = os.pipe()
    forget_output(writing)
    os.write(writing, b"into the void")
    os.close(writing)
    assert os.read(reading, 99) == b""
    os.close(reading)
    forget_output(-1)  # There is none of this number.


def failed(cause: BaseException | None) -> OutputError:
    error = OutputError()
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "status", "told"),
    [
        (BrokenPipeError(32, "Broken pipe"), 141, []),
        (OSError(28, "No space left"), 1, ["Standard output cannot be written: No space left."]),
        (OSError(), 1, ["Standard output cannot be written: it is closed."]),
        (None, 1, ["Standard output cannot be written: it is closed."]),
    ],
)
def test_process__that_cannot_write_ends_with_a_sentence_if_anybody_reads(
    forgotten: Forgotten, cause: BaseException | None, status: int, told: list[str]
) -> None:
    said: list[str] = []
    with pytest.raises(SystemExit) as left:
        leave_for(failed(cause), said.append)
    assert (left.value.code, said, forgotten) == (status, told, [1])


def test_standard_error__takes_what_nobody_reads(forgotten: Forgotten) -> None:
    closed = Mock(spec=io.StringIO, write=Mock(side_effect=OSError(32, "gone")))
    StandardError(closed).write("a")
    assert forgotten == [2]
    late = Mock(spec=io.StringIO, flush=Mock(side_effect=OSError(32, "gone")))
    StandardError(late).write("a")
    assert (forgotten, late.write.call_args.args) == ([2, 2], ("a\n",))


def test_error__is_printed_where_there_is_an_output_for_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_error("It hangs.")
    assert capsys.readouterr() == ("", "It hangs.\n")


def test_error__of_a_process_without_standard_error_is_told_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    print_error("It hangs.")


def test_output__is_written_to_its_end_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Mock()
    monkeypatch.setattr(sys, "stdout", stream)
    flush_output()
    assert stream.flush.called
    stream.flush.side_effect = OSError(28, "No space left")
    with pytest.raises(OutputError) as raised:
        flush_output()
    assert isinstance(raised.value.__cause__, OSError)
    monkeypatch.setattr(sys, "stdout", None)
    flush_output()


def test_output__replaces_what_its_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = {name: io.TextIOWrapper(io.BytesIO(), "ascii") for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    show_what_can_be_shown()
    assert {name: stream.errors for name, stream in streams.items()} == {
        "stdout": "replace",
        "stderr": "replace",
    }
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    show_what_can_be_shown()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str
)
def test_signal__is_raised_in_the_block_and_as_before_behind_it(number: Any, status: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(EndedFromOutside) as raised, signals_raised():
        signal.raise_signal(number)
    assert (raised.value.status, signal.getsignal(number)) == (status, before)


def test_signal__of_another_thread_is_left_alone() -> None:
    handlers: list[Callable[..., Any] | int | None] = []

    def look() -> None:
        with signals_raised():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
