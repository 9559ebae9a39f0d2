"""A history of entities, events and mentions, from wherever, and how it gets into the database."""

from dataclasses import dataclass, field

from django.db import Error, connection, transaction

from backend.entities.models import Entity, EntityMention
from backend.events.models import Event

# One statement's worth of rows: the fewest round trips that still keep a statement small.
_BATCH = 2000


class HistoryError(Exception):
    """The history cannot be read or written; the message says why."""


@dataclass(frozen=True, kw_only=True)
class History:
    """Rows that are not in the database yet; mentions refer to these very entities and events."""

    entities: list[Entity] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    mentions: list[EntityMention] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{len(self.entities)} entities, {len(self.events)} events, "
            f"{len(self.mentions)} mentions"
        )


def write_history(history: History, *, replace: bool = False) -> None:
    """Writes all of it or nothing.

    Real data and made-up data must not mix, so a database that holds any is refused, unless
    `replace` says to delete that first. Raises `HistoryError`.
    """
    name = connection.settings_dict["NAME"]
    try:
        with transaction.atomic():
            if replace:
                _delete_all()
            elif Entity.objects.exists() or Event.objects.exists():
                raise HistoryError(
                    f"the database {name} already holds entities or events: "
                    "name another one in DATABASE_URL, or delete them all with --replace"
                )
            _insert(history)
            update_statistics()
    except Error as error:
        reason = str(error).partition("\n")[0]
        raise HistoryError(
            f"the database {name} cannot be written: {reason}; "
            "DATABASE_URL names it, `manage.py migrate` makes its tables"
        ) from error


def _delete_all() -> None:
    for model in (EntityMention, Event, Entity):
        model._default_manager.all().delete()


def _insert(history: History) -> None:
    Entity.objects.bulk_create(history.entities, batch_size=_BATCH)
    Event.objects.bulk_create(history.events, batch_size=_BATCH)
    EntityMention.objects.bulk_create(history.mentions, batch_size=_BATCH)


def update_statistics() -> None:
    """Tell PostgreSQL how much there is now, as autovacuum does within a minute or two.

    By what it knew before, a load may join row by row, for minutes.
    """
    tables = (model._meta.db_table for model in (Entity, Event, EntityMention))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(map(connection.ops.quote_name, tables))}")
