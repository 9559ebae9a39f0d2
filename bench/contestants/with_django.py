"""Django alone: the ORM's iterator and a loop, or the source query through its cursor."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import django

from backend.forecasting.training_table import COLUMNS, DIMENSIONS
from bench.contestants.job import Job, open_target, store_arrow

_CHUNK = 10_000
_Numbers = Sequence[float | None]


def load_aggregate(job: Job) -> None:
    """The source query through Django's cursor, all of its rows at once."""
    _set_up(job)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(job.aggregate)
        rows = cursor.fetchall()
    _store(job, rows)


def load_mentions(job: Job) -> None:
    """Both tables by iterator; each event's JSON is read once, and the means are made here."""
    _set_up(job)
    _store(job, list(_aggregate(_read_mentions(job), _read_events(job))))


def _set_up(job: Job) -> None:
    os.environ["DATABASE_URL"] = job.uri
    django.setup()


def _read_mentions(job: Job) -> set[tuple[Any, Any, date]]:
    from backend.entities.models import EntityMention

    mentions = EntityMention.objects.filter(
        mentioned_at__gte=_midnight(job.window.first_day),
        mentioned_at__lt=_midnight(job.window.end_day),
    ).values_list("entity_id", "event_id", "mentioned_at")
    return {
        (entity, event, moment.astimezone(UTC).date())
        for entity, event, moment in mentions.iterator(_CHUNK)
    }


def _read_events(job: Job) -> dict[Any, _Numbers]:
    from backend.entities.models import EntityMention
    from backend.events.models import Event

    mentioned = EntityMention.objects.filter(
        mentioned_at__gte=_midnight(job.window.first_day),
        mentioned_at__lt=_midnight(job.window.end_day),
    ).values("event_id")
    events = Event.objects.filter(id__in=mentioned).values_list(
        "id", "risk_score", "risk_dimensions"
    )
    return {
        event: (score, *(_number((dimensions or {}).get(c.dimension)) for c in DIMENSIONS))
        for event, score, dimensions in events.iterator(_CHUNK)
    }


def _aggregate(
    mentions: set[tuple[Any, Any, date]], events: Mapping[Any, _Numbers]
) -> Iterator[tuple[Any, ...]]:
    groups: dict[tuple[Any, date], list[_Numbers]] = defaultdict(list)
    for entity, event, day in mentions:
        groups[entity, day].append(events[event])
    for (entity, day), numbers in groups.items():
        means = [_mean(values) for values in zip(*numbers, strict=True)]
        if means[0] is not None:
            yield str(entity), _midnight(day), *means


def _mean(values: _Numbers) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _store(job: Job, rows: Sequence[Sequence[Any]]) -> None:
    import pyarrow as pa  # type: ignore[import-untyped]

    columns = zip(*rows, strict=True)
    names = [column.name for column in COLUMNS]
    with open_target(job.target) as connection:
        store_arrow(connection, pa.table(dict(zip(names, map(pa.array, columns), strict=True))))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
