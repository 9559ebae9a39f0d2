"""`data.dimensions`: columns that fell empty, values off the scale, by name."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from backend.entities.models import Entity
from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.loading import day_before, mention, today
from backend.forecasting.tests.support.snapshots import make_days, make_snapshot
from backend.forecasting.training_table import DIMENSIONS
from backend.forecasting.verification import dimension_checks
from backend.forecasting.verification.day_counts import DayCounts, DimensionCounts, count_days
from backend.forecasting.verification.dimension_checks import check_dimensions
from backend.forecasting.verification.findings import Finding

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud


def check(days: Any, **settings: Any) -> Finding:
    config = replace(make_config(), **settings)
    (finding,) = check_dimensions(make_snapshot(config, days=days, config=config))
    return finding


def test_dimensions__shares_are_said_where_all_is_well() -> None:
    finding = check(make_days())
    assert finding.status == "pass"
    assert finding.message.startswith("sanctions_risk in 100 % of the rows, political_risk in")


@pytest.mark.parametrize(
    ("last", "share", "said"),
    [
        (3, 0.0, "political_risk in 0 % of the last 3 days' rows, 100 % of those before"),
        (7, 0.4, "political_risk in 40 % of the last 7 days' rows, 100 % of those before"),
        (90, 0.0, "no row has political_risk"),
    ],
)
def test_dimensions__that_fell_empty_is_named(last: int, share: float, said: str) -> None:
    finding = check(make_days(last, share=share))
    assert (finding.status, finding.message) == ("warn", said)
    assert "FORECASTING_DIMENSION_FIELDS" in finding.hint


@pytest.mark.parametrize(
    "days",
    [
        make_days(3, share=0.6),
        make_days(3, rows=5, share=0.0),
        make_days(1, share=0.0),
    ],
    ids=["more than half", "few rows", "a day"],
)
def test_dimensions__what_may_be_chance_is_not_told(days: Any) -> None:
    assert check(days).status == "pass"


def test_dimensions__fall_beyond_chance_is_told_of_one_that_half_the_rows_have() -> None:
    """9 of 42 rows, where half are usual: 21 less three deviations of 3.2 are 11."""
    days = [*make_days(90, share=0.5)[:-3], *make_days(3, rows=14, share=3 / 14)[-3:]]
    said = "political_risk in 21 % of the last 3 days' rows, 50 % of those before"
    assert (check(days).status, check(days).message) == ("warn", said)


FELL = "political_risk in {} % of the last 1 days' rows, {} % of those before"


@pytest.mark.parametrize(
    ("before", "last", "said"),
    [
        ((100, 100), (20, 10), ""),
        ((100, 100), (20, 9), FELL.format(45, 100)),
        ((100, 100), (19, 0), ""),
        ((19, 19), (100, 0), ""),
        ((20, 20), (20, 0), FELL.format(0, 100)),
        # Half of 25 rows are 12.5, less three deviations of 2.5 are 5.
        ((100, 50), (25, 5), ""),
        ((100, 50), (25, 4), FELL.format(16, 50)),
        ((50, 5), (1000, 50), ""),
        ((50, 5), (1000, 49), FELL.format(5, 10)),
    ],
)
def test_drop__is_told_beyond_half_and_beyond_chance(
    before: tuple[int, int], last: tuple[int, int], said: str
) -> None:
    def days(rows: int, count: int) -> list[DayCounts]:
        dimensions = {"political_risk": DimensionCounts(count=count)}
        return [DayCounts(day=today(), rows=rows, dimensions=dimensions)]

    (column,) = (column for column in DIMENSIONS if column.name == "political_risk")
    assert dimension_checks._drop(days(*before), days(*last), column) == said


def test_dimensions__are_compared_with_all_the_days_before() -> None:
    """Also where the first days of all have none."""
    nothing = {"political_risk": DimensionCounts()}
    days = [
        replace(day, dimensions={**day.dimensions, **nothing}) if number < 7 else day
        for number, day in enumerate(make_days(3, share=0.0))
    ]
    said = "political_risk in 0 % of the last 3 days' rows, 92 % of those before"
    assert check(days).message == said


def test_dimensions__rare_one_may_be_away_for_a_week() -> None:
    days = [*make_days(90, share=0.02)[:-7], *make_days(7, rows=10, share=0.0)[-7:]]
    assert check(days).status == "pass"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"off_scale": 1, "greatest": 1.7e12},
            "1 value of political_risk outside 0 to 100: they go from 1 to 1.7e+12",
        ),
        (
            {"off_scale": 2, "least": -5.0},
            "2 values of political_risk outside 0 to 100: they go from -5 to 99",
        ),
    ],
)
def test_dimensions__values_off_the_scale_are_named(fields: dict[str, Any], said: str) -> None:
    finding = check(make_days(1, **fields))
    assert (finding.status, finding.message) == ("warn", said)


def test_dimensions__not_mapped_is_said_and_no_trouble() -> None:
    fields = tuple(pair for pair in make_config().dimension_fields if pair[0] != "political")
    finding = check(make_days(90, share=0.0), dimension_fields=fields)
    assert finding.status == "pass"
    assert "political_risk is not mapped" in finding.message


def test_dimensions__no_rows_fail() -> None:
    assert check(()).status == "fail"


@pytest.mark.django_db(transaction=True)
def test_days__are_counted_as_the_table_has_them(pipeline: "LocalCloud") -> None:
    entities = [Entity.objects.create(name=name, entity_type="company") for name in "ab"]
    mention(entities[0], day_before(5), 10, sanctions=5, political=1.7e12)
    mention(entities[1], day_before(5), 10, sanctions=-1)
    mention(entities[1], day_before(3), 10)
    assert call("bq_setup").status == 0
    assert call("bq_setup_etl", run_now=True).status == 0
    config = load_config()
    days = count_days(config, make_clients(config), day_before(90), today())
    assert [(day.day, day.rows) for day in days] == [
        *((day_before(5), 2), (day_before(4), 0), (day_before(3), 1)),
        *((day_before(2), 0), (day_before(1), 0)),
    ]
    assert days[0].of("sanctions_risk") == DimensionCounts(
        count=2, off_scale=1, least=-1, greatest=5
    )
    assert days[0].of("political_risk").off_scale == 1
    assert days[2].of("political_risk") == DimensionCounts()
    assert isinstance(days[1], DayCounts)
