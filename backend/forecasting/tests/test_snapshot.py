"""What bq_verify looks at: what is asked, by which options, and what becomes of a failed look."""

from dataclasses import replace
from typing import Any
from unittest.mock import Mock, call

import pytest

from backend.forecasting.activity import telling
from backend.forecasting.conf import Config
from backend.forecasting.errors import UnreachableError
from backend.forecasting.google.queries import Answer
from backend.forecasting.loading.day_sums import BothSides
from backend.forecasting.loading.reach import Probe
from backend.forecasting.output.text import _LOOKS
from backend.forecasting.sql.queries import render_data_summary
from backend.forecasting.tests.support.factories import (
    PROJECT,
    TRANSFER_NAME,
    Google,
    google_error,
    make_connection,
    make_dataset,
    make_run,
    make_table,
    make_transfer,
)
from backend.forecasting.tests.support.snapshots import (
    BASELINE,
    FIRST_DAY,
    NOW,
    SAME,
    TODAY,
    UNSEEN,
    YESTERDAY,
    make_days,
    make_snapshot,
    make_views,
)
from backend.forecasting.verification import snapshot as module
from backend.forecasting.verification.past import Loads, Past
from backend.forecasting.verification.snapshot import (
    Snapshot,
    Unseen,
    Window,
    take_snapshot,
)

PARTS = ("dataset", "table", "connection", "schedules", "runs", "probe", "data", "days", "sides")
EQUAL = BothSides(source={YESTERDAY: SAME}, table={YESTERDAY: SAME})
DIFFERING = BothSides(source={YESTERDAY: replace(SAME, rows=11)}, table={YESTERDAY: SAME})
QUERIES: dict[str, Any] = {
    "run_query": Answer(rows=[{"row_count": 7}], bytes_processed=4096),
    "count_days": make_days(),
    "sum_up_both_sides": DIFFERING,
    "probe_connection": Probe(error="", orphans=3),
    "read_baseline": BASELINE,
    "read_past": Past(unknown="nobody knows"),
}
LOOKS = (
    *("Looking at the dataset", "Looking at the table", "Looking at the scheduled queries"),
    *("Looking at the runs", "Looking at the connection", "Looking at the views"),
)
ASKED = {
    "run_query": "Reading the training table",
    "count_days": "Counting the days of the training table",
    "sum_up_both_sides": "Comparing with the source database",
    "probe_connection": "Querying through the connection",
    "read_baseline": "Computing the baseline",
}


@pytest.fixture
def config(config: Config) -> Config:
    return replace(config, horizon_days=9)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Mock]:
    """What answers each query."""
    asked = {name: Mock(return_value=answer) for name, answer in QUERIES.items()}
    for name, mock in asked.items():
        monkeypatch.setattr(module, name, mock)
    return asked


@pytest.fixture
def there(provisioned: Google, config: Config, monkeypatch: pytest.MonkeyPatch) -> Google:
    """A pipeline whose run of today was good, at noon."""
    provisioned.transfers.list_transfer_runs.side_effect = lambda *_, **__: [make_run("SUCCEEDED")]
    views = {spec.name: view for spec, view in make_views(config)}
    tables = {config.table_id: make_table(), **views}
    provisioned.bigquery.get_table.side_effect = lambda name, **_: tables[str(name)]
    monkeypatch.setattr(type(provisioned.clock), "now", lambda _: NOW)
    return provisioned


def names(configs: Any) -> list[str]:
    return [config.name for config in configs]


def values_of(seen: Snapshot) -> dict[str, Any]:
    """All that was seen but for Google's own records, which know no equality."""
    return {
        name: value
        for name, value in vars(seen).items()
        if name not in ("config", "dataset", "table", "views", "connection", "schedules", "runs")
    }


def test_snapshot__has_what_each_look_found(
    there: Google, asked: dict[str, Mock], config: Config
) -> None:
    told: list[str] = []
    with telling(lambda what, *_: told.append(what)):
        seen = take_snapshot(config, there, reconcile=True, baseline=True)
    assert values_of(seen) == {
        **{"now": NOW, "window": Window(start=FIRST_DAY, end=TODAY), "writers": ()},
        **{"data": {"row_count": 7}, "bytes_processed": 4096, "days": make_days()},
        **{"probe": Probe(error="", orphans=3), "reconcile": True, "sides": DIFFERING},
        **{"past": QUERIES["read_past"], "baseline_asked": True, "baseline": BASELINE},
    }
    assert [spec.name for spec, _ in seen.views] == [spec.name for spec, _ in make_views(config)]
    assert all(view is not None for _, view in seen.views)
    assert names(seen.schedules) == [TRANSFER_NAME]
    assert {*told} == {*LOOKS, *ASKED.values(), "Reading what Google answered"}
    assert {*_LOOKS.values()} <= {*told}


