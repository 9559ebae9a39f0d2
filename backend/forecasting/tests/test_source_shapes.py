"""The source query of a backend of another shape, on PostgreSQL, in tables made for it."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from django.db import connection

from backend.forecasting.database.lookups import Column
from backend.forecasting.database.source_mapping import Kind, Owner, Value
from backend.forecasting.sql.queries import with_days
from backend.forecasting.sql.source import render_orphans, render_source
from backend.forecasting.sql.values import select
from backend.forecasting.tests.support.newsroom import newsroom, newsroom_mapping

pytestmark = [pytest.mark.django_db, pytest.mark.untraced]

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANNA, BOB = UUID(int=1), UUID(int=2)
SCORES = ("risk_score", "sanctions_risk", "political_risk", "economic_risk", "supply_chain_risk")

Row = dict[str, Any]


@pytest.fixture
def news(db: None) -> Iterator[SimpleNamespace]:
    """The models, with their tables in a schema of their own and two subjects."""
    with newsroom() as backend:
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA news")
            # So that the tests may alter the tables that they have written to.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with connection.schema_editor() as editor:
            for name in ("Subject", "Source", "Event", "Mention"):
                editor.create_model(getattr(backend, name))
        backend.Subject.objects.create(id=ANNA, canonical_name="Anna", profile={"risk": 7})
        backend.Subject.objects.create(id=BOB, canonical_name="Bob")
        yield backend


def mention(news: SimpleNamespace, who: UUID, event: Any, raw_name: str = "", **fields: Any) -> Any:
    given = {"seen_at": NOON, **fields}
    return news.Mention.objects.create(subject_id=who, event=event, raw_name=raw_name, **given)


def make_event(news: SimpleNamespace, severity: int | None = 50, **fields: Any) -> Any:
    return news.Event.objects.create(timestamp=NOON, severity=severity, **fields)


def read_rows(news: SimpleNamespace, *, refresh: bool = False, **changes: Any) -> list[Row]:
    query = render_source(newsroom_mapping(news.registry, **changes), refresh=refresh)
    # psycopg2's own: Django's takes every moment for one in UTC.
    with connection.connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM ({with_days(query, DAY, DAY + timedelta(days=1))}) t ORDER BY 1"
        )
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def read_row(news: SimpleNamespace, **changes: Any) -> Row:
    (row,) = read_rows(news, **changes)
    return row


def dimensions(**paths: str) -> dict[str, Any]:
    return {"dimension_fields": tuple(paths.items())}


# The whole of it ------------------------------------------------------------------------------


@pytest.mark.parametrize("refresh", [False, True])
def test_newsroom__has_a_row_for_each_subject_and_day(news: SimpleNamespace, refresh: bool) -> None:
    source = news.Source.objects.create(code="afp", reliability="12.50")
    analysis = {"dimensions": {"sanctions": {"score": 80}}}
    event = make_event(news, 40, llm_analysis=analysis, raw='{"political": "3.5"}', source=source)
    mention(news, ANNA, event, "A.")
    mention(news, ANNA, event, "Anna")
    mention(news, ANNA, make_event(news, 20))
    mention(news, BOB, event)
    anna, bob = read_rows(news, refresh=refresh)
    assert anna["entity_id"] == str(ANNA)
    assert [anna[name] for name in SCORES] == [30, 80, 3.5, 12.5, None]
    assert [bob[name] for name in SCORES] == [40, 80, 3.5, 12.5, None]


@pytest.mark.parametrize("refresh", [False, True])
def test_mention__that_is_unique_for_its_event_is_not_sorted_out_again(
    news: SimpleNamespace, refresh: bool
) -> None:
    news.Mention._meta.unique_together = (("subject", "event"),)
    query = render_source(newsroom_mapping(news.registry), refresh=refresh)
    assert "DISTINCT ON" not in query
    mention(news, ANNA, make_event(news, 10))
    mention(news, ANNA, make_event(news, 30))
    assert read_row(news, refresh=refresh)["risk_score"] == 20


# Whose a value is -----------------------------------------------------------------------------


def test_value_of_the_mention__counts_once_for_an_event(news: SimpleNamespace) -> None:
    first, second = make_event(news, 10), make_event(news, 90)
    mention(news, ANNA, first, "A.", weight=1)
    mention(news, ANNA, first, "Anna", weight=3)
    mention(news, ANNA, second, weight=10)
    row = read_row(news, score_field="weight", **dimensions(political="event__severity"))
    assert (row["risk_score"], row["political_risk"]) == (6, 50)


def test_value_of_the_mention__may_be_in_its_json(news: SimpleNamespace) -> None:
    mention(news, ANNA, make_event(news), note={"weight": {"final": "8"}})
    assert read_row(news, score_field="note__weight__final")["risk_score"] == 8


def test_value_of_the_entity__is_the_same_on_every_day(news: SimpleNamespace) -> None:
    mention(news, ANNA, make_event(news, 10))
    mention(news, BOB, make_event(news, 10))
    row = read_row(news, score_field="subject__profile__risk")
    assert (row["entity_id"], row["risk_score"]) == (str(ANNA), 7)
    anna, bob = read_rows(news, **dimensions(political="subject__profile__risk"))
    assert (anna["political_risk"], bob["political_risk"]) == (7, None)


def test_without_events__each_mention_counts(news: SimpleNamespace) -> None:
    event = make_event(news, 10, raw='{"a": 4}')
    mention(news, ANNA, event, "A.", weight=1)
    mention(news, ANNA, event, "Anna", weight=3)
    mention(news, ANNA, make_event(news, 70), weight=11)
    row = read_row(
        news,
        event_field="",
        score_field="weight",
        **dimensions(political="event__raw__a", economic="subject__profile__risk"),
    )
    assert [row[name] for name in SCORES] == [5, None, 4, 7, None]


# Keys and times -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "key"), [("subject", str(ANNA)), ("raw_name", "Ana \N{GRINNING FACE}")]
)
def test_series__is_a_relation_or_a_column(news: SimpleNamespace, field: str, key: str) -> None:
    mention(news, ANNA, make_event(news), "Ana \N{GRINNING FACE}")
    assert read_row(news, entity_field=field, entity_name_field="")["entity_id"] == key


def test_series__integers_are_text(news: SimpleNamespace) -> None:
    event = make_event(news)
    mention(news, ANNA, event)
    row = read_row(news, entity_field="event", entity_name_field="")
    assert row["entity_id"] == str(event.pk)


def test_series__mention_of_nobody_gives_no_row(news: SimpleNamespace) -> None:
    news.Mention._meta.get_field("subject").null = True
    execute('ALTER TABLE "news"."mentions" ALTER who DROP NOT NULL')
    mention(news, ANNA, make_event(news))
    execute('UPDATE "news"."mentions" SET who = NULL')
    assert read_rows(news) == []


@pytest.mark.parametrize("time_zone", ["UTC", "America/Caracas", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    ("column", "time_field", "value", "inside"),
    [
        ("timestamp", "seen_at", "2026-02-28 23:59:59.9", False),
        ("timestamp", "seen_at", "2026-03-01 00:00:00", True),
        ("timestamp", "seen_at", "2026-03-01 23:59:59.9", True),
        ("timestamp", "seen_at", "2026-03-02 00:00:00", False),
        ("date", "seen_on", "2026-02-28", False),
        ("date", "seen_on", "2026-03-01", True),
        ("date", "seen_on", "2026-03-02", False),
    ],
)
def test_time__without_zone_is_utc_where_the_settings_say_so(
    news: SimpleNamespace, column: str, time_field: str, value: str, inside: bool, time_zone: str
) -> None:
    mention(news, ANNA, make_event(news))
    execute(f'ALTER TABLE "news"."mentions" ALTER {time_field} TYPE {column}')
    execute(f'UPDATE "news"."mentions" SET {time_field} = \'{value}\'')
    execute(f"SET LOCAL TIME ZONE '{time_zone}'")
    rows = read_rows(news, time_field=time_field, time_zone="UTC")
    assert [row["mentioned_at"] for row in rows] == [datetime(2026, 3, 1, tzinfo=UTC)] * inside


@pytest.mark.parametrize(
    ("column", "time_zone", "refusal"),
    [
        ("timestamp", "", "timestamp without time zone <@ tstzrange"),
        ("date", "", "date <@ tstzrange"),
        ("timestamptz", "UTC", "timestamp with time zone <@ tsrange"),
    ],
)
def test_time__of_another_type_than_the_settings_say_is_refused(
    news: SimpleNamespace, column: str, time_zone: str, refusal: str
) -> None:
    execute(f'ALTER TABLE "news"."mentions" ALTER seen_at TYPE {column}')
    with pytest.raises(psycopg2.ProgrammingError, match=f"operator does not exist: {refusal}"):
        read_rows(news, time_zone=time_zone)


@pytest.mark.parametrize(
    ("column", "time_zone"), [("timestamptz", ""), ("timestamp", "UTC"), ("timestamp", "")]
)
def test_time__may_be_a_domain_of_the_type_that_the_settings_say(
    news: SimpleNamespace, column: str, time_zone: str
) -> None:
    execute(f"CREATE DOMAIN news.moment AS {column} CHECK (value > '2000-01-01')")
    execute('ALTER TABLE "news"."mentions" ALTER seen_at TYPE news.moment')
    mention(news, ANNA, make_event(news))
    if column == "timestamp" and not time_zone:
        with pytest.raises(psycopg2.ProgrammingError, match="without time zone <@ tstzrange"):
            read_rows(news)
    else:
        assert len(read_rows(news, time_zone=time_zone)) == 1


@pytest.mark.parametrize("refresh", [False, True])
def test_event_time__of_another_type_is_refused_where_events_are_chosen_by_it(
    news: SimpleNamespace, refresh: bool
) -> None:
    execute('ALTER TABLE "news"."events" ALTER at_time TYPE timestamp')
    mention(news, ANNA, make_event(news, 40))
    assert read_row(news, refresh=refresh)["risk_score"] == 40
    with pytest.raises(psycopg2.ProgrammingError, match="timestamp without time zone <@ tstz"):
        read_rows(news, refresh=refresh, event_lookback_days=30)


@pytest.mark.parametrize("refresh", [False, True])
def test_event_time__may_be_a_date(news: SimpleNamespace, refresh: bool) -> None:
    for day, score in ((27, 10), (26, 1000)):
        mention(news, ANNA, make_event(news, score, reported_on=date(2026, 2, day)))
    by_date = {"event_time_field": "event__reported_on", "event_lookback_days": 2}
    assert read_row(news, refresh=refresh, **by_date)["risk_score"] == 10


# Several rows of one event --------------------------------------------------------------------


@pytest.fixture
def hypertable(news: SimpleNamespace) -> SimpleNamespace:
    """Events whose key has the time in it, as a hypertable's."""
    execute('ALTER TABLE "news"."mentions" DROP CONSTRAINT ' + _foreign_key("event_id"))
    execute('ALTER TABLE "news"."events" DROP CONSTRAINT events_pkey')
    news.Mention._meta.get_field("event").db_constraint = False
    return news


