from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from backend.entities.models import Entity, EntityMention
from backend.events.models import Event

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def make_event() -> Callable[..., Event]:
    def make(**values: object) -> Event:
        return Event.objects.create(**{"occurred_at": NOON, "title": "Strike at a port", **values})

    return make


@pytest.fixture
def hypertable() -> None:
    """Gives `events_event` the primary key that TimescaleDB demands of a hypertable."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE events_event DROP CONSTRAINT events_event_pkey, "
            "ADD PRIMARY KEY (id, occurred_at)"
        )


@pytest.mark.parametrize("score", [-0.1, 100.1])
def test_event__score_outside_its_range_is_invalid(score: float) -> None:
    event = Event(occurred_at=NOON, source="wire", title="Strike", risk_score=score)
    with pytest.raises(ValidationError, match="risk_score"):
        event.full_clean()


@pytest.mark.parametrize("dimensions", [None, {}, {"sanctions": None}, {"political": "7e1"}, [], 5])
def test_event__keeps_dimensions_as_they_came(
    make_event: Callable[..., Event], dimensions: object
) -> None:
    event = make_event(risk_dimensions=dimensions)
    event.refresh_from_db()
    assert event.risk_dimensions == dimensions


def test_event__deleting_it_deletes_its_mentions(make_event: Callable[..., Event]) -> None:
    entity = Entity.objects.create(name="Naviera", entity_type=Entity.EntityType.COMPANY)
    kept, deleted = make_event(), make_event()
    for event in (kept, deleted):
        EntityMention.objects.create(entity=entity, event=event, mentioned_at=NOON)
    deleted.delete()
    assert [mention.event for mention in EntityMention.objects.all()] == [kept]


@pytest.mark.usefixtures("hypertable")
def test_event__works_as_a_hypertable(make_event: Callable[..., Event]) -> None:
    entity = Entity.objects.create(name="Naviera", entity_type=Entity.EntityType.COMPANY)
    event = make_event(risk_score=10)
    EntityMention.objects.create(entity=entity, event=event, mentioned_at=NOON)
    event.risk_score = 20
    event.save()
    assert entity.mentions.get().event.risk_score == 20
    event.delete()
    assert not EntityMention.objects.exists()
    # The constraint that a deferred check would trip over.
    connection.check_constraints()
