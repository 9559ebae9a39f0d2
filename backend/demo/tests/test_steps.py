import os
import signal
import subprocess
from typing import Any

import pytest

from backend.demo import steps
from backend.localcloud.signals import handled


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


def test_step__is_ended_even_where_ctrl_c_comes_as_it_starts(
    started: list["subprocess.Popen[str]"],
) -> None:
    # As Python has it, whatever the tests were started by.
    with handled(signal.default_int_handler, signal.SIGINT):
        with pytest.raises(KeyboardInterrupt):
            steps.run_step(["sleep", "600"], {}, lambda line: None)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    (step,) = started
    assert step.returncode == -signal.SIGKILL
