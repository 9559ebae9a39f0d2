"""Who is watched, and which events mention them."""

import uuid

from django.db import models

from backend.events.models import Event


class Entity(models.Model):
    """A person, company or government that is watched."""

    class EntityType(models.TextChoices):
        PERSON = "person"
        COMPANY = "company"
        GOVERNMENT = "government"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=300)
    entity_type = models.CharField(max_length=20, choices=EntityType)
    risk_score = models.FloatField(null=True, blank=True, help_text="present risk, 0 to 100")

    class Meta:
        verbose_name_plural = "entities"
        indexes = (models.Index(fields=["name"], name="entities_name"),)

    def __str__(self) -> str:
        return self.name


class EntityMention(models.Model):
    """One mention of an entity by an event; an event may mention an entity several times."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    entity = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="mentions")
    # No constraint in the database: a hypertable's `id` alone is not unique, so PostgreSQL could
    # not reference it. Django still deletes an event's mentions with the event.
    event = models.ForeignKey(
        Event, on_delete=models.CASCADE, related_name="mentions", db_constraint=False
    )
    mentioned_at = models.DateTimeField()

    class Meta:
        indexes = (
            # The nightly load reads a window of days from this index alone.
            models.Index(
                fields=["mentioned_at"],
                include=["entity", "event"],
                name="entities_mention_window",
            ),
        )

    def __str__(self) -> str:
        return f"{self.entity_id} at {self.mentioned_at:%Y-%m-%d %H:%M}"
