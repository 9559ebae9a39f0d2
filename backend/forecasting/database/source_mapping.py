"""What the source query reads: tables, columns and keys of JSON, by their names in PostgreSQL."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from django.db import models

from ..training_table import TARGET_COLUMN
from .lookups import Column, Join, Table


class Kind(Enum):
    """What a column holds, as far as the query treats it differently.

    A moment is a point in time; what a wall clock shows, and a day, are so only in a time zone.
    """

    FLOAT = auto()
    INTEGER = auto()
    DECIMAL = auto()
    JSON = auto()
    JSON_TEXT = auto()
    MOMENT = auto()
    WALL_CLOCK = auto()
    DAY = auto()
    KEY = auto()


class Owner(StrEnum):
    """Whose a value is, and so how often it counts: a path begins there."""

    MENTION = "mention"
    EVENT = "event"
    ENTITY = "entity"


@dataclass(frozen=True, kw_only=True)
class Value:
    """A column to read, or what its JSON holds under `keys`."""

    owner: Owner
    column: Column
    kind: Kind
    joins: tuple[Join, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Related:
    """The table that a relation of the mention refers to, and the column of it."""

    table: Table
    key: Value


@dataclass(frozen=True, kw_only=True)
class EntityNames:
    """Where Django finds the entities' names: a model, its key and a path, both as lookups."""

    model: type[models.Model]
    key: str
    path: str


@dataclass(frozen=True, kw_only=True)
class SourceMapping:
    """What the source query reads.

    `entity`, `time` and `event` are values of the mention; `entities` and `events` what the first
    and the last refer to. `dimensions` goes by the names of the training table's columns; one that
    is not mapped is missing.

    `search_path`: the schemas where PostgreSQL looks for tables without one; empty: its own.
    `event_lookback_days`: of what age events are read, in days before the mention's; 0: of any.
    `event_is_one_row`: PostgreSQL itself sees to it that an event's key has one row.
    `mentioned_once`: it sees to it that an event mentions an entity at most once.
    """

    database: str
    search_path: tuple[str, ...]
    mentions: Table
    entity: Value
    entity_may_be_null: bool
    entities: Related | None
    entity_names: EntityNames | None
    time: Value
    event: Value | None
    events: Related | None
    event_time: Value | None
    event_lookback_days: int
    event_is_one_row: bool
    mentioned_once: bool
    score: Value
    dimensions: Mapping[str, Value]

    def numbers_of(self, owner: Owner) -> dict[str, Value]:
        """The score and the dimensions that are an owner's, by the training table's columns."""
        values = {TARGET_COLUMN: self.score, **self.dimensions}
        return {name: value for name, value in values.items() if value.owner is owner}

    @property
    def event_time_read(self) -> Value | None:
        """The event's time, where something depends on it."""
        return None if self.event_is_one_row and not self.event_lookback_days else self.event_time

    def columns_read(self) -> dict[Table, list[str]]:
        """All that the source query reads, by table; each column once, in no special order."""
        read: dict[Table, set[str]] = {}
        for values, owner, table in self._read_from():
            tables = {str(owner): table}
            for join in (join for value in values for join in value.joins):
                tables[join.rows] = join.table
                read.setdefault(join.table, set()).add(join.key)
            columns = [value.column for value in values]
            columns += [join.column for value in values for join in value.joins]
            for column in columns:
                read.setdefault(tables[column.rows], set()).add(column.name)
        return {table: sorted(columns) for table, columns in read.items()}

    def _read_from(self) -> Iterator[tuple[list[Value], Owner, Table]]:
        """The values that are read of each owner, and the table that they are read from."""
        of_mention = [self.entity, self.time, *([self.event] if self.event else [])]
        yield [*of_mention, *self.numbers_of(Owner.MENTION).values()], Owner.MENTION, self.mentions
        if self.events:
            times = [self.event_time_read] if self.event_time_read else []
            numbers = self.numbers_of(Owner.EVENT).values()
            yield [self.events.key, *times, *numbers], Owner.EVENT, self.events.table
        if self.entities and self.numbers_of(Owner.ENTITY):
            numbers = self.numbers_of(Owner.ENTITY).values()
            yield [self.entities.key, *numbers], Owner.ENTITY, self.entities.table
