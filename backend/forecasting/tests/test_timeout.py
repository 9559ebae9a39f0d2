"""`--timeout`: no command takes longer, whatever Google does or does not."""

import zlib
from contextlib import closing
from typing import Any

import pytest
from django.core.management import ManagementUtility
from django.db import connection

from backend.forecasting.conf import load_config
from backend.forecasting.tests.oracles.hostile_wire import (
    ANY,
    Failure,
    HostileWire,
    busy,
    hang,
    reset,
    truncate,
)
from backend.forecasting.tests.support.commands import call

COMMANDS: dict[str, dict[str, Any]] = {
    "bq_setup": {},
    "bq_setup_etl": {"run_now": True},
    "bq_verify": {},
}
SECONDS = 40
LATEST = SECONDS + 0.501
"""When the watchdog has ended what did not end in time by itself."""

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("failure", [hang, busy, reset, truncate])
@pytest.mark.parametrize("command", COMMANDS)
def test_timeout__ends_a_command_that_gets_no_answer(
    wire: HostileWire, command: str, failure: Failure
) -> None:
    wire.failures[ANY] = failure
    result = call(command, **COMMANDS[command], timeout=SECONDS)
    assert (result.status, result.error.count("\n")) == (1, 0)
    assert 0 < wire.clock.ahead <= LATEST


@pytest.mark.parametrize("reply", ["started", "run", "probe", "summary"])
@pytest.mark.parametrize("failure", [hang, busy])
def test_timeout__ends_a_command_that_waits(
    wire: HostileWire, reply: str, failure: Failure
) -> None:
    command = "bq_verify" if reply in ("probe", "summary") else "bq_setup_etl"
    under_way = {**wire.healthy["run"], "state": "RUNNING"}
    wire.replies |= {"runs": {}, "started": {"runs": [under_way]}}
    wire.failures[reply] = failure
    result = call(command, **COMMANDS[command], timeout=SECONDS)
    assert reply in wire.asked
    assert result.status == 1
    assert wire.clock.ahead <= LATEST


def test_timeout__ends_the_wait_for_another_deploy(wire: HostileWire) -> None:
    """Which is PostgreSQL's own wait; the other lets go only when the command is over."""
    own, key = connection.copy(), zlib.crc32(load_config().table_id.encode())
    with closing(own), own.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [key])
        result = call("bq_setup", timeout=0.2)
    assert result.status == 1
    assert result.error.startswith("Another run has been changing the resources of ")


# What the flag says


@pytest.mark.parametrize("command", COMMANDS)
def test_timeout__says_in_the_help_what_it_covers(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        ManagementUtility(["manage.py", command, "--help"]).execute()
    text = " ".join(capsys.readouterr().out.split())
    assert "--timeout SECONDS the longest that the command takes, with " in text
    assert "waits for and tries again" in text
    assert "(default: 900); then exit status 1" in text
