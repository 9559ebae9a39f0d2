"""The SQL of the views and the baseline: Google takes it, and it computes what Python does."""

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from backend.forecasting import training_table
from backend.forecasting.conf import Config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.google.queries import run_query
from backend.forecasting.provisioning.datasets import DatasetSpec
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.sql.queries import render_data_summary
from backend.forecasting.sql.series import (
    render_baseline,
    render_forecast_view,
    render_training_view,
)
from backend.forecasting.tests.oracles.googlesql import TRAINING_TABLE, BigQuery, Refused
from backend.forecasting.tests.oracles.series import (
    METHODS,
    Rows,
    Values,
    Wanted,
    baseline,
    before,
    each_day,
    forecast_rows,
    training_rows,
)
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.loading import fill_table
from backend.forecasting.verification.baseline import read_baseline

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.untraced

TODAY = date(2026, 3, 2)
HORIZON = 7
WANTED = Wanted(today=TODAY, horizon=HORIZON)
DIMENSIONS = len(training_table.DIMENSIONS)
WORKED_DAYS = 4
VIEWS = (render_training_view, render_forecast_view)
QUERIES = (*VIEWS, lambda config: render_baseline(config))

Render = Callable[[Config], str]


def horizon_config(**options: Any) -> Config:
    return make_config(horizon_days=HORIZON, **options)


def ago(days: int) -> date:
    return before(TODAY, days)


def series_of(*ages: int, score: float = 40.0) -> dict[date, Values]:
    """Rows so many days before today; each score differs, the dimensions are there now and then."""
    dimension = [None, score / 2, None, score / 3]
    return {
        ago(age): (score + age % 5, *(dimension[(age + n) % 4] for n in range(DIMENSIONS)))
        for age in ages
    }


EDGES: dict[str, dict[date, Values]] = {
    "long enough": series_of(*range(1, 16)),
    "a day short": series_of(*range(1, 15)),
    "half its days": series_of(1, 2, 3, 4, 5, 6, 7, 16),
    "less than half": series_of(1, 2, 3, 4, 5, 6, 17),
    "recent enough": series_of(*range(30, 50)),
    "too long ago": series_of(*range(31, 50)),
    "the whole window": series_of(*range(1, 91)),
    "older than the window": series_of(*range(80, 110)),
    "long by its old days": series_of(1, 2, 3, *range(91, 110)),
    "long by today": series_of(*range(-3, 14)),
    "one row": series_of(1),
    "two rows": series_of(1, 2),
    "no dimension at all": {ago(age): (5.0, *[None] * DIMENSIONS) for age in range(1, 40)},
    "nothing in the test": series_of(*range(8, 40)),
    "nothing in 28 days": series_of(3, *range(36, 60)),
    "all zero": {ago(age): (0.0, *[0.0] * DIMENSIONS) for age in range(1, 30)},
    "from 0 to 100": {ago(age): (100.0 * (age % 2), *[None] * DIMENSIONS) for age in range(1, 30)},
    '\'odd \\ "id"` -- \n\u0001\u202e\U0001f600': series_of(*range(1, 20)),
    " ": series_of(*range(1, 20)),
    "only on some weekdays": series_of(
        *range(1, 8), *(age for age in range(8, 60) if ago(age).weekday() < WORKED_DAYS)
    ),
}
USABLE_EDGES = {
    "long enough",
    "half its days",
    "recent enough",
    "the whole window",
    "no dimension at all",
    "nothing in the test",
    "all zero",
    "from 0 to 100",
    '\'odd \\ "id"` -- \n\u0001\u202e\U0001f600',
    " ",
    "only on some weekdays",
}


def random_series(seed: int) -> dict[date, Values]:
    """Some days in a row up to some day, each with a chance; numbers missing as they do."""
    dice = random.Random(seed)
    last, length, chance = dice.randint(-2, 40), dice.randint(1, 110), dice.choice([0.3, 0.6, 0.9])
    ages = [age for age in range(last, last + length) if dice.random() < chance]

    def value(missing: float) -> float | None:
        return None if dice.random() < missing else dice.uniform(0, 100)

    return {
        ago(age): (value(0), *(value(0.4) for _ in range(DIMENSIONS))) for age in ages or [last]
    }


