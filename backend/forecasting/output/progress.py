"""A run of the nightly load as it goes on."""

import time

from django.core.management.base import OutputWrapper
from google.cloud.bigquery_datatransfer_v1.types import TransferRun
from rich.console import Console
from rich.status import Status

from ..loading.runs import ENDED, state_of
from .text import short_name


class RunProgress:
    """Shows a run's state: a spinner on a terminal, one line for each new state elsewhere.

    Lines on a terminal too where it does not `spin`, as others are written meanwhile.
    """

    def __init__(
        self, out: OutputWrapper, *, shown: bool = True, plain: bool = False, spin: bool = True
    ) -> None:
        self._out, self._shown, self._plain = out, shown, plain
        self._spins = spin and out.isatty()
        self._state = ""
        self._started = time.monotonic()
        self._status: Status | None = None

    def close(self) -> None:
        """Leave the terminal to what comes next."""
        if self._status:
            self._status.stop()
            self._status = None

    def show(self, run: TransferRun) -> None:
        state = state_of(run)
        if not self._shown:
            return
        if self._spins:
            self._spin(state, over=run.state in ENDED)
        elif state != self._state:
            self._out.write(f"Run {short_name(run.name)}: {state}", style_func=str)
        self._state = state

    def _spin(self, state: str, *, over: bool) -> None:
        if self._status is None:
            self._started = time.monotonic()
            # Not the wrapper: it ends with a line end, and on stderr colours, whatever it is given.
            stream = self._out._out
            console = Console(file=stream, no_color=self._plain or None)  # type: ignore[arg-type]
            self._status = console.status("")
            self._status.start()
        self._status.update(f"Run {state}, {time.monotonic() - self._started:.0f} s")
        if over:
            self.close()