def _foreign_key(column: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(conname) FROM pg_constraint JOIN pg_attribute ON attnum = conkey[1]"
            " AND attrelid = conrelid WHERE contype = 'f' AND attname = %s"
            " AND conrelid = 'news.mentions'::regclass",
            [column],
        )
        return str(cursor.fetchone()[0])


ROWS = [
    ("2026-03-01T08:00Z", 10, '{"political": 1}'),
    ("2026-03-01T09:00Z", 70, '{"political": 5}'),
    ("2026-03-01T09:00Z", 70, '{"political": 4}'),
    ("2026-03-01T09:00Z", 60, '{"political": 9}'),
    ("2026-02-01T09:00Z", 99, None),
]


@pytest.mark.parametrize("refresh", [False, True])
@pytest.mark.parametrize("order", [ROWS, ROWS[::-1], ROWS[2:] + ROWS[:2]])
@pytest.mark.parametrize("unique", [False, True])
def test_event__of_several_rows_with_a_key_the_latest_counts_whatever_their_order(
    hypertable: SimpleNamespace, order: list[Any], refresh: bool, unique: bool
) -> None:
    if unique:
        hypertable.Mention._meta.unique_together = (("subject", "event"),)
    for timestamp, severity, raw in order:
        moment = datetime.fromisoformat(timestamp)
        execute(
            'INSERT INTO "news"."events" (id, at_time, severity, raw, headline)'
            " VALUES (5, %s, %s, %s, '')",
            moment,
            severity,
            raw,
        )
    mention(hypertable, ANNA, hypertable.Event(pk=5))
    row = read_row(hypertable, refresh=refresh)
    assert (row["risk_score"], row["political_risk"]) == (60, 9)


