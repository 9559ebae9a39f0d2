"""The baseline: its figures by hand, how it is shown, and what it needs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from backend.forecasting.google.clients import make_clients
from backend.forecasting.google.queries import Answer
from backend.forecasting.output.text import describe_baseline
from backend.forecasting.provisioning.datasets import DatasetSpec
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.tests.support.commands import Run
from backend.forecasting.tests.support.factories import Google, make_config, make_google
from backend.forecasting.tests.support.loading import day_before, fill_table, today
from backend.forecasting.tests.support.snapshots import BASELINE, NO_BASELINE
from backend.forecasting.training_table import SERIES_COLUMN
from backend.forecasting.verification import baseline as module
from backend.forecasting.verification.baseline import Baseline, Errors, read_baseline

pytestmark = pytest.mark.untraced

# By hand ---------------------------------------------------------------------------------------


def test_baseline__of_two_series_worked_out_by_hand(cloud: Any) -> None:
    """A horizon of 2 days; what is known is every day from the 7th before today to the 3rd.

    `up` goes 10, 20, ... 50 and then 60, 70; `flat` stays at 30, and has no row yesterday.
    Steps: four of 10 and four of 0, so 5 on average. The three scores to forecast add up to 160.
    `last` says 50 and 30: off by 10, 20 and 0. `mean` says 30 and 30: off by 30, 40 and 0.
    No known day has a weekday of the test, so `weekday` says what `mean` does.
    """
    config = replace(make_config(horizon_days="2"), api_endpoint=cloud.endpoint)
    clients = make_clients(config)
    DatasetSpec.from_config(config).create(clients)
    TableSpec.from_config(config).create(clients)
    rows = {("up", day_before(age)): (10.0 * (8 - age),) for age in range(1, 8)}
    rows |= {("flat", day_before(age)): (30.0,) for age in range(2, 8)}
    fill_table(cloud, {key: (*values, None, None, None, None) for key, values in rows.items()})
    found = read_baseline(config, clients, today())
    as_mean = {"mae": 70 / 3, "wape": 70 / 160, "mase": 70 / 3 / 5}
    assert found.as_json() == {
        "horizon_days": 2,
        "cutoff": f"{day_before(2)}",
        "series": 2,
        "rows": 3,
        "methods": {
            "last": {"mae": 10.0, "wape": 30 / 160, "mase": 2.0},
            "mean": pytest.approx(as_mean),
            "weekday": pytest.approx(as_mean),
        },
        "best": "last",
    }


@pytest.mark.parametrize(
    ("score", "horizon", "expected"),
    [
        (0.0, "2", (1, 2, "last", {"mae": 0.0, "wape": None, "mase": None})),
        (100.0, "2", (1, 2, "last", {"mae": 0.0, "wape": 0.0, "mase": None})),
        (0.0, "89", (0, 0, None, {"mae": None, "wape": None, "mase": None})),
    ],
)
def test_baseline__of_one_series_that_never_changes(
    cloud: Any, score: float, horizon: str, expected: tuple[Any, ...]
) -> None:
    config = replace(make_config(horizon_days=horizon), api_endpoint=cloud.endpoint)
    clients = make_clients(config)
    DatasetSpec.from_config(config).create(clients)
    TableSpec.from_config(config).create(clients)
    row = (score, None, None, None, None)
    fill_table(cloud, {("one", day_before(age)): row for age in range(1, 91)})
    found = read_baseline(config, clients, today()).as_json()
    figures = {tuple(errors.items()) for errors in found["methods"].values()}
    assert figures == {tuple(expected[3].items())}
    assert (found["series"], found["rows"], found["best"]) == expected[:3]


def errors(**maes: float | None) -> dict[str, Errors]:
    return {name: Errors(mae=mae, wape=None, mase=None) for name, mae in maes.items()}


@pytest.mark.parametrize(
    ("maes", "best"),
    [
        ({"last": 1.0, "mean": 1.0, "weekday": 1.0}, "last"),
        ({"last": 2.0, "mean": 1.0, "weekday": 1.0}, "mean"),
        ({"last": 2.0, "mean": 1.5, "weekday": 1.0}, "weekday"),
        ({"last": None, "mean": None, "weekday": None}, None),
    ],
)
def test_best__is_the_first_of_those_with_the_least_error(
    maes: Mapping[str, float | None], best: str | None
) -> None:
    assert replace(BASELINE, methods=errors(**maes)).best == best


TOTAL: dict[str, Any] = {
    "kind": "total",
    "series_count": 2,
    "row_count": 4,
    "score": 100.0,
    "last_value": 20.0,
    "mean_value": 10.0,
    "weekday_value": 10.0,
    "mean_step": 2.0,
}
NOTHING = {f"{name}_value": None for name in ("last", "mean", "weekday")}


def answered(monkeypatch: pytest.MonkeyPatch, **total: Any) -> Baseline:
    """The baseline of a query that answers this."""
    answer = Answer(rows=[{**TOTAL, **total}], bytes_processed=4096)
    monkeypatch.setattr(module, "run_query", lambda *_, **__: answer)
    return read_baseline(make_config(horizon_days="7"), make_google(), today())


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        ({}, Errors(mae=2.5, wape=0.1, mase=1.25)),
        ({"score": 0.0}, Errors(mae=2.5, wape=None, mase=1.25)),
        ({"mean_step": 0.0}, Errors(mae=2.5, wape=0.1, mase=None)),
        ({"mean_step": None}, Errors(mae=2.5, wape=0.1, mase=None)),
        ({"row_count": 0, "score": None, **NOTHING}, Errors(mae=None, wape=None, mase=None)),
        ({"mean_value": float("nan")}, Errors(mae=None, wape=None, mase=None)),
        ({"score": float("inf")}, Errors(mae=2.5, wape=0.0, mase=1.25)),
    ],
)
def test_errors__are_none_where_there_is_nothing_to_divide_by(
    monkeypatch: pytest.MonkeyPatch, total: dict[str, Any], expected: Errors
) -> None:
    assert answered(monkeypatch, **total).methods["mean"] == expected


# As text ---------------------------------------------------------------------------------------


def test_text__is_a_small_table_with_the_best_one_marked() -> None:
    assert "\n".join(describe_baseline(BASELINE)) == (
        "Baseline: 9 days from 2026-02-21 on, 400 rows of 60 series.\n"
        "              MAE    WAPE    MASE\n"
        "  last      12.50   0.312   1.250\n"
        "* mean      10.00   0.250   1.000\n"
        "  weekday   10.50   0.263   1.050"
    )


def test_text__has_a_dash_for_what_there_is_not() -> None:
    methods = errors(last=1.0, mean=2.0, weekday=3.0)
    assert describe_baseline(replace(BASELINE, methods=methods))[2] == (
        "* last       1.00       -       -"
    )


@pytest.mark.parametrize("nothing", [None, NO_BASELINE])
def test_text__is_nothing_where_there_is_nothing(nothing: Baseline | None) -> None:
    assert describe_baseline(nothing) == []


# bq_verify -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_verify__baseline_without_a_horizon_names_the_setting(
    run: Run, provisioned: Google
) -> None:
    result = run("bq_verify", "--baseline")
    assert result.status == 1
    assert result.error.startswith("FORECASTING_HORIZON_DAYS is not set: --baseline needs ")
    assert provisioned.calls == []


ORDER = (("b", 2), ("a", 3), ("a", 1), ("b", 1), ("a", 2))


def test_baseline__says_what_its_query_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = answered(monkeypatch)
    assert (found.bytes_processed, found.cutoff) == (4096, day_before(7))


def test_examples__are_in_the_order_of_their_days() -> None:
    values = {"score": 1.0, "last_value": 2.0, "mean_value": None, "weekday_value": 0.0}
    rows = [{SERIES_COLUMN: key, "day": date(2026, 1, day), **values} for key, day in ORDER]
    found = [
        (example.key, [day.day.day for day in example.days]) for example in module._examples(rows)
    ]
    assert found == [("a", [1, 2, 3]), ("b", [1, 2])]
    assert module._examples(rows)[0].days[0].forecasts == {"last": 2.0, "weekday": 0.0}