ROWS: Rows = {
    (name, day): values
    for name, days in [*EDGES.items(), *((f"random {n}", random_series(n)) for n in range(60))]
    for day, values in days.items()
}


@pytest.fixture(scope="module")
def local(cloud_server: "LocalCloud") -> Iterator["LocalCloud"]:
    """The stand-in with the rows above in the training table."""
    cloud_server.reset()
    config = replace(horizon_config(), api_endpoint=cloud_server.endpoint)
    clients = make_clients(config)
    DatasetSpec.from_config(config).create(clients)
    TableSpec.from_config(config).create(clients)
    fill_table(cloud_server, ROWS)
    yield cloud_server
    cloud_server.reset()


def keyed(rows: list[dict[str, Any]]) -> dict[tuple[str, date], tuple[Values, bool]]:
    """The rows of a view by series and day, each of which has one."""
    found = {}
    for row in rows:
        series, moment, *values, observed = row.values()
        assert moment == datetime.combine(moment.date(), datetime.min.time(), moment.tzinfo)
        assert moment.utcoffset() == timedelta(0)
        assert (series, moment.date()) not in found
        found[series, moment.date()] = (tuple(values), observed)
    return found


def assert_same(found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> None:
    assert expected
    assert found.keys() == expected.keys()
    for key, (values, observed) in expected.items():
        assert found[key][1] is observed, key
        for one, other in zip(found[key][0], values, strict=True):
            assert (one is None) == (other is None), key
            assert one is None or math.isclose(one, other, rel_tol=1e-12), key


PARAMETERS: dict[str, Any] = {"today": TODAY, "cutoff": ago(HORIZON), "examples": 4}

# What Google says ------------------------------------------------------------------------------


def analyzer(**parameters: Any) -> BigQuery:
    return BigQuery(tables={make_config().table_id: TRAINING_TABLE}, parameters=parameters)


@pytest.mark.parametrize("history", ["on", "off"])
@pytest.mark.parametrize("share", ["0", "0.5", "1", "0.000001"])
@pytest.mark.parametrize("view", VIEWS)
def test_view__is_accepted_with_the_columns_of_the_table(
    view: Render, share: str, history: str
) -> None:
    config = replace(horizon_config(keep_history=history), series_min_share=float(share))
    assert analyzer().analyze_statement(view(config)).columns == {
        **TRAINING_TABLE,
        "observed": "BOOL",
    }


def test_baseline__is_accepted() -> None:
    columns = analyzer(**PARAMETERS).analyze_statement(render_baseline(horizon_config())).columns
    assert list(columns.values()) == ["STRING", "STRING", "DATE", *["INT64"] * 2, *["FLOAT64"] * 5]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("name", ["entity_id", "mentioned_at", "risk_score", "economic_risk"])
def test_query__renamed_column_is_refused(query: Render, name: str) -> None:
    table = {f"{key}_2" if key == name else key: kind for key, kind in TRAINING_TABLE.items()}
    tables = {make_config().table_id: table}
    with pytest.raises(Refused, match=name):
        BigQuery(tables=tables, parameters=PARAMETERS).analyze_statement(query(horizon_config()))


@pytest.mark.parametrize("query", QUERIES)
def test_query__a_further_column_called_as_ours_is_no_trouble(query: Render) -> None:
    names = ("day", "first_day", "last_day", "observed", "score", "is_long", "calendar", "weekday")
    tables = {make_config().table_id: {**TRAINING_TABLE, **dict.fromkeys(names, "STRING")}}
    BigQuery(tables=tables, parameters=PARAMETERS).analyze_statement(query(horizon_config()))


# Each function that follows the project's time zone where it is not given one, and its arguments.
ZONED = re.compile(
    r"\b(CURRENT_DATE|DATE|TIMESTAMP|EXTRACT)\(((?:[^()]|\([^()]*(?:\(.*?\))?\))*)\)"
)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("history", ["on", "off"])
def test_query__names_utc_wherever_a_time_zone_counts(query: Render, history: str) -> None:
    calls = ZONED.findall(query(horizon_config(keep_history=history)))
    assert len(calls) >= 3
    for function, arguments in calls:
        # A weekday is taken from a date, which is in no zone.
        assert arguments.endswith("'UTC'") or function == "EXTRACT", (function, arguments)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("history", ["on", "off"])
def test_query__reads_no_partition_that_it_need_not(query: Render, history: str) -> None:
    sql = query(horizon_config(keep_history=history))
    (table,) = re.findall(rf"FROM `{make_config().table_id}`\n\s+WHERE (.*)\n\s+(.*)", sql)
    bounds = [line.strip().split("TIMESTAMP(")[0] for line in table]
    assert bounds[0] == ("mentioned_at >= " if history == "off" else "mentioned_at < ")
    assert bounds[1] == ("AND mentioned_at < " if history == "off" else "GROUP BY 1, 2")


@pytest.mark.parametrize("view", VIEWS)
def test_view__takes_no_parameter(view: Render) -> None:
    assert "@" not in view(horizon_config())


# What it computes ------------------------------------------------------------------------------


def test_oracle__agrees_with_what_the_names_say() -> None:
    usable = WANTED.usable(ROWS).keys()
    assert usable & EDGES.keys() == USABLE_EDGES
    assert len(usable) > 20


def test_oracle__views_agree_where_they_overlap() -> None:
    """So that both together are the dense history, as docs/training.md has it."""
    training, forecast = training_rows(ROWS, WANTED), forecast_rows(ROWS, WANTED)
    both = training.keys() & forecast.keys()
    assert len(both) > len(WANTED.usable(ROWS))
    assert {key: training[key] for key in both} == {key: forecast[key] for key in both}


VARIANTS = [
    (WANTED, {}),
    (replace(WANTED, window=None), {"keep_history": "on"}),
    (replace(WANTED, share=0.7), {"share": 0.7}),
    (replace(WANTED, horizon=1), {"horizon_days": 1}),
    (replace(WANTED, horizon=30), {"horizon_days": 30}),
    (replace(WANTED, window=21), {"window_days": "21"}),
]


def variant(options: Mapping[str, Any]) -> Config:
    given = {"horizon_days": HORIZON, **options}
    share = given.pop("share", 0.5)
    return replace(make_config(**given), series_min_share=share)


@pytest.mark.parametrize(("wanted", "options"), VARIANTS)
def test_training_view__is_what_python_computes(
    local: "LocalCloud", wanted: Wanted, options: Mapping[str, Any]
) -> None:
    found = local.query(render_training_view(variant(options), f"DATE '{TODAY}'"))
    assert_same(keyed(found), training_rows(ROWS, wanted))


@pytest.mark.parametrize(("wanted", "options"), VARIANTS)
def test_forecast_view__is_what_python_computes(
    local: "LocalCloud", wanted: Wanted, options: Mapping[str, Any]
) -> None:
    found = keyed(local.query(render_forecast_view(variant(options), f"DATE '{TODAY}'")))
    assert_same(found, forecast_rows(ROWS, wanted))
    assert len(found) == 3 * wanted.horizon * len(wanted.usable(ROWS))
    scores = {day: values[0] for (_, day), (values, _) in found.items() if values[0] is not None}
    assert max(scores) == ago(1)  # NULL from today on, and only there


@pytest.mark.parametrize(("wanted", "options"), VARIANTS)
def test_summary__counts_are_what_python_computes(
    local: "LocalCloud", wanted: Wanted, options: Mapping[str, Any]
) -> None:
    config, days = variant(options), 3 * wanted.horizon
    parameters: dict[str, Any] = {
        **dict.fromkeys(("window_start", "end_day", "today"), TODAY),
        **dict.fromkeys(("short_days", "model_days"), days),
    }
    clients = make_clients(replace(config, api_endpoint=local.endpoint))
    (found,) = run_query(clients, render_data_summary(config), **parameters).rows
    usable, judged = wanted.usable(ROWS), wanted.complete(ROWS)
    assert found["judged_count"] == len(judged)
    assert found["usable_count"] == len(usable)
    dense = Counter(series for series, _ in training_rows(ROWS, wanted))
    assert found["usable_rows"] == dense.total()
    assert found["usable_steps"] == max(dense.values())
    assert found["usable_first_day"] == min(map(min, usable.values()))
    assert found["usable_last_day"] == max(map(max, usable.values()))
    long = [
        days for days in usable.values() if (max(days) - min(days)).days >= 3 * wanted.horizon - 1
    ]
    assert found["long_usable_count"] == len(long)
    spans = [(max(days) - min(days)).days for days in judged.values()]
    assert found["short_count"] == sum(span < 2 * wanted.horizon for span in spans)
    shares = [len(days) / (span + 1) for days, span in zip(judged.values(), spans, strict=True)]
    assert found["sparse_count"] == sum(share < wanted.share for share in shares)
    assert found["old_count"] == sum((TODAY - max(days)).days > 30 for days in judged.values())


def ask(local: "LocalCloud", config: Config, examples: int = 3) -> list[dict[str, Any]]:
    clients = make_clients(replace(config, api_endpoint=local.endpoint))
    cutoff = before(TODAY, config.horizon_days)
    query = render_baseline(config)
    return run_query(clients, query, today=TODAY, cutoff=cutoff, examples=examples).rows


@pytest.mark.parametrize(("wanted", "options"), VARIANTS)
def test_baseline__is_what_python_computes(
    local: "LocalCloud", wanted: Wanted, options: Mapping[str, Any]
) -> None:
    config = replace(variant(options), api_endpoint=local.endpoint)
    found = read_baseline(config, make_clients(config), TODAY).as_json()
    expected: Any = baseline(ROWS, wanted)
    for method in METHODS:
        computed = found["methods"].pop(method)
        for name, figure in expected["methods"].pop(method).items():
            assert computed[name] == (figure and pytest.approx(figure, rel=1e-9))
    assert found == expected
    assert (found["best"] is None) is (found["rows"] == 0)


def test_baseline__examples_are_the_days_before_and_in_the_test(local: "LocalCloud") -> None:
    rows = [row for row in ask(local, horizon_config()) if row["kind"] == "example"]
    series = {row["entity_id"] for row in rows}
    assert len(series) == 3
    for name in series:
        own = sorted((row["day"], row["score"]) for row in rows if row["entity_id"] == name)
        shown = each_day(ago(3 * HORIZON), ago(1))
        assert own == [(day, ROWS[name, day][0]) for day in shown if (name, day) in ROWS]
    forecast = {row["day"] for row in rows if row["mean_value"] is not None}
    assert min(forecast) == ago(HORIZON)


def test_view__has_one_row_a_day_whatever_the_table_repeats(cloud: "LocalCloud") -> None:
    config = replace(horizon_config(), api_endpoint=cloud.endpoint)
    DatasetSpec.from_config(config).create(make_clients(config))
    TableSpec.from_config(config).create(make_clients(config))
    rows = {("twice", day): values for day, values in series_of(*range(1, 20)).items()}
    for _ in range(2):
        fill_table(cloud, rows)
    found = cloud.query(render_training_view(config, f"DATE '{TODAY}'"))
    assert_same(keyed(found), training_rows(rows, WANTED))


def test_baseline__of_a_table_without_rows_has_nothing_to_say(cloud: "LocalCloud") -> None:
    config = replace(horizon_config(), api_endpoint=cloud.endpoint)
    DatasetSpec.from_config(config).create(make_clients(config))
    TableSpec.from_config(config).create(make_clients(config))
    (total,) = ask(cloud, config)
    assert (total["series_count"], total["row_count"], total["mean_step"]) == (0, 0, None)
    assert cloud.query(render_forecast_view(config)) == []
