"""The source query on PostgreSQL, wrapped as BigQuery wraps it."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connection, transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg2.extras import execute_values

from backend.demo.gdelt import read_events
from backend.entities.models import Entity, EntityMention
from backend.events.models import Event
from backend.forecasting.sql.queries import render_source_query, with_days
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.plans import explain
from backend.forecasting.training_table import COLUMNS, DIMENSIONS

pytestmark = [pytest.mark.django_db, pytest.mark.untraced]

DAY = date(2026, 3, 1)
NOON = "2026-03-01T12:00Z"
NAMES = [column.name for column in COLUMNS]
TYPE_OIDS = {"text": 25, "float8": 701, "timestamptz": 1184}  # of pg_type
TIME_ZONES = ["UTC", "America/Caracas", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Niue"]

Row = dict[str, Any]


def read_rows(
    first_day: date = DAY,
    end_day: date | None = None,
    *,
    refresh: bool = False,
    **changes: Any,
) -> list[Row]:
    """What BigQuery reads for the days [first_day, end_day): one day unless more are asked for."""
    end_day = end_day or first_day + timedelta(days=1)
    config = make_config(**changes)
    query = with_days(render_source_query(config, refresh=refresh), first_day, end_day)
    names = ", ".join(f'"{name}"' for name in NAMES)
    with _cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM ({query}) t; /* Federated query from BigQuery. */")
        return [dict(zip(NAMES, values, strict=True)) for values in cursor.fetchall()]


def read_row(first_day: date = DAY, *, score_source: str = "event") -> Row:
    (row,) = read_rows(first_day, score_source=score_source)
    return row


@contextmanager
def _cursor() -> Iterator[Any]:
    # psycopg2's own: Django's refuses moments that are shown in another time zone than UTC.
    connection.ensure_connection()
    with connection.connection.cursor() as cursor:
        yield cursor


def execute(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


def make_entity(score: float | None = None) -> Entity:
    return Entity.objects.create(name="entity", entity_type="company", risk_score=score)


def make_event(score: float | None = 50, dimensions: str | None = None) -> Event:
    """An event whose dimensions are exactly this JSON text."""
    event = Event.objects.create(
        occurred_at=datetime.fromisoformat(NOON), source="s", title="t", risk_score=score
    )
    execute(
        "UPDATE events_event SET risk_dimensions = %s::jsonb WHERE id = %s", dimensions, event.pk
    )
    return event


def mention(entity: Entity, event: Event, *moments: str) -> None:
    for moment in moments or (NOON,):
        at = datetime.fromisoformat(moment)
        EntityMention.objects.create(entity=entity, event=event, mentioned_at=at)


@pytest.fixture
def entity() -> Entity:
    return make_entity()


# Which mentions count, and on which day -------------------------------------------------------


def test_mention__gives_its_entity_a_row_for_the_day(entity: Entity) -> None:
    mention(entity, make_event(40, '{"sanctions": 80, "supply_chain": 2.5}'))
    assert read_row() == {
        "entity_id": str(entity.pk),
        "mentioned_at": datetime(2026, 3, 1, tzinfo=UTC),
        "risk_score": 40,
        "sanctions_risk": 80,
        "political_risk": None,
        "economic_risk": None,
        "supply_chain_risk": 2.5,
    }


def test_mention__several_of_one_event_count_once(entity: Entity) -> None:
    mention(entity, make_event(10, '{"political": 10}'), "2026-03-01T01:00Z", NOON, NOON)
    mention(entity, make_event(40, '{"political": 40}'))
    row = read_row()
    assert (row["risk_score"], row["political_risk"]) == (25, 25)


def test_mention__of_one_event_on_two_days_counts_on_both(entity: Entity) -> None:
    mention(entity, make_event(10), "2026-03-01T23:00Z", "2026-03-02T01:00Z")
    rows = read_rows(DAY, DAY + timedelta(days=2))
    assert sorted((row["mentioned_at"].date(), row["risk_score"]) for row in rows) == [
        (date(2026, 3, 1), 10),
        (date(2026, 3, 2), 10),
    ]


def test_mention__of_one_event_counts_for_every_entity() -> None:
    first, second, event = make_entity(), make_entity(), make_event(10)
    mention(first, event)
    mention(second, event)
    assert {row["entity_id"] for row in read_rows()} == {str(first.pk), str(second.pk)}


def test_mention__of_an_event_that_is_gone_gives_no_row(entity: Entity) -> None:
    mention(entity, Event(pk=uuid4()))
    assert read_rows() == []


def test_day__without_mentions_gives_no_row(entity: Entity) -> None:
    mention(entity, make_event(), "2026-03-01T12:00Z", "2026-03-03T12:00Z")
    days = [row["mentioned_at"].date() for row in read_rows(DAY, DAY + timedelta(days=9))]
    assert sorted(days) == [date(2026, 3, 1), date(2026, 3, 3)]


@pytest.mark.parametrize("time_zone", TIME_ZONES)
@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-02-28T23:59:59.999999Z", False),
        ("2026-03-01T00:00:00Z", True),
        ("2026-03-01T23:59:59.999999Z", True),
        ("2026-03-02T00:00:00Z", False),
    ],
)
def test_day__begins_and_ends_at_midnight_utc(
    entity: Entity, time_zone: str, moment: str, inside: bool
) -> None:
    mention(entity, make_event(), moment)
    execute(f"SET LOCAL TIME ZONE '{time_zone}'")
    assert [row["mentioned_at"] for row in read_rows()] == [
        datetime(2026, 3, 1, tzinfo=UTC) for _ in range(inside)
    ]


@pytest.mark.parametrize("night", [date(2026, 3, 8), date(2026, 11, 1)], ids=["short", "long"])
def test_day__has_24_hours_when_the_server_changes_to_or_from_summer_time(
    entity: Entity, night: date
) -> None:
    start = datetime(night.year, night.month, night.day, tzinfo=UTC)
    for hour in range(-2, 26):
        moment = start + timedelta(hours=hour)
        mention(entity, make_event(hour if 0 <= hour < 24 else 1000), moment.isoformat())
    execute("SET LOCAL TIME ZONE 'America/New_York'")
    row = read_row(night)
    assert (row["mentioned_at"], row["risk_score"]) == (start, sum(range(24)) / 24)


# Events of which age count ---------------------------------------------------------------------


def make_event_at(moment: str, score: float) -> Event:
    event = make_event(score)
    Event.objects.filter(pk=event.pk).update(occurred_at=datetime.fromisoformat(moment))
    return event


@pytest.mark.parametrize("time_zone", TIME_ZONES)
@pytest.mark.parametrize("refresh", [False, True])
def test_lookback__counts_whole_days_in_utc(entity: Entity, time_zone: str, refresh: bool) -> None:
    mention(entity, make_event_at("2026-02-27T00:00:00Z", 10))
    mention(entity, make_event_at("2026-02-26T23:59:59.999999Z", 1000))
    mention(entity, make_event_at("2026-03-05T00:00:00Z", 30))
    execute(f"SET LOCAL TIME ZONE '{time_zone}'")
    (row,) = read_rows(refresh=refresh, event_lookback_days=2)
    assert row["risk_score"] == 20
    (row,) = read_rows(refresh=refresh)
    assert row["risk_score"] == pytest.approx(1040 / 3)


@pytest.mark.parametrize("refresh", [False, True])
def test_lookback__gives_a_day_the_same_whichever_others_are_read_with_it(
    entity: Entity, refresh: bool
) -> None:
    event, last = make_event_at("2026-02-28T12:00Z", 10), date(2026, 3, 6)
    mention(entity, event, NOON, "2026-03-06T12:00Z")
    mention(entity, make_event_at("2026-03-06T12:00Z", 30), "2026-03-06T12:00Z")
    alone = read_rows(last, refresh=refresh, event_lookback_days=2)
    first, *others = _sorted(
        read_rows(DAY, last + timedelta(days=1), refresh=refresh, event_lookback_days=2)
    )
    assert (first["risk_score"], others) == (10, alone)
    assert [row["risk_score"] for row in alone] == [30]


# Scores ---------------------------------------------------------------------------------------


def test_score__unscored_event_alone_gives_no_row(entity: Entity) -> None:
    mention(entity, make_event(None, '{"political": 10}'))
    assert read_rows() == []


def test_score__dimensions_of_an_unscored_event_count_beside_a_scored_one(entity: Entity) -> None:
    mention(entity, make_event(None, '{"political": 10}'))
    mention(entity, make_event(60, '{"political": 20, "economic": 7}'))
    row = read_row()
    assert (row["risk_score"], row["political_risk"], row["economic_risk"]) == (60, 15, 7)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 1e308, -1e308, 1e100])
@pytest.mark.parametrize("score_source", ["event", "entity"])
def test_score__that_no_mean_can_be_taken_of_counts_as_none(
    score: float, score_source: str
) -> None:
    bad, good = make_entity(score), make_entity(30)
    mention(bad, make_event(score))
    mention(good, make_event(score))
    mention(good, make_event(30))
    row = read_row(score_source=score_source)
    assert (row["entity_id"], row["risk_score"]) == (str(good.pk), 30)


def test_entity_score__is_the_present_score_on_every_day() -> None:
    entity, unscored = make_entity(0.1), make_entity()
    # A mean of ten times 0.1 that is computed by adding is not 0.1.
    for _ in range(10):
        mention(entity, make_event(None, '{"economic": 4}'))
    mention(entity, make_event(99), "2026-03-02T12:00Z")
    mention(unscored, make_event(99))
    rows = read_rows(DAY, DAY + timedelta(days=2), score_source="entity")
    assert sorted((row["mentioned_at"].day, row["risk_score"]) for row in rows) == [
        (1, 0.1),
        (2, 0.1),
    ]
    assert {row["economic_risk"] for row in rows} == {4, None}


# Dimensions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("80", 80),
        ("-35.5", -35.5),
        ("1.5e2", 150),
        ("1e-05", 0.00001),
        ("0", 0),
        ('"80"', 80),
        ('" 35.50 "', 35.5),
        ('"+.5"', 0.5),
        ('"5."', 5),
        ('"1.2E+1"', 12),
        ('"-3e-2"', -0.03),
        ("1e20", 1e20),
        ("9" * 40, 1e40),
        # By value, however long PostgreSQL's own text of it is.
        ("1.2345678901234567e-25", 1.2345678901234567e-25),
        (f"0.{'3' * 49}", 1 / 3),
        ("9" * 41, 1e41),
        ("-9.9e99", -9.9e99),
        ("1e-300", 1e-300),
        ("9.95e-301", 0),
        ("1e-400", 0),
        (f"-0.{'0' * 16000}1", 0),
        (f'"{"9" * 37}e99"', 1e136),
        (f'".{"0" * 33}1e-99"', 1e-133),
    ],
)
def test_dimension__number_or_a_text_that_plainly_is_one_counts(
    entity: Entity, value: str, number: float
) -> None:
    mention(entity, make_event(50, f'{{"economic": {value}}}'))
    assert read_row()["economic_risk"] == pytest.approx(number, rel=1e-15, abs=0)


@pytest.mark.parametrize(
    "value",
    [
        *("null", "true", "false", "[]", "[80]", "{}", '{"value": 80}'),
        *('""', '" "', '"high"', '"80%"', '"8 0"', '"0x10"', '"1_000"', '"1,5"', '"1,000.5"'),
        *('"."', '"e5"', '"5e"', '"--5"', '"5-"', '"1.2.3"', '"5\\n"', '"\\t5"', '"80; DROP"'),
        *('"NaN"', '"Infinity"', '"-inf"', '"\\u0661\\u0662"', '"\\uff15"'),
        # Numbers that float8 refuses or that no mean can be taken of.
        *("1e400", "-1e400", "1e100", "1e308", "9" * 400, "-1e131071"),
        # Texts as long as no number that somebody wrote.
        *('"1e400"', '"1e999"', '"1e-999"', '"1e99999999"', f'"{"9" * 41}"', f'"{" " * 40}5"'),
        *(f'"{"9" * 400}"', f'"0.{"0" * 400}1"'),
    ],
    ids=lambda value: value[:12],
)
def test_dimension__anything_else_is_null(entity: Entity, value: str) -> None:
    mention(entity, make_event(50, f'{{"economic": {value}, "political": 1}}'))
    row = read_row()
    assert (row["economic_risk"], row["political_risk"]) == (None, 1)


@pytest.mark.parametrize("dimensions", [None, "null", "3", "true", '"x"', "[1]", "[]", "{}"])
def test_dimension__event_without_an_object_has_none(
    entity: Entity, dimensions: str | None
) -> None:
    mention(entity, make_event(50, dimensions))
    row = read_row()
    assert row["risk_score"] == 50
    assert {row[column.name] for column in DIMENSIONS} == {None}


def test_dimension__is_the_mean_of_the_events_that_have_it(entity: Entity) -> None:
    mention(entity, make_event(50, '{"economic": 10}'))
    mention(entity, make_event(50, '{"economic": "20"}'))
    mention(entity, make_event(50, '{"economic": "high"}'))
    mention(entity, make_event(50, None))
    assert read_row()["economic_risk"] == 15


# What BigQuery and PostgreSQL ask of it --------------------------------------------------------


@pytest.mark.trap("types")
@pytest.mark.parametrize("score_source", ["event", "entity"])
def test_columns__are_those_of_the_training_table_in_types_that_bigquery_takes(
    score_source: str,
) -> None:
    query = with_days(render_source_query(make_config(score_source=score_source)), DAY, DAY)
    with _cursor() as cursor:
        cursor.execute(query)
        found = {column.name: column.type_code for column in cursor.description}
    types = {"STRING": "text", "TIMESTAMP": "timestamptz", "FLOAT64": "float8"}
    assert found == {column.name: TYPE_OIDS[types[column.type]] for column in COLUMNS}


def test_query__runs_in_a_read_only_transaction(entity: Entity) -> None:
    mention(entity, make_event())
    with transaction.atomic():
        execute("SET TRANSACTION READ ONLY")
        assert read_row()["risk_score"] == 50
        transaction.set_rollback(True)


def test_query__takes_a_hypertable_whose_key_holds_the_time_too(entity: Entity) -> None:
    execute("ALTER TABLE events_event DROP CONSTRAINT events_event_pkey")
    execute("ALTER TABLE events_event ADD PRIMARY KEY (id, occurred_at)")
    mention(entity, make_event(10))
    mention(entity, make_event(30))
    assert read_row()["risk_score"] == 20


# Whatever PostgreSQL believes of its tables -----------------------------------------------------


def make_history_with_statistics_of(rows: int, entity: Entity) -> None:
    """3,000 events that are mentioned once each, in tables last looked at with a few old rows.

    New ones: how large the tables of the tests before were is known to PostgreSQL, too.
    """
    execute("TRUNCATE events_event, entities_entitymention")
    for _ in range(rows):
        mention(entity, make_event(), "2025-01-01T12:00Z")
    if rows:
        execute("ANALYZE entities_entity, events_event, entities_entitymention")
    execute(
        "INSERT INTO events_event (id, occurred_at, source, title)"
        " SELECT gen_random_uuid(), %s - i * interval '1 minute', 's', repeat('t', 500)"
        " FROM generate_series(1, 3000) i",
        datetime.fromisoformat(NOON),
    )
    execute(
        "INSERT INTO entities_entitymention (id, entity_id, event_id, mentioned_at)"
        " SELECT gen_random_uuid(), %s, id, occurred_at FROM events_event",
        entity.pk,
    )


def read_per_row(plan: dict[str, Any]) -> list[str]:
    """What a plan reads again for each row of something else without finding it by its key."""
    children = plan.get("Plans", [])
    found = [each for child in children for each in read_per_row(child)]
    if plan["Node Type"] == "Nested Loop":
        inner = children[1]
        by_key = inner.get("Index Name") == "events_event_pkey" and "Index Cond" in inner
        found += [] if by_key else [inner["Node Type"]]
    return found


def explain_nodes(days: int, **changes: Any) -> dict[str, Any]:
    plan = json.loads(explain(DAY, days, options="(FORMAT JSON)", **changes))
    return plan[0]["Plan"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("changes", [{}, {"score_source": "entity"}, {"event_lookback_days": "30"}])
@pytest.mark.parametrize("rows", [0, 1])
def test_refresh__joins_nothing_row_by_row_whatever_the_statistics_say(
    entity: Entity, rows: int, changes: dict[str, str]
) -> None:
    make_history_with_statistics_of(rows, entity)
    plan = explain_nodes(7, refresh=True, **changes)
    assert '"Join Type": "Full"' in json.dumps(plan)
    assert read_per_row(plan) == []


@pytest.mark.parametrize("changes", [{}, {"score_source": "entity"}, {"event_lookback_days": "30"}])
@pytest.mark.parametrize("rows", [0, 1])
def test_window__looks_up_no_row_for_each_other_whatever_the_statistics_say(
    entity: Entity, rows: int, changes: dict[str, str]
) -> None:
    make_history_with_statistics_of(rows, entity)
    plan = explain(DAY, 7, refresh=False, **changes)
    assert re.search("(Hash|Merge) Full Join", plan)
    assert "Nested Loop" not in plan


@pytest.mark.parametrize("rows", [0, 1])
def test_query__reads_no_index_from_end_to_end_for_each_event(entity: Entity, rows: int) -> None:
    execute("ALTER TABLE events_event DROP CONSTRAINT events_event_pkey")
    execute("ALTER TABLE events_event ADD PRIMARY KEY (occurred_at, id)")
    make_history_with_statistics_of(rows, entity)
    assert read_per_row(explain_nodes(7, refresh=True)) == []
    assert "Nested Loop" not in explain(DAY, 7, refresh=False)


# Any database, against a computation in Python -------------------------------------------------


@dataclass(frozen=True)
class Database:
    """Entities and events by number; a mention names them so, an event beyond the last is gone."""

    entity_scores: list[float | None]
    events: list[tuple[float | None, str | None]]
    mentions: list[tuple[int, int, datetime]]


FIRST_DAY = date(2026, 3, 7)  # a night of the change to summer time follows
FIRST_MOMENT = datetime(2026, 3, 7, tzinfo=UTC)
REAL_RECORDS = settings.BASE_DIR.parent / "shared" / "data" / "gdelt-events.csv.gz"
SCORES = st.none() | st.floats(0, 100) | st.floats() | st.sampled_from([math.nan, 1e99, -1e100])
DIGITS = st.text("0123456789", max_size=20) | st.text("09", min_size=30, max_size=45)
NUMBER_TEXTS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", " ", "  "]),
        st.sampled_from(["", "+", "-", "--"]),
        DIGITS,
        st.sampled_from(["", ".", ".5", ".000", ".."]),
        st.sampled_from(["", "e1", "E-2", "e+99", "e-99", "e100", "e", "e1.5"]),
        st.sampled_from(["", " ", "%", "\n"]),
    ),
)
JSON_NUMBERS = (
    st.floats(0, 100).map(repr)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers().map(str)
    | st.sampled_from(
        ["1e400", "-1E-400", "0e300", "-0.0", "1.50", "1e39", "1e40", "1e-38", "1e-39"]
    )
)
JSON_VALUES = (
    JSON_NUMBERS
    | (NUMBER_TEXTS | st.text(st.characters(exclude_characters="\0"))).map(json.dumps)
    | st.sampled_from(["null", "true", "[]", "[7]", "{}", '{"economic": 7}'])
)
KEYS = st.sampled_from([*(column.dimension for column in DIMENSIONS), "other"])
JSON_OBJECTS = st.lists(st.builds('"{}": {}'.format, KEYS, JSON_VALUES)).map(
    lambda pairs: f"{{{', '.join(pairs)}}}"
)
DIMENSION_TEXTS = JSON_OBJECTS | st.none() | JSON_VALUES
MOMENTS = st.builds(
    lambda hours, microseconds: FIRST_MOMENT + timedelta(hours=hours, microseconds=microseconds),
    st.integers(-3, 99),
    st.sampled_from([-1, 0, 1]),
)
DATABASES = st.builds(
    Database,
    st.lists(SCORES, min_size=3, max_size=3),
    st.lists(st.tuples(SCORES, DIMENSION_TEXTS), max_size=6),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6), MOMENTS), max_size=25),
)


@hypothesis_settings(deadline=None, derandomize=True, max_examples=300)
@given(
    database=DATABASES,
    days=st.integers(0, 4),
    score_source=st.sampled_from(["event", "event", "entity"]),
    time_zone=st.sampled_from([*TIME_ZONES, "America/New_York"]),
)
def test_query__agrees_with_a_computation_in_python(
    database: Database, days: int, score_source: str, time_zone: str
) -> None:
    with transaction.atomic():
        ids = _insert(database)
        execute(f"SET LOCAL TIME ZONE '{time_zone}'")
        _assert_agreement(database, ids, days, score_source)
        transaction.set_rollback(True)


@pytest.mark.skipif(not REAL_RECORDS.exists(), reason=f"{REAL_RECORDS.name} is not on this machine")
@pytest.mark.parametrize("score_source", ["event", "entity"])
def test_query__agrees_with_a_computation_in_python_on_real_records(score_source: str) -> None:
    database = _read_records(FIRST_DAY + timedelta(days=89))
    ids = _insert(database)
    assert _assert_agreement(database, ids, 90, score_source) > 1000


def _read_records(last_day: date) -> Database:
    history = read_events(REAL_RECORDS, last_day=last_day)
    entities = {entity.pk: number for number, entity in enumerate(history.entities)}
    events = {event.pk: number for number, event in enumerate(history.events)}
    return Database(
        entity_scores=[number / 10 for number in entities.values()],
        events=[(e.risk_score, json.dumps(e.risk_dimensions)) for e in history.events],
        mentions=[
            (entities[m.entity_id], events[m.event_id], m.mentioned_at) for m in history.mentions
        ],
    )


def _assert_agreement(database: Database, ids: list[UUID], days: int, score_source: str) -> int:
    """Compares the days from FIRST_DAY on, row by row; returns how many rows there are."""
    end_day = FIRST_DAY + timedelta(days=days)
    rows = read_rows(FIRST_DAY, end_day, score_source=score_source)
    refreshed = read_rows(FIRST_DAY, end_day, score_source=score_source, refresh=True)
    assert _sorted(refreshed) == _sorted(rows)
    found = {(row["entity_id"], row["mentioned_at"]): row for row in rows}
    expected = {
        (str(ids[number]), datetime(day.year, day.month, day.day, tzinfo=UTC)): values
        for (number, day), values in _compute(database, end_day, score_source).items()
    }
    assert len(rows) == len(found)
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        for name, numbers in values.items():
            assert _is_mean(found[key][name], numbers), (key, name, numbers)
    return len(rows)


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["entity_id"], row["mentioned_at"]))


def _insert(database: Database) -> list[UUID]:
    """Writes the database; returns the id of each entity."""
    entities = [uuid4() for _ in database.entity_scores]
    events = [uuid4() for _ in database.events]
    _insert_rows(
        "entities_entity (id, name, entity_type, risk_score)",
        [
            (pk, "e", "company", score)
            for pk, score in zip(entities, database.entity_scores, strict=True)
        ],
    )
    _insert_rows(
        "events_event (id, occurred_at, source, title, risk_score, risk_dimensions)",
        [
            (pk, FIRST_MOMENT, "s", "t", *event)
            for pk, event in zip(events, database.events, strict=True)
        ],
    )
    _insert_rows(
        "entities_entitymention (id, entity_id, event_id, mentioned_at)",
        [
            (uuid4(), entities[entity], events[event] if event < len(events) else uuid4(), at)
            for entity, event, at in database.mentions
        ],
    )
    return entities


def _insert_rows(columns: str, rows: list[tuple[Any, ...]]) -> None:
    # As text literals of no type yet, which PostgreSQL reads as the columns' own.
    table = [[None if value is None else str(value) for value in row] for row in rows]
    with _cursor() as cursor:
        execute_values(cursor, f"INSERT INTO {columns} VALUES %s", table, page_size=1000)


def _compute(
    database: Database, end_day: date, score_source: str
) -> dict[tuple[int, date], dict[str, list[float]]]:
    """The numbers that each value of each row is the mean of."""
    mentioned: dict[tuple[int, date], set[int]] = defaultdict(set)
    for entity, event, at in database.mentions:
        if FIRST_DAY <= at.date() < end_day and event < len(database.events):
            mentioned[entity, at.date()].add(event)
    rows = {}
    for (entity, day), numbers in mentioned.items():
        events = [database.events[number] for number in numbers]
        of_entity = [database.entity_scores[entity]]
        scores = of_entity if score_source == "entity" else [score for score, _ in events]
        values = {"risk_score": [s for s in scores if s is not None and abs(s) < 1e100]}
        for column in DIMENSIONS:
            values[column.name] = list(_numbers(column.dimension, (text for _, text in events)))
        if values["risk_score"]:
            rows[entity, day] = values
    return rows


def _numbers(key: str, texts: Iterable[str | None]) -> Iterator[float]:
    for text in texts:
        found = json.loads(text or "null", parse_float=Decimal, parse_int=Decimal)
        value = found.get(key) if isinstance(found, dict) else None
        number = _plain_number(value) if isinstance(value, str) else None
        if isinstance(value, Decimal) and abs(value) < Decimal("1e100"):
            number = float(value)
        if number is not None:
            yield number


def _plain_number(text: str) -> float | None:
    """Up to 40 characters, of which spaces may surround the number; two digits of an exponent."""
    unsigned = _without_sign(text.strip(" "))
    mantissa, e, exponent = unsigned.replace("E", "e").partition("e")
    whole, _, fraction = mantissa.partition(".")
    parts = [whole + fraction, _without_sign(exponent) if e else "0"]
    if not all(part.isascii() and part.isdigit() for part in parts):
        return None
    if len(text) > 40 or len(parts[1]) > 2:
        return None
    return float(Fraction(text.strip(" ")))


def _without_sign(text: str) -> str:
    return text[1:] if text[:1] in ("+", "-") else text


def _is_mean(found: float | None, numbers: list[float]) -> bool:
    """To within what adding up in float8 may lose, where large numbers cancel out."""
    if not numbers or found is None:
        return not numbers and found is None
    mean = math.fsum(numbers) / len(numbers)
    return abs(found - mean) <= 1e-12 * max(abs(number) for number in numbers)
