"""One step of the demo: a management command, shown as a user would type it."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from backend.localcloud.signals import handled

PROJECT = "demo-project"
TABLE = f"{PROJECT}.intelligence.entity_risk_training_data"

Write = Callable[[str], None]
Edit = Callable[[Iterator[str]], Iterator[str]]


class DemoError(Exception):
    """A step failed or a server did not start; `returncode` is what the demo exits with."""

    def __init__(self, message: str, returncode: int = 1) -> None:
        super().__init__(message)
        self.returncode = returncode


def run_step(
    command: list[str],
    environment: dict[str, str],
    write: Write,
    *,
    folder: str | None = None,
    edit: Edit | None = None,
) -> None:
    """Run a management command, in `folder`; its output is shown as it is, or as `edit` has it."""
    shown = shlex.join(["python", "manage.py", *command])
    write(f"\n$ {shown}")
    step: subprocess.Popen[str] | None = None
    try:
        with _held_signals():
            # In a session of its own: Ctrl-C comes to this process, which then ends the step.
            step = subprocess.Popen(  # noqa: S603 - the arguments are this module's own
                manage(*command),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if edit else None,
                text=True,
                start_new_session=True,
            )
        for line in edit(line.rstrip("\n") for line in step.stdout or ()) if edit else ():
            write(line)
        status = step.wait()
    except BaseException:
        if step:
            step.kill()
            step.wait()
        raise
    if status:
        code = status if status > 0 else 128 - status
        raise DemoError(f"`{shown}` ended with exit status {code}; the demo stops there", code)


@contextmanager
def _held_signals() -> Iterator[None]:
    """Has what interrupts wait for the end: a process has to be known before it can be ended."""
    came: list[int] = []
    # What is ignored here is by whatever is started from here too.
    heeded = [n for n in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(n))]
    try:
        with handled(lambda number, _frame: came.append(number), *heeded):
            yield
    finally:
        for number in came:
            signal.raise_signal(number)


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def count_rows(environment: dict[str, str], table: str) -> int:
    client = bigquery.Client(
        project=PROJECT,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": environment["FORECASTING_API_ENDPOINT"]},
    )
    (row,) = client.query_and_wait(f"SELECT COUNT(*) FROM `{table}`")  # noqa: S608 - a constant
    return int(row[0])
