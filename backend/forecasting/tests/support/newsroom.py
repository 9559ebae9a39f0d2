"""A backend of another shape than the sample one: one app, its own schema, its own names.

Integer keys for events, uuid for entities, a table with a capital in its name, a column of another
name than its field, JSON in depth and as text, and no score of an entity.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from django.apps.registry import Apps
from django.db import models
from django.test.utils import isolate_apps

from backend.forecasting.conf import Config
from backend.forecasting.database.mapping import load_mapping
from backend.forecasting.database.source_mapping import SourceMapping
from backend.forecasting.tests.support.factories import make_config

SETTINGS: dict[str, Any] = {
    "mention_model": "forecasting.Mention",
    "entity_field": "subject",
    "entity_name_field": "subject__canonical_name",
    "time_field": "seen_at",
    "event_field": "event",
    "event_time_field": "event__timestamp",
    "score_field": "event__severity",
    "dimension_fields": (
        ("sanctions", "event__llm_analysis__dimensions__sanctions__score"),
        ("political", "event__raw__political"),
        ("economic", "event__source__reliability"),
    ),
}


@contextmanager
def isolated_apps() -> Iterator[Apps]:
    """A registry for the models that are declared meanwhile; they belong to this app."""
    with isolate_apps("backend.forecasting") as registry:
        yield cast("Apps", registry)


@contextmanager
def newsroom() -> Iterator[SimpleNamespace]:
    """The models, in a registry of their own: `registry`, Subject, Source, Event, Mention."""
    with isolated_apps() as registry:
        yield SimpleNamespace(registry=registry, **_models())


def _models() -> dict[str, Any]:
    class Subject(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        canonical_name = models.CharField(max_length=100)
        profile = models.JSONField(default=dict)

        class Meta:
            db_table = 'news"."Subjects'

    class Source(models.Model):
        code = models.CharField(max_length=20, primary_key=True)
        reliability = models.DecimalField(max_digits=6, decimal_places=2, null=True)

        class Meta:
            db_table = '"news"."source"'

    class Event(models.Model):
        timestamp = models.DateTimeField(db_column="at_time")
        severity = models.IntegerField(null=True)
        llm_analysis = models.JSONField(null=True)
        raw = models.TextField(null=True)
        headline = models.CharField(max_length=100, default="")
        reported_on = models.DateField(null=True)
        source = models.ForeignKey(Source, models.CASCADE, null=True)

        class Meta:
            db_table = 'news"."events'

    class Mention(models.Model):
        subject = models.ForeignKey(Subject, models.CASCADE, db_column="who")
        event = models.ForeignKey(Event, models.CASCADE)
        raw_name = models.CharField(max_length=100)
        seen_at = models.DateTimeField()
        seen_on = models.DateField(null=True)
        weight = models.FloatField(null=True)
        note = models.JSONField(null=True)

        class Meta:
            db_table = 'news"."mentions'
            unique_together = (("subject", "event", "raw_name"),)

    return {"Subject": Subject, "Source": Source, "Event": Event, "Mention": Mention}


def newsroom_config(**changes: Any) -> Config:
    """The settings that describe it, with these fields changed."""
    return replace(make_config(), **{**SETTINGS, **changes})


def newsroom_mapping(registry: Apps, **changes: Any) -> SourceMapping:
    return load_mapping(newsroom_config(**changes), registry)
