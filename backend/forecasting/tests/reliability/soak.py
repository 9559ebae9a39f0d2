"""A source that changes from night to night, and what the table has to hold after each of them."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from unittest.mock import patch

from django.db import connection
from psycopg2 import sql

from backend.conftest import READER, SQL_INSTANCE
from backend.entities.models import Entity, EntityMention
from backend.events.models import Event
from backend.forecasting.tests.oracles.expected import Row, expected_rows
from backend.forecasting.tests.reliability.processes import holds_soon
from backend.forecasting.tests.reliability.scene import Key, Scene
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.loading import mention, midnight, start_run
from backend.localcloud.postgres.server import admin_cursor

NIGHTLY = time(2)
ENTITIES, DAYS_BEFORE = 6, 30
# The commands know no moving clock.
NEXT_RUN = "backend.forecasting.provisioning.scheduled_queries.day_of_next_run"
Rows = dict[Key, Row]


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a night's run reads, keeps, and takes for too little.

    Of so few rows a day's are many: what is withdrawn is no broken source.
    """

    window_days: int = 14
    refresh_days: int = 5
    keep_history: bool = False
    min_rows_ratio: float = 0.1


@dataclass
class World:
    """The source, the settings, and `rows`, which the table has to hold; `today` moves on."""

    scene: Scene
    rng: random.Random
    today: date
    window: Window = field(default_factory=Window)
    rows: Rows = field(default_factory=dict)
    entities: list[Entity] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    """What a command should have said and did not; of all nights."""

    def begin(self) -> None:
        """Entities, and the news of the days before the first night."""
        self.entities = [
            Entity.objects.create(name=f"Entity {number}", entity_type="company")
            for number in range(ENTITIES)
        ]
        for age in range(DAYS_BEFORE, 1, -1):
            self.report(age)

    def report(self, age: int) -> None:
        """Some mentions of a day; a few of them have nothing to count, or text for a number."""
        for entity in self.rng.sample(self.entities, self.rng.randrange(2, ENTITIES)):
            score = self.rng.choice([None, *(self.rng.uniform(0, 100) for _ in range(5))])
            dimension = self.rng.choice([7, "12.5", "high", None])
            mention(entity, self.day(age), score, sanctions=dimension, political=score)

    def day(self, age: int) -> date:
        return self.today - timedelta(days=age)

    @property
    def moment(self) -> datetime:
        """When this night's run is due."""
        return datetime.combine(self.today, NIGHTLY, midnight(self.today).tzinfo)

    def runs(self) -> dict[str, dict[str, Any]]:
        """Google's JSON of every run of the pipeline, by its id."""
        (scheduled,) = self.scene.cloud.transfers.items.values()
        return {name: run.resource for name, run in scheduled.runs.items()}

    def set_up(self) -> None:
        """Raises AssertionError where bq_setup_etl does not exit 0."""
        ended = call("bq_setup_etl", allow_deleting=True, **vars(self.window))
        assert ended.status == 0, ended.error

    @contextmanager
    def settings(self, **changes: Any) -> Iterator[None]:
        """Other settings for a night."""
        before, self.window = self.window, replace(self.window, **changes)
        self.set_up()
        yield
        self.window = before
        self.set_up()

    def expect(self, check: str, text: str) -> None:
        """That bq_verify warns of it."""
        document = call("bq_verify", format="json").document
        (found,) = [c for c in document["checks"] if c["id"] == check]
        if found["status"] not in ("warn", "fail") or text not in found["message"]:
            self.silent.append(f"{check} does not say {text}: {found['message']}")

    def load(self, end: date) -> None:
        """What a run for a date makes of the rows."""
        start = end - timedelta(days=self.window.window_days)
        first = end - timedelta(days=self.window.refresh_days)
        if not any(start <= day < first for _, day in self.rows):
            first = start
        oldest = date.min if self.window.keep_history else start
        kept = {k: v for k, v in self.rows.items() if k[1] >= end or oldest <= k[1] < first}
        self.rows = kept | expected_rows(first, end)

    def rotate(self) -> None:
        """A new password everywhere."""
        self.scene.rotate_password()
        self.set_up()


