"""Models of other shapes than the sample's, with their tables on PostgreSQL: read, or refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps.registry import Apps
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models

from backend.forecasting.database.lookups import Table
from backend.forecasting.database.mapping import load_mapping, misfits
from backend.forecasting.sql.queries import with_days
from backend.forecasting.sql.source import render_orphans, render_source
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.newsroom import isolated_apps, newsroom_config

pytestmark = pytest.mark.django_db

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@contextmanager
def tables(*declared: type[models.Model]) -> Iterator[None]:
    """The models' tables, for as long as the test's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.schema_editor() as editor:
        for model in declared:
            editor.create_model(model)
    yield


def make(model: type[models.Model], **fields: Any) -> Any:
    return model._default_manager.create(**fields)


def read_scores(registry: Apps, *, refresh: bool = False, **settings: Any) -> list[tuple[str, Any]]:
    """The series and scores of the day, by the settings that fit the models."""
    config = replace(make_config(), dimension_fields=(), entity_name_field="", **settings)
    assert list(misfits(config, registry)) == []
    query = with_days(
        render_source(load_mapping(config, registry), refresh=refresh), DAY, DAY + timedelta(days=1)
    )
    with connection.connection.cursor() as cursor:
        cursor.execute(f"SELECT entity_id, risk_score FROM ({query}) t ORDER BY 1")
        return [(key, score) for key, score in cursor.fetchall()]


def refusals(registry: Apps, **settings: Any) -> list[str]:
    config = replace(make_config(), dimension_fields=(), entity_name_field="", **settings)
    return [str(error) for error in misfits(config, registry)]


@pytest.fixture
def registry() -> Iterator[Apps]:
    with isolated_apps() as found:
        yield found


@pytest.mark.parametrize("refresh", [False, True])
def test_inheritance__columns_are_read_from_the_tables_of_the_parents(
    registry: Apps, refresh: bool
) -> None:
    class Actor(models.Model):
        code = models.CharField(max_length=9, primary_key=True)

    class Company(Actor):
        turnover = models.FloatField(null=True)

    class Report(models.Model):
        severity = models.FloatField(null=True)
        seen_at = models.DateTimeField()

    class Article(Report):
        headline = models.CharField(max_length=9)

    class Link(models.Model):
        company = models.ForeignKey(Company, models.CASCADE)
        noted_at = models.DateTimeField()

    class Mention(Link):
        article = models.ForeignKey(Article, models.CASCADE, db_constraint=False)

    with tables(Actor, Company, Report, Article, Link, Mention):
        companies = [make(Company, code=code) for code in ("a", "b")]
        articles = [make(Article, severity=n, seen_at=NOON, headline="") for n in (10, 30)]
        for company, article in ((0, 0), (0, 1), (0, 1), (1, 1)):
            make(Mention, company=companies[company], article=articles[article], noted_at=NOON)
        assert read_scores(
            registry,
            refresh=refresh,
            mention_model="forecasting.Mention",
            entity_field="company",
            event_field="article",
            event_time_field="article__seen_at",
            time_field="noted_at",
            score_field="article__severity",
        ) == [("a", 20), ("b", 30)]


@pytest.mark.parametrize("refresh", [False, True])
def test_names__may_be_any_that_postgresql_takes(registry: Apps, refresh: bool) -> None:
    class Event(models.Model):
        level = models.IntegerField(db_column="100% {sure} $1 'x'")
        at = models.DateTimeField(db_column="@first_day")

        class Meta:
            db_table = "{{ day }} %s; --"

    class Mention(models.Model):
        who = models.IntegerField(db_column="select")
        event = models.ForeignKey(Event, models.CASCADE, db_constraint=False, db_column="Event%")
        at = models.DateTimeField(db_column="when")

        class Meta:
            db_table = "t%(x)s {{ table }} é"

    with connection.connection.cursor() as cursor:  # Django takes no % in a statement's names.
        cursor.execute(
            """
            CREATE TABLE "{{ day }} %s; --" (
                id bigint, "100% {sure} $1 'x'" int, "@first_day" timestamptz
            );
            CREATE TABLE "t%(x)s {{ table }} é" ("select" int, "Event%" bigint, "when" timestamptz);
            INSERT INTO "{{ day }} %s; --" VALUES (1, 7, '2026-03-01 12:00Z');
            INSERT INTO "t%(x)s {{ table }} é" VALUES (-5, 1, '2026-03-01 12:00Z');
            """
        )
    assert read_scores(
        registry,
        refresh=refresh,
        mention_model="forecasting.Mention",
        entity_field="who",
        time_field="at",
        event_time_field="event__at",
        score_field="event__level",
    ) == [("-5", 7)]