def test_snapshot__asks_each_query_of_the_window(
    there: Google, asked: dict[str, Mock], config: Config
) -> None:
    take_snapshot(config, there, reconcile=True, baseline=True)
    days = (config, there, FIRST_DAY, TODAY)
    assert asked["run_query"].call_args_list == [
        call(
            *(there, render_data_summary(config)),
            **{"window_start": FIRST_DAY, "end_day": TODAY, "today": NOW.date()},
            **{"short_days": 18, "model_days": 27},
        )
    ]
    assert asked["count_days"].call_args_list == [call(*days)]
    assert asked["sum_up_both_sides"].call_args_list == [call(*days)]
    assert asked["probe_connection"].call_args_list == [call(config, there, (FIRST_DAY, TODAY))]
    assert asked["read_baseline"].call_args_list == [call(config, there, NOW.date())]
    ((_, clients, loads, differing),) = (given.args for given in asked["read_past"].call_args_list)
    assert (clients, differing, loads.now) == (there, [YESTERDAY], NOW)
    runs = there.transfers.list_transfer_runs.call_args_list
    assert [given.args[0].parent for given in runs] == [TRANSFER_NAME]


@pytest.mark.parametrize(
    ("options", "horizon", "compared", "baseline"),
    [
        ({}, 9, 0, 0),
        ({"reconcile": True}, 9, 1, 0),
        ({"baseline": True}, 9, 0, 1),
        ({"show_baseline": True}, 9, 0, 1),
        ({"baseline": True, "show_baseline": True}, 0, 0, 0),
    ],
)
def test_snapshot__compares_and_forecasts_where_that_is_asked(
    there: Google,
    asked: dict[str, Mock],
    config: Config,
    options: dict[str, bool],
    horizon: int,
    compared: int,
    baseline: int,
) -> None:
    seen = take_snapshot(replace(config, horizon_days=horizon), there, **options)
    counts = [asked[name].call_count for name in ("sum_up_both_sides", "read_past")]
    assert counts == [compared, compared]
    assert asked["read_baseline"].call_count == baseline
    assert (seen.sides, seen.past) == (
        (DIFFERING, QUERIES["read_past"]) if compared else (None, None)
    )
    assert seen.reconcile is bool(compared)
    assert seen.baseline_asked is options.get("baseline", False)
    assert seen.baseline == (BASELINE if baseline else None)


def unpaid() -> Exception:
    """An error whose advice names the project, which the clients know."""
    return google_error(403, "off", reason="BILLING_DISABLED")


def refused(doing: str) -> str:
    return (
        f"{doing} failed: billing is off for project {PROJECT}; link a billing account with "
        f"`gcloud billing projects link {PROJECT} --billing-account ACCOUNT`."
    )


@pytest.mark.parametrize(
    ("look", "parts"),
    [
        ("dataset", ["dataset"]),
        ("table", ["table"]),
        ("connection", ["connection"]),
        ("scheduled queries", ["schedules", "runs"]),
        ("runs", ["runs"]),
        ("views", []),
    ],
)
def test_snapshot__resource_that_may_not_be_seen_is_told_as_google_does(
    there: Google, asked: dict[str, Mock], config: Config, look: str, parts: list[str]
) -> None:
    def get_table(name: Any, **_: Any) -> Any:
        if (look == "table") is (str(name) == config.table_id):
            raise unpaid()
        return make_table()

    methods = {
        "dataset": there.bigquery.get_dataset,
        "connection": there.connections.get_connection,
        "scheduled queries": there.transfers.list_transfer_configs,
        "runs": there.transfers.list_transfer_runs,
    }
    method = methods.get(look, there.bigquery.get_table)
    method.side_effect = unpaid() if look in methods else get_table
    seen = take_snapshot(config, there)
    unseen = Unseen(reason=refused(f"Looking at the {look}"))
    assert [part for part in PARTS if getattr(seen, part) == unseen] == parts
    assert [view == unseen for _, view in seen.views] == [look == "views"] * 2
    assert {*map(type, seen.unseen)} == {Unseen}
    assert {found.reason for found in seen.unseen} == {unseen.reason}


