"""How a command tells its end and its steps, in a command that has not been run."""

import json
import os
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock, call

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper

from backend.forecasting.errors import DriftFound, ForecastingError, SettingError
from backend.forecasting.management.commands import _pipeline
from backend.forecasting.management.commands._ending import StandardError
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


@pytest.mark.parametrize("ends", [True, False])
def test_process__is_ended_by_its_watchdog_where_it_is_the_commands_own(
    command: Command, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Mock(side_effect=ForecastingError("watched"))
    monkeypatch.setattr(_pipeline, "watching", watch)
    command.ends_process = ends
    with pytest.raises(CommandError, match="watched"):
        call_command(command, timeout="5", stdout=StringIO())
    watch.assert_called_once_with(5.0, command._leave_late if ends else None)


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
    command.events = Mock()
    command._show_done("Counting", 1.23456, False)
    command.events.assert_called_once_with("DEBUG", "Counting: 1.23 s", duration=1.235)


class Terminal(StringIO):
    """An output that people look at."""

    def isatty(self) -> bool:
        return True


def spoken(wrapper: OutputWrapper) -> str:
    return str(vars(wrapper)["_out"].getvalue())


def test_standard_error__is_kept_in_its_colours_and_made_where_there_is_none(
    command: Command,
) -> None:
    command.stderr = OutputWrapper(Terminal())
    command.stderr.style_func = lambda text: f"<{text}>"
    command._keep_standard_error()
    command.stderr.write("a")
    assert (type(command.stderr), spoken(command.stderr)) == (StandardError, "<a\n>")
    vars(command.stderr)["_out"] = None
    command._keep_standard_error()
    command.stderr.write("a")
    assert spoken(command.stderr) == "a\n"


def test_failure__is_as_wide_as_its_terminal_behind_what_django_puts_before_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    error = DriftFound("one two three four five six seven eight nine")
    assert str(command._failure_of(error, 1.0)) == str(error)
    command.ends_process = True
    assert str(command._failure_of(error, 1.0)) == str(error)
    command.stderr = OutputWrapper(Terminal())
    failure = command._failure_of(error, 1.0)
    assert str(failure) == "one two three four five\n  six seven eight nine"
    assert failure.returncode == 2


def test_failure__of_a_process_with_events_is_one_and_nothing_else(command: Command) -> None:
    events = command.events = Mock()
    command.ends_process, before = True, command.stderr
    failure = command._failure_of(ForecastingError("a\x1bb\nc"), 1.23456)
    events.assert_called_once_with("ERROR", "a b\nc", duration=1.235)
    assert (str(failure), failure.returncode) == ("a b\nc", 1)
    command.stderr.write("CommandError: a")
    assert spoken(before) == ""


@pytest.mark.parametrize(
    ("verbosity", "severity", "lines"),
    [(1, "INFO", 1), (0, "INFO", 0), (0, "WARNING", 0), (0, "ERROR", 1), (2, "DEBUG", 1)],
)
def test_line__is_shown_as_far_as_the_verbosity_goes(
    command: Command, verbosity: int, severity: str, lines: int
) -> None:
    command.as_json, command.verbosity = False, verbosity
    command.say("a\x1bb\nc", severity)
    assert written(command) == "a b\nc\n" * lines
    command.events = Mock()
    command.say("a", severity, run="b")
    assert command.events.call_args_list == [call(severity, "a", run="b")] * lines


def test_line__goes_where_nothing_else_is_read_and_is_as_wide_as_a_terminal(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    for as_json, claimed, is_talk in (
        (False, False, False),
        (True, False, True),
        (False, True, True),
    ):
        command.as_json, command.stdout_claimed = as_json, claimed
        assert (command.talk is command.stderr) is is_talk
    command.stderr = OutputWrapper(Terminal())
    command.stderr.style_func = lambda text: f"<{text}>"
    command.say("one two three four five six")
    assert spoken(command.stderr) == "one two three four\n  five six\n"


def test_warning__is_told_but_to_who_wants_failures_alone(command: Command) -> None:
    command.warn("This is idle.")
    assert spoken(command.stderr) == "Warning: This is idle.\n"
    command.events = Mock()
    command.warn("This is idle.")
    command.events.assert_called_once_with("WARNING", "This is idle.")
    command.verbosity = 0
    command.warn("This is idle.")
    assert command.events.call_count == 1


def test_stdout__is_claimed_once(command: Command, tmp_path: Path) -> None:
    command.as_json = False
    command.claim_stdout("--report", tmp_path / "page")
    assert not command.stdout_claimed
    command.claim_stdout("--report", Path("-"))
    assert command.stdout_claimed
    command.claim_stdout("--training-spec", tmp_path / "spec")
    assert command.stdout_claimed
    with pytest.raises(SettingError) as raised:
        command.claim_stdout("--training-spec", Path("-"))
    assert str(raised.value) == (
        "--training-spec is -, and standard output is taken: name a file to write."
    )


def test_fault__and_late_end_are_events_where_those_are_asked_for(command: Command) -> None:
    events = command.events = Mock()
    command._tell_fault(ValueError("secret"))
    command._print_error("It hangs.")
    assert events.call_args_list == [
        call("ERROR", "bq_setup ended by a fault of its own, ValueError: see its standard error."),
        call("ERROR", "It hangs."),
    ]
    assert command._tell_misuse("unknown flag") == ""
    events.assert_called_with("ERROR", "unknown flag")


@pytest.mark.parametrize(
    ("environment", "options", "left", "colours"),
    [
        ({}, {}, {}, [None, None]),
        ({"NO_COLOR": "1"}, {"force_color": False}, {"no_color": True}, [True, False]),
        ({"NO_COLOR": "1"}, {"force_color": True}, {"force_color": True}, [None, True]),
        (
            {},
            {"no_color": True, "force_color": True},
            {"no_color": True, "force_color": False},
            [True, True],
        ),
    ],
)
def test_colours__are_refused_later_where_both_are_asked_for(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    options: dict[str, Any],
    left: dict[str, Any],
    colours: list[Any],
) -> None:
    given = Mock()
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr("django.core.management.base.BaseCommand.execute", given)
    command.execute("a", **options)
    given.assert_called_once_with("a", **{**options, **left})
    assert [command.colours[name] for name in ("no_color", "force_color")] == colours
