"""What each command says, whole: to people, to machines, and in its one document."""

import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest
from django.core.management import call_command, load_command_class
from django.core.management.base import CommandError
from pytest_django import Settings

from backend.forecasting.conf import Config
from backend.forecasting.loading.backfill import Slice, SliceOutcome, SliceResult
from backend.forecasting.loading.runs import RunResult
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.commands import MAKE_CLIENTS, start_answers, without_table
from backend.forecasting.tests.support.factories import (
    INSTANCE,
    PROJECT,
    RUN_NAME,
    Google,
    google_error,
    lose_everything,
    make_config,
    make_dataset,
    make_google,
    make_table,
    provision,
)
from backend.forecasting.tests.support.snapshots import (
    BASELINE,
    FIRST_DAY,
    NOW,
    TODAY,
    YESTERDAY,
    make_snapshot,
)
from backend.forecasting.verification.snapshot import Snapshot
from backend.forecasting.verification.verify import Verification

PRODUCT = "backend.forecasting"
AS_IT_IS = "all is as it should be"
SETUPS: dict[str, list[str]] = {
    AS_IT_IS: ["bq_setup", "bq_setup_etl", "bq_setup --check", "bq_setup_etl --dry-run -v 0"],
    "nothing is there": [
        *("bq_setup", "bq_setup --check", "bq_setup --dry-run", "bq_setup -v 0"),
        "bq_setup --format json",
        "bq_setup --horizon-days 9 --window-days 30",
        "bq_setup --horizon-days 9 --window-days 30 --keep-history",
        "bq_setup --window-days 30 --no-keep-history",
        "bq_setup --check --dry-run",
        "bq_setup_etl",
    ],
    "the dataset is elsewhere": ["bq_setup", "bq_setup -v 0", "bq_setup_etl --run-now"],
    "only the load is missing": [
        *("bq_setup_etl", "bq_setup_etl --check", "bq_setup_etl --run-now"),
        "bq_setup_etl --dry-run --run-now",
        "bq_setup_etl --dry-run --run-now --no-wait",
        "bq_setup_etl --dry-run --backfill-days 30",
        "bq_setup_etl --run-now --format json",
        "bq_setup_etl --run-now --no-wait",
        "bq_setup_etl --run-now -v 0",
        *("bq_setup_etl --no-wait", "bq_setup_etl --backfill-days 0"),
        *("bq_setup_etl --backfill-days 100", "bq_setup_etl --backfill-days 30"),
        "bq_setup_etl --backfill-days 30 --format json",
    ],
    "the run fails": ["bq_setup_etl --run-now", "bq_setup_etl --run-now -v 0"],
    "the run goes on": ["bq_setup_etl --run-now --no-wait"],
    "Google refuses": ["bq_setup", "bq_setup_etl --format json", "bq_setup_etl -v 0"],
}
VERIFIED = [
    *("bq_verify", "bq_verify --strict", "bq_verify -v 0", "bq_verify --baseline"),
    "bq_verify --report ./page --training-spec ./spec",
    *("bq_verify --report -", "bq_verify --report - --training-spec /dev/stdout"),
    *("bq_verify --report page --training-spec ./page", "bq_verify --report ."),
    *("bq_verify --report ./none/page", "bq_verify --training-spec - --format json"),
]
WITHOUT_HORIZON = ["bq_verify --baseline", "bq_verify --training-spec ./spec"]


def arranged(situation: str) -> Google:
    google = provision(make_google(), make_config())
    states = {"the run fails": "FAILED", "the run goes on": "RUNNING"}
    start_answers(google, states.get(situation, "SUCCEEDED"))
    if situation == "nothing is there":
        without_table(lose_everything(google))
    elif situation == "the dataset is elsewhere":
        google.bigquery.get_dataset.return_value = make_dataset(location="EU")
        google.bigquery.get_table.return_value = make_table(location="EU")
    elif situation == "only the load is missing":
        google.transfers.list_transfer_configs.side_effect = lambda *_, **__: []
        google.bigquery.query_and_wait.return_value = Rows()
    elif situation == "Google refuses":
        google.bigquery.get_table.side_effect = google_error(403, "no\x1b way")
        google.bigquery.get_dataset.side_effect = google_error(403, "no\x1b way")
    return google


class Rows(list[Any]):
    """As much of google-cloud-bigquery's RowIterator as is used."""

    total_bytes_processed = 0


