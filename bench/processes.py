"""Processes: work in a fresh one, and what memory and processor time they take.

What a server's processes used for a query is read from /proc; on systems without it, it is 0.
"""

import contextlib
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backend.localcloud.postgres.server import RunningPostgres

ROOT = Path(__file__).resolve().parents[1]
_LONGEST_SECONDS = 1800
_PROC = Path("/proc")
_LOOK_SECONDS = 0.01
_PATIENCE_SECONDS = 2.0
# What a server does for no session in particular: writing what was changed before.
_TITLE_OF_OTHERS = re.compile(r"postgres: (checkpointer|background writer|walwriter)")


def peak_of_process() -> int:
    """The most bytes that this process has had resident."""
    # Linux's ru_maxrss is no less than that of the process which started this one.
    peak = read_bytes("self", "VmHWM")
    if peak:
        return peak
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class ServerClock:
    """How much processor time a server takes for what a session does, whoever does it.

    Made when the session has logged in, read when it has ended. Parallel workers and those that
    read from disk for the session count; what the server does by itself in the meantime does not.
    """

    def __init__(self, server: RunningPostgres, session: int) -> None:
        self._postmaster = _postmaster(server)
        self._others = set(_children(self._postmaster)) - {str(session)}
        self._before = self._used()

    def seconds(self) -> float:
        """What it took since the clock was made; 0 where that cannot be read."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        # The postmaster knows of a process's time when that process is gone.
        while set(_children(self._postmaster)) - self._others and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return max(self._used() - self._before, 0.0)

    def _used(self) -> float:
        return _of_ended_children(self._postmaster) + sum(
            _of_process(child)
            for child in _children(self._postmaster)
            if not _TITLE_OF_OTHERS.search(_title(child))
        )


class ServerWatch:
    """Looks again and again at how much memory of their own a server's processes have.

    Shared memory does not count: its size is a setting.
    """

    def __init__(self, server: RunningPostgres) -> None:
        self._postmaster = _postmaster(server)
        self._before = self._look()
        self._ended = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        """Looks until `end`."""
        while not self._ended.wait(_LOOK_SECONDS):
            self.peak_bytes = max(self.peak_bytes, self._look() - self._before)

    def end(self) -> None:
        self._ended.set()

    def _look(self) -> int:
        return sum(read_bytes(child, "RssAnon") for child in _children(self._postmaster))


@contextmanager
def watched(server: RunningPostgres) -> Iterator[ServerWatch]:
    """Watches the server's memory while the block runs."""
    watch = ServerWatch(server)
    thread = threading.Thread(target=watch.run, name="server-watch")
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


def _postmaster(server: RunningPostgres) -> str:
    return (server.folder / "data" / "postmaster.pid").read_text().split()[0]


def _of_ended_children(process: str) -> float:
    """Processor seconds of the children that ended."""
    with contextlib.suppress(OSError):
        # The name in brackets may hold anything; user and system time of the children that
        # ended are fields 16 and 17, the first after it is field 3 (proc_pid_stat(5)).
        fields = (_PROC / process / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _of_process(process: str) -> float:
    """Processor seconds of a process that runs, which the kernel counts in nanoseconds."""
    with contextlib.suppress(OSError):
        return int((_PROC / process / "schedstat").read_text().split()[0]) / 1e9
    return 0.0


def _title(process: str) -> str:
    with contextlib.suppress(OSError):
        return (_PROC / process / "cmdline").read_text()
    return ""


def _children(process: str) -> list[str]:
    with contextlib.suppress(OSError):
        return (_PROC / process / "task" / process / "children").read_text().split()
    return []


def read_bytes(process: str, field: str) -> int:
    """A field of a process's status in bytes; 0 for a process that is gone, or has no such."""
    with contextlib.suppress(OSError):
        status = (_PROC / process / "status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return 0


class FreshProcessError(Exception):
    """The process did not do its work; the message is the last that it said."""


def run_python(module: str, request: dict[str, Any]) -> dict[str, Any]:
    """The JSON that a module prints when it is run with a request on its standard input.

    On its input, because arguments can be read by everybody on the machine.
    Raises FreshProcessError.
    """
    done = subprocess.run(  # noqa: S603 - the module's name is this package's own
        [sys.executable, "-m", module],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=_LONGEST_SECONDS,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise FreshProcessError(lines[-1][:200])
    report: dict[str, Any] = json.loads(done.stdout)
    return report
