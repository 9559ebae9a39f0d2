"""What is asked of PostgreSQL beside the load, and what is said of each trouble there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import ANY, MagicMock, Mock

import pytest
from django.db import Error, OperationalError, models
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.bigquery_datatransfer_v1.types import TransferRun

from backend.forecasting.activity import telling
from backend.forecasting.conf import Config
from backend.forecasting.database import hypertables, lock, names, source
from backend.forecasting.errors import ForecastingError
from backend.forecasting.loading import backfill, reach, runs
from backend.forecasting.loading.backfill_mark import Mark
from backend.forecasting.loading.day_sums import BothSides, ColumnSums, DaySums
from backend.forecasting.loading.row_counts import count_rows
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.clock import FastClock
from backend.forecasting.tests.support.factories import (
    Google,
    google_error,
    make_google,
    make_run,
)

TODAY = date(2026, 3, 2)
DAYS = (TODAY - timedelta(days=1), TODAY)


class Refused(Exception):
    """What psycopg raises, of which Django's own error tells the cause."""

    def __init__(self, pgcode: str) -> None:
        self.pgcode = pgcode


def refused(text: str, state: str = "", kind: type[Error] = OperationalError) -> Error:
    error = kind(text)
    error.__cause__ = Refused(state)
    return error


def connected(
    *answers: Any,
    vendor: str = "postgresql",
    name: str = "venezuelawatch",
    alias: str = "default",
    reached: Error | None = None,
) -> MagicMock:
    """One of Django's connections, whose statements have these answers, or raise them."""
    connection = MagicMock(vendor=vendor, settings_dict={"NAME": name}, alias=alias)
    connection.ensure_connection.side_effect = reached
    cursor = connection.cursor.return_value.__enter__.return_value
    errors = [each if isinstance(each, Exception) else None for each in answers]
    cursor.execute.side_effect = [*errors, *[None] * 9]
    truths = [each for each in answers if isinstance(each, tuple)]
    cursor.fetchone.side_effect = [*truths, *[(False,)] * 9]
    cursor.fetchall.return_value = [(1,), (2,)]
    connection.copy.return_value = connection
    return connection


def outcome(work: Callable[[], Any]) -> list[str]:
    """What is done meanwhile, and what comes of it."""
    done: list[str] = []
    with telling(lambda what, *_: done.append(f"({what})")):
        try:
            result = work()
        except (ForecastingError, Error, GoogleAPICallError) as error:
            result = f"{type(error).__name__}: {error}"
    return [*done, f"{result}"]


LOCKED = refused("canceling statement", "55P03")
REFUSED = refused('relation "x"\ndoes not exist', "42P01", Error)
UNKNOWN = refused("something\nnew", "XX000", Error)
LOST = refused("server closed\nthe connection", "57P01")
NOWHERE = OperationalError("no\nroute")
CONNECTIONS: dict[str, Callable[[], MagicMock]] = {
    "all is well": partial(connected),
    "another alias": partial(connected, alias="archive"),
    "another kind": partial(connected, vendor="sqlite"),
    "another name": partial(connected, name="test", alias="archive"),
    "no answer": partial(connected, reached=NOWHERE),
    "a lock": partial(connected, LOCKED),
    "a lock later": partial(connected, None, LOCKED),
    "a lost session": partial(connected, None, LOST),
    "a refusal": partial(connected, None, REFUSED),
    "an unknown refusal": partial(connected, None, UNKNOWN),
    "a first truth": partial(connected, (True,), (True,)),
    "a truth, then none": partial(connected, (True,), (False,)),
    "no truth": partial(connected, (False,), (True,)),
}


@contextmanager
def held(config: Config, seconds: float, inside: Exception | None = None) -> Iterator[None]:
    with lock.provisioning_lock(config, seconds):
        if inside:
            raise inside
        yield


def enter(config: Config, seconds: float = 2.5, inside: Exception | None = None) -> str:
    with held(config, seconds, inside):
        return "entered"


