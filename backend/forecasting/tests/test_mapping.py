"""What the settings that describe the source are turned into; no database takes part."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest
from django.conf import settings as django_settings
from django.db import models
from pytest_django import Settings

from backend.entities.models import EntityMention
from backend.forecasting.conf import load_config
from backend.forecasting.database.lookups import Column, Join, Table, schemas_of
from backend.forecasting.database.mapping import load_mapping, longest_key, misfits
from backend.forecasting.database.source_mapping import Kind, Owner, SourceMapping
from backend.forecasting.errors import SettingError
from backend.forecasting.sql.role import _search_path, _sources
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.factories import INSTANCE, PROJECT, make_config
from backend.forecasting.tests.support.newsroom import (
    isolated_apps,
    newsroom,
    newsroom_config,
    newsroom_mapping,
)

GIVEN = {"project": PROJECT, "instance": INSTANCE}


@pytest.fixture
def news() -> Iterator[SimpleNamespace]:
    with newsroom() as backend:
        yield backend


# What the settings lead to ---------------------------------------------------------------------


def test_defaults__are_the_sample_backend() -> None:
    mapping = load_mapping(make_config())
    assert mapping.mentions == Table("", "entities_entitymention")
    assert mapping.entity.column == Column("mention", "entity_id")
    assert mapping.events
    assert mapping.events.table == Table("", "events_event")
    assert (mapping.event_is_one_row, mapping.mentioned_once) == (False, False)
    assert mapping.score.column == Column("event", "risk_score")
    assert mapping.dimensions["supply_chain_risk"].keys == ("supply_chain",)
    assert mapping.database == "default"


def test_lookback__needs_to_know_when_an_event_was() -> None:
    config = load_config({**GIVEN, "event_lookback_days": "30"})
    assert load_mapping(config).event_lookback_days == 30
    untimed = replace(config, event_time_field="")
    assert [str(error) for error in misfits(untimed)] == [
        'FORECASTING_EVENT_LOOKBACK_DAYS is "30", but nothing says when an event was: expected '
        "FORECASTING_EVENT_TIME_FIELD beside it, or nothing."
    ]


def test_score_source__entity_stands_for_the_score_of_the_entity() -> None:
    mapping = load_mapping(make_config(score_source="entity"))
    assert mapping == load_mapping(load_config({**GIVEN, "score_field": "entity__risk_score"}))
    assert (mapping.score.owner, mapping.score.column.name) == (Owner.ENTITY, "risk_score")


def test_tables__have_the_schema_that_db_table_names(news: SimpleNamespace) -> None:
    mapping = newsroom_mapping(news.registry)
    assert mapping.mentions == Table("news", "mentions")
    assert mapping.entities
    assert mapping.entities.table == Table("news", "Subjects")


def test_columns__have_the_name_that_db_column_gives(news: SimpleNamespace) -> None:
    mapping = newsroom_mapping(news.registry)
    assert mapping.entity.column == Column("mention", "who")
    assert mapping.event_time
    assert mapping.event_time.column == Column("event", "at_time")


@pytest.mark.parametrize(
    ("path", "kind", "column", "keys"),
    [
        ("event__severity", Kind.INTEGER, "severity", ()),
        ("event__llm_analysis__a__b__0", Kind.JSON, "llm_analysis", ("a", "b", "0")),
        ("event__raw__a", Kind.JSON_TEXT, "raw", ("a",)),
        ("event__pk", Kind.INTEGER, "id", ()),
    ],
)
def test_score__may_be_a_number_or_in_json(
    news: SimpleNamespace, path: str, kind: Kind, column: str, keys: tuple[str, ...]
) -> None:
    score = newsroom_mapping(news.registry, score_field=path).score
    assert (score.owner, score.kind, score.keys) == (Owner.EVENT, kind, keys)
    assert score.column == Column("event", column)


def test_score__beyond_a_further_relation_is_joined(news: SimpleNamespace) -> None:
    score = newsroom_mapping(news.registry, score_field="event__source__reliability").score
    source = Table("news", "source")
    on = Column("event", "source_id")
    assert (score.owner, score.kind) == (Owner.EVENT, Kind.DECIMAL)
    assert score.joins == (Join(source, "event__source", "code", on),)
    assert score.column == Column("event__source", "reliability")


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("weight", Owner.MENTION),
        ("note__weight", Owner.MENTION),
        ("subject__profile__risk", Owner.ENTITY),
        ("event__severity", Owner.EVENT),
    ],
)
def test_score__is_whose_row_the_path_begins_at(
    news: SimpleNamespace, path: str, owner: Owner
) -> None:
    assert newsroom_mapping(news.registry, score_field=path).score.owner is owner


def test_inherited_column__is_read_from_the_table_of_the_parent() -> None:
    with isolated_apps() as registry:

        class Report(models.Model):
            score = models.FloatField()

        class Leak(Report):
            pass

        class Mention(models.Model):
            who = models.CharField(max_length=9)
            leak = models.ForeignKey(Leak, models.CASCADE)
            at = models.DateTimeField()

        score = load_mapping(
            newsroom_config(
                entity_field="who",
                entity_name_field="",
                time_field="at",
                event_field="leak",
                event_time_field="",
                score_field="leak__score",
                dimension_fields=(),
            ),
            registry,
        ).score
    join = Join(
        Table("", "forecasting_report"), "event__report_ptr", "id", Column("event", "report_ptr_id")
    )
    assert (score.joins, score.column) == ((join,), Column("event__report_ptr", "score"))


@pytest.mark.parametrize(
    ("options", "schemas"),
    [
        ("", ()),
        ("-c statement_timeout=5s", ()),
        ("-c search_path=news", ("news",)),
        ("-csearch_path=news,public -c geqo=off", ("news", "public")),
        ("--search_path=News", ("news",)),
        ("-c search_path=old -c search_path=news", ("news",)),
        ('-c search_path="$user",pg_catalog,"Old\\ News",news,news', ("Old News", "news")),
        ('-c search_path="a,b",public', ("a,b", "public")),
        ('-c search_path="",,news,', ("news",)),
        ('-c search_path="ne""ws"', ('ne"ws',)),
    ],
)
def test_schemas__are_those_of_the_search_path_that_django_sets(
    options: str, schemas: tuple[str, ...]
) -> None:
    assert schemas_of(options) == schemas


@pytest.mark.parametrize(
    ("path", "schema", "searched"),
    [("news", "news", ()), ("news,public", "", ("news", "public"))],
)
def test_tables__are_found_as_the_search_path_that_django_sets_says(
    monkeypatch: pytest.MonkeyPatch, path: str, schema: str, searched: tuple[str, ...]
) -> None:
    """In the only schema, or in whichever of several: that PostgreSQL alone can say."""
    options = django_settings.DATABASES["default"]["OPTIONS"]
    monkeypatch.setitem(options, "options", f"-c search_path={path}")
    mapping = load_mapping(make_config())
    assert mapping.mentions == Table(schema, "entities_entitymention")
    assert mapping.search_path == searched


class ToTheArchive:
    """A router that has the mentions read from another database."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        return "archive" if model is EntityMention else None


