import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from backend.demo import steps


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[str]"]:
    """The processes that were started, each of which was interrupted as it began."""
    processes: list[subprocess.Popen[str]] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            processes.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    # It never ends by itself, or would be taken for one that was ended.
    monkeypatch.setattr(steps, "manage", lambda *command: command)
    return processes


@pytest.fixture
def handled() -> Iterator[None]:
    """Ctrl-C as Python has it, whatever the tests were started by."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handled")
def test_step__is_ended_even_where_ctrl_c_comes_as_it_starts(
    started: list["subprocess.Popen[str]"],
) -> None:
    with pytest.raises(KeyboardInterrupt):
        steps.run_step(["sleep", "600"], {}, lambda line: None)
    (step,) = started
    assert step.returncode == -signal.SIGKILL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
