"""The benchmark's data, and the queries over it.

The data is made inside PostgreSQL: the same rows for the same options, quickly. The queries are
complete for a window of days.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib import resources

import psycopg2.extensions

from backend.forecasting.conf import load_config
from backend.forecasting.sql.queries import render_source_query, with_days
from backend.forecasting.sql.template import render
from bench.database import Database, open_cursor

MENTIONS_PER_EVENT = 5
# How unequal the entities' shares of the news are; 1 would be all alike. With as many mentions as
# the defaults say, an entity and day that has any has about five.
_SKEW = 2.5
_FILLED = ("events_event", "entities_entitymention")
_VACUUMS = 30


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much there is; `end_day` is the day after the last one, as the nightly load counts."""

    end_day: date
    mentions: int = 2_000_000
    entities: int = 5_000
    days: int = 90
    seed: int = 20

    @property
    def events(self) -> int:
        """How many events the window holds."""
        return max(1, self.mentions // MENTIONS_PER_EVENT)

    def first_day(self, days: int | None = None) -> date:
        """The first of the last `days`, or of the whole window."""
        return self.end_day - timedelta(days=self.days if days is None else days)


@dataclass(frozen=True, kw_only=True)
class Window:
    """The days [first_day, end_day)."""

    first_day: date
    end_day: date


def window_of(sizes: Sizes, days: int) -> Window:
    """The last `days` days."""
    return Window(first_day=sizes.first_day(days), end_day=sizes.end_day)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What the database was found to hold."""

    entities: int
    events: int
    mentions: int
    entity_days: int
    json_bytes: float

    @property
    def mentions_per_entity_day(self) -> float:
        return self.mentions / self.entity_days


def make_data(database: Database, sizes: Sizes) -> None:
    """Fills the empty tables with the window's rows."""
    _make_quiet(database)
    with open_cursor(database.owner_uri) as cursor:
        _create_functions(cursor, sizes)
        cursor.execute(read_sql("entities", entities=sizes.entities, seed=sizes.seed))
    lengthen_history(database, sizes, 0, 1)


def lengthen_history(database: Database, sizes: Sizes, present: int, factor: int) -> None:
    """Adds the older rows that make the history `factor` windows long, where it was `present`."""
    with open_cursor(database.owner_uri) as cursor:
        _create_functions(cursor, sizes)
        with _without_indexes(cursor):
            events = {"first": sizes.events * present, "end": sizes.events * factor}
            cursor.execute(read_sql("events", seed=sizes.seed, **events))
            cursor.execute(_mentions(sizes, present, factor))
        _vacuum(cursor)


def read_contents(cursor: psycopg2.extensions.cursor) -> Contents:
    """Counts what is there."""
    cursor.execute(read_sql("contents"))
    entities, events, mentions, entity_days, json_bytes = cursor.fetchone() or ()
    return Contents(
        entities=entities,
        events=events,
        mentions=mentions,
        entity_days=entity_days,
        json_bytes=float(json_bytes),
    )


def _create_functions(cursor: psycopg2.extensions.cursor, sizes: Sizes) -> None:
    seconds = sizes.days * 86_400 / sizes.events
    cursor.execute(
        read_sql("functions", seed=sizes.seed, end_day=sizes.end_day, seconds_per_event=seconds)
    )


def _mentions(sizes: Sizes, present: int, factor: int) -> str:
    return read_sql(
        "mentions",
        seed=sizes.seed,
        first=sizes.mentions * present,
        end=sizes.mentions * factor,
        entities=sizes.entities,
        events=sizes.events * factor,
        end_day=sizes.end_day,
        per_event=MENTIONS_PER_EVENT,
        skew=_SKEW,
    )


def _make_quiet(database: Database) -> None:
    """Lets nothing happen by itself: no checkpoint every few seconds, and no autovacuum.

    Autovacuum would keep VACUUM from marking the rows as visible to all when they meet.
    """
    with open_cursor(database.server.admin_uri) as cursor:
        cursor.execute("ALTER SYSTEM SET max_wal_size = '16GB'")
        cursor.execute("ALTER SYSTEM SET autovacuum = off")
        cursor.execute("SELECT pg_reload_conf()")


def _vacuum(cursor: psycopg2.extensions.cursor) -> None:
    """Marks all rows as visible to all, as on a table that autovacuum keeps up with.

    Raises RuntimeError where a transaction that somebody left open keeps it from that.
    """
    for _ in range(_VACUUMS):
        cursor.execute(
            "VACUUM (FREEZE, ANALYZE) entities_entity, events_event, entities_entitymention"
        )
        cursor.execute(read_sql("pages_not_visible", tables=_literals(_FILLED)))
        (pages,) = cursor.fetchone() or (0,)
        if not pages:
            return
        time.sleep(1)
    raise RuntimeError(f"{pages} pages are not visible to all after {_VACUUMS} VACUUMs")


def _literals(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


@contextmanager
def _without_indexes(cursor: psycopg2.extensions.cursor) -> Iterator[None]:
    """Drops the indexes and keys of the filled tables, and makes the same ones again.

    An index made at once is as compact as it can be, whatever the order of the rows.
    """
    cursor.execute(read_sql("indexes", tables=_literals(_FILLED)))
    statements = cursor.fetchall()
    for drop, _ in statements:
        cursor.execute(drop)
    yield
    cursor.execute("SET maintenance_work_mem = '512MB'")
    for _, create in reversed(statements):
        cursor.execute(create)


def source_query(window: Window, *, refresh: bool = False, dimensions: bool = True) -> str:
    """The product's own query, as the nightly load completes it; without dimensions: no JSON."""
    config = load_config(optional=("project", "instance"))
    if not dimensions:
        config = replace(config, dimension_fields=())
    query = render_source_query(config, refresh=refresh)
    return with_days(query, window.first_day, window.end_day)


def windowed(name: str, window: Window) -> str:
    """The benchmark's query of this name for a window."""
    return with_days(read_sql(name), window.first_day, window.end_day)


def read_sql(name: str, **values: object) -> str:
    """The benchmark's SQL of this name with its placeholders filled."""
    text = resources.files("bench.sql").joinpath(f"{name}.sql").read_text("utf-8")
    return render(text, **{key: str(value) for key, value in values.items()})