def test_event__rows_without_a_time_still_give_one_answer(hypertable: SimpleNamespace) -> None:
    for severity in (30, 10, 20):
        execute(
            'INSERT INTO "news"."events" (id, at_time, severity, headline)'
            " VALUES (5, now(), %s, '')",
            severity,
        )
    mention(hypertable, ANNA, hypertable.Event(pk=5))
    assert read_row(hypertable, event_time_field="")["risk_score"] == 10


# Mentions whose event is gone -----------------------------------------------------------------


def count_orphans(news: SimpleNamespace, **changes: Any) -> int:
    query = render_orphans(newsroom_mapping(news.registry, **changes))
    with connection.cursor() as cursor:
        cursor.execute(with_days(query, DAY, DAY + timedelta(days=1)))
        return int(cursor.fetchone()[0])


def test_orphans__are_the_mentions_of_the_days_whose_event_is_gone(
    hypertable: SimpleNamespace,
) -> None:
    gone = hypertable.Event(pk=7)
    kept = make_event(hypertable)
    execute('INSERT INTO "news"."events" SELECT * FROM "news"."events"')
    mention(hypertable, ANNA, kept)
    assert count_orphans(hypertable) == 0
    mention(hypertable, ANNA, gone, "A.")
    mention(hypertable, ANNA, gone, "Anna")
    mention(hypertable, BOB, gone, seen_at=NOON + timedelta(days=1))
    assert count_orphans(hypertable) == 2


