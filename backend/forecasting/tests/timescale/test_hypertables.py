"""The source query on hypertables: its rows, and which chunks it reads."""

import re
from datetime import UTC, date

import pytest

from backend.forecasting.sql.queries import render_source_query, with_days
from backend.forecasting.tests.oracles.expected import assert_same_rows, expected_rows
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.loading import day_before, today
from backend.forecasting.tests.timescale.scene import (
    DAYS,
    execute,
    write_history,
)

LOOKBACK, WEEK, WINDOW = 30, 7, 90

pytestmark = [pytest.mark.usefixtures("hypertables"), pytest.mark.untraced]


def query(days: int, *, lookback: int | None) -> str:
    """The source query of the last days, as a night reads them that refreshes a week."""
    config = make_config(event_lookback_days=lookback)
    return with_days(render_source_query(config, refresh=days == WEEK), day_before(days), today())


def explain(sql: str, options: str = "COSTS OFF") -> str:
    return "\n".join(line for (line,) in execute(f"EXPLAIN ({options}) {sql}"))


def chunks_in(plan: str) -> set[str]:
    return set(re.findall(r"(?<!compress)_hyper_\d+_\d+_chunk", plan))


def chunks_since(table: str, day: date) -> set[str]:
    found = execute(
        "SELECT chunk_name FROM timescaledb_information.chunks"
        f" WHERE hypertable_name = '{table}' AND range_end > '{day} 00:00Z'"
    )
    return {name for (name,) in found}


def buffers(plan: str) -> int:
    """How many pages were looked at to run it."""
    found = re.search(r"Buffers: shared hit=(\d+)(?: read=(\d+))?", plan)
    assert found
    return int(found[1]) + int(found[2] or 0)


def test_scene__has_what_the_tests_are_about() -> None:
    (compressed, others) = execute(
        "SELECT count(*) FILTER (WHERE is_compressed), count(*) FILTER (WHERE NOT is_compressed)"
        " FROM timescaledb_information.chunks"
    )[0]
    assert (compressed > 30, others > 3) == (True, True)
    (corrected,) = execute(
        "SELECT count(*) FROM (SELECT FROM events_event GROUP BY id HAVING count(*) > 1) AS event"
    )[0]
    assert corrected > 100


@pytest.mark.parametrize("lookback", [None, LOOKBACK])
@pytest.mark.parametrize("days", [WEEK, WINDOW])
def test_query__agrees_with_the_computation_in_python(days: int, lookback: int | None) -> None:
    rows = {
        (entity_id, moment.astimezone(UTC).date()): tuple(values)
        for entity_id, moment, *values in execute(query(days, lookback=lookback))
    }
    expected = expected_rows(day_before(days), today(), lookback_days=lookback)
    assert len(expected) > days
    assert_same_rows(rows, expected)


def test_lookback__makes_a_difference_to_the_week() -> None:
    every, recent = (sorted(execute(query(WEEK, lookback=n))) for n in (None, LOOKBACK))
    assert every != recent


def test_refresh__reads_the_chunks_of_its_days_alone() -> None:
    found = chunks_in(explain(query(WEEK, lookback=LOOKBACK)))
    events = chunks_since("events_event", day_before(WEEK + LOOKBACK))
    mentions = chunks_since("entities_entitymention", day_before(WEEK))
    assert found
    assert found <= events | mentions
    assert found & events
    assert found & mentions


def test_refresh__without_a_bound_reads_all_events() -> None:
    every = chunks_since("events_event", day_before(DAYS))
    assert every <= chunks_in(explain(query(WEEK, lookback=None)))


def test_refresh__costs_no_more_with_a_longer_history() -> None:
    options = "ANALYZE, BUFFERS, COSTS OFF, TIMING OFF"
    bounded, unbounded = (query(WEEK, lookback=lookback) for lookback in (LOOKBACK, None))
    before, before_unbounded = (explain(sql, options) for sql in (bounded, unbounded))
    write_history(DAYS, 2 * DAYS)
    after, after_unbounded = (explain(sql, options) for sql in (bounded, unbounded))
    assert chunks_in(after) == chunks_in(before)
    assert buffers(after) <= 1.05 * buffers(before)
    # The same of all events, so that this would be noticed.
    assert buffers(after_unbounded) > 1.2 * buffers(before_unbounded)