@pytest.mark.parametrize("refresh", [False, True])
def test_tables__may_be_called_as_parts_of_the_query_are(registry: Apps, refresh: bool) -> None:
    class Place(models.Model):
        risk = models.FloatField()

        class Meta:
            db_table = "event"

    class Entity(models.Model):
        place = models.ForeignKey(Place, models.CASCADE)

        class Meta:
            db_table = "daily"

    class Event(models.Model):
        day = models.DateTimeField()

        class Meta:
            db_table = "mention"

    class Mention(models.Model):
        entity = models.ForeignKey(Entity, models.CASCADE)
        mention = models.ForeignKey(Event, models.CASCADE, db_constraint=False)
        moment = models.DateTimeField(db_column="event")

        class Meta:
            db_table = "counted"

    with tables(Place, Entity, Event, Mention):
        entity = make(Entity, place=make(Place, risk=30.0))
        make(Mention, entity=entity, mention=make(Event, day=NOON), moment=NOON)
        assert read_scores(
            registry,
            refresh=refresh,
            mention_model="forecasting.Mention",
            event_field="mention",
            time_field="moment",
            event_time_field="mention__day",
            score_field="entity__place__risk",
        ) == [(str(entity.pk), 30)]


def test_paths__that_read_alike_lead_to_rows_of_their_own(registry: Apps) -> None:
    """`a__b` and `a_b`, and two that are alike for longer than a name of PostgreSQL can be."""
    long = "x" * 50

    class Wire(models.Model):
        level = models.FloatField()

    class Source(models.Model):
        b = models.ForeignKey(Wire, models.CASCADE, related_name="+")

    class Mention(models.Model):
        who = models.IntegerField()
        at = models.DateTimeField()
        a = models.ForeignKey(Source, models.CASCADE, related_name="+")
        a_b = models.ForeignKey(Wire, models.CASCADE, related_name="+")
        locals()[f"{long}_one"] = models.ForeignKey(Wire, models.CASCADE, "+", db_column="one")
        locals()[f"{long}_two"] = models.ForeignKey(Wire, models.CASCADE, "+", db_column="two")

    with tables(Wire, Source, Mention):
        wires = [make(Wire, level=level) for level in (1.0, 2.0, 3.0, 4.0)]
        own = {"a_b": wires[1], f"{long}_one": wires[2], f"{long}_two": wires[3]}
        make(Mention, who=1, at=NOON, a=make(Source, b=wires[0]), **own)
        paths = ("a__b__level", "a_b__level", f"{long}_one__level", f"{long}_two__level")
        settings = {**MENTION, "entity_field": "who", "score_field": paths[0]}
        names = ("sanctions", "political", "economic")
        config = replace(
            make_config(),
            entity_name_field="",
            **{**settings, "dimension_fields": tuple(zip(names, paths[1:], strict=True))},
        )
        query = render_source(load_mapping(config, registry))
        with connection.connection.cursor() as cursor:
            cursor.execute(with_days(query, DAY, DAY + timedelta(days=1)))
            assert cursor.fetchall()[0][2:6] == (1, 2, 3, 4)


def test_through_model__takes_its_time_from_the_event(registry: Apps) -> None:
    class Person(models.Model):
        pass

    class Event(models.Model):
        persons = models.ManyToManyField(Person)
        at = models.DateTimeField()
        level = models.DecimalField(max_digits=6, decimal_places=2, null=True)

    with tables(Person, Event):
        persons = [make(Person) for _ in range(2)]
        for level in (1, 2):
            make(Event, at=NOON, level=level).persons.set(persons[:level])
        first, second = (str(person.pk) for person in persons)
        assert read_scores(
            registry,
            mention_model="forecasting.Event_persons",
            entity_field="person",
            time_field="event__at",
            event_time_field="event__at",
            score_field="event__level",
        ) == [(first, 1.5), (second, 2)]


def test_columns_of_other_kinds__are_read(registry: Apps) -> None:
    """A generated one, a key of text, a relation that may be empty, to another key than the id."""

    class Event(models.Model):
        slug = models.SlugField(unique=True)
        at = models.DateTimeField()
        raw = models.FloatField()
        level = models.GeneratedField(
            expression=models.F("raw") * 2, output_field=models.FloatField(), db_persist=True
        )

    class Mention(models.Model):
        who = models.TextField(null=True)
        event = models.ForeignKey(
            Event, models.CASCADE, to_field="slug", null=True, db_constraint=False
        )
        at = models.DateTimeField()

    with tables(Event, Mention):
        event = make(Event, slug="a-b", at=NOON, raw=4)
        for who, told in (("x", event), ("x", None), (None, event), ("y", None)):
            make(Mention, who=who, event=told, at=NOON)
        assert read_scores(
            registry,
            mention_model="forecasting.Mention",
            entity_field="who",
            time_field="at",
            event_time_field="event__at",
            score_field="event__level",
        ) == [("x", 8)]


