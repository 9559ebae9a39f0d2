"""What happened, how risky it is, and in which respects."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Event(models.Model):
    """Something that was reported, with the risk that was read from it.

    In production `events_event` may be a TimescaleDB hypertable, whose primary key then holds
    `occurred_at` too: nothing may rely on more than `id` identifying an event.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    occurred_at = models.DateTimeField()
    source = models.CharField(max_length=200)
    title = models.CharField(max_length=500)
    risk_score = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="0 (no risk) to 100; empty while the event is not scored",
    )
    risk_dimensions = models.JSONField(
        null=True,
        blank=True,
        help_text='risk by dimension, such as {"sanctions": 80, "political": 35.5}',
    )

    class Meta:
        indexes = (models.Index(fields=["occurred_at"], name="events_occurred_at"),)

    def __str__(self) -> str:
        return self.title
