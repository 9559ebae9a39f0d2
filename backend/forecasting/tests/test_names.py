"""What the entities are called, whatever their keys are."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Model
from pytest_django import Settings

from backend.entities.models import Entity
from backend.forecasting.conf import Config
from backend.forecasting.database import names
from backend.forecasting.database.mapping import load_mapping
from backend.forecasting.database.names import read_names
from backend.forecasting.database.source_mapping import EntityNames
from backend.forecasting.tests.support.factories import make_config

pytestmark = pytest.mark.django_db

# A model with integer keys that every backend has: who changed what in the admin.
ADMIN_LOG = {
    "mention_model": "admin.LogEntry",
    "entity_field": "user",
    "entity_name_field": "user__username",
    "time_field": "action_time",
    "event_field": "none",
    "score_field": "action_flag",
    "dimension_fields": "none",
}


def config(**options: str) -> Config:
    return make_config(source_database=connection.settings_dict["NAME"], **options)


def test_names__of_uuid_keys() -> None:
    anna = Entity.objects.create(name="Anna", entity_type="person")
    Entity.objects.create(name="Bob", entity_type="person")
    ids = [str(anna.pk), str(uuid4()), str(anna.pk).upper(), "no uuid", ""]
    assert read_names(config(), ids) == {str(anna.pk): "Anna"}


def test_names__of_integer_keys() -> None:
    user = get_user_model().objects.create(username="anna")
    ids = [str(user.pk), f"0{user.pk}", "9" * 40, "-1", "x", "\0", "\N{ARABIC-INDIC DIGIT ONE}"]
    assert read_names(config(**ADMIN_LOG), ids) == {str(user.pk): "anna"}


def test_names__of_text_keys_are_by_the_text_that_the_load_makes_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PostgreSQL pads what is char(40), and takes it for equal to what is not padded."""
    sessions = EntityNames(model=Session, key="session_key", path="session_data")
    mapping = replace(load_mapping(config()), entity_names=sessions)
    monkeypatch.setattr(names, "load_mapping", lambda config: mapping)
    with connection.cursor() as cursor:
        # Found before the table itself.
        cursor.execute("CREATE TEMP TABLE django_session (session_key char(40), session_data text)")
        cursor.execute("INSERT INTO django_session VALUES ('ab', 'Abe')")
    assert read_names(config(), ["ab", "cd"]) == {"ab": "Abe"}
    assert read_names(config(), ["ab  "]) == {}


def test_names__of_a_column_that_is_no_relation_are_not_looked_for() -> None:
    by_name = {"entity_field": "object_id", "entity_name_field": "none"}
    assert read_names(config(**{**ADMIN_LOG, **by_name}), ["a"]) == {}


def test_names__are_read_where_the_mentions_are(settings: Settings) -> None:
    """A router may know the one model and not the other; the training table knows one database."""

    class Router:
        def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
            return "replica" if model is Entity else None

    anna = Entity.objects.create(name="Anna", entity_type="person")
    settings.DATABASE_ROUTERS = [Router()]
    assert read_names(config(), [str(anna.pk)]) == {str(anna.pk): "Anna"}


def test_names__are_missing_where_the_source_is_out_of_reach() -> None:
    anna = Entity.objects.create(name="Anna", entity_type="person")
    assert read_names(make_config(source_database="elsewhere"), [str(anna.pk)]) == {}


def test_names__are_missing_where_the_table_is_not_as_the_model_says() -> None:
    anna = Entity.objects.create(name="Anna", entity_type="person")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE entities_entity RENAME name TO full_name")
        assert read_names(config(), [str(anna.pk)]) == {}
        cursor.execute("SELECT 1")
