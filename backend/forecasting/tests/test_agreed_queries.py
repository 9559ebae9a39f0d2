"""What Google is asked, whole: the parameters of each query, and each other request."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery
from google.cloud.bigquery_datatransfer_v1.types import TransferState

from backend.forecasting.conf import Config
from backend.forecasting.loading.backfill import Slice, _load
from backend.forecasting.loading.day_sums import sum_up_table
from backend.forecasting.loading.reach import probe_connection
from backend.forecasting.loading.runs import list_runs
from backend.forecasting.output.report_data import _read
from backend.forecasting.provisioning.deleting import is_behind
from backend.forecasting.provisioning.partitions import rows_by_day
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.commands import Run, start_answers
from backend.forecasting.tests.support.factories import (
    SERVICE_ACCOUNT,
    TOPIC,
    TRANSFER_NAME,
    Google,
    google_error,
    lose_everything,
    make_connection,
    make_dataset,
    make_google,
    make_table,
    make_transfer,
)
from backend.forecasting.tests.support.snapshots import FIRST_DAY, TODAY, make_snapshot
from backend.forecasting.verification.baseline import read_baseline
from backend.forecasting.verification.day_counts import count_days
from backend.forecasting.verification.snapshot import Window, _see_data

WINDOW = Window(start=FIRST_DAY, end=TODAY)
SLICE = Slice(number=1, count=1, first_day=FIRST_DAY, end_day=TODAY)
DAYS = (FIRST_DAY, TODAY)
ASK: dict[str, Callable[[Config, Google], object]] = {
    "backfill": lambda config, google: _load(config, google, SLICE, 60),
    "baseline": lambda config, google: read_baseline(config, google, TODAY),
    "data": lambda config, google: _see_data(make_snapshot(config), google),
    "day counts": lambda config, google: count_days(config, google, *DAYS),
    "partitions": lambda config, google: list(rows_by_day(google, config.table_id)),
    "probe": lambda config, google: probe_connection(config, google, DAYS),
    "report": lambda config, google: _read(config, google, WINDOW),
    "table": lambda config, google: sum_up_table(config, google, *DAYS),
}


def asked(config: Config, ask: Callable[[Config, Google], object]) -> list[str]:
    """The arguments of the query, which is refused."""
    google = make_google()
    google.bigquery.query_and_wait.side_effect = google_error(400, "no")
    with suppress(BadRequest):
        ask(config, google)
    (call,) = google.bigquery.query_and_wait.call_args_list
    seconds = [f"{name}: {call.kwargs[name]}" for name in ("api_timeout", "wait_timeout")]
    return [f"{call.kwargs['job_config'].to_api_repr()}", *seconds]


def test_queries__are_asked_as_agreed(config: Config, tmp_path: Path) -> None:
    config = replace(config, horizon_days=9)
    shown = {name: asked(config, ask) for name, ask in ASK.items()}
    assert_agreed("queries.json", shown, tmp_path)


def plain(value: object) -> str:
    """An argument as a text, without what differs each time and the script."""
    if isinstance(value, bigquery.Dataset | bigquery.Table):
        value = value.to_api_repr()
    text = " ".join(str(value).split())
    text = re.sub(r'query" value \{ string_value: "(?:[^"\\]|\\.)*"', 'query" ...', text)
    text = re.sub(r"credential \{[^}]*\}", "credential ...", text)
    return re.sub(r"requested_run_time \{[^}]*\}", "requested_run_time ...", text)


def requests(google: Google) -> list[str]:
    """All that was asked; who asks first, and how often one looks again, is not always the same."""
    mocks = (google.bigquery, google.connections, google.transfers, google.secrets)
    found = []
    for method, given, named in (call for mock in mocks for call in mock.method_calls):
        if method != "query_and_wait":
            said = [f"{n}={plain(value)}" for n, value in sorted(named.items()) if n != "retry"]
            found.append(f"{method} {', '.join([*map(plain, given), *said])}")
    return sorted({*found})


@pytest.mark.django_db
@pytest.mark.parametrize("start", ["nothing", "other"])
def test_requests__are_as_agreed(
    run: Run, provisioned: Google, config: Config, start: str, tmp_path: Path
) -> None:
    start_answers(provisioned, "SUCCEEDED")
    if start == "nothing":
        lose_everything(provisioned)
    else:
        change_everything(provisioned, config)
    options = ("--service-account", SERVICE_ACCOUNT, "--notification-topic", TOPIC)
    assert run("bq_setup").status == 0
    assert run("bq_setup_etl", *options, "--run-now").status == 0
    assert_agreed(f"requests_from_{start}.json", requests(provisioned), tmp_path)


def change_everything(google: Google, config: Config) -> None:
    """All is there, and each part of it differs in what can be changed."""
    google.bigquery.get_dataset.return_value = make_dataset(description="by hand")
    google.bigquery.get_table.return_value = make_table(description="by hand")
    google.bigquery.update_table.side_effect = lambda table, *_, **__: table
    google.bigquery.update_dataset.side_effect = lambda dataset, *_, **__: dataset
    google.connections.get_connection.return_value = make_connection(
        cloud_sql={"database": "other"}
    )
    transfer = make_transfer(config, schedule="every day 03:00", disabled=True)
    google.transfers.list_transfer_configs.side_effect = lambda *_, **__: [transfer]
    google.transfers.get_transfer_config.return_value = transfer


def test_runs__are_asked_for_in_few_and_full_pages(google: Google, config: Config) -> None:
    google.transfers.list_transfer_runs.return_value = iter(())
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    failed = make_transfer(config, state=TransferState.FAILED, update_time=long_ago)
    assert list_runs(google, TRANSFER_NAME) == []
    assert is_behind(google, failed)
    asked_for = [call.args[0] for call in google.transfers.list_transfer_runs.call_args_list]
    assert {request.parent for request in asked_for} == {TRANSFER_NAME}
    assert {request.page_size for request in asked_for} == {200}
    assert [list(request.states) for request in asked_for[-1:]] == [[TransferState.SUCCEEDED]]
