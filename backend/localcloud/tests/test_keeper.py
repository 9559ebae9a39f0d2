import os
import sys
from collections.abc import Callable, Iterator

import pytest

from backend.localcloud.postgres import keeper
from backend.localcloud.postgres.keeper import KeptProcess, start_kept

Start = Callable[[str], tuple[KeptProcess, int]]
PROGRAM = "import os, signal, sys, tempfile; {}; print(os.getpid(), flush=True); signal.pause()"


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a kept Python program, and returns its process id once it has done its `{}`."""
    kept: list[KeptProcess] = []

    def start(action: str) -> tuple[KeptProcess, int]:
        command = [sys.executable, "-c", PROGRAM.format(action)]
        kept.append(start_kept(command, environment={"WORD": "from the environment"}))
        assert kept[-1].keeper.stdout is not None
        return kept[-1], int(kept[-1].keeper.stdout.readline())

    yield start
    for process in kept:
        process.stop()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_stop__ends_the_child(start: Start) -> None:
    process, pid = start("pass")
    assert _is_running(pid)
    process.stop()
    process.stop()
    assert not _is_running(pid)


def test_stop__ends_a_child_that_does_not_listen(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_PATIENCE_SECONDS", 0)
    process, pid = start("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    process.stop()
    assert not _is_running(pid)


def test_stop__removes_temporary_files_of_the_child(start: Start) -> None:
    process, _ = start("tempfile.mkstemp()")
    assert len(list(process.folder.iterdir())) == 2
    process.stop()
    assert not process.folder.exists()


def test_child__gets_environment_and_log(start: Start) -> None:
    process, _ = start("print(os.environ['WORD'], file=sys.stderr, flush=True)")
    assert process.log == "from the environment\n"


def test_child__early_end_ends_its_output() -> None:
    process = start_kept([sys.executable, "-c", "print('bye')"], environment={})
    assert process.keeper.stdout is not None
    assert process.keeper.stdout.read() == "bye\n"
    process.stop()
