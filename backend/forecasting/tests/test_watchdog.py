"""The watchdog: --timeout holds whatever hangs, and says what it was waiting for."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from django.db import connection
from django.test import override_settings
from google.oauth2.credentials import Credentials
from pytest_django import Settings

from backend.forecasting.activity import doing
from backend.forecasting.errors import ForecastingError
from backend.forecasting.google.waiting import Deadline
from backend.forecasting.management.commands import _watchdog
from backend.forecasting.management.commands._watchdog import OutOfTime, Watchdog, watching
from backend.forecasting.tests.oracles.hostile_wire import HostileWire
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.factories import INSTANCE, PROJECT
from backend.forecasting.tests.support.token_server import token_server

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

OVER = " was given up: the 0.2 seconds of --timeout are over; run it again."


# manage.py, for which no time passes until it asks libpq for a session, or for the address of
# another host than this one; a C library that looks for a name takes no notice of a signal.
HELD_PROCESS = """
import ctypes, socket, sys, types
import django, psycopg2
from django.core.management import execute_from_command_line
from backend.forecasting.management.commands import _watchdog

now = [0.0]
def connect(*arguments, true=psycopg2.connect, **options):
    now[0] = 60.0
    return true(*arguments, **options)
def look_up(host, *arguments, true=socket.getaddrinfo, **options):
    if host in ("127.0.0.1", "localhost"):
        return true(host, *arguments, **options)
    now[0] = 60.0
    mutex = ctypes.create_string_buffer(64)
    while True:
        ctypes.CDLL(None).pthread_mutex_lock(mutex)
psycopg2.connect, socket.getaddrinfo = connect, look_up
_watchdog.time = types.SimpleNamespace(monotonic=lambda: now[0])
execute_from_command_line(sys.argv)
"""


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


class HeldTime:
    """The watchdog's clock, which the test moves: whatever the machine is busy with is no time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looks = threading.Semaphore(0)

    def monotonic(self) -> float:
        if threading.current_thread().name == "timeout":
            self.looks.release()
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    def let_look(self, times: int) -> None:
        """Wait until the watchdog has looked so often."""
        for _ in range(times):
            assert self.looks.acquire(timeout=60)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> HeldTime:
    held = HeldTime()
    monkeypatch.setattr(_watchdog, "time", held)
    return held


