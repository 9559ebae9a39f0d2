"""`schedule.query`: whose hand or which settings made the stored script, and what to do then."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from backend.forecasting.provisioning.plan import Change
from backend.forecasting.provisioning.scheduled_queries import ScheduledQuerySpec
from backend.forecasting.sql.queries import render_nightly_load
from backend.forecasting.sql.script_head import read_script
from backend.forecasting.tests.support.factories import make_config, make_transfer
from backend.forecasting.verification.findings import Finding
from backend.forecasting.verification.script_check import check_script

RUN_ETL = "run `python manage.py bq_setup_etl`"
SEE = "bq_setup_etl --dry-run"


def check(stored: str, **here: Any) -> Finding:
    config = make_config(**here)
    spec = ScheduledQuerySpec.from_config(config)
    changes = spec.changes([make_transfer(config, params={"query": stored})])
    return check_script(read_script(stored), spec.query, changes)


def script(**options: Any) -> str:
    return render_nightly_load(make_config(**options))


def test_query__of_this_version_passes() -> None:
    assert check(script()).status == "pass"


def test_query__more_history_stored_has_the_settings_here_follow() -> None:
    finding = check(script(keep_history=True, refresh_days=7))
    assert finding.message == ("differs: refresh_days is 7, here 90; keep_history is on, here off")
    assert finding.hint == (
        "the stored script keeps more days: set FORECASTING_KEEP_HISTORY=on here as well"
    )
    assert (finding.expected, finding.observed) == (
        "refresh_days 90; keep_history off",
        "refresh_days 7; keep_history on",
    )


def test_query__wider_window_stored_has_the_window_here_follow() -> None:
    finding = check(script(window_days=365, refresh_days=90))
    assert finding.message == "differs: window_days is 365, here 90"
    assert finding.hint.endswith("set FORECASTING_WINDOW_DAYS=365 here as well")


def test_query__wider_window_here_is_stored() -> None:
    finding = check(script(), window_days=365, refresh_days=90)
    assert finding.hint == f"the settings here keep more days: {RUN_ETL}"


def test_query__setting_of_another_version_is_told() -> None:
    stored = read_script(script())
    stored = replace(stored, settings={**stored.settings, "pace": "9"})
    change = Change(field="pace", before="9", after=None)
    finding = check_script(stored, script(), [change])
    assert finding.message == "differs: pace is 9, here unknown"


def test_query__other_settings_that_keep_the_same_are_stored() -> None:
    assert check(script(refresh_days=7)).hint == RUN_ETL


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda text: text.replace("ON FALSE", "ON TRUE"), "query, which somebody edited"),
        (lambda text: "SELECT 1", "query, which is not of this version"),
        (lambda text: text.split("-- Replaces")[1], "query, which is not of this version"),
    ],
)
def test_query__somebodys_edit_is_looked_at_before_it_is_replaced(
    edit: Callable[[str], str], why: str
) -> None:
    finding = check(edit(script()))
    assert finding.message == f"differs: {why}"
    assert finding.hint.endswith(RUN_ETL)
    assert SEE in finding.hint


def test_query__edit_that_keeps_more_is_followed() -> None:
    finding = check(script().replace("INTERVAL 90 DAY", "INTERVAL 900 DAY"))
    assert "somebody edited" in finding.message
    assert finding.hint.endswith("set FORECASTING_WINDOW_DAYS=900 here as well")


def test_query__another_version_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = script()
    monkeypatch.setattr(
        "backend.forecasting.sql.queries._leaving", lambda keep: "target.mentioned_at IS NULL"
    )
    finding = check(stored)
    assert finding.message == "differs: query, which another version of this program made"


def test_query__parameter_beside_it_is_named() -> None:
    spec = ScheduledQuerySpec.from_config(make_config())
    stored = {"query": spec.query, "write_disposition": "WRITE_TRUNCATE"}
    changes = spec.changes([make_transfer(make_config(), params=stored)])
    finding = check_script(read_script(spec.query), spec.query, changes)
    assert finding.message == "differs: params.write_disposition"
    assert finding.hint == RUN_ETL