def fill(*_: Any, on_slice: Callable[[SliceOutcome], None], **__: Any) -> RunResult:
    """A backfill of two slices."""
    days = Slice(first_day=FIRST_DAY, end_day=TODAY, number=1, count=2)
    result = SliceResult.LOADED
    on_slice(SliceOutcome(slice=days, result=result, rows=7, rows_before=0))
    days, result = replace(days, number=2, end_day=YESTERDAY), SliceResult.EMPTY
    on_slice(SliceOutcome(slice=days, result=result, rows=0, rows_before=0))
    return RunResult(name="backfill", state="SUCCEEDED", rows=7, rows_before=0, seconds=4.5)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a database nor a clock takes part."""
    monkeypatch.setattr(f"{PRODUCT}.google.waiting.GoogleClock.now", lambda _: NOW)
    monkeypatch.setattr(f"{PRODUCT}.setup.etl.prepare_source_query", lambda *_: "not tried")
    monkeypatch.setattr(f"{PRODUCT}.setup.etl.missing_lookback", lambda _: "")
    monkeypatch.setattr(f"{PRODUCT}.setup.etl.wait_for_reach", lambda *_: None)
    monkeypatch.setattr(f"{PRODUCT}.setup.etl.backfill", fill)
    for module in ("steps", "etl"):
        monkeypatch.setattr(f"{PRODUCT}.setup.{module}.provisioning_lock", lambda *_: nullcontext())


def said(words: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """All that a command leaves behind: what it wrote, its end, and what an end would leave."""
    clock = Mock(monotonic=count(0, 2.50049).__next__)
    monkeypatch.setattr(f"{PRODUCT}.management.commands._pipeline.time", clock)
    name, *flags = words.split()
    command, out, err, end = load_command_class(PRODUCT, name), StringIO(), StringIO(), "0"
    try:
        call_command(command, *flags, stdout=out, stderr=err, no_color=True)
    except CommandError as error:
        end = f"{error.returncode}: {error}"
    found = {
        "out": plain(out),
        "err": plain(err),
        "end": [end],
        "left": [vars(command).get("left_behind", "")],
    }
    return {key: lines for key, lines in found.items() if any(lines)}


def plain(stream: StringIO) -> list[str]:
    """What was written, without when, and events in short."""
    text = re.sub(r'"(at|time)": ?"[^"]*"', r'"\1": ""', stream.getvalue())
    lines = [short(line) if line.startswith('{"') else line for line in text.splitlines()]
    return [line if len(line) < 999 else f"{line[:99]}..." for line in lines]


def short(event: str) -> str:
    fields = {name: value for name, value in json.loads(event).items() if value}
    message = fields.pop("message")
    return f"{' '.join(map(str, fields.values()))}: {message}"


def said_in_each_form(
    commands: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What is not said by the first of them too."""
    found, usual = {}, set[str]()
    for form, kept in (("text", commands), ("json", [c for c in commands if is_told(c)])):
        settings.FORECASTING_LOG_FORMAT = form
        for words in kept:
            parts = said(words, monkeypatch).items()
            new = {name: [line for line in lines if line not in usual] for name, lines in parts}
            found[f"{form} {words}"] = {name: lines for name, lines in new.items() if lines}
            usual = usual or {line for _, lines in parts for line in lines}
    return found


def is_told(words: str) -> bool:
    """Whether events are worth a look of their own."""
    return not {"--dry-run", "--check", "--format", "--report", "--baseline"} & {*words.split()}


@pytest.fixture
def project(settings: Settings) -> Settings:
    settings.GOOGLE_CLOUD_PROJECT, settings.CLOUD_SQL_INSTANCE = PROJECT, INSTANCE
    return settings


def test_setups__say_what_was_agreed(
    project: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = {}
    for situation, commands in SETUPS.items():
        google = arranged(situation)
        monkeypatch.setattr(MAKE_CLIENTS, lambda _, google=google: google)
        shown[situation] = said_in_each_form(commands, project, monkeypatch)
    assert_agreed("setups.json", shown, tmp_path)


def test_verification__says_what_was_agreed(
    project: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MAKE_CLIENTS, lambda _: make_google())
    monkeypatch.setattr(f"{PRODUCT}.verification.verify.take_snapshot", take)
    page = Mock(side_effect=[("<html>", ""), ("<html>", "no altair")] * 9)
    monkeypatch.setattr(f"{PRODUCT}.output.report.render_report", page)
    shown = {"without": said_in_each_form(WITHOUT_HORIZON, project, monkeypatch)}
    project.FORECASTING_HORIZON_DAYS = "9"
    shown["with"] = said_in_each_form(VERIFIED, project, monkeypatch)
    text = json.dumps(shown).replace(str(tmp_path), "/here")
    assert_agreed("verification.json", json.loads(text), tmp_path)
    given = [tuple(map(type, call.args)) for call in page.call_args_list]
    assert given == [(Verification, Google)] * 2


def take(
    config: Config, _: Any, *, reconcile: bool, baseline: bool, show_baseline: bool
) -> Snapshot:
    """All is well but for a warning."""
    found = BASELINE if baseline or show_baseline else None
    config = replace(config, score_source="entity")
    return make_snapshot(config, reconcile=reconcile, baseline_asked=baseline, baseline=found)


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ([], {"shown": True, "plain": False, "spin": True}),
        (["-v", "0"], {"shown": False, "plain": False, "spin": False}),
        (["-v", "2", "--no-color"], {"shown": True, "plain": True, "spin": False}),
    ],
)
def test_progress__is_shown_as_far_as_is_asked(
    project: Settings, monkeypatch: pytest.MonkeyPatch, flags: list[str], options: dict[str, bool]
) -> None:
    progress, google = MagicMock(), arranged("only the load is missing")
    monkeypatch.setattr(f"{PRODUCT}.output.progress.RunProgress", progress)
    monkeypatch.setattr(MAKE_CLIENTS, lambda _: google)
    call_command("bq_setup_etl", "--run-now", *flags, stdout=StringIO(), stderr=StringIO())
    (made,) = progress.call_args_list
    assert made.kwargs == options
    show = progress.return_value.show
    assert [call.args[0].name for call in show.call_args_list] == [RUN_NAME]