@pytest.fixture
def dribbling(held: HeldTime) -> Iterator[str]:
    """Where each request is answered byte by byte, without end; from then on time passes."""
    stopped = threading.Event()

    def answer(taken: socket.socket) -> None:
        with taken, suppress(OSError):  # Whoever has waited long enough hangs up.
            taken.recv(65536)
            taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            held.pass_by(60)
            while not stopped.wait(0.02):
                taken.sendall(b" ")

    def serve() -> None:
        while not stopped.is_set():
            taken, _ = listener.accept()
            threading.Thread(target=answer, args=[taken], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        port = listener.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        stopped.set()
        socket.create_connection(("127.0.0.1", port)).close()
        server.join()  # Else it may be about to take a connection when there is no listener.


def given_up(held: HeldTime, work: Callable[[], object]) -> str:
    """What is said of work that lasts until the 0.2 seconds are over."""

    def outlast() -> None:
        held.pass_by(60)
        work()

    with pytest.raises(ForecastingError) as raised, watching(0.2), doing("Waiting"):
        outlast()
    return str(raised.value)


def test_watchdog__ends_what_waits_and_says_what_it_was(held: HeldTime) -> None:
    with doing("Looking"):
        assert given_up(held, lambda: threading.Event().wait()) == "Waiting" + OVER


def test_watchdog__lets_alone_what_ends_in_time(held: HeldTime) -> None:
    before = {*threading.enumerate()}  # That of another test may just be about to end.
    with watching(0.2):
        (thread,) = (t for t in {*threading.enumerate()} - before if t.name == "timeout")
    held.pass_by(60)
    thread.join()


def test_watchdog__passes_what_catches_everything(held: HeldTime) -> None:
    def stubborn() -> None:
        while True:
            with suppress(Exception):
                time.sleep(0.05)

    assert given_up(held, stubborn) == "Waiting" + OVER


def test_watchdog__that_acts_while_it_is_stopped_leaves_what_has_ended(
    held: HeldTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Watchdog] = []
    stop = Watchdog.stop

    def stop_late(watchdog: Watchdog) -> None:
        if not late:
            late.append(watchdog)
            held.pass_by(60)
            threading.Event().wait()  # until the signal comes
        stop(watchdog)

    monkeypatch.setattr(Watchdog, "stop", stop_late)
    with watching(0.2) as watchdog:
        pass
    assert late == [watchdog]
    assert not watchdog.watches


def test_watchdog__holds_no_process_back(held: HeldTime) -> None:
    with watching(30):
        held.let_look(1)
        watching_now = [each for each in threading.enumerate() if each.name == "timeout"]
    assert [each.daemon for each in watching_now] == [True] * max(len(watching_now), 1)


def test_watchdog__that_is_restarted_counts_anew(held: HeldTime) -> None:
    with watching(0.2) as watchdog:
        watchdog.restart(30)
        held.pass_by(30)
        held.let_look(3)


def test_watchdog__counts_down_from_its_last_start(held: HeldTime) -> None:
    dog = Watchdog(5, None)
    held.pass_by(2)
    assert (dog.left, dog.wakes) == (3, held.now + 3.5)
    held.pass_by(9)
    assert dog.left == 0
    dog.restart(4)
    assert dog.left == 4


def test_watchdog__that_has_cut_nothing_leaves_all_as_it_was(held: HeldTime) -> None:
    before = signal.getsignal(signal.SIGALRM)
    for cut in (False, True):
        dog, database = Watchdog(30, None), Mock()
        dog._databases = [database]
        dog.start()
        assert dog.watches
        if cut:
            dog._cut_sessions()
        dog.stop()
        assert (database.close.called, dog.watches) == (cut, False)
        assert signal.getsignal(signal.SIGALRM) is before


def test_watchdog__says_what_it_has_given_up_when_it_goes(held: HeldTime) -> None:
    told: list[str] = []
    dog = Watchdog(0.2, told.append)

    def hang() -> None:
        dog.interrupt()
        threading.Event().wait()

    dog.start()
    with doing("Looking"), pytest.raises(OutOfTime):
        hang()
    dog.stop()
    dog._go()
    assert told == [dog.sentence] == ["Looking" + OVER]


def test_watchdog__of_another_thread_ends_it_between_two_steps(held: HeldTime) -> None:
    said: list[str] = []

    def work() -> None:
        while True:
            time.sleep(0.02)

    thread = threading.Thread(target=lambda: said.append(given_up(held, work)))
    thread.start()
    thread.join()
    assert said == ["Waiting" + OVER]


def test_watchdog__acts_two_seconds_late_at_the_latest(
    held: HeldTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts: list[float] = []
    watchdog, begun = Watchdog(30, None), held.now
    for act in ("interrupt", "_cut_sessions", "_go"):
        monkeypatch.setattr(watchdog, act, lambda: acts.append(held.now - begun))
    # Nothing stops it, and it waits as long as it wants to.
    stopped = Mock(wait=lambda seconds: held.pass_by(seconds), is_set=lambda: False)
    monkeypatch.setattr(watchdog, "_stopped", stopped)
    watchdog._watch()
    assert acts == pytest.approx([30.5, 31, 31.5])


@pytest.mark.django_db(transaction=True)
def test_watchdog__cuts_a_session_with_postgresql_that_is_silent(held: HeldTime) -> None:
    def sleep() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(600)")

    def pass_when_it_sleeps() -> None:
        with closing(connection), connection.cursor() as cursor:
            while True:
                cursor.execute(
                    "SELECT 1 FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event = 'PgSleep'"
                )
                if cursor.fetchone():
                    break
        held.pass_by(60)

    threading.Thread(target=pass_when_it_sleeps, daemon=True).start()
    with pytest.raises(ForecastingError) as raised, watching(0.2), doing("Waiting"):
        sleep()
    assert str(raised.value) == "Waiting" + OVER
    with connection.cursor() as cursor:
        # What sleeps does not notice that it was cut.
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )
        assert cursor.fetchall() == [(True,)]


# The commands


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", ["bq_setup", "bq_setup_etl", "bq_verify"])
def test_timeout__is_kept_when_a_reply_comes_byte_by_byte(
    pipeline: "LocalCloud",
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    dribbling: str,
    command: str,
) -> None:
    """No limit of a request's own ends it: there is always another byte in time."""
    monkeypatch.setattr(Deadline, "start", lambda *_: None)
    settings.FORECASTING_API_ENDPOINT = dribbling
    result = call(command, timeout=0.2)
    assert (result.status, result.error.count("\n")) == (1, 0)
    assert result.error.startswith("Looking at ")
    assert result.error.endswith(OVER)


@pytest.mark.django_db
def test_timeout__is_kept_by_the_login(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, held: HeldTime
) -> None:
    settings.GOOGLE_CLOUD_PROJECT, settings.CLOUD_SQL_INSTANCE = PROJECT, INSTANCE
    with token_server() as tokens:
        tokens.answer = None

        def find(**_: object) -> tuple[Credentials, None]:
            held.pass_by(60)
            return tokens.credentials(), None

        monkeypatch.setattr("google.auth.default", find)
        result = call("bq_verify", timeout=0.2)
    assert (result.status, result.error) == (1, "Logging in to Google" + OVER)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("flags", [[], ["--check"], ["--dry-run"]])
def test_timeout__of_a_table_that_a_migration_holds(wire: HostileWire, flags: list[str]) -> None:
    """Until the command is over; it is PostgreSQL that waits, and that gives up."""
    own, database = connection.copy(), connection.settings_dict["NAME"]
    with override_settings(FORECASTING_SOURCE_DATABASE=database), closing(own):
        with own.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE events_event IN ACCESS EXCLUSIVE MODE")
        result = call("bq_setup_etl", *flags, timeout=0.2)
    assert result.status == 1
    assert result.error.startswith(
        f"A table of the source query is locked in database {database}, as by a migration under way"
    )


HUNG_IN_C = {
    "libpq, which waits for a server's greeting": ({}, "Reaching Django's database"),
    "the address of the token server": (
        {"GOOGLE_APPLICATION_CREDENTIALS": "{login}", "FORECASTING_API_ENDPOINT": ""},
        "Logging in to Google",
    ),
    "the address of the metadata server": (
        {
            "GCE_METADATA_HOST": "metadata.google.internal",
            "NO_GCE_CHECK": "false",
            "FORECASTING_API_ENDPOINT": "",
        },
        "Logging in to Google",
    ),
}
LOGIN = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}


@pytest.mark.parametrize(("changes", "doing"), HUNG_IN_C.values(), ids=HUNG_IN_C)
def test_timeout__is_kept_by_a_process_that_nothing_interrupts(
    silent: int, tmp_path: Path, changes: dict[str, str], doing: str
) -> None:
    login = tmp_path / "login.json"
    login.write_text(json.dumps(LOGIN))
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "backend.config.settings",
        "DATABASE_URL": f"postgresql://a:b@127.0.0.1:{silent}/venezuelawatch",
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "FORECASTING_API_ENDPOINT": "http://127.0.0.1:1",
        "FORECASTING_GRPC_ENDPOINT": "" if changes else "127.0.0.1:1",
        "CLOUDSDK_CONFIG": str(tmp_path),
        **{name: text.format(login=login) for name, text in changes.items()},
    }
    command = [sys.executable, "-c", HELD_PROCESS, "bq_setup", "--timeout", "0.2"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, doing + OVER + "\n")
