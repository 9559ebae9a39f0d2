"""Small parts of the commands: what is kept from being imported, help, and what is told once."""

import importlib
import sys
from datetime import date
from types import ModuleType
from typing import Any
from unittest.mock import Mock, call

import pytest

from backend.forecasting.loading.backfill import Slice, SliceOutcome, SliceResult
from backend.forecasting.management.commands._help import HelpFormatter
from backend.forecasting.management.commands._imports import without_arrow
from backend.forecasting.management.commands._listeners import make_listeners
from backend.forecasting.setup.outcome import Mode
from backend.forecasting.tests.support.factories import RUN_NAME, make_run

ARROW = ("pyarrow", "google.cloud.bigquery_storage_v1")


def test_arrow__is_kept_out_of_the_block_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ARROW:
        monkeypatch.delitem(sys.modules, name, raising=False)
    with without_arrow():
        for name in ARROW:
            with pytest.raises(ImportError):
                importlib.import_module(name)
    assert not {*ARROW} & {*sys.modules}


def test_arrow__that_is_there_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ModuleType("pyarrow")
    monkeypatch.setitem(sys.modules, "pyarrow", there)
    monkeypatch.delitem(sys.modules, ARROW[1], raising=False)
    with without_arrow():
        assert importlib.import_module("pyarrow") is there
    assert sys.modules["pyarrow"] is there


def test_help__keeps_the_lines_of_a_text_that_has_some() -> None:
    formatter = HelpFormatter("manage.py")
    assert formatter._fill_text("a  long\n  text", 6, "") == "a  long\n  text"
    assert formatter._fill_text("a  long text", 8, "  ") == "  a long\n  text"


@pytest.fixture
def command() -> Any:
    return Mock(left_behind="nothing was changed")


def test_run__is_an_event_for_each_new_state(command: Any) -> None:
    shown = Mock()
    tell = make_listeners(command, Mode.APPLY, shown)
    for state in ("PENDING", "RUNNING", "RUNNING", "SUCCEEDED"):
        tell.run(make_run(state))
    assert command.say.call_args_list == [
        call(f"Run 1a2b: {state}", run=RUN_NAME) for state in ("PENDING", "RUNNING", "SUCCEEDED")
    ]
    assert not shown.called
    command.events = None
    tell.run(make_run("RUNNING"))
    shown.assert_called_once_with(make_run("RUNNING"))


def test_run__that_has_ended_is_not_left_behind(command: Any) -> None:
    tell = make_listeners(command, Mode.APPLY)
    told = []
    for state in ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"):
        tell.run(make_run(state))
        told.append(command.left_behind.partition(" and ")[0])
    assert told == [
        "run 1a2b goes on at Google,",
        "run 1a2b goes on at Google,",
        "run 1a2b has ended, SUCCEEDED,",
        "run 1a2b has ended, FAILED,",
        "run 1a2b has ended, CANCELLED,",
    ]


def test_slice__says_that_more_may_come_but_after_the_last(command: Any) -> None:
    tell = make_listeners(command, Mode.APPLY)
    for number, more, stay in ((1, True, "is done and stays"), (2, False, "are done and stay")):
        part = Slice(first_day=date(2026, 1, 1), end_day=date(2026, 2, 1), number=number, count=2)
        tell.slice(SliceOutcome(slice=part, result=SliceResult.LOADED, rows=7, rows_before=0))
        assert command.left_behind.startswith(f"{number} of 2 slices {stay}")
        assert command.left_behind.endswith("run it again to go on") is more


@pytest.mark.parametrize(
    ("mode", "loads", "left"),
    [
        (Mode.CHECK, True, "nothing was changed"),
        (Mode.DRY_RUN, False, "nothing was changed"),
        (Mode.APPLY, False, "what was changed by then stays; run it again to go on"),
        (
            Mode.APPLY,
            True,
            "what was changed by then stays, and a load that was begun may go on at Google; run it "
            "again to go on",
        ),
    ],
)
def test_plan__says_what_an_end_from_outside_would_leave(
    command: Any, mode: Mode, loads: bool, left: str
) -> None:
    make_listeners(command, mode, loads=loads).plan([])
    assert command.left_behind == left
