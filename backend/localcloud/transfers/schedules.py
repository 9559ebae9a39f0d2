"""The schedule language of the Data Transfer Service: App Engine's cron English, times in UTC.

https://cloud.google.com/appengine/docs/flexible/scheduling-jobs-with-cron-yaml#formatting_the_schedule
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from backend.localcloud.http.errors import InvalidArgument

DEFAULT = "every 24 hours"
SHORTEST = timedelta(minutes=5)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONG_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONG_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
ORDINALS = {"1st": 1, "first": 1, "2nd": 2, "second": 2, "3rd": 3, "third": 3, "4th": 4}
ORDINALS |= {"fourth": 4, "5th": 5, "fifth": 5}
CLOCK = r"(\d{1,2}):(\d{2})"
INTERVAL = re.compile(
    rf"every (\d+) (hours?|mins?|minutes?)(?: (synchronized)| from {CLOCK} to {CLOCK})?\Z"
)
DAYS = re.compile(rf"(\S+(?:, ?\S+)*?)(?: (\S+))?(?: of (\S+(?:, ?\S+)*))? {CLOCK}\Z")
LOOK_AHEAD_DAYS = 366 * 5


@dataclass(frozen=True)
class Schedule:
    """When a config runs: every `interval`, or at `at` on the days that all the sets allow."""

    interval: timedelta | None = None
    window: tuple[time, time] | None = None
    at: time = time()
    weekdays: frozenset[int] = frozenset(range(7))
    month_days: frozenset[int] = frozenset()
    weeks: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset(range(1, 13))

    def after(self, moment: datetime, anchor: datetime) -> datetime:
        """The first time later than `moment`; intervals count from `anchor`."""
        if self.interval is None:
            return self._next_day(moment)
        if self.window is None:
            passed = max((moment - anchor) // self.interval, -1)
            return anchor + (passed + 1) * self.interval
        return self._next_in_window(moment, self.interval, self.window)

    def _next_day(self, moment: datetime) -> datetime:
        for ahead in range(LOOK_AHEAD_DAYS):
            day = moment.date() + timedelta(days=ahead)
            candidate = datetime.combine(day, self.at, UTC)
            if candidate > moment and self._allows(day):
                return candidate
        raise InvalidArgument("The schedule never comes round")

    def _allows(self, day: date) -> bool:
        week = (day.day - 1) // 7 + 1
        return (
            day.weekday() in self.weekdays
            and day.month in self.months
            and (not self.month_days or day.day in self.month_days)
            and (not self.weeks or week in self.weeks)
        )

    def _next_in_window(
        self, moment: datetime, interval: timedelta, window: tuple[time, time]
    ) -> datetime:
        day = moment.date() - timedelta(days=1)
        while True:
            candidate = datetime.combine(day, window[0], UTC)
            last = datetime.combine(day, window[1], UTC)
            last += timedelta(days=1) if last < candidate else timedelta()
            while candidate <= last:
                if candidate > moment:
                    return candidate
                candidate += interval
            day += timedelta(days=1)


def parse(text: str) -> Schedule:
    """The schedule that a text describes; InvalidArgument where it describes none."""
    words = re.sub(r"\s+", " ", text.strip().lower())
    if match := INTERVAL.match(words):
        return _interval(match, text)
    if match := DAYS.match(words):
        return _days(match, text)
    raise _invalid(text)


def _invalid(text: str) -> InvalidArgument:
    return InvalidArgument(f"Invalid schedule: '{text}'")


def _interval(match: re.Match[str], text: str) -> Schedule:
    count = int(match[1])
    step = timedelta(hours=count) if match[2].startswith("hour") else timedelta(minutes=count)
    if step < SHORTEST:
        raise InvalidArgument(f"Invalid schedule: '{text}': the minimum interval is 5 minutes")
    if match[3]:
        return Schedule(interval=step, window=(time(), time(23, 59)))
    if match[4]:
        window = _clock(match[4], match[5], text), _clock(match[6], match[7], text)
        return Schedule(interval=step, window=window)
    return Schedule(interval=step)


def _days(match: re.Match[str], text: str) -> Schedule:
    first, second, months = match[1], match[2], match[3]
    at = _clock(match[4], match[5], text)
    allowed = _months(months, text) if months else frozenset(range(1, 13))
    if first == "every":
        return Schedule(at=at, weekdays=_weekdays(second, text), months=allowed)
    parts = re.split(", ?", first)
    if second is None and months and all(part.isdigit() for part in parts):
        days = frozenset(int(part) for part in parts)
        if not days <= set(range(1, 32)):
            raise _invalid(text)
        return Schedule(at=at, month_days=days, months=allowed)
    if second and months and all(part in ORDINALS for part in parts):
        weeks = frozenset(ORDINALS[part] for part in parts)
        return Schedule(at=at, weeks=weeks, weekdays=_weekdays(second, text), months=allowed)
    raise _invalid(text)


def _weekdays(words: str | None, text: str) -> frozenset[int]:
    if words == "day":
        return frozenset(range(7))
    return frozenset(_index(word, WEEKDAYS, LONG_WEEKDAYS, text) for word in _list(words))


def _months(words: str, text: str) -> frozenset[int]:
    if words == "month":
        return frozenset(range(1, 13))
    return frozenset(_index(word, MONTHS, LONG_MONTHS, text) + 1 for word in _list(words))


def _list(words: str | None) -> list[str]:
    return re.split(", ?", words or "")


def _index(word: str, short: tuple[str, ...], long: tuple[str, ...], text: str) -> int:
    for names in (short, long):
        if word in names:
            return names.index(word)
    raise _invalid(text)


def _clock(hours: str, minutes: str, text: str) -> time:
    if int(hours) > 23 or int(minutes) > 59:
        raise _invalid(text)
    return time(int(hours), int(minutes))