ASK: dict[str, Callable[[Config], Any]] = {
    "out of reach": source.why_out_of_reach,
    "unreachable": lambda config: source.why_unreachable(source.source_connection(config)),
    "prepare": lambda config: source.prepare_source_query(config, "SELECT 1"),
    "soon prepare": lambda config: source.prepare_source_query(config, "SELECT 1", 0.25),
    "one second's prepare": lambda config: source.prepare_source_query(config, "SELECT 1", 1.001),
    "read": lambda config: source.read_source(config, "SELECT 1"),
    "soon read": lambda config: source.read_source(config, "SELECT 1", 2.5),
    "lock": enter,
    "long lock": lambda config: enter(config, 1e9),
    "lost inside": lambda config: enter(config, inside=Error("gone\naway")),
    "lookback": hypertables.missing_lookback,
    "lookback that is set": lambda c: hypertables.missing_lookback(
        replace(c, event_lookback_days=9)
    ),
    "lookback of no events": lambda c: hypertables.missing_lookback(
        replace(c, event_field="", event_time_field="", score_source="entity", dimension_fields=())
    ),
}


TIMED = ("soon", "one second", "long")


def asked_and_said(
    connection: MagicMock, ask: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The statements, what is done meanwhile, and what comes of it."""
    atomic = Mock(side_effect=lambda **_: nullcontext())
    for module in (source, lock, hypertables):
        monkeypatch.setattr(module, "transaction", Mock(atomic=atomic))
    for module in (source, hypertables):
        monkeypatch.setattr(module, "source_connection", lambda _: connection)
    monkeypatch.setattr(lock, "connection", connection)
    monkeypatch.setattr(lock, "connections", {"default": connection})
    said = outcome(ask)
    cursor = connection.cursor.return_value.__enter__.return_value
    asked = [f"> {' '.join(map(str, call.args))}" for call in cursor.execute.mock_calls]
    begun = [f"> BEGIN {call.kwargs}" for call in atomic.mock_calls]
    return [" ".join(line.split()) for line in [*begun, *asked, *said]]


def test_databases__are_asked_as_agreed(
    config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown: dict[str, list[str]] = {}
    for situation, connect in CONNECTIONS.items():
        for name, ask in ASK.items():
            if name.startswith(TIMED) and situation not in ("all is well", "a lock"):
                continue  # It is another time, and nothing else.
            said = asked_and_said(connect(), partial(ask, config), monkeypatch)
            if said != shown.get(f"{name}: all is well"):
                shown[f"{name}: {situation}"] = said
    assert_agreed("databases.json", shown, tmp_path)


class Spoken(Exception):
    """What psycopg 3 raises."""

    sqlstate = "42P01"


def test_state__is_told_by_either_psycopg_or_not_at_all() -> None:
    error = Error("no session")
    assert source.sqlstate(error) == ""
    error.__cause__ = Spoken()
    assert (source.sqlstate(error), source.sqlstate(LOCKED)) == ("42P01", "55P03")


def test_names__are_read_where_the_mentions_are(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, atomic = MagicMock(), Mock(side_effect=lambda **_: nullcontext())
    model._meta.get_field.return_value = models.IntegerField()
    entities = model._base_manager.using.return_value
    entities.filter.return_value.values_list.return_value = [("1", "Anna"), ("2", None), ("3", 5)]
    found = Mock(database="archive", entity_names=Mock(model=model, key="id", path="owner__name"))
    monkeypatch.setattr(names, "load_mapping", lambda _: found)
    monkeypatch.setattr(names, "why_out_of_reach", lambda _: "")
    monkeypatch.setattr(names, "transaction", Mock(atomic=atomic))
    given = ["1", "2", "x", "03", "3\0", "3"]
    assert names.read_names(config, given) == {"1": "Anna", "3": "5"}
    atomic.assert_called_once_with(using="archive")
    model._base_manager.using.assert_called_once_with("archive")
    entities.filter.assert_called_once_with(id__in=[1, 2, 3])
    entities.filter.return_value.values_list.assert_called_once_with(ANY, "owner__name")


class Rows(list[Any]):
    """As much of google-cloud-bigquery's RowIterator as is used."""

    total_bytes_processed = 0


FAILED_LOGIN = "Connect to PostgreSQL server failed: FATAL: "
REFUSALS = {
    "none": [Rows([{"orphans": 2}, {"orphans": 3}])] * 9,
    "not known": google_error(403, "no way"),
    "another database": google_error(400, f'{FAILED_LOGIN}database "a" does not exist'),
    "a wrong password": google_error(
        400, f'{FAILED_LOGIN}password authentication failed for user "a"'
    ),
    "out of reach": google_error(400, "Connect to PostgreSQL server failed: timeout"),
    "no permission": google_error(400, "ERROR: permission denied for table a"),
    "something else": google_error(400, "something new"),
}


def runs_of(*found: TransferRun) -> Google:
    google = make_google()
    google.transfers.list_transfer_runs.side_effect = lambda *_, **__: list(found)
    google.transfers.start_manual_transfer_runs.return_value.runs = [make_run()]
    return google


def adopt(google: Google) -> list[str]:
    told: list[str] = []
    runs.start_or_adopt_run(google, "projects/1/transferConfigs/2", tell=told.append)
    return told


def lossy(days: int, **sides: Any) -> BothSides:
    then = {TODAY - timedelta(days=age): age for age in range(1, days + 1)}
    return BothSides(
        table={day: sums(100) for day in then},
        source={day: sums(sides["left"][age - 1]) for day, age in then.items()},
    )


def sums(rows: int, **columns: ColumnSums) -> DaySums:
    return DaySums(rows=rows, keys=255, scores=1.5, columns=columns)


def failing(google: Google) -> Google:
    for method in (google.transfers.get_transfer_run, google.bigquery.get_table):
        method.side_effect = google_error(403, "no way")
    google.bigquery.query_and_wait.side_effect = google_error(403, "no way")
    return google


def test_loads__tell_their_troubles_as_agreed(
    config: Config, fast_clock: FastClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept, google = replace(config, keep_history=True), failing(make_google())
    monkeypatch.setattr(Google, "now", lambda _: datetime(2026, 3, 2, 12, tzinfo=UTC))
    work: dict[str, Callable[[], Any]] = {
        "observe": lambda: runs.observe_run(google, "runs/1"),
        "count": lambda: count_rows(google, config),
        "count with history": lambda: count_rows(google, kept),
        "other runs": lambda: adopt(
            runs_of(
                make_run("RUNNING", run_time=datetime(2026, 2, 1, tzinfo=UTC)),
                TransferRun(name="a/b", state="PENDING"),
            )
        ),
        "unkept": lambda: backfill.refuse_unkept_backfill(config, 91),
        "a day of sums": lambda: sums(9, a=ColumnSums(count=1, sum=2.5), b=ColumnSums(excess=7.0)),
        "mark": lambda: [
            str(Mark(first_day=TODAY, end_day=TODAY, at=datetime.fromtimestamp(9, UTC), done=done))
            for done in (True, False)
        ],
    }
    for left in ([100, 100], [49, 100], [50, 100], [0, 0, 100], [90, 90], [89, 90]):
        sides = lossy(len(left), left=left)
        work[f"left {left}"] = partial(
            backfill._refuse_loss, replace(config, refresh_days=1), google, sides, "2 to 3"
        )
        work[f"forgotten {left}"] = partial(sides.forgotten, TODAY)
    shown = {name: outcome(each) for name, each in work.items()}
    assert_agreed("loads.json", shown, tmp_path)


def test_credentials__are_proved_as_agreed(
    config: Config, google: Google, fast_clock: FastClock, monkeypatch: Any, tmp_path: Path
) -> None:
    shown: dict[str, Any] = {}
    for name, refusal in REFUSALS.items():
        google.bigquery.query_and_wait.side_effect = refusal
        for again, lets_in in ((False, False), (False, True), (True, True)):
            proved = partial(reach.prove_credential, config, google, again=again, lets_in=lets_in)
            shown[f"{name}, again {again}, lets in {lets_in}"] = outcome(proved)
        notes: list[str] = []
        waited = outcome(partial(reach.wait_for_reach, config, google, 2.5, notes.append))
        probed = outcome(partial(reach.probe_connection, config, google, DAYS))
        shown[f"{name}, waited for"] = [*notes, *waited, *probed]
    assert_agreed("credentials.json", shown, tmp_path)
