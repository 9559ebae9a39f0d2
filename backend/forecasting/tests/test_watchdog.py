"""The watchdog: --timeout holds whatever hangs, and says what it was waiting for."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from pytest_django import Settings

from backend.forecasting.activity import doing
from backend.forecasting.conf import load_config
from backend.forecasting.errors import ForecastingError
from backend.forecasting.management.commands._watchdog import watching
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.factories import INSTANCE, PROJECT
from backend.forecasting.tests.support.token_server import token_server

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

OVER = " was given up: the 0.2 seconds of --timeout are over; run it again."
LATEST = 2.2


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def dribbling() -> Iterator[str]:
    """Where each request is answered byte by byte, without end."""
    stopped = threading.Event()

    def answer(taken: socket.socket) -> None:
        with taken, suppress(OSError):  # Whoever has waited long enough hangs up.
            taken.recv(65536)
            taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            while not stopped.wait(0.02):
                taken.sendall(b" ")

    def serve() -> None:
        while not stopped.is_set():
            taken, _ = listener.accept()
            threading.Thread(target=answer, args=[taken], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        stopped.set()
        socket.create_connection(("127.0.0.1", port)).close()


def given_up(work: Callable[[], object]) -> str:
    """What is said of work that takes longer than 0.2 seconds."""
    with pytest.raises(ForecastingError) as raised, watching(0.2), doing("Waiting"):
        work()
    return str(raised.value)


def test_watchdog__ends_what_waits_and_says_what_it_was() -> None:
    begun = time.monotonic()
    with doing("Looking"):
        assert given_up(lambda: threading.Event().wait(30)) == "Waiting" + OVER
    assert time.monotonic() - begun < LATEST


def test_watchdog__lets_alone_what_ends_in_time() -> None:
    with watching(0.01):
        pass
    time.sleep(0.02)


def test_watchdog__passes_what_catches_everything() -> None:
    def stubborn() -> None:
        while True:
            with suppress(Exception):
                time.sleep(0.05)

    assert given_up(stubborn) == "Waiting" + OVER


def test_watchdog__that_is_restarted_counts_anew() -> None:
    with watching(0.1) as watchdog:
        watchdog.restart(30)
        time.sleep(0.7)


def test_watchdog__of_another_thread_ends_it_between_two_steps() -> None:
    said: list[str] = []

    def work() -> None:
        while True:
            time.sleep(0.02)

    thread = threading.Thread(target=lambda: said.append(given_up(work)))
    thread.start()
    thread.join(10)
    assert said == ["Waiting" + OVER]


@pytest.mark.django_db(transaction=True)
def test_watchdog__cuts_a_session_with_postgresql_that_is_silent() -> None:
    def sleep() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(3)")

    begun = time.monotonic()
    assert given_up(sleep) == "Waiting" + OVER
    assert time.monotonic() - begun < LATEST
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


# The commands


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", ["bq_setup", "bq_setup_etl", "bq_verify"])
def test_timeout__is_kept_when_a_reply_comes_byte_by_byte(
    pipeline: "LocalCloud", settings: Settings, dribbling: str, command: str
) -> None:
    settings.FORECASTING_API_ENDPOINT = dribbling
    begun = time.monotonic()
    result = call(command, timeout=1)
    assert time.monotonic() - begun < 1 + LATEST
    assert (result.status, result.error.count("\n")) == (1, 0)
    assert "was given up: " in result.error
    assert result.error.endswith("run it again.")


@pytest.mark.django_db
def test_timeout__is_kept_by_the_login(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.GOOGLE_CLOUD_PROJECT, settings.CLOUD_SQL_INSTANCE = PROJECT, INSTANCE
    with token_server() as tokens:
        tokens.answer = None
        monkeypatch.setattr("google.auth.default", lambda **_: (tokens.credentials(), None))
        result = call("bq_verify", timeout=0.2)
    assert (result.status, result.error) == (1, "Logging in to Google" + OVER)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("flags", [[], ["--check"], ["--dry-run"]])
def test_timeout__of_a_table_that_a_migration_holds(
    pipeline: "LocalCloud", flags: list[str]
) -> None:
    assert call("bq_setup").status == 0
    begun, own = time.monotonic(), connection.copy()
    with closing(own), own.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE events_event IN ACCESS EXCLUSIVE MODE")
        result = call("bq_setup_etl", *flags, timeout=0.5)
    assert time.monotonic() - begun < 0.5 + LATEST
    assert result.status == 1
    database = load_config().source_database
    assert result.error.startswith(
        f"A table of the source query is locked in database {database}, as by a migration under way"
    )


def test_timeout__is_kept_by_a_process_that_nothing_interrupts(silent: int) -> None:
    """libpq waits in C for the greeting of a server that is silent."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "backend.config.settings",
        "DATABASE_URL": f"postgresql://a:b@127.0.0.1:{silent}/venezuelawatch",
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "FORECASTING_API_ENDPOINT": "http://127.0.0.1:1",
        "FORECASTING_GRPC_ENDPOINT": "127.0.0.1:1",
    }
    # What takes long to import is imported before the time counts.
    script = (
        "import django, sys; django.setup(); import backend.forecasting.setup; "
        "from django.core.management import execute_from_command_line as run; run(sys.argv)"
    )
    command = [sys.executable, "-c", script, "bq_setup", "--timeout", "0.2"]
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, "Reaching Django's database" + OVER + "\n")