def test_orphans__mention_that_never_had_an_event_is_none(hypertable: SimpleNamespace) -> None:
    execute('ALTER TABLE "news"."mentions" ALTER event_id DROP NOT NULL')
    mention(hypertable, ANNA, make_event(hypertable))
    execute('UPDATE "news"."mentions" SET event_id = NULL')
    assert count_orphans(hypertable) == 0


def test_orphans__events_are_looked_up_as_for_a_refresh(hypertable: SimpleNamespace) -> None:
    """By their key: what is counted every day is not to cost more with a longer history."""
    mapping = newsroom_mapping(hypertable.registry)
    by_key = "SELECT unnest(ARRAY( SELECT DISTINCT event_id FROM (SELECT event_id FROM mention "
    for query in (render_source(mapping, refresh=True), render_orphans(mapping)):
        assert by_key in re.sub(r"\s+", " ", query)


def test_orphans__are_not_looked_for_where_there_can_be_none(news: SimpleNamespace) -> None:
    assert render_orphans(newsroom_mapping(news.registry)) == ""
    assert render_orphans(newsroom_mapping(news.registry, event_field="", **NO_EVENT)) == ""


NO_EVENT: dict[str, Any] = {"score_field": "weight", "dimension_fields": ()}


# What a column may hold -----------------------------------------------------------------------

NO_NUMBERS = (
    *("null", "true", "[]", "[80]", "{}", '{"value": 80}', '""', '"high"', '"NaN"', '"1e400"'),
    *("1e400", "-1e400", "1e131071", '"1e99999999"', f'"{"9" * 41}"', '"\\u0661"', '{"0": 1}'),
)


@pytest.mark.parametrize("path", ["event__llm_analysis__a__b", "event__raw__a__b"])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: value[:12])
def test_json__what_is_no_number_is_null(news: SimpleNamespace, path: str, value: str) -> None:
    event = make_event(news)
    set_json(event, f'{{"a": {{"b": {value}}}}}')
    mention(news, ANNA, event)
    row = read_row(news, **dimensions(political=path, economic="event__severity"))
    assert (row["political_risk"], row["economic_risk"]) == (None, 50)


@pytest.mark.parametrize("path", ["event__llm_analysis__a__b", "event__raw__a__b"])
@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("80", 80),
        ('" 3.5 "', 3.5),
        ("1.2345678901234567e-25", 1.2345678901234567e-25),
        (f"0.{'3' * 49}", 1 / 3),
        ("1e-400", 0),
    ],
)
def test_json__number_in_depth_counts_by_value(
    news: SimpleNamespace, path: str, value: str, number: float
) -> None:
    event = make_event(news)
    set_json(event, f'{{"a": {{"b": {value}}}}}')
    mention(news, ANNA, event)
    row = read_row(news, **dimensions(political=path))
    assert row["political_risk"] == pytest.approx(number, rel=1e-15, abs=0)


