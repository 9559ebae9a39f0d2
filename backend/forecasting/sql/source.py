"""The source query: the names of the mapping put into `source_query.sql`.

The innermost selects give the source's columns the names that everything else uses: entity_id,
event_id, moment, event_time, and for the numbers those of the training table's columns.
"""

from collections.abc import Iterable, Mapping

from ..database.source_mapping import Kind, Owner, Related, SourceMapping, Value
from ..training_table import NUMBERS, TARGET_COLUMN
from .shadowing import keep_apart
from .template import load, render
from .values import Selection, column, named, number, select

_EVENT_OF_A_DAY = "entity_id, day, event_id"
_ONCE = """\
-- An event counts once for an entity and day, however often it mentions the entity. The sort
-- that this takes serves the grouping below as well. Of several event rows with one key, as a
-- hypertable allows, the latest counts, and of equally late ones always the same."""
_MENTIONED = """\
EXISTS (
    -- The second condition is true of every pair, and its dear half never looked at. But PostgreSQL
    -- reckons with the price of it for each pair that it has to compare, so that it has the pairs
    -- found by hashing, sorting or a key, however few rows old statistics let it expect.
    SELECT
    FROM mention AS mentioned
    WHERE mentioned.event_id = {key}
        AND (
            mentioned.event_id IS NOT NULL
            OR to_tsvector('simple', mentioned.event_id::text || {key}::text) IS NULL
        )
)"""
_EVENTS = """\
{{ table }}
{{ joins }}
WHERE {{ condition }}"""
# Of an array PostgreSQL expects ten elements, however many they are, and here a hundred with the
# others, which find nothing: where an index begins with the events' key, it is used at every length
# of the history, and not a scan of all events for the few of a week. Where none does, as in the
# compressed chunks of a hypertable, they are still read at once: for ten, an index that has the key
# in second place would be read from end to end for each. In their order, neighbours in the index
# are found together. The one NULL keeps what statistics say of the mentions' events from the
# DISTINCT: of a long history they say too much, and all mentions were sorted, not the events alone.
_EVENTS_BY_KEY = """\
(
    SELECT unnest(ARRAY(
        SELECT DISTINCT event_id
        FROM (SELECT event_id FROM mention UNION ALL SELECT NULL) AS mentioned
        ORDER BY event_id
    )) AS event_id
    UNION ALL
    SELECT NULL FROM generate_series(1, 90)
) AS mentioned
CROSS JOIN """
_FENCE = "OFFSET '0'"
_RANGES = {Kind.MOMENT: "tstzrange", Kind.WALL_CLOCK: "tsrange", Kind.DAY: "daterange"}


def render_source(mapping: SourceMapping, *, refresh: bool = False) -> str:
    """The source query of a mapping: queries.render_source_query."""
    events = mapping.events
    query = render(
        load("source_query.sql"),
        materialized="MATERIALIZED" if refresh else "NOT MATERIALIZED",
        counted_events=_counted_events(mapping, events, refresh=refresh) if events else "",
        counted="counted" if events else "mention",
        **_mention_names(mapping),
        **_result_names(mapping),
    )
    return keep_apart(query, mapping.columns_read())


def render_orphans(mapping: SourceMapping) -> str:
    """The query that counts mentions whose event is gone; its two days are still to be put in.

    Empty where there can be none: without events, or where PostgreSQL keeps what is referred to.
    """
    if mapping.event is None or mapping.events is None or mapping.event_is_one_row:
        return ""
    read = {"entity_id": mapping.entity, "moment": mapping.time, "event_id": mapping.event}
    query = render(
        load("source_orphans.sql"),
        event=column(mapping.event.column),
        mention_table=named(mapping.mentions, Owner.MENTION),
        mention_joins=select(read).join_clauses,
        in_days=_in_days(mapping),
        event_key=column(mapping.events.key.column),
        mentioned_events=_mentioned_events(
            mapping.events, select({"event_id": mapping.events.key}), recent="", refresh=True
        ),
    )
    return keep_apart(query, mapping.columns_read())


