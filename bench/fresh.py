"""Work in a fresh process, whose memory and start are its own."""

import json
import subprocess
import sys
from typing import Any

from bench.database import ROOT

_PATIENCE_SECONDS = 1800


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
        timeout=_PATIENCE_SECONDS,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise FreshProcessError(lines[-1][:200])
    report: dict[str, Any] = json.loads(done.stdout)
    return report