def set_json(event: Any, text: str) -> None:
    execute(
        'UPDATE "news"."events" SET llm_analysis = %s::jsonb, raw = %s WHERE id = %s',
        text,
        text,
        event.pk,
    )


@pytest.mark.parametrize(
    "text", ["", "none", "{", '{"political": 1', '{"a": "\\u0000"}', '{"a": 1e200000}', "\x01"]
)
def test_json_text__that_is_no_json_holds_no_number(news: SimpleNamespace, text: str) -> None:
    mention(news, ANNA, make_event(news, 10, raw=text))
    mention(news, ANNA, make_event(news, 10, raw='{"political": 6}'))
    assert read_row(news)["political_risk"] == 6


def test_json_text__is_read_once_for_all_of_its_keys(news: SimpleNamespace) -> None:
    paths = dimensions(
        political="event__raw__p", economic="event__raw__e", sanctions="event__raw__s"
    )
    query = render_source(newsroom_mapping(news.registry, **paths))
    assert query.count("::jsonb") == 1
    mention(news, ANNA, make_event(news, raw='{"p": 1, "e": 2, "s": "x"}'))
    row = read_row(news, **paths)
    assert [row[name] for name in SCORES] == [50, None, 1, 2, None]


def test_json_text__of_two_columns_is_read_of_each_under_its_name() -> None:
    values = {
        name: Value(
            owner=Owner.EVENT, column=Column("event", name), kind=Kind.JSON_TEXT, keys=("a",)
        )
        for name in ("political", "economic")
    }
    assert list(select(values).columns) == ["political_json", "economic_json"]


@pytest.mark.parametrize(("keys", "number"), [("b__1", 6), ("b__-1", 7), ("b", None), ("c__0", 9)])
def test_json__key_that_is_a_number_is_a_place_in_a_list(
    news: SimpleNamespace, keys: str, number: float | None
) -> None:
    mention(news, ANNA, make_event(news, llm_analysis={"b": [5, 6, 7], "c": {"0": 9}}))
    row = read_row(news, **dimensions(political=f"event__llm_analysis__{keys}"))
    assert row["political_risk"] == number


@pytest.mark.parametrize(
    "key",
    [
        *("'", "''", '"', "\\", "\\'", ";", "'''", '"""', "@first_day", "--", "/*", "{{ day }}"),
        *("económico", "a b", "%s", "$1", "\N{GRINNING FACE}", "!", "`", "a=b"),
    ],
)
def test_json__key_may_be_any_text(news: SimpleNamespace, key: str) -> None:
    mention(news, ANNA, make_event(news, llm_analysis={key: {key: 3}}))
    for depth in (key, f"{key}__{key}"):
        paths = dimensions(political=f"event__llm_analysis__{depth}")
        assert read_row(news, **paths)["political_risk"] == (None if depth == key else 3)


@pytest.mark.parametrize(
    ("column", "value", "number"),
    [
        ("smallint", "-32768", -32768),
        ("bigint", "-9223372036854775808", -(2**63)),
        ("numeric", "0.1", 0.1),
        ("real", "0.5", 0.5),
    ],
)
def test_score__may_be_of_any_numeric_type(
    news: SimpleNamespace, column: str, value: str, number: float
) -> None:
    mention(news, ANNA, make_event(news))
    execute(f'ALTER TABLE "news"."events" ALTER severity TYPE {column}')
    execute(f'UPDATE "news"."events" SET severity = {value}')
    assert read_row(news)["risk_score"] == number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *(("'NaN'", None), ("1e400", None), ("-1e100", None), ("9.95e99", 9.95e99)),
        *(("1e-400", 0), ("9.95e-301", 0), ("1e-300", 1e-300), ("-0.25", -0.25)),
    ],
)
def test_decimal__counts_by_value(news: SimpleNamespace, value: str, number: float | None) -> None:
    source = news.Source.objects.create(code="afp")
    execute('ALTER TABLE "news"."source" ALTER reliability TYPE numeric')
    execute(f'UPDATE "news"."source" SET reliability = {value}')
    mention(news, ANNA, make_event(news, source=source))
    assert read_row(news)["economic_risk"] == number


def execute(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
