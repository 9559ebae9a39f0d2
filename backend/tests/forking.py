"""A Python program that is imported once, and forked for each call of it.

    python forking.py serve MODULES...               waits for calls of a program: $TMPDIR/socket
    python forking.py call SOCKET PROGRAM WORDS...   does what `python PROGRAM WORDS...` does

All of the program but its last statement, `if __name__ == "__main__"`, runs once, as the first
call would have it, and the modules are imported that this statement will import. It runs in a fork
for each call, with its words, environment, folder and standard streams, and the call ends with the
fork's exit status. What nobody serves, a call starts.

So the program is the real one, unmodified, but it has not started for a later call: what it reads
while it is imported is what the first one had. Nor does a signal to the call reach the fork.

The Python is the one that the program is for, so nothing but the standard library is needed here.
"""

from __future__ import annotations

import ast
import atexit
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

_BEGUN = b"+"


@dataclass(frozen=True)
class Call:
    """What a process is given when it starts, and by whom."""

    caller: socket.socket
    streams: list[int]
    words: list[str]
    environment: dict[str, str]
    folder: str

    def become(self) -> None:
        """This process has what it would have been given, but for the streams."""
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder)
        sys.argv[:] = self.words

    def take_streams(self) -> None:
        for number, stream in enumerate(self.streams):
            os.dup2(stream, number)

    def leave(self) -> None:
        """It is another process's now."""
        self.caller.close()
        self.leave_streams()

    def leave_streams(self) -> None:
        for stream in self.streams:
            os.close(stream)


def call(path: str, words: list[str]) -> int:
    """The exit status of a program, by its name and what it is told."""
    with socket.socket(socket.AF_UNIX) as server, suppress(OSError):
        server.connect(path)
        socket.send_fds(server, [b"!"], [0, 1, 2])
        given = {"words": words, "environment": dict(os.environ), "folder": str(Path.cwd())}
        server.sendall(json.dumps(given).encode())
        server.shutdown(socket.SHUT_WR)
        if server.recv(1) == _BEGUN:
            (status,) = server.recv(1)
            return int(status)
    return os.execv(sys.executable, [sys.executable, *words])  # noqa: S606


def serve(modules: list[str]) -> None:
    """Runs the program in a process of its own for each call; it and they end with SIGTERM."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{os.environ['TMPDIR']}/socket")
        listener.listen()
        os.dup2(2, 1)  # Whoever has read to the end knows that calls are waited for.
        asked = _next_call(listener)
        asked.become()
        last = _run_most(asked.words[0])
        for name in modules:
            importlib.import_module(name)
        assert threading.active_count() == 1, "a fork has none of the other threads"
        gc.freeze()  # What is not gone through is not copied for a fork either.
        while os.fork():
            asked.leave()
            _forget_ended_forks()
            asked = _next_call(listener)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _wait_beside(asked)
    _run_last(last)


def _next_call(listener: socket.socket) -> Call:
    caller, _ = listener.accept()
    _, streams, _, _ = socket.recv_fds(caller, 1, 3)
    with caller.makefile() as text:
        return Call(caller, streams, **json.load(text))


def _run_most(program: str) -> CodeType:
    """The last statement of a program, all of which but that has run, as the main module."""
    *most, last = ast.parse(Path(program).read_bytes(), program).body
    assert isinstance(last, ast.If)
    main = sys.modules["__main__"] = ModuleType("__main__")
    main.__file__ = program
    sys.path[0] = str(Path(program).parent)
    exec(_compiled(most, program), vars(main))  # noqa: S102
    return _compiled([last], program)


def _compiled(statements: list[ast.stmt], program: str) -> CodeType:
    return compile(ast.Module(statements, []), program, "exec", dont_inherit=True)


def _forget_ended_forks() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _wait_beside(asked: Call) -> None:
    """Returns in a fork, whose exit status is told to the caller by the process that stays."""
    asked.caller.sendall(_BEGUN)
    child = os.fork()
    if not child:
        asked.take_streams()
        asked.leave()
        asked.become()
        return
    asked.leave_streams()
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    asked.caller.sendall(bytes([ended if ended >= 0 else 128 - ended]))
    os._exit(0)


def _run_last(statement: CodeType) -> None:
    """The process ends as it would, but without taking apart what was imported: half of a call."""
    try:
        exec(statement, vars(sys.modules["__main__"]))  # noqa: S102
    except SystemExit as ended:
        if not isinstance(ended.code, int) or threading.active_count() > 1:
            raise
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code & 255)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2:])
    else:
        sys.exit(call(sys.argv[2], sys.argv[3:]))
