from datetime import UTC, datetime

import pytest
from django.db import connection

from backend.entities.models import Entity, EntityMention
from backend.events.models import Event

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def mention() -> EntityMention:
    entity = Entity.objects.create(name="Naviera", entity_type=Entity.EntityType.COMPANY)
    event = Event.objects.create(occurred_at=NOON, title="Strike at a port")
    return EntityMention.objects.create(entity=entity, event=event, mentioned_at=NOON)


def test_mention__window_index_covers_what_the_load_reads() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'entities_mention_window'"
        )
        (definition,) = cursor.fetchone()
    assert definition.endswith(
        "ON public.entities_entitymention USING btree (mentioned_at) INCLUDE (entity_id, event_id)"
    )


def test_mention__may_repeat_for_one_event(mention: EntityMention) -> None:
    EntityMention.objects.create(
        entity=mention.entity, event=mention.event, mentioned_at=mention.mentioned_at
    )
    assert mention.entity.mentions.count() == 2


def test_mention__shows_when_it_was(mention: EntityMention) -> None:
    assert str(mention) == f"{mention.entity_id} at 2026-03-01 12:00"


def test_entity__deleting_it_deletes_its_mentions_and_no_event(mention: EntityMention) -> None:
    mention.entity.delete()
    assert not EntityMention.objects.exists()
    assert Event.objects.exists()
