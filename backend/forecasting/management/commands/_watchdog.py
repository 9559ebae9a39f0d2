"""The one limit at the outside of a command: it is over when --timeout is, whatever hangs.

What ends by itself in time tells more, so this comes half a second later. It raises an exception
in the command's own thread. A thread that is inside a library meets that only when it gets back: a
session with PostgreSQL is cut for it, and where that does not help either (a name that is looked
up, a server that takes a connection and is silent) the process ends.
"""

import ctypes
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from django.db import connections

from ...activity import what_is_done
from ...counting import timeout_over
from ...errors import ForecastingError

_RAISE, _CUT, _LEAVE = 0.5, 1.0, 1.5
"""Seconds after the end of --timeout."""


class OutOfTime(BaseException):
    """The command's time is over. No Exception: nothing on its way may take it for its own."""


class Watchdog:
    """Watches the thread that makes it; `leave`, if given, tells a sentence and ends the process.

    Another thread than the main one gets no signals: there the exception comes between two
    instructions, and not into a call that waits.
    """

    def __init__(self, seconds: float, leave: Callable[[str], None] | None) -> None:
        self.seconds, self._leave = seconds, leave
        self._thread = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread()
        self._databases = [connections[alias] for alias in connections]
        self._stopped, self._acting, self._cut = threading.Event(), threading.Lock(), False
        self.restart(seconds)

    def restart(self, seconds: float) -> None:
        """Count from now."""
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(self._end - time.monotonic(), 0.0)

    @property
    def wakes(self) -> float:
        """The moment at which it raises in its thread, by the monotonic clock."""
        return self._end + _RAISE

    @property
    def watches(self) -> bool:
        return not self._stopped.is_set()

    def start(self) -> None:
        if self._is_main:
            self._before = signal.signal(signal.SIGALRM, self._raise)
        threading.Thread(target=self._watch, name="timeout", daemon=True).start()

    def stop(self) -> None:
        """Do nothing from now on."""
        with self._acting:
            self._stopped.set()
        if self._is_main:
            signal.signal(signal.SIGALRM, self._before)
        if self._cut:
            for database in self._databases:
                database.close()

    def _watch(self) -> None:
        acts = {_RAISE: self.interrupt, _CUT: self._cut_sessions, _LEAVE: self._go}
        for late, act in acts.items():
            # The end may be put off while this waits for it.
            while not self._stopped.wait(max(self._end + late - time.monotonic(), 0)):
                if time.monotonic() >= self._end + late:
                    break
            with self._acting:
                if self._stopped.is_set():
                    return
                act()

    def interrupt(self) -> None:
        """Raise in the thread that is watched; `sentence` says what was given up, and why."""
        over = timeout_over(self.seconds)
        self.sentence = f"{what_is_done(self._thread)} was given up: {over}; run it again."
        if self._is_main:
            signal.pthread_kill(self._thread, signal.SIGALRM)
        else:
            target = ctypes.c_ulong(self._thread)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(OutOfTime))

    def _raise(self, *_: Any) -> NoReturn:
        raise OutOfTime

    def _cut_sessions(self) -> None:
        self._cut = True
        for database in self._databases:
            with suppress(Exception):  # There is none, or none any more.
                own = os.dup(database.connection.fileno())
                with socket.socket(fileno=own) as session:
                    session.shutdown(socket.SHUT_RDWR)

    def _go(self) -> None:
        if self._leave:
            self._leave(self.sentence)


@contextmanager
def watching(seconds: float, leave: Callable[[str], None] | None = None) -> Iterator[Watchdog]:
    """Raise ForecastingError where the block takes longer than `seconds`, at most 2 s late."""
    watchdog = Watchdog(seconds, leave)
    watchdog.start()
    try:
        yield watchdog
    except OutOfTime as over:
        raise ForecastingError(watchdog.sentence) from over
    finally:
        with suppress(OutOfTime):  # It may come until then, and once: the block has ended.
            watchdog.stop()
        watchdog.stop()
