"""What is promised in seconds: the end of --timeout, and the sentence for an expired login."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import google.auth
import pytest
from django.test import override_settings
from pytest_django import Settings

from backend.forecasting.tests.reliability.scene import Fault as Trouble
from backend.forecasting.tests.reliability.scene import Scene
from backend.forecasting.tests.reliability.tally import Tally
from backend.forecasting.tests.reliability.tracebacks import logged_tracebacks
from backend.forecasting.tests.support.commands import Result, call
from backend.forecasting.tests.support.stand_in import pipeline_settings
from backend.forecasting.tests.support.token_server import REVOKED, token_server
from backend.localcloud.http.faults import EVERY_TIME, Fault, Kind

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

SUITE = "Promises in seconds"
SILENT = {"BigQuery over REST": "/bigquery/v2", "the other services over gRPC": "/v1/"}
COMMANDS = ("bq_setup", "bq_setup_etl", "bq_verify")
TIMEOUT, LATE, SOON = 3, 2.0, 10.0
NOTE = (
    f"Each command with `--timeout {TIMEOUT}`, while every request to BigQuery, or every one to "
    f"the other services, gets no answer: it has to end at most {LATE:.0f} seconds late. And each "
    "with a login that Google has revoked: it has to say so, in one sentence, within "
    f"{SOON:.0f} seconds. `bq_setup` asks BigQuery alone."
)

pytestmark = pytest.mark.usefixtures("measured", "transactional_db")


@pytest.fixture(scope="module")
def measured(everything: bool) -> None:
    """Seconds are of the machine, so that they are measured where somebody asks for them only."""
    if not everything:
        pytest.skip("measured by make reliability")


@pytest.fixture
def silent(cloud_server: "LocalCloud", scene: Scene) -> "Iterator[LocalCloud]":
    """The stand-in with a table, on which faults hang."""
    scene.reset()
    with override_settings(**pipeline_settings(cloud_server)):
        assert call("bq_setup").status == 0
        yield cloud_server
    cloud_server.faults.clear()


def timed(command: str, **options: object) -> tuple[Result, float, list[Trouble]]:
    """How it ended, after how many seconds, and what it should not have done on the way."""
    with logged_tracebacks() as logged:
        begun = time.monotonic()
        result = call(command, **options)
        seconds = time.monotonic() - begun
    troubles = [("tracebacks", text) for text in logged]
    if result.status != 1 or "\n" in result.error:
        troubles.append(("losses", f"exit status {result.status}: {result.error}"))
    return result, seconds, troubles


def test_timeout__is_kept(silent: "LocalCloud", tally: Tally) -> None:
    worst, wrong = 0.0, dict[tuple[str, str], list[Trouble]]()
    for what, path in SILENT.items():
        for command in COMMANDS[what != "BigQuery over REST" :]:
            silent.faults.add(Fault(kind=Kind.HANG, path=path, times=EVERY_TIME))
            _, seconds, troubles = timed(command, timeout=TIMEOUT)
            silent.faults.clear()
            worst = max(worst, seconds - TIMEOUT)
            if seconds > TIMEOUT + LATE:
                troubles.append(("hangs", f"{seconds:.1f} seconds"))
            row = f"--timeout while {what} is silent"
            tally.judge(SUITE, "cells", troubles, row=row, outcome="clearly failed")
            wrong |= {(what, command): troubles} if troubles else {}
    tally.note(SUITE, NOTE)
    tally.note(SUITE, f"The worst end was {worst:.2f} seconds after that of --timeout.")
    assert wrong == {}


def test_expired_login__is_told_soon(
    scene: Scene, tally: Tally, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FORECASTING_API_ENDPOINT = settings.FORECASTING_GRPC_ENDPOINT = ""
    longest, wrong = 0.0, dict[str, list[Trouble]]()
    with token_server() as tokens:
        tokens.answer = REVOKED
        for command in COMMANDS:
            found = tokens.credentials("ana@example.com"), "demo-project"
            monkeypatch.setattr(google.auth, "default", lambda found=found, **_: found)
            _, seconds, troubles = timed(command)
            longest = max(longest, seconds)
            if seconds > SOON:
                troubles.append(("hangs", f"{seconds:.1f} seconds"))
            row = "an expired login"
            tally.judge(SUITE, "cells", troubles, row=row, outcome="clearly failed")
            wrong |= {command: troubles} if troubles else {}
    tally.note(
        SUITE, f"The sentence for an expired login came after {longest:.2f} seconds at most."
    )
    assert wrong == {}
