"""Commands that are ended from outside, and outputs that take no more."""

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import settings as django_settings
from django.core.management import ManagementUtility
from pytest_django import Settings

from backend.forecasting.loading.backfill import Slice, SliceOutcome, SliceResult
from backend.forecasting.management.commands.bq_setup import Command
from backend.forecasting.tests.support.commands import Run, start_answers, without_table
from backend.forecasting.tests.support.factories import Google
from backend.localcloud.signals import handled

PRINTS = (
    "bq_setup_etl",
    "--print-sql",
    "--project=demo-project",
    "--instance=demo-project:us-central1:main",
)


@pytest.fixture
def leave(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Calls a command as a process does; its exit status, and what it wrote to both outputs."""
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            ManagementUtility(["manage.py", *words]).execute()
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return call


def interrupt(number: signal.Signals) -> Callable[..., Any]:
    """In place of a request: the signal arrives while Google is waited for."""
    return lambda *_, **__: signal.raise_signal(number)


SIGNALS = pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Calls manage.py where Django does something else; the exit status."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr("os._exit", sys.exit)

    def call(instead: Callable[..., Any], *words: str) -> int:
        monkeypatch.setattr("sys.argv", ["manage.py", *words])
        monkeypatch.setattr("django.core.management.execute_from_command_line", instead)
        with pytest.raises(SystemExit) as left:
            runpy.run_path(f"{django_settings.BASE_DIR}/manage.py", run_name="__main__")
        return int(left.value.code or 0)

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


@SIGNALS
def test_signal__before_the_command_has_begun(
    begin: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    status: int,
) -> None:
    """While Django and its settings are imported, which takes a second."""
    assert begin(interrupt(number), "bq_setup") == status
    assert capsys.readouterr() == ("", "Interrupted.\n")
    assert begin(interrupt(number), "bq_verify", "--format", "json") == status
    assert json.loads(capsys.readouterr().out)["error"] == "Interrupted."
    monkeypatch.setenv("FORECASTING_LOG_FORMAT", "json")
    assert begin(interrupt(number), "bq_verify") == status
    assert json.loads(capsys.readouterr().err)["severity"] == "ERROR"


def test_signal__in_the_middle_of_an_import(
    begin: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what would tell it, too."""
    monkeypatch.setitem(sys.modules, "backend.forecasting.errors", ModuleType("errors"))
    assert begin(interrupt(signal.SIGTERM), "bq_setup") == 143
    assert capsys.readouterr().err == "Interrupted.\n"


def test_signal__of_another_command_is_what_it_was(
    begin: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """`runserver` and others catch Ctrl-C; SIGTERM ends at once what is in PostgreSQL's hands."""
    seen = []

    def look(_: Any) -> None:
        seen.append(signal.getsignal(signal.SIGTERM))
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGTERM)
    assert begin(look, "migrate") == 130
    assert (seen, capsys.readouterr().err) == ([before], "Interrupted.\n")


def test_signal__after_the_command_ends_the_process(begin: Callable[..., int]) -> None:
    """Python's own handler would raise where nothing catches it."""
    assert begin(lambda _: sys.exit(2), "bq_setup") == 2
    assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal__that_is_ignored_from_the_start_stays_so(
    begin: Callable[..., int], number: signal.Signals
) -> None:
    signal.signal(number, signal.SIG_IGN)

    def go_on(_: Any) -> None:
        signal.raise_signal(number)
        sys.exit(0)

    assert begin(go_on, "bq_setup") == 0
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.django_db
def test_signal__second_one_ends_the_process_and_has_nothing_told_twice(
    leave: Callable[..., Any], provisioned: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[Any] = []

    def tell(_: Command) -> None:
        met.extend(signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM))

    monkeypatch.setattr(Command, "_tell_ending", tell)
    provisioned.bigquery.get_dataset.side_effect = interrupt(signal.SIGTERM)
    assert leave("bq_setup")[0] == 143
    assert met == [signal.SIG_DFL] * 2


@SIGNALS
@pytest.mark.django_db
def test_signal__before_anything_is_written_says_so(
    leave: Callable[..., Any], provisioned: Google, number: signal.Signals, status: int
) -> None:
    provisioned.bigquery.get_dataset.side_effect = interrupt(number)
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    assert leave("bq_setup") == (status, "", "Interrupted: nothing was changed.\n")
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.django_db
def test_signal__that_is_ignored_stays_so(
    run: Run, provisioned: Google, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """As `nohup` and a shell's `&` ask for."""
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)
    look = provisioned.bigquery.get_dataset
    answer = look.side_effect

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        signal.raise_signal(number)
        return answer(*args, **kwargs) if answer else look.return_value

    look.side_effect = interrupted
    with handled(signal.SIG_IGN, number):
        ManagementUtility(["manage.py", "bq_setup"]).execute()
        assert signal.getsignal(number) is signal.SIG_IGN
    assert look.called


@pytest.mark.django_db
def test_signal__while_it_writes_says_what_stays(
    leave: Callable[..., Any], provisioned: Google
) -> None:
    without_table(provisioned)
    provisioned.bigquery.create_dataset.side_effect = interrupt(signal.SIGTERM)
    status, _, said = leave("bq_setup")
    assert status == 143
    assert said == "Interrupted: what was changed by then stays; run it again to go on.\n"


@pytest.mark.django_db
def test_signal__while_a_run_is_waited_for_says_that_it_goes_on(
    leave: Callable[..., Any], provisioned: Google
) -> None:
    start_answers(provisioned, "RUNNING")
    provisioned.transfers.get_transfer_run.side_effect = interrupt(signal.SIGINT)
    status, _, said = leave("bq_setup_etl", "--run-now")
    assert status == 130
    assert "goes on at Google, and `python manage.py bq_verify` tells how it ended" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("flags", [["--run-now"], ["--backfill-days", "9"]])
@pytest.mark.django_db
def test_signal__before_the_load_has_told_of_itself(
    leave: Callable[..., Any],
    provisioned: Google,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
) -> None:
    """Google may have been asked for it by then."""
    start_answers(provisioned, "RUNNING")
    begin = interrupt(signal.SIGINT)
    provisioned.transfers.start_manual_transfer_runs.side_effect = begin
    monkeypatch.setattr("backend.forecasting.setup.etl.backfill", begin)
    assert leave("bq_setup_etl", *flags)[::2] == (
        130,
        "Interrupted: what was changed by then stays, and a load that was begun may go on at "
        "Google; run it again to go on.\n",
    )


@pytest.mark.django_db
def test_signal__in_a_backfill_says_how_many_slices_are_done(
    leave: Callable[..., Any], provisioned: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any, on_slice: Callable[[SliceOutcome], None], **__: Any) -> None:
        for number in (1, 2):
            first, end = date(2026, 3, 1), date(2026, 3, 8)
            part = Slice(first_day=first, end_day=end, number=number, count=13)
            loaded = SliceResult.LOADED
            on_slice(SliceOutcome(slice=part, result=loaded, rows=9, rows_before=0))
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("backend.forecasting.setup.etl.backfill", load)
    status, _, said = leave("bq_setup_etl", "--backfill-days", "90")
    assert status == 143
    assert said == (
        "Interrupted: 2 of 13 slices are done and stay, and what BigQuery is loading it may load "
        "to its end; run it again to go on.\n"
    )


@pytest.mark.django_db
def test_signal__is_told_as_a_document_too(leave: Callable[..., Any], provisioned: Google) -> None:
    provisioned.bigquery.get_dataset.side_effect = interrupt(signal.SIGTERM)
    status, out, _ = leave("bq_setup", "--format", "json")
    assert status == 143
    assert json.loads(out)["error"] == "Interrupted: nothing was changed."


@SIGNALS
@pytest.mark.django_db
def test_signal__is_an_event_where_those_are_asked_for(
    leave: Callable[..., Any],
    provisioned: Google,
    settings: Settings,
    number: signal.Signals,
    status: int,
) -> None:
    settings.FORECASTING_LOG_FORMAT = "json"
    provisioned.bigquery.get_table.side_effect = interrupt(number)
    ended, out, said = leave("bq_setup", "-v", "3")
    events = [json.loads(line) for line in said.splitlines()]
    assert (ended, out) == (status, "")
    assert (events[-1]["severity"], events[-1]["message"]) == (
        "ERROR",
        "Interrupted: nothing was changed.",
    )
    assert [event["severity"] for event in events[:-1]] == ["DEBUG"] * (len(events) - 1)


@SIGNALS
@pytest.mark.django_db
def test_signal__is_one_sentence_after_all_that_is_said_with_v_3(
    leave: Callable[..., Any], provisioned: Google, number: signal.Signals, status: int
) -> None:
    provisioned.bigquery.get_table.side_effect = interrupt(number)
    ended, out, said = leave("bq_setup", "-v", "3")
    assert (ended, said) == (status, "Interrupted: nothing was changed.\n")
    assert "Looking at dataset" in out


WORKING = """
import signal, sys
from django.core.management import execute_from_command_line
from backend.forecasting.errors import DriftFound
from backend.forecasting.management.commands.bq_setup import Command

def work(command, config, options):
    command.say("Looking")
    if options["check"]:
        raise DriftFound("There is something to do.")
    signal.raise_signal(signal.SIGINT)

Command.work = work
execute_from_command_line(sys.argv)
"""


BUFFERED = {"PYTHONUNBUFFERED": "", "DJANGO_SETTINGS_MODULE": "backend.config.settings"}


def working(*words: str, **outputs: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WORKING, *words],
        cwd=django_settings.BASE_DIR,
        env={**os.environ, **BUFFERED},
        text=True,
        check=False,
        **outputs,
    )


