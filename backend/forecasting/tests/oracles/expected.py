"""What the training table should hold, computed in Python and by nothing of the product."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date
from typing import Any
from uuid import UUID

from backend.entities.models import EntityMention
from backend.events.models import Event

DIMENSION_KEYS = ("sanctions", "political", "economic", "supply_chain")
Row = tuple[float | None, ...]


def expected_rows(
    first_day: date, end_day: date, *, lookback_days: int | None = None
) -> dict[tuple[str, date], Row]:
    """Score and dimensions by entity and UTC day, for the days [first_day, end_day).

    Of several events with one key the latest counts. With `lookback_days` an event counts only
    where it was at most so many days before the day.
    """
    events = {event.pk: event for event in Event.objects.order_by("occurred_at")}
    mentioning: dict[tuple[UUID, date], set[UUID]] = defaultdict(set)
    for mention in EntityMention.objects.all():
        day = mention.mentioned_at.astimezone(UTC).date()
        event = events.get(mention.event_id)
        if first_day <= day < end_day and event and _is_recent(event, day, lookback_days):
            mentioning[mention.entity_id, day].add(mention.event_id)
    rows = {}
    for (entity_id, day), event_ids in mentioning.items():
        values = _mean_values([events[pk] for pk in sorted(event_ids)])
        if values[0] is not None:
            rows[str(entity_id), day] = values
    return rows


def _is_recent(event: Event, day: date, lookback_days: int | None) -> bool:
    age = day - event.occurred_at.astimezone(UTC).date()
    return lookback_days is None or age.days <= lookback_days


def _mean_values(events: Iterable[Event]) -> Row:
    scores = [_plausible(event.risk_score) for event in events]
    dimensions = [[_dimension(event, key) for event in events] for key in DIMENSION_KEYS]
    return tuple(_mean(values) for values in [scores, *dimensions])


def _dimension(event: Event, key: str) -> float | None:
    found: Any = event.risk_dimensions
    value = found.get(key) if isinstance(found, dict) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        # What a person would call a number: digits, perhaps a sign, a point, an exponent.
        plain = re.fullmatch(r" *[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)? *", value)
        return _plausible(float(value)) if plain else None
    return _plausible(value) if isinstance(value, int | float) else None


def _plausible(value: float | None) -> float | None:
    if value is None or not math.isfinite(value) or abs(value) >= 1e100:
        return None
    return float(value)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def assert_same_rows(rows: Mapping[Any, Row], expected: Mapping[Any, Row]) -> None:
    """Equal keys, and values that agree to 1e-9 of their size."""
    assert rows.keys() == expected.keys()
    for key, values in expected.items():
        for found, wanted in zip(rows[key], values, strict=True):
            if found is None or wanted is None:
                assert found is wanted, key
            else:
                assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-12), key
