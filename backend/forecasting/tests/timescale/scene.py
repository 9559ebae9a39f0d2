"""The sample backend with its events and mentions in hypertables, beside Django's own database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connections, models
from django.test import override_settings

from backend.entities.models import Entity, EntityMention
from backend.events.models import Event
from backend.forecasting.sql.template import render
from backend.forecasting.tests.support.loading import today
from backend.forecasting.tests.timescale.server import DATABASE, OWNER, Timescale

ALIAS = "timescale"
DAYS = 130
_MODELS: tuple[type[models.Model], ...] = (Entity, Event, EntityMention)


class Router:
    """Leads the backend's models to the hypertables."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        return ALIAS if model in _MODELS else None

    db_for_write = db_for_read


@contextmanager
def led_to(server: Timescale) -> Iterator[None]:
    """Leads the backend's models to the server meanwhile; needs access to the database."""
    own = {"HOST": "127.0.0.1", "PORT": server.port, "USER": OWNER, "NAME": DATABASE}
    connections.settings[ALIAS] = {**connections.settings["default"], **own}
    try:
        with override_settings(DATABASE_ROUTERS=[Router()]):
            yield
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.settings[ALIAS]


def make_hypertables() -> None:
    """The tables of the models that are led there, with a history."""
    with connections[ALIAS].schema_editor() as editor:
        for model in _MODELS:
            editor.create_model(model)
    _run("hypertables")
    write_history(0, DAYS)


def write_history(first: int, end: int) -> None:
    """Adds what happened from `first` to `end` days before today."""
    hours = {"first": str(24 * first), "end": str(24 * end)}
    _run("history", end_day=today().isoformat(), **hours)


def execute(statement: str) -> list[tuple[Any, ...]]:
    """What a statement yields."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _run(name: str, **names: str) -> None:
    """Each statement of a file in a transaction of its own."""
    script = Path(__file__).with_name(f"{name}.sql").read_text("utf-8")
    for statement in render(script, **names).split(";\n"):
        if statement.strip():
            execute(statement)
