"""How much a command says, in which colours and lines, and which flags go together."""

import json
import re
from contextlib import closing, nullcontext
from io import StringIO
from itertools import combinations
from typing import Any
from unittest.mock import Mock
from unittest.mock import call as mock_call

import pytest
from django.core.management import ManagementUtility, call_command
from django.core.management.base import OutputWrapper
from pytest_django import Settings

from backend.forecasting.conf import Config
from backend.forecasting.output import progress as progress_module
from backend.forecasting.output.progress import RunProgress
from backend.forecasting.tests.support.commands import Run, start_answers, without_table
from backend.forecasting.tests.support.factories import PASSWORD, Google, assert_no_secret, make_run
from backend.forecasting.tests.support.snapshots import make_snapshot

pytestmark = pytest.mark.django_db

COMMANDS = ("bq_setup", "bq_setup_etl", "bq_verify")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def failing(run: Run, monkeypatch: pytest.MonkeyPatch, config: Config) -> None:
    """A pipeline whose dataset is gone, and another look at it."""
    seen = make_snapshot(config, dataset=None)
    monkeypatch.setattr(
        "backend.forecasting.verification.verify.take_snapshot", lambda *_, **__: seen
    )


def test_progress__stays_on_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    with closing(RunProgress(OutputWrapper(screen), plain=True)) as progress:
        for state in ("PENDING", "RUNNING"):
            progress.show(make_run(state))
    assert "Run RUNNING" in screen.getvalue()
    assert screen.getvalue().count("\n") == 1


def test_progress__says_state_and_seconds_and_stops_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console, screen = Mock(), Terminal()
    monkeypatch.setattr(progress_module, "Console", console)
    monkeypatch.setattr(
        progress_module, "time", Mock(monotonic=Mock(side_effect=[0, 100, 100.4, 103.6]))
    )
    shown = RunProgress(OutputWrapper(screen))
    for state in ("PENDING", "SUCCEEDED"):
        shown.show(make_run(state))
    console.assert_called_once_with(file=screen, no_color=None)
    spinner = console.return_value.status
    spinner.assert_called_once_with("")
    assert spinner.return_value.mock_calls == [
        mock_call.start(),
        mock_call.update("Run PENDING, 0 s"),
        mock_call.update("Run SUCCEEDED, 4 s"),
        mock_call.stop(),
    ]


def test_progress__is_lines_among_lines(
    run: Run, provisioned: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With -v 2 each look is a line, which would go on behind the spinner's text."""
    monkeypatch.setenv("TERM", "xterm")
    start_answers(provisioned, "SUCCEEDED")
    screen = Terminal()
    call_command("bq_setup_etl", run_now=True, verbosity=2, stdout=screen, no_color=True)
    assert "Run 1a2b: SUCCEEDED\n" in screen.getvalue()
    assert "\x1b" not in screen.getvalue()


# How much ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS[:2])
def test_quiet__says_nothing_of_what_went_well(
    run: Run, provisioned: Google, command: str, settings: Settings
) -> None:
    settings.FORECASTING_DATASETT = "x"
    result = run(command, "-v", "0")
    assert (result.status, result.out, result.err) == (0, "", "")


def test_quiet__run_that_failed_is_said(run: Run, provisioned: Google) -> None:
    start_answers(provisioned, "FAILED", error_status={"code": 3, "message": "no rows"})
    result = run("bq_setup_etl", "--run-now", "-v", "0")
    assert (result.status, result.out.split(". ")[0]) == (2, "Run 1a2b failed")
    assert "no rows" in result.error


def test_quiet__verification_has_the_failures_alone(run: Run, failing: None) -> None:
    result = run("bq_verify", verbosity=0)
    lines = result.out.splitlines()
    assert lines
    assert all(line.startswith("FAIL  ") for line in lines)
    assert result.status == 2


def test_quiet__document_is_written_all_the_same(run: Run, provisioned: Google) -> None:
    assert run("bq_setup", "-v", "0", "--format", "json").document["status"] == "unchanged"


def test_verbose__says_what_is_asked_and_how_long_it_took(run: Run, provisioned: Google) -> None:
    out = run("bq_setup", "-v", "2").out
    asked = re.findall(r"^(Looking at \w+) \S+: \d+\.\d\d s$", out, re.MULTILINE)
    assert asked == ["Looking at dataset", "Looking at table"]
    assert "Looking at" not in run("bq_setup").out


# Colours and lines -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "flags", "coloured"),
    [
        ("TERM", "xterm", [], True),
        ("NO_COLOR", "1", [], False),
        ("TERM", "dumb", [], False),
        ("TERM", "xterm", ["--no-color"], False),
        ("NO_COLOR", "1", ["--force-color"], True),
    ],
)
def test_colour__is_for_who_wants_it(
    run: Run,
    provisioned: Google,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    flags: list[str],
    coloured: bool,
) -> None:
    monkeypatch.setenv("DJANGO_COLORS", "")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr("django.core.management.color.supports_color", lambda: True)
    without_table(provisioned)
    out = StringIO()
    call_command("bq_setup", "--dry-run", *flags, stdout=out)
    assert ("\x1b[" in out.getvalue()) is coloured