def test_proxy__is_the_table_of_the_model_that_it_stands_for(registry: Apps) -> None:
    class Event(models.Model):
        at = models.DateTimeField()
        level = models.FloatField()

        class Meta:
            managed = False

    class News(Event):
        class Meta:
            proxy = True

    class Raw(models.Model):
        who = models.IntegerField()
        news = models.ForeignKey(News, models.CASCADE)
        at = models.DateTimeField()

    class Mention(Raw):
        class Meta:
            proxy = True

    settings: dict[str, Any] = {
        "mention_model": "forecasting.Mention",
        "entity_field": "who",
        "event_field": "news",
        "time_field": "at",
        "event_time_field": "news__at",
        "score_field": "news__level",
    }
    # Nobody knows whether the key of a table that is not Django's is unique.
    config = replace(make_config(), dimension_fields=(), entity_name_field="", **settings)
    mapping = load_mapping(config, registry)
    assert not mapping.event_is_one_row
    assert mapping.columns_read().keys() == {
        Table("", "forecasting_raw"),
        Table("", "forecasting_event"),
    }


@pytest.mark.parametrize(("own", "of_what_it_stands_for"), [((), ("at",)), (("at",), ())])
def test_proxy__constraints_are_those_of_the_model_that_it_stands_for(
    registry: Apps, own: tuple[str, ...], of_what_it_stands_for: tuple[str, ...]
) -> None:
    """Django makes none of the proxy's own."""

    def unique(*more: str) -> list[models.BaseConstraint]:
        return [models.UniqueConstraint(fields=["who", "event", *more], name="once")]

    class Event(models.Model):
        level = models.FloatField()

    class Raw(models.Model):
        who = models.IntegerField()
        event = models.ForeignKey(Event, models.CASCADE)
        at = models.DateTimeField()

        class Meta:
            constraints = unique(*of_what_it_stands_for)

    class Mention(Raw):
        class Meta:
            proxy = True
            constraints = unique(*own)

    settings = {**MENTION, "entity_field": "who", "event_field": "event"}
    more = {"entity_name_field": "", "score_field": "event__level", "dimension_fields": ()}
    config = newsroom_config(**{**settings, **more})
    assert load_mapping(config, registry).mentioned_once is (own == ("at",))


NUMBERS = [
    *((column, "'NaN'", None) for column in ("float8", "numeric")),
    *((column, "'-Infinity'", None) for column in ("float8", "numeric")),
    *(("numeric", value, number) for value, number in (("1e400", None), ("1e-400", 0))),
    *(("numeric", "0.1", 0.1), ("real", "0.5", 0.5), ("smallint", "-32768", -32768)),
    ("bigint", "-9223372036854775808", -(2**63)),
]


@pytest.mark.parametrize("field", ["FloatField", "IntegerField", "DecimalField"])
@pytest.mark.parametrize(("column", "value", "number"), NUMBERS)
def test_table_not_made_by_django__may_hold_any_number_under_any_field(
    registry: Apps, field: str, column: str, value: str, number: float | None
) -> None:
    class Mention(models.Model):
        who = models.IntegerField()
        at = models.DateTimeField()
        level = getattr(models, field)()

        class Meta:
            managed = False

    with connection.connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE forecasting_mention (who int, at timestamptz, level {column});"
            f"INSERT INTO forecasting_mention VALUES (1, '2026-03-01 12:00Z', {value})"
        )
    rows = read_scores(registry, **MENTION, entity_field="who")
    assert rows == ([] if number is None else [("1", number)])
    assert all(type(score) is float for _, score in rows)


def test_table_not_made_by_django__may_hold_json_that_the_model_calls_text(registry: Apps) -> None:
    """As inspectdb does with a column of the type json."""

    class Mention(models.Model):
        who = models.IntegerField()
        at = models.DateTimeField()
        raw = models.TextField()

        class Meta:
            managed = False

    with connection.connection.cursor() as cursor:
        cursor.execute("CREATE TABLE forecasting_mention (who int, at timestamptz, raw json)")
        for raw in ('{"a": 4}', '{"a": "\\u0000"}'):
            row = (1, NOON, raw)
            cursor.execute("INSERT INTO forecasting_mention VALUES (%s, %s, %s)", row)
    settings = {**MENTION, "entity_field": "who", "score_field": "raw__a"}
    assert read_scores(registry, **settings) == [("1", 4)]