def test_database__is_the_routers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connections

    monkeypatch.setitem(connections.settings, "archive", connections.settings["default"])
    settings.DATABASE_ROUTERS = [ToTheArchive()]
    assert load_mapping(make_config()).database == "archive"


def test_database__that_no_setting_names_is_refused(settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [ToTheArchive()]
    expected = (
        "DATABASE_ROUTERS have entities.EntityMention read from archive, which DATABASES does not "
        "name: add it there, or have the router name one of default."
    )
    assert [str(error) for error in misfits(make_config())] == [expected]
    with pytest.raises(SettingError, match="DATABASE_ROUTERS"):
        load_mapping(make_config())


# What a constraint of the models says ----------------------------------------------------------


@pytest.mark.parametrize(
    ("meta", "once"),
    [
        ({}, False),
        ({"unique_together": (("entity", "event", "at"),)}, False),
        ({"unique_together": (("event", "entity"),)}, True),
        ({"constraints": [models.UniqueConstraint(fields=["entity", "event"], name="u")]}, True),
        (
            {
                "constraints": [
                    models.UniqueConstraint(
                        fields=["entity", "event"], name="u", condition=models.Q(at=None)
                    )
                ]
            },
            False,
        ),
        ({"unique_together": (("entity", "event"),), "managed": False}, False),
    ],
)
def test_mentioned_once__only_where_a_constraint_says_so(meta: dict[str, Any], once: bool) -> None:
    assert make_mapping(meta).mentioned_once is once


@pytest.mark.parametrize(("relation", "one_row"), [({}, True), ({"db_constraint": False}, False)])
def test_event__is_one_row_where_postgresql_enforces_the_foreign_key(
    relation: dict[str, Any], one_row: bool
) -> None:
    assert make_mapping({}, **relation).event_is_one_row is one_row


@pytest.mark.parametrize(
    ("meta", "null", "may_be"),
    [({}, False, False), ({}, True, True), ({"managed": False}, False, True)],
)
def test_entity__may_be_null_where_postgresql_does_not_keep_it_from_that(
    meta: dict[str, Any], null: bool, may_be: bool
) -> None:
    assert make_mapping(meta, null).entity_may_be_null is may_be


def make_mapping(meta: dict[str, Any], null: bool = False, **relation: Any) -> Any:
    with isolated_apps() as registry:

        class Event(models.Model):
            score = models.FloatField()

        class Mention(models.Model):
            entity = models.IntegerField(null=null)
            event = models.ForeignKey(Event, models.CASCADE, **relation)
            at = models.DateTimeField()
            Meta = type("Meta", (), {**meta})

        return load_mapping(
            newsroom_config(
                entity_field="entity",
                entity_name_field="",
                time_field="at",
                event_time_field="",
                score_field="event__score",
                dimension_fields=(),
            ),
            registry,
        )


# What does not fit -----------------------------------------------------------------------------

MISFITS = {
    "mention_model": ("forecasting.Nothing", "nowhere.Mention"),
    "entity_field": ("nobody", "seen_at", "weight", "event__source", "mentions"),
    "entity_name_field": ("subject__name", "canonical_name", "event__headline", "subject"),
    "time_field": ("nowhen", "raw_name", "seen_on", "seen_at__year"),
    "event_field": ("raw_name", "nothing", "event__source"),
    "event_time_field": ("event__occurred_at", "seen_at", "event__headline"),
    "score_field": (
        "event__risk_score",
        "event",
        "event__source",
        "event__headline",
        "event__headline__score",
        "event__severity__score",
        "event__llm_analysis",
        "event__raw",
        "event__llm_analysis__",
        "event__timestamp",
        "raw_name",
        "mention__event__severity",
    ),
    "dimension_fields": (
        (("politics", "event__severity"),),
        (("political", "event__severity"), ("political", "event__raw__x")),
        (("political", "event__nothing"),),
    ),
}


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, vs in MISFITS.items() for v in vs])
def test_misfit__is_named_by_setting_value_and_what_is_expected(
    news: SimpleNamespace, field: str, value: Any
) -> None:
    changes = {field: value}
    with pytest.raises(SettingError) as raised:
        newsroom_mapping(news.registry, **changes)
    shown = value if isinstance(value, str) else "=".join(value[0])
    assert str(raised.value).startswith(f'FORECASTING_{field.upper()} is "{shown}", but ')
    assert ": expected " in str(raised.value)
    found, *_ = misfits(newsroom_config(**changes), news.registry)
    assert str(found) == str(raised.value)


