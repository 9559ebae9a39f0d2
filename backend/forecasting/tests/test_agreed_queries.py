"""What every query is asked with: its parameters, and how much it may read and wait."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from google.api_core.exceptions import BadRequest

from backend.forecasting.conf import Config
from backend.forecasting.loading.backfill import Slice, _load
from backend.forecasting.loading.day_sums import sum_up_table
from backend.forecasting.loading.reach import probe_connection
from backend.forecasting.output.report_data import _read
from backend.forecasting.provisioning.partitions import rows_by_day
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.factories import Google, google_error, make_google
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
