"""How a command tells its end and its steps, in a command that has not been run."""

import json
import os
from io import StringIO
from typing import Any

import pytest
from django.core.management.base import OutputWrapper

from backend.forecasting.management.commands.bq_setup import Command


@pytest.fixture
def command() -> Command:
    made = Command()
    made.stdout, made.stderr = OutputWrapper(StringIO()), OutputWrapper(StringIO())
    made.name, made.as_json, made.events, made.seconds = "bq_setup", True, None, {}
    return made


def written(command: Command) -> str:
    return str(vars(command.stdout)["_out"].getvalue())


def document(command: Command) -> Any:
    return json.loads(written(command))


def test_late_end__is_told_in_json_and_in_a_sentence(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    command._leave_late("It hangs.")
    assert document(command)["error"] == "It hangs."
    assert (left, capsys.readouterr().err) == ([1], "It hangs.\n")


def test_misuse_and_fault__are_told_in_json(command: Command) -> None:
    assert command._tell_misuse("unknown flag") == "unknown flag\n"
    assert document(command) == {
        "command": "bq_setup",
        "status": "error",
        "error": "unknown flag",
        "hint": None,
    }
    command.stdout, command.answered = OutputWrapper(StringIO()), False
    command._tell_fault(KeyError("x"))
    assert document(command)["error"] == (
        "bq_setup ended by a fault of its own, KeyError: see its standard error."
    )


def test_document__is_written_once_and_for_json_alone(command: Command) -> None:
    for number in (1, 2):
        command.answer({"number": number})
    assert document(command) == {"number": 1}
    command.stdout, command.answered = OutputWrapper(StringIO()), False
    command.as_json = False
    command.answer({"number": 3})
    assert (written(command), command.answered) == ("", True)


def test_steps__add_up_and_those_with_parts_are_not_told(command: Command) -> None:
    command.verbosity = 2
    for seconds, has_parts in ((1.25, False), (2.5, False), (4.0, True)):
        command._show_done("Looking", seconds, has_parts)
    assert command.seconds == {"Looking": 7.75}
    told = vars(command.stderr)["_out"].getvalue()
    assert told == "Looking: 1.25 s\nLooking: 2.50 s\n"
