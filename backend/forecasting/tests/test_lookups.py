"""Lookup paths through models, and the names that tables, columns and rows have; no database."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import models
from django.db.models import F

from backend.forecasting.database.lookups import (
    Column,
    Found,
    Join,
    LookupFailed,
    Table,
    Tables,
    _rows_behind,
    value_field,
)
from backend.forecasting.tests.support.newsroom import isolated_apps, newsroom

TABLES = Tables("usual")


@pytest.fixture
def news() -> Iterator[SimpleNamespace]:
    with newsroom() as backend:
        yield backend


@pytest.mark.parametrize(
    ("db_table", "table"),
    [
        ("plain", Table("usual", "plain")),
        ('"quoted"', Table("usual", "quoted")),
        ('news"."mentions', Table("news", "mentions")),
        ('"news"."Mentions"', Table("news", "Mentions")),
        ('"ne""ws"."men""tions"', Table('ne"ws', 'men"tions')),
        ("news.mentions", Table("usual", "news.mentions")),
        ('odd"name', Table("usual", 'odd"name')),
        ('"half', Table("usual", '"half')),
    ],
)
def test_table__is_named_as_django_quotes_it(db_table: str, table: Table) -> None:
    with isolated_apps():
        meta = type("Meta", (), {"db_table": db_table})
        model: Any = type("Any", (models.Model,), {"__module__": __name__, "Meta": meta})
    assert TABLES.of(model) == table


def test_rows__are_called_by_their_path_or_its_digest_where_that_is_too_long() -> None:
    assert _rows_behind("event", "source") == "event__source"
    longest = "s" * (63 - len("event__"))
    assert _rows_behind("event", longest) == f"event__{longest}"
    one, other = (_rows_behind("event", f"{longest}{more}") for more in ("a", "b"))
    assert re.fullmatch(r"event__s{39}_[0-9a-f]{16}", one)
    assert (one[:47], one != other) == (other[:47], True)
    assert len(_rows_behind("event", "ñ" * 60).encode()) <= 63


def test_path__leads_to_the_keys_that_are_left_of_it(news: SimpleNamespace) -> None:
    found = TABLES.follow(news.Mention, "mention", ["event", "source", "reliability", "a", "b"])
    source = Table("news", "source")
    assert found == Found(
        field=news.Source._meta.get_field("reliability"),
        managed=True,
        column=Column("mention__event__source", "reliability"),
        joins=(
            Join(Table("news", "events"), "mention__event", "id", Column("mention", "event_id")),
            Join(source, "mention__event__source", "code", Column("mention__event", "source_id")),
        ),
        keys=("a", "b"),
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("event__", "a part of it is empty"),
        ("nobody", "forecasting.Mention has no field nobody"),
        ("event__mention", "forecasting.Event.mention is no column of one row"),
    ],
)
def test_path__that_leads_nowhere_says_to_what_it_leads(
    news: SimpleNamespace, path: str, why: str
) -> None:
    with pytest.raises(LookupFailed) as raised:
        TABLES.follow(news.Mention, "mention", path.split("__"))
    assert str(raised.value) == why


def test_generated_field__is_what_it_generates() -> None:
    with isolated_apps():

        class Score(models.Model):
            half = models.FloatField()
            whole = models.GeneratedField(
                expression=F("half") * 2, output_field=models.FloatField(), db_persist=True
            )

    found = TABLES.follow(Score, "score", ["whole"])
    assert (type(found.field), found.column) == (models.FloatField, Column("score", "whole"))


def test_value__of_a_relation_is_that_of_what_it_refers_to(news: SimpleNamespace) -> None:
    fields = news.Mention._meta
    assert value_field(fields.get_field("subject")) is news.Subject._meta.pk
    assert value_field(fields.get_field("raw_name")) is fields.get_field("raw_name")
