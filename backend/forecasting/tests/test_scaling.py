"""What docs/scaling.md says of a daily aggregate, run as it stands there."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection, models

from backend.entities.models import Entity, EntityMention
from backend.events.models import Event
from backend.forecasting.database.mapping import load_mapping
from backend.forecasting.sql.queries import render_source_query, with_days
from backend.forecasting.sql.source import render_source
from backend.forecasting.tests.support.documents import ROOT
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.newsroom import isolated_apps
from backend.forecasting.training_table import COLUMNS

pytestmark = pytest.mark.django_db

FIRST, END = date(2026, 3, 1), date(2026, 3, 4)
NAMES = ", ".join(column.name for column in COLUMNS)


def blocks_of(section: str) -> Sequence[str]:
    """The blocks of SQL of a section of the page."""
    page = (ROOT / "docs" / "scaling.md").read_text("utf-8")
    (text,) = re.findall(rf"### {section}\n(.*?)(?=\n##|\Z)", page, re.DOTALL)
    return re.findall(r"```sql\n(.*?)```", text, re.DOTALL)


def read(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {NAMES} FROM ({query}) t ORDER BY entity_id, mentioned_at")
        return list(cursor.fetchall())


def write_history() -> None:
    entity = Entity.objects.create(name="e", entity_type="company")
    for hour, score in enumerate((0.1, 0.2, 0.7, None, 33.3)):
        at = datetime(2026, 3, 1 + hour % 3, hour, tzinfo=UTC)
        event = Event.objects.create(
            occurred_at=at, source="s", title="t", risk_score=score, risk_dimensions={"economic": 7}
        )
        EntityMention.objects.create(entity=entity, event=event, mentioned_at=at)
        EntityMention.objects.create(entity=entity, event=event, mentioned_at=at)


def test_daily_aggregate__gives_the_load_the_very_rows() -> None:
    write_history()
    source = with_days(render_source_query(make_config()), FIRST, END)
    table, refresh = blocks_of("On plain PostgreSQL")
    job = (
        refresh.replace("BEGIN;", "").replace("COMMIT;", "").replace("-- the source query", source)
    )
    with connection.cursor() as cursor:
        cursor.execute(table)
        for _ in range(2):
            cursor.execute(with_days(job, FIRST, END))
    rows = read(source)
    assert len(rows) > 2
    assert read(with_days(aggregate_query(), FIRST, END)) == rows


def aggregate_query() -> str:
    """The source query over the aggregate, by the settings of the page."""
    with isolated_apps() as registry:

        class EntityRiskDaily(models.Model):
            pk = models.CompositePrimaryKey("mentioned_at", "entity_id")
            entity_id = models.TextField()
            mentioned_at = models.DateTimeField()
            risk_score = models.FloatField()
            sanctions_risk = models.FloatField(null=True)
            political_risk = models.FloatField(null=True)
            economic_risk = models.FloatField(null=True)
            supply_chain_risk = models.FloatField(null=True)

            class Meta:
                managed = False
                db_table = "entity_risk_daily"

        config = replace(
            make_config(),
            mention_model="forecasting.EntityRiskDaily",
            entity_field="entity_id",
            entity_name_field="",
            time_field="mentioned_at",
            event_field="",
            event_time_field="",
            score_field="risk_score",
            dimension_fields=tuple(
                (name, f"{name}_risk")
                for name in ("sanctions", "political", "economic", "supply_chain")
            ),
        )
        return render_source(load_mapping(config, registry))
