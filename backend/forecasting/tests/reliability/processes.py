"""Commands in processes of their own: real ones to be killed, forked ones to put things right."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings

from backend.forecasting.tests.support.concurrent_runs import Ended, forking, run_commands

PATIENCE_SECONDS = 240.0
"""What has not ended after this long hangs, on a slow machine too; a command takes a second."""

_LOOK_SECONDS = 0.005


def start_manage(environment: Mapping[str, str], *arguments: str) -> "subprocess.Popen[str]":
    """Starts manage.py as a user does; what it says can be had from `communicate`."""
    return subprocess.Popen(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end_of(process: "subprocess.Popen[str]") -> tuple[int | None, str]:
    """The exit status, None for a process that hung, and what it said."""
    try:
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        return None, said
    return process.returncode, said


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