def _mention_names(mapping: SourceMapping) -> dict[str, str]:
    numbers = mapping.numbers_of(Owner.MENTION)
    keys = {"entity_id": mapping.entity, **({"event_id": mapping.event} if mapping.event else {})}
    selection = select({**keys, "moment": mapping.time, **numbers})
    return {
        "mention_keys": ",\n".join(keys),
        # What an event says in several mentions of an entity counts once: the mean of them.
        "mention_numbers": _numbers(numbers, selection, mean="avg({})" if mapping.event else "{}"),
        "day": _day(mapping.time.kind),
        "mention_values": selection.list,
        "mention_table": named(mapping.mentions, Owner.MENTION),
        "mention_joins": selection.join_clauses,
        "in_days": _in_days(mapping),
        "mention_fence": _FENCE if numbers else "",
        "mention_grouping": _grouping(mapping),
    }


def _counted_events(mapping: SourceMapping, events: Related, *, refresh: bool) -> str:
    """The parts of the query that say what a mention's event adds to the day of its entity."""
    numbers, times = mapping.numbers_of(Owner.EVENT), _times(mapping)
    selection = select({"event_id": events.key, **times, **numbers})
    return render(
        load("source_query_events.sql"),
        event_numbers=_numbers(numbers, selection),
        event_time=_listed(times),
        event_values=selection.list,
        mentioned_events=_mentioned_events(
            events, selection, recent=_recent(mapping), refresh=refresh
        ),
        of_recent_event=_of_recent_event(mapping),
        **_counting_names(mapping),
    ).strip()


def _mentioned_events(events: Related, selection: Selection, *, recent: str, refresh: bool) -> str:
    """What the events are selected from; `recent` says which are young enough, if not all are."""
    key = column(events.key.column)
    if refresh:
        conditions = [f"{key} = mentioned.event_id", recent]
    else:
        # The young ones are read once in any case, and most of them are mentioned.
        conditions = [recent or _MENTIONED.format(key=key)]
    return render(
        f"{_EVENTS_BY_KEY if refresh else ''}{_EVENTS}",
        table=named(events.table, Owner.EVENT),
        joins=selection.join_clauses,
        condition="\n    AND ".join(filter(None, conditions)),
    ).strip()


def _times(mapping: SourceMapping) -> dict[str, Value]:
    return {"event_time": mapping.event_time_read} if mapping.event_time_read else {}


def _recent(mapping: SourceMapping) -> str:
    """That an event is young enough to count on any of the days: all that a hypertable reads."""
    days, time = mapping.event_lookback_days, mapping.event_time_read
    if not (days and time):
        return ""
    oldest = _start(f"(DATE '@first_day' - {days})", time.kind)
    return f"{column(time.column)} >= {oldest}\n    AND {_of_its_type(time)}"


def _of_recent_event(mapping: SourceMapping) -> str:
    """That an event counts on a day by its age alone, whichever other days are read with it."""
    days, time = mapping.event_lookback_days, mapping.event_time_read
    if not (days and time):
        return ""
    return f"AND event_time >= {_start(f'(day - {days})', time.kind)}"


def _counting_names(mapping: SourceMapping) -> dict[str, str]:
    told = {o: mapping.numbers_of(o) for o in (Owner.MENTION, Owner.EVENT)}
    mentioned_once = mapping.mentioned_once or bool(_grouping(mapping))
    select = f"{_ONCE}\nSELECT DISTINCT ON ({_EVENT_OF_A_DAY})"
    return {
        "told_numbers": _listed(f"{owner}.{name}" for owner in told for name in told[owner]),
        "counted_numbers": _listed(name for owner in told for name in told[owner]),
        "select": "SELECT" if mapping.event_is_one_row and mentioned_once else select,
        "latest": "" if mapping.event_is_one_row else _latest(mapping),
    }