@pytest.mark.parametrize(
    ("flags", "status"), [(["--check"], 2), (["--check", "--format=json"], 2), ([], 130)]
)
def test_standard_error__that_nobody_reads_changes_nothing(flags: list[str], status: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:  # noqa: PTH123
        ended = working(
            "bq_setup", "--project=demo-project", *flags, stdout=subprocess.PIPE, stderr=pipe
        )
    assert ended.returncode == status
    assert ("There is something to do." if "json" in str(flags) else "Looking") in ended.stdout


@pytest.mark.parametrize("form", ["text", "json"])
def test_signal__that_has_ended_the_reader_too(form: str) -> None:
    """Ctrl-C ends all of a pipeline, as `bq_setup | tee log`."""
    reading, writing = os.pipe()
    os.close(reading)
    words = ["bq_setup", "--project=demo-project", f"--format={form}"]
    with open(writing, "w") as pipe:  # noqa: PTH123
        ended = working(*words, stdout=pipe, stderr=subprocess.PIPE)
    said = ended.stderr.splitlines()
    assert (ended.returncode, said[-1]) == (130, "Interrupted: nothing was changed.")
    assert said[:-1] == (["Looking"] if form == "json" else [])


def process(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=django_settings.BASE_DIR,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.parametrize("name", ["no.such.module", "backend.config.settings.x", "..x"])
def test_settings__that_are_no_module_are_one_sentence(name: str) -> None:
    ended = process("bq_setup", f"--settings={name}", "--format=json", stdout=subprocess.PIPE)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith(f'--settings or DJANGO_SETTINGS_MODULE is "{name}": expected ')
    assert json.loads(ended.stdout)["status"] == "error"


def test_settings__that_lack_a_module_of_their_own_are_a_fault(begin: Callable[..., int]) -> None:
    """What is wrong there is for who wrote them: the traceback has it."""
    lacking = Mock(side_effect=ModuleNotFoundError("No module named 'x'", name="x"))
    with pytest.raises(ModuleNotFoundError, match="'x'"):
        begin(lacking, "bq_setup")


def test_settings__whose_package_lacks_a_module_are_a_fault(
    begin: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lacking_package"
    package.mkdir()
    (package / "__init__.py").write_text("import celery_of_nobody")
    (package / "settings.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "lacking_package.settings")
    lacking = Mock(side_effect=ModuleNotFoundError("No module named 'celery_of_nobody'"))
    with pytest.raises(ModuleNotFoundError, match="celery_of_nobody"):
        begin(lacking, "bq_setup")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output__full_disk_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        ended = process(*PRINTS, stdout=full)
    assert ended.returncode == 1
    assert ended.stderr == "Standard output cannot be written: No space left on device.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output__full_disk_is_an_event_where_those_are_asked_for() -> None:
    with Path("/dev/full").open("w") as full:
        ended = process(*PRINTS, stdout=full, env={"FORECASTING_LOG_FORMAT": "json"})
    said = [json.loads(line) for line in ended.stderr.splitlines()]
    assert (ended.returncode, said[-1]["severity"]) == (1, "ERROR")
    assert said[-1]["message"] == "Standard output cannot be written: No space left on device."


def test_output__closed_is_one_sentence() -> None:
    ended = process(*PRINTS, preexec_fn=lambda: os.close(1))
    assert ended.returncode == 1
    assert ended.stderr == "Standard output cannot be written: it is closed.\n"


def test_output__reader_that_has_gone_is_told_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:  # noqa: PTH123
        ended = process(*PRINTS, stdout=pipe)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_output__what_a_terminal_cannot_show_is_replaced(encoding: str) -> None:
    ended = process(*PRINTS, "--schedule=\u65e5\u672c", env={"PYTHONIOENCODING": encoding})
    assert ended.returncode == 1
    assert ended.stderr.startswith('CommandError: --schedule is "??": expected "every day HH:MM"')