MENTION: dict[str, Any] = {
    "mention_model": "forecasting.Mention",
    "event_field": "",
    "event_time_field": "",
    "time_field": "at",
    "score_field": "level",
}


def test_generic_relation__is_refused(registry: Apps) -> None:
    class Mention(models.Model):
        kind = models.ForeignKey(ContentType, models.CASCADE)
        number = models.PositiveIntegerField()
        target = GenericForeignKey("kind", "number")
        at = models.DateTimeField()
        level = models.FloatField()

    (one,) = refusals(registry, **MENTION, entity_field="target")
    assert "FORECASTING_ENTITY_FIELD is" in one
    assert "Mention.target is no column of one row" in one
    (other,) = refusals(registry, **MENTION, entity_field="number")
    assert other == (
        'FORECASTING_ENTITY_FIELD is "number", but it is the key of target, and one key may be '
        "that of several kinds of entities: expected a relation or a column of "
        "forecasting.Mention: uuid, integer or text, of one kind of entities, such as a view has "
        "for each kind."
    )


@pytest.mark.parametrize("setting", ["entity_field", "event_field", "time_field", "score_field"])
def test_relation_to_no_model__is_refused(registry: Apps, setting: str) -> None:
    """Django's own check tells it as well, and ours is not to hide that behind a traceback."""

    class Mention(models.Model):
        who = models.IntegerField()
        at = models.DateTimeField()
        level = models.FloatField()
        lost = models.ForeignKey("nowhere.Lost", models.CASCADE)

    value = "lost" if setting in ("entity_field", "event_field") else "lost__level"
    (only,) = refusals(registry, **{**MENTION, "entity_field": "who", setting: value})
    assert "Mention.lost refers to nowhere.Lost, of no app in INSTALLED_APPS: expected" in only


def test_swapped_model__is_refused_by_the_one_in_its_place(
    registry: Apps, settings: SimpleNamespace
) -> None:
    settings.FORECASTING_TEST_MENTION = "entities.EntityMention"

    class Mention(models.Model):
        at = models.DateTimeField()

        class Meta:
            swappable = "FORECASTING_TEST_MENTION"

    (only,) = refusals(registry, **MENTION, entity_field="who")
    assert only == (
        'FORECASTING_MENTION_MODEL is "forecasting.Mention", but another model is in its place: '
        "expected entities.EntityMention."
    )


def test_entity_two_relations_away__is_refused(registry: Apps) -> None:
    class Owner(models.Model):
        pass

    class Ship(models.Model):
        owner = models.ForeignKey(Owner, models.CASCADE)

    class Mention(models.Model):
        ship = models.ForeignKey(Ship, models.CASCADE)
        at = models.DateTimeField()
        level = models.FloatField()

    (only,) = refusals(registry, **MENTION, entity_field="ship__owner")
    assert "it leads away from the mention" in only


@pytest.mark.parametrize("setting", ["entity_field", "event_field", "time_field", "score_field"])
def test_relation_to_many__is_refused(registry: Apps, setting: str) -> None:
    class Topic(models.Model):
        weight = models.FloatField()

    class Mention(models.Model):
        who = models.IntegerField()
        at = models.DateTimeField()
        level = models.FloatField()
        topics = models.ManyToManyField(Topic)

    value = "topics__weight" if setting == "score_field" else "topics"
    (only,) = refusals(registry, **{**MENTION, "entity_field": "who", setting: value})
    assert "Mention.topics is no column of one row" in only


def test_orphans__entity_of_a_parent_is_joined(registry: Apps) -> None:
    class Event(models.Model):
        pass

    class Record(models.Model):
        who = models.CharField(max_length=9, null=True)

    class Mention(Record):
        event = models.ForeignKey(Event, models.CASCADE, db_constraint=False)
        at = models.DateTimeField()
        level = models.FloatField()

    with tables(Event, Record, Mention):
        make(Mention, event_id=7, at=NOON, level=1.0, who="Anna")
        make(Mention, event_id=7, at=NOON, level=1.0)
        settings = {**MENTION, "entity_field": "who", "event_field": "event"}
        config = replace(make_config(), dimension_fields=(), entity_name_field="", **settings)
        query = render_orphans(load_mapping(config, registry))
        with connection.connection.cursor() as cursor:
            cursor.execute(with_days(query, DAY, DAY + timedelta(days=1)))
            assert cursor.fetchone() == (1,)
