"""The source query: the names of the mapping put into `source_query.sql`.

The innermost selects give the source's columns the names that everything else uses: entity_id,
event_id, moment, event_time, and for the numbers those of the training table's columns.
"""

from collections.abc import Mapping

from ..database.source_mapping import Kind, Owner, Related, SourceMapping, Value
from ..training_table import COLUMNS, SERIES_COLUMN, TARGET_COLUMN, TIME_COLUMN
from .template import load, render
from .values import Selection, column, named, number, select

_MEASURES = tuple(column.name for column in COLUMNS if column.type == "FLOAT64")
_EVENT_OF_A_DAY = "mention.entity_id, mention.day, event.event_id"
_ONCE = """\
-- An event counts once for an entity and day, however often it mentions the entity. The sort
-- that this takes serves the grouping below as well. Of several event rows with one key, as a
-- hypertable allows, the latest counts, and of equally late ones always the same."""
_EVENTS_AT_ONCE = """\
{{ table }}
{{ joins }}
WHERE {{ key }} IN (SELECT event_id FROM mention)
    {{ recent }}"""
# Of an array PostgreSQL expects ten elements, however many they are: where an index finds events by
# their key, it is used at every length of the history, and not a scan of all events for the few of
# a week. Where none does, as in the compressed chunks of a hypertable, they are still read at once.
# In their order, neighbours in the index are found together.
_EVENTS_BY_KEY = """\
unnest(ARRAY(SELECT DISTINCT event_id FROM mention ORDER BY event_id)) AS mentioned (event_id)
CROSS JOIN {{ table }}
{{ joins }}
WHERE {{ key }} = mentioned.event_id
    {{ recent }}"""
_FENCE = "OFFSET '0'"
_RANGES = {Kind.MOMENT: "tstzrange", Kind.WALL_CLOCK: "tsrange", Kind.DAY: "daterange"}


def render_source(mapping: SourceMapping, *, refresh: bool = False) -> str:
    """The source query of a mapping: queries.render_source_query."""
    names = {**_mention_names(mapping), **_result_names(mapping)}
    if mapping.events is None:
        return render(load("source_query_without_events.sql"), **names)
    return render(
        load("source_query.sql"),
        materialized="MATERIALIZED" if refresh else "NOT MATERIALIZED",
        mention_grouping=_grouping(mapping),
        **_event_names(mapping, mapping.events, refresh=refresh),
        **_counting_names(mapping),
        **names,
    )


def render_orphans(mapping: SourceMapping) -> str:
    """The query that counts mentions whose event is gone; its two days are still to be put in.

    Empty where there can be none: without events, or where PostgreSQL keeps what is referred to.
    """
    if mapping.event is None or mapping.events is None or mapping.event_is_one_row:
        return ""
    return render(
        load("source_orphans.sql"),
        event=column(mapping.event.column),
        mention_table=named(mapping.mentions, Owner.MENTION),
        mention_joins=select({"moment": mapping.time, "event_id": mapping.event}).join_clauses,
        in_days=_in_days(mapping),
        event_key=column(mapping.events.key.column),
        mentioned_events=_mentioned_events(
            mapping.events, select({"event_id": mapping.events.key}), recent="", refresh=True
        ),
    )


def _mention_names(mapping: SourceMapping) -> dict[str, str]:
    numbers = mapping.numbers_of(Owner.MENTION)
    keys = {"entity_id": mapping.entity, "moment": mapping.time}
    if mapping.event:
        keys["event_id"] = mapping.event
    selection = select({**keys, **numbers})
    return {
        # What an event says in several mentions of an entity counts once: the mean of them.
        "mention_numbers": _numbers(numbers, selection, mean="avg({})" if mapping.event else "{}"),
        "day": _day(mapping.time.kind),
        "mention_values": selection.list,
        "mention_table": named(mapping.mentions, Owner.MENTION),
        "mention_joins": selection.join_clauses,
        "in_days": _in_days(mapping),
        "mention_fence": _FENCE if numbers else "",
    }


def _event_names(mapping: SourceMapping, events: Related, *, refresh: bool) -> dict[str, str]:
    numbers, times = mapping.numbers_of(Owner.EVENT), _times(mapping)
    selection = select({"event_id": events.key, **times, **numbers})
    return {
        "event_numbers": _numbers(numbers, selection),
        "event_time": "".join(f",\n{name}" for name in times),
        "event_values": selection.list,
        "mentioned_events": _mentioned_events(
            events, selection, recent=_recent(mapping), refresh=refresh
        ),
        "of_recent_event": _of_recent_event(mapping),
    }


def _mentioned_events(events: Related, selection: Selection, *, recent: str, refresh: bool) -> str:
    return render(
        _EVENTS_BY_KEY if refresh else _EVENTS_AT_ONCE,
        table=named(events.table, Owner.EVENT),
        joins=selection.join_clauses,
        key=column(events.key.column),
        recent=recent,
    ).strip()


