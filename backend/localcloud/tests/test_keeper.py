import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


def test_start__that_is_interrupted_leaves_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where the keeper has begun, and removes the folder itself."""

    def begin(arguments: list[str], **_: Any) -> None:
        (folder,) = tmp_path.iterdir()
        assert str(folder) in arguments
        shutil.rmtree(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("subprocess.Popen", begin)
    with pytest.raises(KeyboardInterrupt):
        start_kept(["true"], environment={})
    assert list(tmp_path.iterdir()) == []