def test_misfits__are_said_as_agreed(news: SimpleNamespace, tmp_path: Path) -> None:
    changes: dict[str, dict[str, Any]] = {
        f"{f}: {v}": {f: v} for f, values in MISFITS.items() for v in values
    }
    of_entity = {"score_source": "entity", "score_field": "entity__risk_score"}
    changes["no score of an entity"] = of_entity
    changes["no day"] = {"event_time_field": "", "event_lookback_days": 30}
    shown = {
        name: [str(error) for error in misfits(newsroom_config(**change), news.registry)]
        for name, change in changes.items()
    }
    assert_agreed("misfits.json", shown, tmp_path)


def test_misfits__are_all_named_at_once(news: SimpleNamespace) -> None:
    config = newsroom_config(time_field="nowhen", score_field="event__nothing", event_time_field="")
    found = [error.problem.split()[0] for error in misfits(config, news.registry)]
    assert found == ["FORECASTING_TIME_FIELD", "FORECASTING_SCORE_FIELD"]
    assert list(misfits(newsroom_config(), news.registry)) == []


def test_date__is_read_as_a_day_in_utc_where_the_settings_say_so(news: SimpleNamespace) -> None:
    time = newsroom_mapping(news.registry, time_field="seen_on", time_zone="UTC").time
    assert (time.kind, time.column.name) == (Kind.DAY, "seen_on")


