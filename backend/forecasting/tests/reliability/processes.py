"""Commands in processes of their own: to be killed, or to put things right."""

import multiprocessing.connection
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from backend.forecasting.tests.support.concurrent_runs import (
    Ended,
    forking,
    run_commands,
    run_manage,
)

PATIENCE_SECONDS = 240.0
"""What has not ended after this long hangs, on a slow machine too; a command takes a second."""

_LOOK_SECONDS = 0.005


class Manage:
    """manage.py in a process of its own, as a user calls it but for the imports, which are made."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        self._asking = threading.Lock()
        self.said, theirs = forking().Pipe(duplex=False)
        words = [str(settings.BASE_DIR / "manage.py"), *arguments]
        self._process = forking().Process(target=run_manage, args=(environment, words, theirs))
        self._process.start()
        theirs.close()

    def kill(self) -> None:
        self._process.kill()

    def poll(self) -> int | None:
        """The exit status, None while it runs; threads may ask at once."""
        with self._asking:
            status: int | None = self._process.exitcode
            return status

    def wait(self) -> int | None:
        multiprocessing.connection.wait([self._process.sentinel])
        return self.poll()


@contextmanager
def start_manage(environment: Mapping[str, str], *arguments: str) -> Iterator[Manage]:
    """Yields a process; what it says can be had from `end_of`. It is gone afterwards."""
    process = Manage(environment, *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.said.close()


def end_of(process: Manage) -> tuple[int | None, str]:
    """The exit status, None for a process that hung, and what it said."""
    said, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    while process.said.poll(max(deadline - time.monotonic(), 0)):
        part = os.read(process.said.fileno(), 65536)
        if not part:
            return process.wait(), said.decode(errors="replace")
        said += part
    process.kill()
    return None, said.decode(errors="replace")


def run_all(environment: Mapping[str, str], commands: Sequence[Sequence[str]]) -> list[Ended]:
    """How the commands ended, run one after the other in one new process.

    Those are missing that came after one which hung or took the process with it.
    """
    return _Forked(environment, commands).collect(time.monotonic() + PATIENCE_SECONDS)


def run_at_once(
    environment: Mapping[str, str], lists: Sequence[Sequence[Sequence[str]]]
) -> list[list[Ended]]:
    """The same for several lists of as many commands each, every list in a process of its own.

    They wait for each other before each command.
    """
    barrier = forking().Barrier(len(lists))
    forked = [_Forked(environment, commands, barrier) for commands in lists]
    deadline = time.monotonic() + PATIENCE_SECONDS
    return [one.collect(deadline) for one in forked]


class _Forked:
    """A process that runs commands, and the pipe through which it says how they ended."""

    def __init__(
        self,
        environment: Mapping[str, str],
        commands: Sequence[Sequence[str]],
        barrier: Any = None,
    ) -> None:
        self.count = len(commands)
        self.answers, theirs = forking().Pipe(duplex=False)
        self.process = forking().Process(
            target=run_commands, args=(environment, commands, theirs, barrier)
        )
        self.process.start()
        theirs.close()

    def collect(self, deadline: float) -> list[Ended]:
        """What has ended until the deadline; the process is gone then."""
        ended = list[Ended]()
        try:
            while len(ended) < self.count and self.answers.poll(
                max(deadline - time.monotonic(), 0)
            ):
                ended.append(self.answers.recv())
        except EOFError:
            pass
        finally:
            self.process.kill()
            self.process.join()
            self.process.close()
            self.answers.close()
        return ended


def holds_soon(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
