"""What ends a process before its command begins, as the command line asks for it to be told."""

import json
import sys
from unittest.mock import Mock

import pytest

from backend.forecasting.errors import ForecastingError, SettingError
from backend.forecasting.management.usage import asks_for_json, end_early

ERROR = SettingError("X is not set", "set it")
DOCUMENT = {"command": "bq_setup", "status": "error", "error": "X is not set", "hint": "set it"}


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("", False),
        ("--format json", True),
        ("--format=json", True),
        ("--form json", True),
        ("--f=json", True),
        ("--format text", False),
        ("--format", False),
        ("--formats json", False),
        ("--from json", False),
        ("-f json", False),
        ("-- --format json", False),
        ("--format json --", True),
        ("--format json --format text", False),
        ("--format json --format xml", True),
        ("--format xml", False),
        ("--format text --format json", True),
        ("--report json", False),
        ("json --format", False),
    ],
)
def test_json__is_asked_for_by_the_last_format(words: str, asked: bool) -> None:
    assert asks_for_json(words.split()) is asked


@pytest.mark.parametrize(
    ("words", "document", "is_event"),
    [
        ("manage.py bq_setup", None, True),
        ("manage.py bq_setup --format json", DOCUMENT, True),
        ("manage.py migrate --format json", None, False),
        ("manage.py", None, False),
    ],
)
def test_end__is_told_as_is_asked(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    document: object,
    is_event: bool,
) -> None:
    monkeypatch.setattr(sys, "argv", words.split())
    assert end_early(ERROR, as_event=False).code == "X is not set: set it."
    printed = capsys.readouterr().out
    assert printed == (json.dumps(document, indent=2) + "\n" if document else "")
    said = str(end_early(ERROR, as_event=True).code)
    if not is_event:
        assert said == "X is not set: set it."
        return
    event = json.loads(said)
    assert event.pop("time")
    assert event == {
        **{"severity": "ERROR", "message": "X is not set: set it.", "command": "bq_setup"},
        **{"resource": None, "run": None, "duration": None},
    }


def test_end__of_an_output_that_takes_nothing_has_its_sentence_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", "bq_verify", "--format", "json"])
    for stream in (None, Mock(write=Mock(side_effect=OSError(32, "gone")))):
        monkeypatch.setattr(sys, "stdout", stream)
        assert end_early(ForecastingError("No."), as_event=False).code == "No."