@pytest.mark.parametrize("given", [{}, ",", "sanctions", "sanctions=a=b", "=a", "a=", "a=b,"])
def test_dimensions__that_are_no_pairs_are_refused(settings: Settings, given: Any) -> None:
    settings.FORECASTING_DIMENSION_FIELDS = given
    with pytest.raises(SettingError, match=r"FORECASTING_DIMENSION_FIELDS is .*: expected dim"):
        load_config(GIVEN)


def test_dimensions__may_be_a_dict_or_text_or_none(settings: Settings) -> None:
    settings.FORECASTING_DIMENSION_FIELDS = {"political": "event__risk_dimensions__a, b=c"}
    assert load_config(GIVEN).dimension_fields == (("political", "event__risk_dimensions__a, b=c"),)
    settings.FORECASTING_DIMENSION_FIELDS = " political = event__x ,economic=event__y"
    expected = (("political", "event__x"), ("economic", "event__y"))
    assert load_config(GIVEN).dimension_fields == expected
    settings.FORECASTING_DIMENSION_FIELDS = "none"
    assert load_config(GIVEN).dimension_fields == ()


def test_blank__says_something_where_nothing_is_an_answer(settings: Settings) -> None:
    settings.FORECASTING_ENTITY_NAME_FIELD = ""
    assert load_config(GIVEN).entity_name_field == ""
    assert load_mapping(load_config(GIVEN)).entity_names is None
    settings.FORECASTING_ENTITY_NAME_FIELD = "none"
    assert load_config(GIVEN).entity_name_field == ""
    settings.FORECASTING_ENTITY_NAME_FIELD = None
    assert load_config(GIVEN).entity_name_field == "entity__name"


def test_none__says_that_there_is_no_such_field(settings: Settings) -> None:
    settings.FORECASTING_EVENT_FIELD = settings.FORECASTING_EVENT_TIME_FIELD = "none"
    mapping = load_mapping(load_config(GIVEN))
    assert (mapping.event, mapping.events, mapping.event_time) == (None, None, None)
    settings.FORECASTING_EVENT_FIELD = ""
    assert load_config(GIVEN).event_field == "event"


def test_score__said_in_two_ways_is_refused(settings: Settings) -> None:
    settings.FORECASTING_SCORE_FIELD = "event__other"
    with pytest.raises(SettingError, match=r"FORECASTING_SCORE_SOURCE is entity.*event__other"):
        load_config({**GIVEN, "score_source": "entity"})


def test_role__names_with_quotes_stay_names_and_texts() -> None:
    """Both inside of a text of the script: one is doubled there, the other in its identifier."""
    read = {Table("it's", 'a "b"'): ["c's", 'd"'], Table("", "plain"): ["$script$script$"]}
    mapping = create_autospec(SourceMapping, instance=True)
    mapping.columns_read.return_value = read
    assert list(_sources(mapping)) == [
        """('"it''s"."a ""b"\""'::regclass, true, '"c''s", "d"\""')""",
        """('"plain"'::regclass, false, ('"' || '$script' || '$script' || '$"'))""",
    ]


@pytest.mark.parametrize(
    ("schemas", "statement"),
    [((), ""), (("a", 'b "c"', "D"), 'SET LOCAL search_path = "a", "b ""c""", "D";')],
)
def test_role__looks_for_tables_where_django_does(schemas: tuple[str, ...], statement: str) -> None:
    assert _search_path(schemas) == statement


@pytest.mark.parametrize(
    ("field", "longest"),
    [("subject", 36), ("raw_name", 100), ("event", 20), ("note_text", None), ("nobody", None)],
)
def test_key__is_as_long_as_its_column_lets_it_be(
    news: SimpleNamespace, field: str, longest: int | None
) -> None:
    models.TextField().contribute_to_class(news.Mention, "note_text")
    config = newsroom_config(entity_field=field, entity_name_field="")
    assert longest_key(config, news.registry) == longest
    assert bool([*misfits(config, news.registry)]) is (field == "nobody")