During = Callable[[], None]
Night = Callable[[World], Any]
"""A context around a night: yields what to do once the run is due."""


def nothing() -> None:
    """What most nights need while the run goes on."""


@contextmanager
def quiet(world: World) -> Iterator[During]:
    """Yesterday's news, and nothing else."""
    yield nothing


@contextmanager
def late_news(world: World) -> Iterator[During]:
    """Of days that are read again, and of the one just outside of them."""
    for age in (2, world.window.refresh_days, world.window.refresh_days + 1):
        world.report(age)
    yield nothing


@contextmanager
def corrected(world: World) -> Iterator[During]:
    """All scores of a day that is read again, and of one that is not."""
    for age in (world.rng.randrange(2, 6), world.window.refresh_days + 2):
        events = Event.objects.filter(occurred_at__date=world.day(age))
        events.update(risk_score=world.rng.uniform(0, 100))
    yield nothing


@contextmanager
def withdrawn(world: World) -> Iterator[During]:
    """A day loses its mentions."""
    EntityMention.objects.filter(mentioned_at__date=world.day(2)).delete()
    yield nothing


@contextmanager
def emptied(world: World) -> Iterator[During]:
    """PostgreSQL answers, with nothing."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE entities_entitymention RENAME TO hidden")
        cursor.execute("CREATE TABLE entities_entitymention (LIKE hidden)")
        # The printed role was granted columns of the one that is hidden.
        cursor.execute(f"GRANT SELECT ON entities_entitymention TO {READER}")
    try:
        yield nothing
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE entities_entitymention")
            cursor.execute("ALTER TABLE hidden RENAME TO entities_entitymention")


@contextmanager
def down(world: World) -> Iterator[During]:
    """Nothing answers where the instance was."""
    instances = world.scene.cloud.sql_instances
    address, instances[SQL_INSTANCE] = instances[SQL_INSTANCE], "postgresql://%2Fnowhere"
    try:
        yield nothing
    finally:
        instances[SQL_INSTANCE] = address


@contextmanager
def closed(world: World) -> Iterator[During]:
    """PostgreSQL runs and takes no logins for the database."""
    name = sql.Identifier(connection.settings_dict["NAME"])
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with admin_cursor(world.scene.postgres) as cursor:
        cursor.execute(allow.format(name, sql.SQL("false")))
        try:
            yield nothing
        finally:
            cursor.execute(allow.format(name, sql.SQL("true")))


@contextmanager
def locked_out(world: World) -> Iterator[During]:
    """The password was changed in PostgreSQL alone; the day after it is rotated as it should be."""
    world.scene.set_password("changed-and-told-nobody")
    yield nothing
    world.rotate()


@contextmanager
def cut_off(world: World) -> Iterator[During]:
    """The session is ended while it waits for a table."""
    with closing(connection.copy()) as own, own.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE events_event IN ACCESS EXCLUSIVE MODE")
        yield lambda: _end_session(world)


def _end_session(world: World) -> None:
    """That which waits: one that has ended may be there still for a moment."""
    with admin_cursor(world.scene.postgres) as cursor:

        def ended() -> bool:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'EXTERNAL_QUERY' AND wait_event_type = 'Lock'"
            )
            return (True,) in cursor.fetchall()

        assert holds_soon(ended)


@contextmanager
def rotated(world: World) -> Iterator[During]:
    """The day before the night."""
    world.rotate()
    yield nothing


@contextmanager
def shrunken(world: World) -> Iterator[During]:
    """PostgreSQL has lost all but the last day."""
    with world.settings(min_rows_ratio=0.5), _only_since(world.day(1)):
        yield nothing


@contextmanager
def forgotten(world: World) -> Iterator[During]:
    """PostgreSQL keeps two days, and every run reads the whole window."""
    window = world.window.window_days
    with world.settings(min_rows_ratio=0.5, refresh_days=window), _only_since(world.day(2)):
        yield nothing


@contextmanager
def _only_since(day: date) -> Iterator[None]:
    """Without the older mentions, which are there again afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE lost AS TABLE entities_entitymention")
        cursor.execute("DELETE FROM entities_entitymention WHERE mentioned_at < %s", [day])
        try:
            yield
        finally:
            cursor.execute(
                "INSERT INTO entities_entitymention SELECT * FROM lost WHERE mentioned_at < %s",
                [day],
            )
            cursor.execute("DROP TABLE lost")


