"""Flags, settings and exit status of the commands, before and instead of any request."""

import re
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.management import ManagementUtility

from backend.forecasting.google.clients import make_clients
from backend.forecasting.management.usage import asks_for_json
from backend.forecasting.tests.support.commands import MAKE_CLIENTS, Run, without_table
from backend.forecasting.tests.support.documents import ROOT
from backend.forecasting.tests.support.factories import (
    PROJECT,
    Google,
    auth_error,
    google_error,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("command", ["bq_setup", "bq_setup_etl"])
def test_setting__missing_is_one_sentence_before_any_client(
    run: Run, no_clients: Mock, settings: Any, command: str
) -> None:
    settings.GOOGLE_CLOUD_PROJECT = ""
    result = run(command)
    assert result.status == 1
    assert result.error.startswith("GOOGLE_CLOUD_PROJECT is not set: expected a Google Cloud proj")
    assert result.out + result.err == ""
    assert not no_clients.called


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("bq_setup", "--dataset"),
        ("bq_setup", "--table"),
        ("bq_setup", "--location"),
        ("bq_setup_etl", "--instance"),
        ("bq_setup_etl", "--connection-id"),
        ("bq_setup_etl", "--schedule"),
        ("bq_setup_etl", "--window-days"),
        ("bq_setup_etl", "--service-account"),
        ("bq_setup_etl", "--notification-topic"),
    ],
)
def test_flag__malformed_is_one_sentence_before_any_client(
    run: Run, no_clients: Mock, command: str, flag: str
) -> None:
    result = run(command, flag, "not/right")
    assert result.status == 1
    assert result.error.startswith(f'{flag} is "not/right": expected ')
    assert not no_clients.called


def test_flag__beats_the_setting(run: Run, provisioned: Google, settings: Any) -> None:
    settings.FORECASTING_DATASET = "from_setting"
    run("bq_setup", "--dataset", "from_flag")
    assert provisioned.bigquery.get_dataset.call_args.args == (f"{PROJECT}.from_flag",)
    run("bq_setup")
    assert provisioned.bigquery.get_dataset.call_args.args == (f"{PROJECT}.from_setting",)


def test_flag__keep_history_can_be_turned_off(run: Run, no_clients: Mock, settings: Any) -> None:
    settings.FORECASTING_KEEP_HISTORY = "on"
    kept = run("bq_setup_etl", "--print-sql").out
    assert run("bq_setup_etl", "--print-sql", "--no-keep-history").out != kept


@pytest.mark.parametrize(
    "arguments",
    [
        ["bq_setup", "--nonsense"],
        ["bq_setup", "extra"],
        ["bq_setup", "--format", "xml"],
        ["bq_setup", "--dry-run", "--check"],
        ["bq_setup", "--dataset"],
        ["bq_setup_etl", "--max-age-hours", "3"],
        ["bq_verify", "--nonsense"],
    ],
)
def test_usage__wrong_ends_with_1_and_not_with_argparses_2(
    no_clients: Mock, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        ManagementUtility(["manage.py", *arguments]).execute()
    assert left.value.code == 1
    assert f"usage: manage.py {arguments[0]}" in capsys.readouterr().err
    assert not no_clients.called


def test_usage__help_ends_with_0_and_states_defaults(
    no_clients: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        ManagementUtility(["manage.py", "bq_setup_etl", "--help"]).execute()
    assert left.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "(default: every day 02:00); setting FORECASTING_SCHEDULE" in text


@pytest.mark.parametrize(("flag", "status"), [("--check", 2), ("--dry-run", 0)])
def test_exit_status__of_the_process(
    run: Run,
    provisioned: Google,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flag: str,
    status: int,
) -> None:
    without_table(provisioned)
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)
    left = 0
    try:
        ManagementUtility(["manage.py", "bq_setup", flag]).execute()
    except SystemExit as error:
        left = int(error.code or 0)
    assert left == status
    assert "Traceback" not in capsys.readouterr().err


# Google out of reach


@pytest.mark.parametrize("command", ["bq_setup", "bq_setup_etl", "bq_verify"])
def test_credentials__missing_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    error = auth_error("DefaultCredentialsError", "Your default credentials were not found.")
    monkeypatch.setattr(MAKE_CLIENTS, make_clients)
    monkeypatch.setattr("google.auth.default", Mock(side_effect=error))
    result = run(command)
    assert result.status == 1
    assert result.error.startswith("No Google credentials were found: run `gcloud auth applicatio")
    assert "\n" not in result.error


def test_permission__that_is_missing_is_named(run: Run, provisioned: Google) -> None:
    provisioned.bigquery.get_dataset.side_effect = google_error(
        403,
        "Access Denied: Permission bigquery.datasets.get denied on dataset (or it may not exist).",
        legacy_reason="accessDenied",
    )
    result = run("bq_setup")
    assert result.status == 1
    assert "the credentials in use lack bigquery.datasets.get (" in result.error


def test_output__has_no_control_character_of_googles(run: Run, provisioned: Google) -> None:
    provisioned.bigquery.get_dataset.side_effect = google_error(400, "sly\x1b[2J\x1b]0;\x07\rword")
    error = run("bq_setup").error
    assert "sly [2J ]0;  " in error
    assert error.isprintable()
    provisioned.bigquery.get_dataset.side_effect = None
    provisioned.bigquery.get_dataset.return_value.location = "mars\x1b[2J"
    result = run("bq_setup")
    assert result.status == 1
    assert "mars [2j" in result.out


def test_setting__unknown_is_a_warning_of_each_command(run: Run, settings: Any) -> None:
    settings.FORECASTING_DATASETT = "x"
    result = run("bq_setup", "--dry-run")
    said = "Warning: FORECASTING_DATASETT is no setting: did you mean FORECASTING_DATASET?\n"
    assert (result.status, result.err) == (0, said)


def test_print_role_sql__needs_neither_project_nor_instance(
    run: Run, no_clients: Mock, settings: Any
) -> None:
    settings.GOOGLE_CLOUD_PROJECT = settings.CLOUD_SQL_INSTANCE = ""
    assert "CREATE ROLE" in run("bq_setup_etl", "--print-role-sql").out
    assert "GOOGLE_CLOUD_PROJECT is not set" in run("bq_setup_etl", "--print-sql").error


def test_print_role_sql__says_what_it_needs_and_what_file_it_goes_to(
    run: Run, no_clients: Mock
) -> None:
    script, document = run("bq_setup_etl", "--print-role-sql").out, ROOT / "docs/operations.md"
    (said,) = re.findall(r"^--\s+(psql .*)$", script, re.MULTILINE)
    assert "CREATEROLE" in script.partition(said)[0]
    documented = re.findall(r"--print-role-sql > (\S+) &&\s+psql \S+ (.*)", document.read_text())
    assert len(documented) == 2
    assert {f"psql {flags}" for _, flags in documented} == {said}
    assert {file for file, _ in documented} == {said.split()[-1]}


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("", False),
        ("--format json", True),
        ("--format=json --check", True),
        ("--f json", True),
        ("--form=json", True),
        ("--format text", False),
        ("--format json --format=text", False),
        ("--format text --format json", True),
        ("--format json --format yaml", True),
        ("--format yaml", False),
        ("--format json -- x", True),
        ("-- --format json", False),
        ("--force-color json", False),
        ("--formats json", False),
        ("-f json", False),
        ("-- json", False),
        ("--format", False),
    ],
)
def test_format__is_known_before_anything_is_parsed(words: str, asked: bool) -> None:
    assert asks_for_json(words.split()) is asked
