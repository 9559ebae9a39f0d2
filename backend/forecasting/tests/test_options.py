"""Options as a flag and as a Python caller gives them: what is taken, and what is refused how."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.forecasting.conf import SETTINGS
from backend.forecasting.errors import SettingError
from backend.forecasting.management.commands._options import (
    idle_flags,
    mode_of,
    read_path,
    read_switches,
    read_verbosity,
    refuse_alone,
    refuse_other_format,
    refuse_together,
    switches_of,
)
from backend.forecasting.setup.outcome import Mode

GIVEN = {"print_sql": True, "dry_run": False, "run_now": True, "format": "text"}
EXCLUSIVE = "do not go together: give one of them."


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (lambda: refuse_together(GIVEN, "print_sql", "dry_run"), None),
        (lambda: refuse_together(GIVEN, "dry_run", "run_now"), None),
        (
            lambda: refuse_together(GIVEN, "print_sql", "dry_run", "run_now"),
            f"--print-sql and --run-now {EXCLUSIVE}",
        ),
        (lambda: refuse_alone(GIVEN, "print_sql", ["print_sql", "dry_run"]), None),
        (lambda: refuse_alone(GIVEN, "dry_run", ["run_now"]), None),
        (
            lambda: refuse_alone(GIVEN, "print_sql", ["dry_run", "run_now"]),
            f"--print-sql and --run-now {EXCLUSIVE}",
        ),
        (
            lambda: refuse_alone({**GIVEN, "format": "json"}, "print_sql", []),
            f"--print-sql and --format json {EXCLUSIVE}",
        ),
        (lambda: refuse_alone({**GIVEN, "format": "json"}, "dry_run", []), None),
        (lambda: refuse_other_format("json"), None),
        (lambda: refuse_other_format("xml"), '--format is "xml": expected text or json.'),
        (lambda: refuse_other_format(None), '--format is "None": expected text or json.'),
        (lambda: read_verbosity("4"), '--verbosity is "4": expected 0, 1, 2 or 3.'),
        (lambda: read_path("--report", 5), '--report is "5": expected the name of a file.'),
        (lambda: read_path("--report", b"a"), "--report is \"b'a'\": expected the name of a file."),
        (
            lambda: read_switches({"no_wait": "maybe"}, ("no_wait",)),
            '--no-wait is "maybe": expected on or off.',
        ),
        (
            lambda: mode_of({"check": True, "dry_run": True}),
            f"--dry-run and --check {EXCLUSIVE}",
        ),
    ],
)
def test_options__are_refused_in_a_sentence(
    work: Callable[[], object], sentence: str | None
) -> None:
    said = None
    try:
        work()
    except SettingError as error:
        said = str(error)
    assert said == sentence


def test_options__are_read_whatever_their_type() -> None:
    options: dict[str, Any] = {"a": None, "b": "", "c": "on", "d": "no", "e": True, "f": 0}
    read_switches(options, ("a", "b", "c", "d", "e", "f", "missing"))
    assert options == {
        **{"a": False, "b": False, "c": True, "d": False, "e": True, "f": False},
        "missing": False,
    }
    assert [read_verbosity(given) for given in ("0", 1, "2", 3)] == [0, 1, 2, 3]
    assert read_path("--report", "a") == read_path("--report", Path("a")) == Path("a")


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({"check": False, "dry_run": False}, Mode.APPLY),
        ({"check": True, "dry_run": False}, Mode.CHECK),
        ({"check": False, "dry_run": True}, Mode.DRY_RUN),
    ],
)
def test_mode__is_what_is_asked_for(options: dict[str, Any], mode: Mode) -> None:
    assert mode_of(options) is mode


def test_switches__take_no_value_and_are_on_where_they_are_given() -> None:
    parser = ArgumentParser()
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--no", action="store_false")
    parser.add_argument("--value")
    assert switches_of(parser) == ("yes",)


def test_idle_flags__are_those_that_are_given_in_the_order_of_the_settings() -> None:
    options = dict.fromkeys(setting.field for setting in SETTINGS) | {
        **{"window_days": "9", "keep_history": False, "dataset": "", "table": "mine"}
    }
    fields = ["keep_history", "window_days", "refresh_days", "dataset"]
    assert idle_flags(options, fields) == "--dataset and --window-days and --no-keep-history"
    assert idle_flags(options | {"keep_history": True}, ["keep_history"]) == "--keep-history"