@contextmanager
def renamed_key(world: World) -> Iterator[During]:
    """A key of the last week's JSON has another name: its column is empty from then on."""
    for age in 3 * tuple(range(1, 15)):
        world.report(age)
    rename = (
        "UPDATE events_event SET risk_dimensions = (risk_dimensions - %s) "
        "|| jsonb_build_object(%s::text, risk_dimensions -> %s) "
        "WHERE risk_dimensions ? %s AND occurred_at >= %s"
    )
    with world.settings(window_days=20, refresh_days=14), connection.cursor() as cursor:
        cursor.execute(
            rename, ["political", "politics", "political", "political", f"{world.day(7)}"]
        )
        try:
            yield nothing
        finally:
            old = ["politics", "political", "politics", "politics", f"{world.day(7)}"]
            cursor.execute(rename, old)
        world.expect("data.dimensions", "political_risk in")


@contextmanager
def wild_value(world: World) -> Iterator[During]:
    """One number in a dimension is far off its scale."""
    event = mention(world.entities[0], world.day(2), 50, political=1.7e12)
    yield nothing
    world.expect("data.dimensions", "political_risk outside 0 to 100")
    event.delete()


@contextmanager
def set_by_hand(world: World) -> Iterator[During]:
    """Somebody gives the connection another password; what bq_setup_etl notes stays the same."""
    (stored,) = world.scene.cloud.connections.items.values()
    right, stored.password = stored.password, "by hand"
    yield nothing
    world.set_up()
    (stored,) = world.scene.cloud.connections.items.values()
    if stored.password != right:
        world.silent.append("bq_setup_etl leaves a password that PostgreSQL refuses")


@contextmanager
def shrunk_without_consent(world: World) -> Iterator[During]:
    """A hook with a smaller window is refused, and the night is like any other."""
    window = replace(world.window, window_days=4, refresh_days=3, keep_history=False)
    with patch(NEXT_RUN, lambda *_: world.today):
        ended = call("bq_setup_etl", **vars(window))
    if ended.status != 1 or "would have the next run delete" not in ended.error:
        world.silent.append(f"a smaller window is taken: {ended.status} {ended.error}")
    yield nothing


@contextmanager
def shrunk(world: World) -> Iterator[During]:
    """A smaller window, allowed; the plan says how many rows go that would have stayed."""
    before = world.window
    first = date.min if before.keep_history else world.day(before.window_days)
    gone = sum(first <= day < world.day(10) for _, day in world.rows)
    read = min(before.refresh_days, 10)
    world.window = replace(before, window_days=10, refresh_days=read, keep_history=False)
    options = {**vars(world.window), "allow_deleting": True, "format": "json"}
    with patch(NEXT_RUN, lambda *_: world.today):
        resources = call("bq_setup_etl", **options).document["resources"]
    told = sum(resource["deletes"]["rows"] for resource in resources if resource["deletes"])
    if told != gone:
        world.silent.append(f"{told} rows are said to go, and {gone} do")
    yield nothing


def changed(**settings: Any) -> Night:
    """A night before which settings are changed; they stay so."""

    @contextmanager
    def night(world: World) -> Iterator[During]:
        world.window = replace(world.window, **settings)
        world.set_up()
        yield nothing

    return night


@contextmanager
def doubled(world: World) -> Iterator[During]:
    """Somebody starts a run by hand while the night's runs."""
    yield lambda: start_run(world.scene.cloud, world.moment)


@contextmanager
def looked_back(world: World) -> Iterator[During]:
    """After the night somebody has it run for a past date once more."""
    yield nothing
    start_run(world.scene.cloud, world.moment - timedelta(days=3))
    world.scene.cloud.wait_for_runs(60)
    world.load(world.day(3))
