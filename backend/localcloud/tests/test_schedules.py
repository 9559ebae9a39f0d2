"""The schedule language."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backend.localcloud.http.errors import InvalidArgument
from backend.localcloud.transfers.schedules import parse

# A Thursday.
NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


def after(text: str, moment: datetime = NOW) -> str:
    return parse(text).after(moment, NOW).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("every day 02:00", "2026-01-02 02:00"),
        ("every day 12:30", "2026-01-02 12:30"),
        ("every day 12:31", "2026-01-01 12:31"),
        ("Every  DAY 2:05", "2026-01-02 02:05"),
        ("every mon,tue 09:00", "2026-01-05 09:00"),
        ("every friday 09:00", "2026-01-02 09:00"),
        ("every 24 hours", "2026-01-02 12:30"),
        ("every 5 minutes", "2026-01-01 12:35"),
        ("every 90 mins", "2026-01-01 14:00"),
        ("every 1 hour synchronized", "2026-01-01 13:00"),
        ("every 2 hours from 09:00 to 17:00", "2026-01-01 13:00"),
        ("every 4 hours from 20:00 to 04:00", "2026-01-01 20:00"),
        ("1,15 of month 10:00", "2026-01-15 10:00"),
        ("1 of jan,july 10:00", "2026-07-01 10:00"),
        ("first monday of month 08:00", "2026-01-05 08:00"),
        ("2nd,4th thu of march 08:00", "2026-03-12 08:00"),
        ("29 of feb 00:00", "2028-02-29 00:00"),
        ("every day of june 00:00", "2026-06-01 00:00"),
    ],
)
def test_parse__and_the_time_that_follows(text: str, following: str) -> None:
    assert after(text) == following


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 2 * * *",
        "every day",
        "every day 2 am",
        "every day 24:00",
        "every day 12:60",
        "daily",
        "every 4 minutes",
        "every 0 hours",
        "every 2 days",
        "every 5 minutes 02:00",
        "every fooday 02:00",
        "every mon,fooday 02:00",
        "32 of month 10:00",
        "1 of smarch 10:00",
        "sixth monday of month 10:00",
        "every 2 hours from 09:00",
    ],
)
def test_parse__refuses(text: str) -> None:
    with pytest.raises(InvalidArgument, match="Invalid schedule"):
        parse(text)


def test_after__a_day_that_never_comes() -> None:
    with pytest.raises(InvalidArgument, match="never"):
        after("31 of feb 10:00")


def test_after__an_interval_counts_from_its_anchor() -> None:
    later = datetime(2026, 1, 3, 12, 31, tzinfo=UTC)
    assert after("every 24 hours", later) == "2026-01-04 12:30"
