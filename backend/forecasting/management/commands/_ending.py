"""How a command ends that is ended from outside: by a signal, or by an output that is full."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from django.core.management.base import OutputWrapper

FAILED = 1
_READER_GONE = 128 + 13
"""As a shell tells of a process that SIGPIPE ended: nobody is there to read a word about it."""


class EndedFromOutside(BaseException):
    """Ctrl-C or SIGTERM; `status` is what the process ends with, 128 and the signal's number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.status = 128 + signal_number


class OutputError(Exception):
    """Standard output takes no more; the cause is why."""


@contextmanager
def signals_raised() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise EndedFromOutside in the block, where signals arrive at all.

    One that whoever started the process has it ignore (`nohup`, a shell's `&`) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def forget_signals() -> None:
    """Let SIGINT and SIGTERM end the process without a word, where they are not ignored."""
    for number in _heeded():
        signal.signal(number, signal.SIG_DFL)


def _heeded() -> list[signal.Signals]:
    both = (signal.SIGINT, signal.SIGTERM)
    return [number for number in both if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def writing() -> Iterator[None]:
    """Raise OutputError where the block, which only writes, meets an output that takes no more."""
    try:
        yield
    except OSError as error:
        raise OutputError from error


def show_what_can_be_shown() -> None:
    """Let a terminal's encoding replace what it lacks: a name in a message never ends a command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def flush_output() -> None:
    """Raise OutputError here and now, and not in Python's last moments, for what is not written."""
    with writing():
        if sys.stdout is not None:
            sys.stdout.flush()


def leave_for(error: OutputError, tell: Callable[[str], None]) -> NoReturn:
    """End the process over its output: in silence where the reader has gone, else in a sentence."""
    forget_output()
    if isinstance(error.__cause__, BrokenPipeError):
        sys.exit(_READER_GONE)
    why = getattr(error.__cause__, "strerror", None) or "it is closed"
    tell(f"Standard output cannot be written: {why}.")
    sys.exit(FAILED)


def forget_output(number: int = 1) -> None:
    """Let go what is not written: it would be tried once more at the end, with a traceback."""
    with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), number)


class StandardError(OutputWrapper):
    """Takes what nobody reads any more too: what a command does does not depend on it."""

    def write(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        try:
            super().write(*args, **kwargs)
            self.flush()
        except OSError:
            forget_output(2)


def print_error(sentence: str) -> None:
    """A sentence on standard error, where there is one."""
    if sys.stderr is not None:
        StandardError(sys.stderr).write(sentence)


def _raise(number: int, _frame: FrameType | None) -> Any:
    raise EndedFromOutside(number)
