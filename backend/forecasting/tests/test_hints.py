"""No hint advises what deletes: every command in one is refused where days would go."""

import re

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.google.causes import CAUSES
from backend.forecasting.tests.support.check_cases import CASES, Case
from backend.forecasting.tests.support.snapshots import findings_of, make_snapshot

HARMLESS = {"--run-now", "--dry-run", "--backfill-days", "--print-role-sql"}
"""bq_setup_etl with these refuses, by itself, settings that would have days deleted."""


def flags_in(text: str) -> set[str]:
    commands = re.findall(r"`(?:python manage\.py )?(bq_setup\w*[^`]*)`", text)
    return {flag for command in commands for flag in re.findall(r"--[a-z-]+", command)}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hint__advises_no_command_that_deletes(config: Config, case: Case) -> None:
    hint = findings_of(make_snapshot(config, **case.change(config)))[case.check].hint
    assert hint
    assert flags_in(hint) <= HARMLESS


def test_hints__have_commands_to_look_at() -> None:
    assert flags_in("run `python manage.py bq_setup_etl --run-now`") == {"--run-now"}
    found = {flag for case in CASES for flag in flags_in(case.hint)}
    assert "--run-now" in found
    assert [
        cause for cause in CAUSES.values() if "`bq_setup" in cause or "manage.py bq_setup" in cause
    ]


def test_causes__advise_no_command_that_deletes() -> None:
    assert CAUSES
    for cause in CAUSES.values():
        assert flags_in(cause) <= HARMLESS, cause