def _latest(mapping: SourceMapping) -> str:
    """An order of the rows of one event, in which all that is read of them takes part."""
    times = [f"{name} DESC NULLS LAST" for name in _times(mapping)]
    return f"ORDER BY {', '.join([_EVENT_OF_A_DAY, *times, *mapping.numbers_of(Owner.EVENT)])}"


def _grouping(mapping: SourceMapping) -> str:
    by_mention = mapping.event and mapping.numbers_of(Owner.MENTION)
    return "GROUP BY entity_id, event_id, day" if by_mention else ""


def _result_names(mapping: SourceMapping) -> dict[str, str]:
    entities = mapping.numbers_of(Owner.ENTITY)
    means = [n for o in (Owner.MENTION, Owner.EVENT) for n in mapping.numbers_of(o)]
    known = {*entities, *means}
    names = (column.name for column in NUMBERS)
    results = (name if name in known else f"NULL::float8 AS {name}" for name in names)
    in_result = f"{TARGET_COLUMN} IS NOT NULL"
    return {
        "means": _listed(f"avg({name}) AS {name}" for name in means),
        "results": ",\n".join(results),
        "daily": _daily(mapping) or "daily",
        "in_result": f"day IS NOT NULL\n    AND {in_result}" if entities else in_result,
    }


def _daily(mapping: SourceMapping) -> str:
    """The days with the numbers of their entities; empty where there are none of these."""
    numbers, entities = mapping.numbers_of(Owner.ENTITY), mapping.entities
    if not numbers or entities is None:
        return ""
    selection = select({"entity_id": entities.key, **numbers})
    return render(
        load("source_query_entities.sql"),
        entity_columns=_listed(f"entity.{name}" for name in numbers),
        # All rows of one key, of which there can be several only without a constraint.
        entity_numbers=_numbers(numbers, selection, mean="max({})"),
        entity_values=selection.list,
        entity_table=named(entities.table, Owner.ENTITY),
        entity_joins=selection.join_clauses,
    ).strip()


def _listed(columns: Iterable[str]) -> str:
    """Columns that follow others in a select."""
    return "".join(f",\n{column}" for column in columns)


def _numbers(values: Mapping[str, Value], selection: Selection, mean: str = "{}") -> str:
    """Each value as a number under its name, and `mean` of each, with a comma before it."""
    numbers = {name: number(value, selection.reads[name]) for name, value in values.items()}
    return _listed(f"{mean.format(text)} AS {name}" for name, text in numbers.items())


def _in_days(mapping: SourceMapping) -> str:
    """The condition on a mention's time; a column of another type than it takes is refused."""
    time = column(mapping.time.column)
    first, end = (_start(f"DATE '@{day}_day'", mapping.time.kind) for day in ("first", "end"))
    conditions = [f"{time} >= {first}", f"{time} < {end}", _of_its_type(mapping.time)]
    if mapping.entity_may_be_null:
        conditions.append(f"{column(mapping.entity.column)} IS NOT NULL")
    return "\n    AND ".join(conditions)


def _start(day: str, kind: Kind) -> str:
    """When a day begins in UTC, as what is compared with a time of this kind."""
    return f"{day}::timestamp AT TIME ZONE 'UTC'" if kind is Kind.MOMENT else day


def _of_its_type(time: Value) -> str:
    """A condition that is always true and costs nothing, but is refused for another type.

    PostgreSQL checks types before anything is read. Without it a time that has no zone would be
    taken for one of the session's zone. Beside NULL a domain is the type that it is made of.
    """
    return f"(true OR coalesce({column(time.column)}, NULL) <@ 'empty'::{_RANGES[time.kind]})"


def _day(kind: Kind) -> str:
    if kind is Kind.MOMENT:
        return "(moment AT TIME ZONE 'UTC')::date"
    return "moment::date"
