"""What a command left behind when a test called it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from google.cloud.bigquery_datatransfer_v1.types import StartManualTransferRunsResponse

from backend.forecasting.tests.support.factories import (
    Google,
    google_error,
    make_run,
)

MAKE_CLIENTS = "backend.forecasting.google.clients.make_clients"
ABSENT = google_error(404, "Not found")


@dataclass(frozen=True)
class Result:
    """What a command left behind: `status` is its exit status, `error` the message of a failure."""

    out: str
    err: str
    status: int
    error: str
    raised: CommandError | None

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]
"""A call of a command: its name, then flags or options."""


def call(command: str, *flags: str, **options: Any) -> Result:
    out, err, raised = StringIO(), StringIO(), None
    try:
        call_command(command, *flags, stdout=out, stderr=err, no_color=True, **options)
    except CommandError as error:
        raised = error
    status = raised.returncode if raised else 0
    return Result(out.getvalue(), err.getvalue(), status, str(raised or ""), raised)


def without_table(google: Google) -> Google:
    google.bigquery.get_table.side_effect = ABSENT
    google.bigquery.get_dataset.side_effect = ABSENT
    return google


def start_answers(google: Google, state: str, **fields: Any) -> None:
    """A run that is started is at once in this state."""
    google.transfers.list_transfer_runs.side_effect = lambda *_, **__: []
    google.transfers.start_manual_transfer_runs.return_value = StartManualTransferRunsResponse(
        runs=[make_run(state, **fields)]
    )
