"""`--timeout`: no command takes longer, whatever Google does or does not."""

import time
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import ManagementUtility
from django.db import connection

from backend.entities.models import Entity
from backend.forecasting.conf import load_config
from backend.forecasting.tests.support.commands import Result, call
from backend.forecasting.tests.support.loading import day_before, mention
from backend.localcloud.http.faults import EVERY_TIME, Fault, Kind

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

COMMANDS: dict[str, dict[str, Any]] = {
    "bq_setup": {},
    "bq_setup_etl": {"run_now": True},
    "bq_verify": {},
}
SECONDS = 0.5
OVERHEAD = 2.0
"""The contract's: a command ends at most so many seconds late, on a busy machine too."""
"""What a command does besides waiting, on a busy machine."""

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ready(pipeline: "LocalCloud") -> "LocalCloud":
    """The stand-in with everything set up and one day loaded."""
    mention(Entity.objects.create(name="Acme", entity_type="company"), day_before(1), 40.0)
    assert call("bq_setup").status == call("bq_setup_etl", run_now=True).status == 0
    return pipeline


def timed(command: str, **options: Any) -> tuple[Result, float]:
    begun = time.monotonic()
    result = call(command, **COMMANDS[command], timeout=SECONDS, **options)
    return result, time.monotonic() - begun


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.UNAVAILABLE, Kind.RESET, Kind.TRUNCATED])
@pytest.mark.parametrize("command", COMMANDS)
def test_timeout__ends_a_command_that_gets_no_answer(
    ready: "LocalCloud", command: str, kind: Kind
) -> None:
    ready.faults.add(Fault(kind=kind, times=EVERY_TIME))
    result, seconds = timed(command)
    ready.faults.clear()
    assert (result.status, result.error.count("\n")) == (1, 0)
    assert seconds < SECONDS + OVERHEAD


@pytest.mark.parametrize(
    ("command", "method", "path"),
    [
        ("bq_setup_etl", "POST", ":startManualRuns$"),
        ("bq_setup_etl", "GET", r"/runs/[^/]+$"),
        ("bq_verify", "POST", "/queries$"),
        ("bq_verify", "GET", "/(jobs|queries)/"),
    ],
)
def test_timeout__ends_a_command_that_waits(
    ready: "LocalCloud", command: str, method: str, path: str
) -> None:
    ready.faults.add(Fault(kind=Kind.HANG, method=method, path=path, times=EVERY_TIME))
    result, seconds = timed(command)
    ready.faults.clear()
    assert result.status == 1
    assert seconds < SECONDS + OVERHEAD


def test_timeout__ends_a_run_that_is_waited_for(ready: "LocalCloud") -> None:
    (scheduled,) = ready.transfers.items.values()
    for run in scheduled.runs.values():
        run.resource["state"] = "RUNNING"
    result, seconds = timed("bq_setup_etl")
    assert result.status == 1
    assert result.error.startswith(f"The run has not ended within {SECONDS:g} seconds and goes on")
    assert seconds < SECONDS + OVERHEAD


def test_timeout__ends_the_wait_for_another_deploy(ready: "LocalCloud") -> None:
    own, key = connection.copy(), zlib.crc32(load_config().table_id.encode())
    with closing(own), own.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [key])
        result, seconds = timed("bq_setup")
    assert result.status == 1
    assert result.error.startswith("Another run has been changing the resources of ")
    assert seconds < SECONDS + OVERHEAD


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
