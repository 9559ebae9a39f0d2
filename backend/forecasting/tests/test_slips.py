"""An answer that slips: one 404, an empty list or an empty message, for what is there after all."""

from typing import Any

import pytest
from google.cloud.bigquery_connection_v1.types import Connection
from google.cloud.bigquery_datatransfer_v1.types import (
    StartManualTransferRunsResponse,
    TransferRun,
)
from google.cloud.secretmanager_v1.types import AccessSecretVersionResponse

from backend.forecasting.tests.support.commands import ABSENT, Run, start_answers
from backend.forecasting.tests.support.factories import Google, make_run

pytestmark = pytest.mark.django_db

READS = {
    "bq_setup": [("bigquery", "get_dataset"), ("bigquery", "get_table")],
    "bq_setup_etl": [
        ("bigquery", "get_table"),
        ("connections", "get_connection"),
        ("secrets", "access_secret_version"),
        ("transfers", "list_transfer_configs"),
        ("transfers", "list_transfer_runs"),
        ("transfers", "get_transfer_run"),
    ],
}
SLIPS: list[tuple[str, str, str, Any]] = [
    *((command, *read, ABSENT) for command, reads in READS.items() for read in reads),
    ("bq_setup_etl", "transfers", "list_transfer_configs", []),
    ("bq_setup_etl", "connections", "get_connection", Connection()),
    ("bq_setup_etl", "secrets", "access_secret_version", AccessSecretVersionResponse()),
    ("bq_setup_etl", "transfers", "get_transfer_run", TransferRun()),
]


@pytest.mark.parametrize(("command", "service", "method", "first"), SLIPS)
def test_slip__of_a_read_is_not_believed(
    run: Run, provisioned: Google, command: str, service: str, method: str, first: Any
) -> None:
    start_answers(provisioned, "RUNNING")
    provisioned.transfers.get_transfer_run.return_value = make_run("SUCCEEDED")
    slipped = slip(provisioned, service, method, first)
    result = run(command, **({"run_now": True} if command == "bq_setup_etl" else {}))
    assert (result.status, result.error) == (0, "")
    assert "Plan: 2 unchanged." in result.out
    assert set(provisioned.writes) <= {"start_manual_transfer_runs"}
    assert not slipped


def test_slip__where_the_rows_are_counted_is_not_believed(run: Run, provisioned: Google) -> None:
    start_answers(provisioned, "SUCCEEDED")
    table = provisioned.bigquery.get_table
    # Planning and counting before the run come first.
    table.side_effect = [*[table.return_value] * 2, ABSENT, table.return_value]
    result = run("bq_setup_etl", run_now=True)
    assert "the training table holds 4,200 rows" in result.out


@pytest.mark.parametrize(
    "first",
    [
        ABSENT,
        StartManualTransferRunsResponse(),
        StartManualTransferRunsResponse(runs=[TransferRun()]),
    ],
)
def test_slip__of_a_start_is_looked_into_and_started_again(
    run: Run, provisioned: Google, first: Any
) -> None:
    start_answers(provisioned, "SUCCEEDED")
    assert slip(provisioned, "transfers", "start_manual_transfer_runs", first)
    assert run("bq_setup_etl", run_now=True).status == 0
    assert provisioned.writes == ["start_manual_transfer_runs"] * 2


def slip(google: Google, service: str, name: str, first: Any) -> list[Any]:
    """Put an answer before those of a method; what is returned is empty once it was given."""
    method, left = getattr(getattr(google, service), name), [first]
    later, value = method.side_effect, method.return_value

    def answer(*args: Any, **options: Any) -> Any:
        if not left:
            return later(*args, **options) if later else value
        found = left.pop()
        if isinstance(found, Exception):
            raise found
        return found

    method.side_effect = answer
    return left