@pytest.mark.parametrize("name", ASKED)
def test_snapshot__look_that_fails_is_unseen_and_the_others_go_on(
    there: Google, asked: dict[str, Mock], config: Config, name: str
) -> None:
    asked[name].side_effect = unpaid()
    seen = take_snapshot(config, there, reconcile=True, baseline=True)
    assert [unseen.reason for unseen in seen.unseen] == [refused(ASKED[name])]
    assert seen.bytes_processed == (None if name == "run_query" else 4096)
    assert all(asked[other].called for other in ASKED)
    asked[name].side_effect = UnreachableError("nobody answers")
    with pytest.raises(UnreachableError, match="nobody answers"):
        take_snapshot(config, there, reconcile=True, baseline=True)


@pytest.mark.parametrize("table", [google_error(404, "Not found"), google_error(403, "no")])
def test_snapshot__without_a_table_asks_nothing_of_it(
    there: Google, asked: dict[str, Mock], config: Config, table: Exception
) -> None:
    there.bigquery.get_table.side_effect = table
    seen = take_snapshot(config, there, reconcile=True, baseline=True)
    found = (seen.data, seen.bytes_processed, seen.days, seen.sides, seen.past, seen.baseline)
    assert found == (None,) * 6
    queried = [name for name, mock in asked.items() if mock.called]
    assert queried == ["probe_connection"]
    assert not seen.readable


@pytest.mark.parametrize("found", ["no credential", "no connection", "no permission"])
def test_snapshot__without_a_credential_asks_nothing_through_it(
    there: Google, asked: dict[str, Mock], config: Config, found: str
) -> None:
    there.connections.get_connection.return_value = make_connection(has_credential=False)
    if found != "no credential":
        status = 404 if found == "no connection" else 403
        there.connections.get_connection.side_effect = google_error(status, "no")
    assert take_snapshot(config, there).probe is None
    assert not asked["probe_connection"].called


def test_snapshot__of_no_scheduled_query_has_no_runs(
    there: Google, asked: dict[str, Mock], config: Config
) -> None:
    there.transfers.list_transfer_configs.side_effect = lambda *_, **__: []
    seen = take_snapshot(config, there)
    assert [*seen.schedules, *seen.runs, *seen.writers, *seen.unseen] == []  # type: ignore[misc]
    there.transfers.list_transfer_configs.side_effect = google_error(403, "no")
    seen = take_snapshot(config, there)
    assert isinstance(seen.schedules, Unseen)
    assert (seen.runs, seen.writers) == (seen.schedules, ())
    assert not there.transfers.list_transfer_runs.called


def test_snapshot__has_who_else_writes_to_the_table(
    there: Google, asked: dict[str, Mock], config: Config
) -> None:
    template = {"query": "SELECT 1", "destination_table_name_template": config.table}
    other = make_transfer(
        config, name="other", destination_dataset_id=config.dataset, params=template
    )
    other.display_name = "by hand"
    listed = [other, make_transfer(config)]
    there.transfers.list_transfer_configs.side_effect = lambda *_, **__: listed
    seen = take_snapshot(config, there)
    assert names(seen.writers) == ["other"]
    assert names(seen.schedules) == [TRANSFER_NAME]


# The past ----------------------------------------------------------------------------------------


def past_of(config: Config, sides: Any, **changes: Any) -> Past | None:
    return module._see_past(make_snapshot(config, **changes), sides, Mock())


@pytest.mark.parametrize("sides", [None, UNSEEN, EQUAL])
def test_past__is_not_asked_for_where_nothing_differs(
    asked: dict[str, Mock], config: Config, sides: Any
) -> None:
    assert past_of(config, sides) is None
    assert not asked["read_past"].called


@pytest.mark.parametrize("part", ["schedules", "runs"])
def test_past__needs_the_runs(asked: dict[str, Mock], config: Config, part: str) -> None:
    found = past_of(config, DIFFERING, **{part: UNSEEN})
    assert found == Past(unknown="the runs could not be looked at")
    assert not asked["read_past"].called


@pytest.mark.parametrize("dataset", [make_dataset(), UNSEEN, None])
def test_past__is_asked_of_what_was_seen(
    asked: dict[str, Mock], config: Config, dataset: Any
) -> None:
    seen = make_snapshot(config, dataset=dataset)
    assert module._see_past(seen, DIFFERING, Mock()) == QUERIES["read_past"]
    loads = asked["read_past"].call_args.args[2]
    known = None if isinstance(dataset, Unseen) else dataset
    assert vars(loads) == vars(
        Loads(
            dataset=known,
            table=seen.table,  # type: ignore[arg-type]
            schedules=seen.schedules,  # type: ignore[arg-type]
            runs=seen.runs,  # type: ignore[arg-type]
            now=seen.now,
        )
    )