def _times(mapping: SourceMapping) -> dict[str, Value]:
    return {"event_time": mapping.event_time_read} if mapping.event_time_read else {}


def _recent(mapping: SourceMapping) -> str:
    """That an event is young enough to count on any of the days: all that a hypertable reads."""
    days, time = mapping.event_lookback_days, mapping.event_time_read
    if not (days and time):
        return ""
    oldest = _start(f"(DATE '@first_day' - {days})", time.kind)
    return f"AND {column(time.column)} >= {oldest}\nAND {_of_its_type(time)}"


def _of_recent_event(mapping: SourceMapping) -> str:
    """That an event counts on a day by its age alone, whichever other days are read with it."""
    days, time = mapping.event_lookback_days, mapping.event_time_read
    if not (days and time):
        return ""
    return f"AND event.event_time >= {_start(f'(mention.day - {days})', time.kind)}"


def _counting_names(mapping: SourceMapping) -> dict[str, str]:
    owners = (Owner.MENTION, Owner.EVENT)
    counted = [f",\n{owner}.{name}" for owner in owners for name in mapping.numbers_of(owner)]
    mentioned_once = mapping.mentioned_once or bool(_grouping(mapping))
    select = f"{_ONCE}\nSELECT DISTINCT ON ({_EVENT_OF_A_DAY})"
    return {
        "counted_numbers": "".join(counted),
        "select": "SELECT" if mapping.event_is_one_row and mentioned_once else select,
        "latest": "" if mapping.event_is_one_row else _latest(mapping),
    }


def _latest(mapping: SourceMapping) -> str:
    """An order of the rows of one event, in which all that is read of them takes part."""
    times = [f"event.{name} DESC NULLS LAST" for name in _times(mapping)]
    numbers = [f"event.{name}" for name in mapping.numbers_of(Owner.EVENT)]
    return f"ORDER BY {', '.join([_EVENT_OF_A_DAY, *times, *numbers])}"


def _grouping(mapping: SourceMapping) -> str:
    by_mention = mapping.numbers_of(Owner.MENTION)
    return "GROUP BY entity_id, event_id, day" if by_mention else ""


def _result_names(mapping: SourceMapping) -> dict[str, str]:
    means = dict.fromkeys(_MEASURES, "NULL::float8")
    for owner in Owner:
        # The entity's number is the same in all rows of a group; their mean could differ in a
        # last digit.
        mean = "max(entity.{})" if owner is Owner.ENTITY else "avg(counted.{})"
        means |= {name: mean.format(name) for name in mapping.numbers_of(owner)}
    return {
        "series_column": SERIES_COLUMN,
        "time_column": TIME_COLUMN,
        "means": ",\n".join(f"{mean} AS {name}" for name, mean in means.items()),
        "target": means[TARGET_COLUMN],
        "entity_join": _entity_join(mapping),
    }


def _entity_join(mapping: SourceMapping) -> str:
    numbers, entities = mapping.numbers_of(Owner.ENTITY), mapping.entities
    if not numbers or entities is None:
        return ""
    selection = select({"entity_id": entities.key, **numbers})
    return render(
        load("source_query_entities.sql"),
        entity_numbers=_numbers(numbers, selection),
        entity_values=selection.list,
        entity_table=named(entities.table, Owner.ENTITY),
        entity_joins=selection.join_clauses,
    ).strip()


def _numbers(values: Mapping[str, Value], selection: Selection, mean: str = "{}") -> str:
    """Each value as a number under its name, and `mean` of each, with a comma before it."""
    numbers = {name: number(value, selection.reads[name]) for name, value in values.items()}
    return "".join(f",\n{mean.format(text)} AS {name}" for name, text in numbers.items())


def _in_days(mapping: SourceMapping) -> str:
    """The condition on a mention's time; a column of another type than it takes is refused."""
    time = column(mapping.time.column)
    first, end = (_start(f"DATE '@{day}_day'", mapping.time.kind) for day in ("first", "end"))
    conditions = [
        f"{time} >= {first}",
        f"{time} < {end}",
        _of_its_type(mapping.time),
    ]
    if mapping.entity_may_be_null:
        conditions.append(f"{column(mapping.entity.column)} IS NOT NULL")
    return "\n    AND ".join(conditions)


def _start(day: str, kind: Kind) -> str:
    """When a day begins in UTC, as what is compared with a time of this kind."""
    return f"{day}::timestamp AT TIME ZONE 'UTC'" if kind is Kind.MOMENT else day


def _of_its_type(time: Value) -> str:
    """A condition that is always true and costs nothing, but is refused for another type.

    PostgreSQL checks types before anything is read. Without it a time that has no zone would be
    taken for one of the session's zone.
    """
    return f"(true OR {column(time.column)} <@ 'empty'::{_RANGES[time.kind]})"


def _day(kind: Kind) -> str:
    if kind is Kind.MOMENT:
        return "(moment AT TIME ZONE 'UTC')::date"
    return "moment::date"
