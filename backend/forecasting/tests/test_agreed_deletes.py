"""What training data the next run would delete, by what is stored and what is wanted."""

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.google.waiting import TIMEOUT
from backend.forecasting.provisioning.engine import plan_step
from backend.forecasting.provisioning.partitions import rows_by_day
from backend.forecasting.provisioning.scheduled_queries import ScheduledQuerySpec
from backend.forecasting.provisioning.transfer_configs import list_scheduled_queries
from backend.forecasting.sql.queries import render_nightly_load, render_partitions
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.factories import Google, make_config, make_run, make_transfer

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TONIGHT, LATER = NOW + timedelta(hours=14), NOW + timedelta(days=3)
LONG_AGO = NOW - timedelta(days=30)
SETTINGS: dict[str, dict[str, Any]] = {
    "90 days": {},
    "30 days": {"window_days": "30"},
    "all": {"keep_history": True},
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "tonight": {"next_run_time": TONIGHT},
    "later": {"next_run_time": LATER},
    "ended": {"next_run_time": TONIGHT, "schedule_options": {"end_time": NOW}},
    "stopped": {"next_run_time": TONIGHT, "disabled": True},
    "behind": {"next_run_time": TONIGHT, "state": "FAILED", "update_time": LONG_AGO},
}
WORDS: dict[str, dict[str, Any]] = {
    "": {},
    ", at once": {"runs_now": True},
    ", allowed": {"allow_deleting": True},
}

CASES = (
    ("30 days", "90 days", "later", "", 100),
    *product(["90 days"], ["90 days", "30 days"], [*SCHEDULES][1:], [""], [100]),
    *product(
        ["90 days"], ["90 days", "all", "none"], ["tonight"], [", at once", ", allowed"], [100]
    ),
    *product(["90 days"], ["90 days"], ["behind"], ["", ", allowed"], [90, 96, 97]),
)


class Rows(list[Any]):
    """As much of google-cloud-bigquery's RowIterator as is used."""

    total_bytes_processed = 0


def a_table_of(days: int) -> Rows:
    """Two rows on each of the last days."""
    last = [NOW.date() - timedelta(days=number) for number in range(1, days + 1)]
    return Rows({"partition_id": f"{day:%Y%m%d}", "row_count": 2} for day in last)


@pytest.fixture
def asked(google: Google, monkeypatch: pytest.MonkeyPatch) -> Google:
    """BigQuery knows 100 days, and no run has succeeded lately."""
    google.clock.told = True
    monkeypatch.setattr(google.clock, "now", lambda: NOW)
    google.bigquery.query_and_wait.side_effect = lambda *_, **__: a_table_of(100)
    runs = [make_run("SUCCEEDED", end_time=LONG_AGO)]
    google.transfers.list_transfer_runs.side_effect = lambda *_, **__: iter(runs)
    return google


def test_deletes__are_planned_as_agreed(asked: Google, tmp_path: Path) -> None:
    stored = {name: render_nightly_load(make_config(**given)) for name, given in SETTINGS.items()}
    stored |= {"unknown": "SELECT 1", "none": ""}
    agreed = {}
    for case in (*product(SETTINGS, stored, ["tonight"], [""], [100]), *CASES):
        wants, has, when, word, days = case
        config = make_config(**SETTINGS[wants])
        spec = ScheduledQuerySpec.from_config(config, **WORDS[word])
        found = make_transfer(config, params={"query": stored[has]}, **SCHEDULES[when])
        listed = [found] if has != "none" else []
        asked.transfers.list_transfer_configs.side_effect = lambda *_, t=listed, **__: t
        asked.transfers.get_transfer_config.return_value = found
        asked.bigquery.query_and_wait.side_effect = lambda *_, n=days, **__: a_table_of(n)
        plan = plan_step(spec, asked).plan
        ordinary = plan.deletes and plan.deletes.ordinary
        said = f"{plan.action}, deletes {plan.deletes} (ordinary: {ordinary}) {plan.remedy[:30]}"
        agreed[f"{wants} for {has}, {when}{word}, of {days}"] = said.strip()
    assert_agreed("deletes.json", agreed, tmp_path)


def test_deletes__are_those_of_the_table(asked: Google, config: Config) -> None:
    spec = ScheduledQuerySpec.from_config(config)
    asked.transfers.list_transfer_configs.side_effect = lambda *_, **__: []
    assert plan_step(spec, asked).plan.deletes
    (query,) = asked.bigquery.query_and_wait.call_args_list
    assert query.args == (render_partitions(config.table_id),)
    (parameter,) = query.kwargs["job_config"].query_parameters
    assert (parameter.name, parameter.value) == ("table", config.table)


def test_rows_by_day__are_those_of_each_partition(google: Google, config: Config) -> None:
    google.bigquery.query_and_wait.return_value = a_table_of(2)
    days = [NOW.date() - timedelta(days=number) for number in (1, 2)]
    assert list(rows_by_day(google, config.table_id)) == [(day, 2) for day in days]


def test_scheduled_queries__are_listed_with_those_of_others(google: Google, config: Config) -> None:
    found = [make_transfer(config), make_transfer(config, display_name="x", params={})]
    google.transfers.list_transfer_configs.side_effect = lambda *_, **__: iter(found)
    assert list_scheduled_queries(google, config.parent) == tuple(found)
    (call,) = google.transfers.list_transfer_configs.call_args_list
    (asked_for,) = call.args
    assert (asked_for.parent, asked_for.data_source_ids) == (config.parent, ["scheduled_query"])
    assert (asked_for.page_size, call.kwargs["timeout"]) == (1000, TIMEOUT)
