"""What can be known of the table as the last good run left it, without anything loaded."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, NotFound
from google.cloud.bigquery_datatransfer_v1.types import TransferRun

from backend.forecasting.errors import UnreachableError
from backend.forecasting.loading.backfill_mark import LABEL, Mark, read_mark
from backend.forecasting.loading.day_sums import NO_ROWS, DaySums
from backend.forecasting.tests.support.factories import (
    Google,
    make_config,
    make_dataset,
    make_run,
    make_table,
    make_transfer,
)
from backend.forecasting.verification.past import Loads, Past, read_past

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
ENDED = datetime(2026, 3, 2, 2, 0, 47, 500_000, tzinfo=UTC)
DAYS = [date(2026, 2, 10), date(2026, 2, 20)]
GOOD = make_run("SUCCEEDED")
TWO = [make_transfer(make_config())] * 2
UNSURE = "since the last good run one is under way, was stopped, or is in a state unknown here"
TOO_OLD = "the last good run is longer ago than BigQuery looks back"
SUMS = "backend.forecasting.verification.past.sum_up_table"


def look(google: Google, answer: Any = ({}, 0), **known: Any) -> tuple[Past, Any]:
    """The past, and how the table of then was asked for."""
    loads: dict[str, Any] = {
        "dataset": make_dataset(),
        "table": make_table(),
        "schedules": [make_transfer(make_config())],
        "runs": [GOOD],
        "now": NOW,
    }
    with patch(SUMS, side_effect=[answer]) as asked:
        found = read_past(make_config(), google, Loads(**{**loads, **known}), DAYS)
    return found, asked


def ms(moment: datetime) -> str:
    return f"{moment.timestamp() * 1000:.0f}"


def without(run: TransferRun, field: str) -> TransferRun:
    return TransferRun({k: v for k, v in TransferRun.to_dict(run).items() if k != field})


def test_past__is_that_of_the_last_good_runs_end(google: Google) -> None:
    day = DaySums(rows=1, keys=1, scores=1.0, columns={})
    earlier = make_run("SUCCEEDED", end_time=ENDED - timedelta(days=1))
    failed = make_run("FAILED", end_time=ENDED + timedelta(hours=1))
    found, asked = look(google, ({DAYS[0]: day}, 0), runs=[failed, GOOD, earlier])
    assert (found.of(DAYS[0]), found.unknown, found.moment) == (day, "", ENDED)
    assert found.of(DAYS[1]) == DaySums(rows=0, keys=0, scores=0.0, columns={})
    assert asked.call_args.args[2:] == (DAYS[0], DAYS[1] + timedelta(days=1))
    assert asked.call_args.kwargs == {"as_of": ENDED}


def _in_state(number: int, **fields: Any) -> TransferRun:
    run = make_run("RUNNING", **fields)
    TransferRun.pb(run).state = number
    return run


@pytest.mark.filterwarnings("ignore:Unrecognized TransferState")
@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"runs": []}, "no good run says when it ended"),
        ({"runs": [without(GOOD, "end_time")]}, "no good run says when it ended"),
        ({"runs": [without(GOOD, "end_time"), GOOD]}, "a good run does not say when it ended"),
        ({"runs": [make_run("RUNNING"), GOOD]}, UNSURE),
        ({"runs": [make_run("CANCELLED", end_time=NOW), GOOD]}, UNSURE),
        ({"runs": [without(make_run("CANCELLED"), "end_time"), GOOD]}, UNSURE),
        ({"runs": [_in_state(9), GOOD]}, UNSURE),
        ({"runs": [_in_state(9, end_time=NOW), GOOD]}, UNSURE),
        (
            {"schedules": TWO},
            "several scheduled queries load the table",
        ),
        ({"now": NOW + timedelta(days=8)}, f"{TOO_OLD}, 168 hours"),
        (
            {"now": NOW + timedelta(days=3), "dataset": make_dataset(maxTimeTravelHours="48")},
            f"{TOO_OLD}, 48 hours",
        ),
    ],
)
def test_past__that_cannot_be_known_costs_no_query(
    google: Google, known: dict[str, Any], why: str
) -> None:
    found, asked = look(google, **known)
    assert found == Past(unknown=why)
    assert found.of(DAYS[0]) is None
    assert not asked.called


@pytest.mark.parametrize(
    "known",
    [
        {"runs": [GOOD, make_run("CANCELLED", end_time=ENDED - timedelta(hours=1))]},
        {"runs": [make_run("PENDING"), make_run("FAILED", end_time=NOW), GOOD]},
        {"now": ENDED + timedelta(hours=168)},
    ],
)
def test_past__is_told_where_nobody_else_can_have_loaded(
    google: Google, known: dict[str, Any]
) -> None:
    found, _ = look(google, **known)
    assert (found.unknown, found.moment) == ("", ENDED)


def test_past__of_a_day_that_was_loaded_since_is_not_known(google: Google) -> None:
    mark = Mark(first_day=DAYS[0], end_day=DAYS[1], at=ENDED + timedelta(hours=1), done=True)
    found, _ = look(google, table=make_table(labels={LABEL: str(mark)}))
    assert (found.of(DAYS[0]), found.of(DAYS[1])) == (None, NO_ROWS)


def test_past__what_google_does_not_show_is_told_in_its_words(google: Google) -> None:
    for text in ("Cannot read before 2", "Invalid time travel timestamp 1"):
        for error in (BadRequest(text), NotFound(text)):
            why = f"BigQuery does not show the table as it was then ({text})"
            assert look(google, error)[0] == Past(unknown=why)


def test_past__that_cannot_be_read_is_told_and_one_out_of_reach_ends_it(google: Google) -> None:
    found, _ = look(google, Forbidden("no"))
    assert found.unknown.startswith("the table as it was then could not be read (")
    assert "Reading the table as the last good run left it" in found.unknown
    assert found.moment is None
    with pytest.raises(UnreachableError):
        look(google, UnreachableError("nobody answers"))


def test_past__has_the_days_that_were_asked_for_and_the_backfill_since(google: Google) -> None:
    at = ENDED.replace(microsecond=0) + timedelta(hours=1)
    mark = Mark(first_day=DAYS[0], end_day=DAYS[1], at=at, done=True)
    found, _ = look(google, ({}, 0), table=make_table(labels={LABEL: str(mark)}))
    assert found == Past(moment=ENDED, days={}, backfill=mark)


def test_past__of_a_table_that_was_made_anew_is_none(google: Google) -> None:
    made = make_table(creationTime=ms(NOW))
    found, _ = look(google, BadRequest("Cannot read before 2."), table=made)
    assert found.unknown == "the table was made after the last good run"
    replaced, _ = look(google, table=made)
    assert replaced.unknown == ""


@pytest.mark.parametrize(
    "text", ["", "x", "20260101_20260201", "20261301_20260201_1772442047_done", "1_2_3_done"]
)
def test_mark__that_is_none_is_none(text: str) -> None:
    assert read_mark(make_table(labels={LABEL: text} if text else {})) is None


def test_mark__is_read_as_written_and_grows_with_the_next() -> None:
    first = Mark(first_day=DAYS[0], end_day=DAYS[1], at=NOW, done=True)
    assert read_mark(make_table(labels={LABEL: str(first)})) == first
    later = Mark(first_day=DAYS[1], end_day=date(2026, 3, 1), at=NOW, done=False)
    both = later.with_earlier(first)
    assert (both.first_day, both.end_day, both.done) == (DAYS[0], date(2026, 3, 1), False)
    assert not later.with_earlier(None).covers(DAYS[0], NOW)


def test_mark__of_a_load_that_may_still_go_on_counts_for_hours() -> None:
    begun = Mark(first_day=DAYS[0], end_day=DAYS[1], at=NOW, done=False)
    assert begun.covers(DAYS[0], NOW + timedelta(hours=5))
    assert not begun.covers(DAYS[0], NOW + timedelta(hours=7))
    assert not begun.covers(DAYS[1], NOW)