@pytest.mark.parametrize("width", ["20", "50"])
def test_lines__are_as_wide_as_the_terminal_and_whole_in_a_pipe(
    run: Run, provisioned: Google, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    without_table(provisioned)
    terminal, pipe = Terminal(), StringIO()
    for out in (terminal, pipe):
        call_command("bq_setup", "--dry-run", stdout=out, no_color=True)
    shown = terminal.getvalue()
    spaced = [line for line in shown.splitlines() if " " in line.strip()]
    assert len(spaced) > 3
    assert max(map(len, spaced)) <= int(width)
    assert shown.split() == pipe.getvalue().split()
    assert shown.count("\n") > pipe.getvalue().count("\n")


def test_failures__are_last_and_named(run: Run, failing: None) -> None:
    *lines, summary = run("bq_verify").out.splitlines()
    marks = [line[:4] for line in lines if line[:4] in ("pass", "skip", "WARN", "FAIL")]
    assert marks == sorted(marks, key=["pass", "skip", "WARN", "FAIL"].index)
    failed = [line.split()[1] for line in lines if line.startswith("FAIL")]
    assert failed
    assert summary.endswith(f" Failed: {', '.join(failed)}.")


# Flags together ----------------------------------------------------------------------------------

DOES = {
    "--dry-run": (),
    "--check": (),
    "--run-now": (),
    "--no-wait": (),
    "--backfill-days": ("30",),
    "--allow-deleting": (),
    "--print-sql": (),
    "--print-role-sql": (),
    "--format": ("json",),
}
TOGETHER = {
    ("--dry-run", "--run-now"): "Then a run would be started",
    ("--dry-run", "--backfill-days"): "Then the last 30 complete days would be loaded",
    ("--dry-run", "--allow-deleting"): "Plan: ",
    ("--dry-run", "--format"): '"run": null',
    ("--check", "--run-now"): "Then a run would be started",
    ("--check", "--backfill-days"): "Then the last 30 complete days would be loaded",
    ("--check", "--allow-deleting"): "Plan: ",
    ("--check", "--format"): '"run": null',
    ("--run-now", "--no-wait"): "was not waited for",
    ("--run-now", "--allow-deleting"): "Run succeeded",
    ("--run-now", "--format"): '"state": "SUCCEEDED"',
    ("--backfill-days", "--allow-deleting"): "",
    ("--backfill-days", "--format"): "",
    ("--allow-deleting", "--format"): '"run": null',
}
"""What each pair that goes together says; every other one is refused."""


@pytest.mark.parametrize("pair", list(combinations(DOES, 2)), ids=" ".join)
def test_pairs__do_what_both_say_or_are_refused(
    run: Run, provisioned: Google, monkeypatch: pytest.MonkeyPatch, pair: tuple[str, str]
) -> None:
    loaded = Mock(return_value=None)
    monkeypatch.setattr("backend.forecasting.setup.etl.backfill", loaded)
    start_answers(provisioned, "PENDING" if "--no-wait" in pair else "SUCCEEDED")
    words = [word for flag in pair for word in (flag, *DOES[flag])]
    result = run("bq_setup_etl", *words)
    said = f"{result.out}{result.err}"
    if pair in TOGETHER:
        assert result.status == 0
        assert TOGETHER[pair] in said
        assert loaded.called == (pair[0] == "--backfill-days")
    else:
        assert result.status == 1
        assert any(flag in result.error for flag in pair)
        assert not provisioned.transfers.start_manual_transfer_runs.called


@pytest.mark.parametrize("flags", [["--window-days", "30"], ["--no-keep-history"]])
def test_flags__that_do_nothing_without_views_say_so(
    run: Run, provisioned: Google, flags: list[str]
) -> None:
    assert run("bq_setup").err == ""
    result = run("bq_setup", *flags)
    assert result.status == 0
    assert "without --horizon-days there are none" in result.err
    assert run("bq_setup", *flags, "--horizon-days", "9", "--dry-run").err == ""


def test_pairs__two_files_of_one_name_are_refused(
    run: Run, no_clients: Mock, tmp_path: Any, settings: Settings
) -> None:
    settings.FORECASTING_HORIZON_DAYS = "14"
    path = str(tmp_path / "x")
    result = run("bq_verify", "--report", path, "--training-spec", f"{tmp_path}/./x")
    assert result.error.startswith("--report and --training-spec are one file")


@pytest.mark.parametrize("command", COMMANDS)
def test_help__ends_with_examples_and_statuses(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with pytest.raises(SystemExit):
        ManagementUtility(["manage.py", command, "--help"]).execute()
    end = capsys.readouterr().out.partition("\nexamples:\n")[2]
    assert len(re.findall(rf"^  python manage\.py {command}\b", end, re.MULTILINE)) == 2
    assert re.findall(r"^  (\d+) ", end, re.MULTILINE) == ["0", "2", "1", "130"]


def test_link__is_to_the_console_and_not_from_the_stand_in(
    run: Run, provisioned: Google, settings: Settings
) -> None:
    start_answers(provisioned, "SUCCEEDED")
    assert "https://console.cloud.google.com/" in run("bq_setup_etl", "--run-now").out
    settings.FORECASTING_API_ENDPOINT = "http://127.0.0.1:9050"
    assert "https://" not in run("bq_setup_etl", "--run-now").out


# Events ------------------------------------------------------------------------------------------


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_events__are_a_line_of_json_each_for_cloud_logging(
    run: Run, provisioned: Google, settings: Settings
) -> None:
    settings.FORECASTING_LOG_FORMAT = "json"
    start_answers(provisioned, "SUCCEEDED")
    result = run("bq_setup_etl", "--run-now", "-v", "2")
    said = events(result.err)
    assert (result.status, result.out) == (0, "")
    fields = {"time", "severity", "message", "command", "resource", "run", "duration"}
    assert [each for each in said if set(each) != fields or each["command"] != "bq_setup_etl"] == []
    assert {each["severity"] for each in said} == {"DEBUG", "INFO"}
    assert len([each for each in said if each["resource"]]) == 2
    (end,) = [each for each in said if each["message"].startswith("Run succeeded")]
    assert (end["run"].rsplit("/", 1)[-1], end["duration"]) == ("1a2b", 42.5)
    assert said[-1]["duration"] >= 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_events__leave_standard_output_to_the_document(
    run: Run, provisioned: Google, settings: Settings, form: str
) -> None:
    settings.FORECASTING_LOG_FORMAT = "json"
    without_table(provisioned)
    result = run("bq_setup", "--check", "--format", form)
    assert result.status == 2
    error = events(result.err)[-1]
    assert (error["severity"], error["message"]) == ("ERROR", result.error)
    assert (result.out == "") == (form == "text")
    assert form == "text" or result.document["status"] == "planned"


def test_events__quiet_is_without_warnings_too(
    run: Run, provisioned: Google, settings: Settings
) -> None:
    settings.FORECASTING_LOG_FORMAT, settings.FORECASTING_DATASETT = "json", "x"
    assert "WARNING" in run("bq_setup").err
    assert run("bq_setup", "-v", "0").err == ""


def test_events__of_checks_have_their_severity(run: Run, failing: None, settings: Settings) -> None:
    settings.FORECASTING_LOG_FORMAT = "json"
    said = {each["resource"]: each["severity"] for each in events(run("bq_verify").err)}
    assert (said["table.exists"], said["dataset.exists"]) == ("INFO", "ERROR")


def test_events__failure_of_a_process_is_no_line_of_text(
    run: Run, no_clients: Mock, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.FORECASTING_LOG_FORMAT, settings.FORECASTING_DATASETT = "json", "x"
    with pytest.raises(SystemExit) as left:
        ManagementUtility(["manage.py", "bq_setup", "--dataset", f"a-{PASSWORD}"]).execute()
    assert left.value.code == 1
    warning, error = events(capsys.readouterr().err)
    assert (warning["severity"], error["severity"]) == ("WARNING", "ERROR")


@pytest.mark.parametrize("words", [["--nonsense"], ["--check", "--dry-run"], ["-v", "9"]])
def test_events__wrong_usage_is_one_too(
    no_clients: Mock, settings: Settings, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    settings.FORECASTING_LOG_FORMAT = "json"
    with pytest.raises(SystemExit) as left:
        ManagementUtility(["manage.py", "bq_setup", *words]).execute()
    assert left.value.code == 1
    (error,) = events(capsys.readouterr().err)
    assert (error["severity"], error["command"]) == ("ERROR", "bq_setup")
    assert "manage.py bq_setup: error: " in error["message"]


@pytest.mark.parametrize("words", [[], ["--format", "json"]])
def test_events__closed_standard_error_ends_nothing(
    run: Run,
    provisioned: Google,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    settings.FORECASTING_LOG_FORMAT = "text" if words else "json"
    settings.FORECASTING_DATASETT = "x"
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)
    monkeypatch.setattr("sys.stderr", None)
    ManagementUtility(["manage.py", "bq_setup", *words]).execute()


def test_events__setting_that_is_malformed_is_one_sentence(run: Run, settings: Settings) -> None:
    settings.FORECASTING_LOG_FORMAT = "yaml"
    assert run("bq_setup").error.startswith('FORECASTING_LOG_FORMAT is "yaml": expected text, or')


@pytest.mark.parametrize(("verbosity", "told"), [("2", False), ("3", True)])
def test_requests__are_told_at_the_highest_verbosity_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, verbosity: str, told: bool
) -> None:
    tell = Mock(return_value=nullcontext())
    monkeypatch.setattr("backend.forecasting.google.logs.requests_told", tell)
    assert run("bq_setup", "-v", verbosity).status == 0
    assert tell.called is told


def test_requests__have_no_secret(run: Run, provisioned: Google) -> None:
    result = run("bq_setup_etl", "-v", "3")
    assert_no_secret(f"{result.out}{result.err}")


def test_progress__without_a_terminal_is_a_line_for_each_new_state() -> None:
    out = StringIO()
    with closing(RunProgress(OutputWrapper(out))) as progress:
        for state in ("PENDING", "PENDING", "RUNNING", "RUNNING", "SUCCEEDED"):
            progress.show(make_run(state))
    said = [line.rpartition(": ")[2] for line in out.getvalue().splitlines()]
    assert said == ["PENDING", "RUNNING", "SUCCEEDED"]


def test_progress__not_shown_says_nothing_and_not_spinning_says_lines() -> None:
    screen = Terminal()
    for shown, spin in ((False, True), (False, False), (True, False)):
        progress = RunProgress(OutputWrapper(screen), shown=shown, spin=spin)
        progress.show(make_run("RUNNING"))
        progress.close()
        said = "Run 1a2b: RUNNING\n" if shown else ""
        assert screen.getvalue() == said


def test_progress__is_not_in_the_colour_of_an_error() -> None:
    out = OutputWrapper(StringIO())
    out.style_func = str.upper
    RunProgress(out).show(make_run("RUNNING"))
    assert out.getvalue() == "Run 1a2b: RUNNING\n"
