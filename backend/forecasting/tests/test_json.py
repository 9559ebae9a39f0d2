"""The document of `--format json`, on any error too, and options that are given by keyword."""

import json
import runpy
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import settings as django_settings
from django.core.management import ManagementUtility, call_command, load_command_class
from jsonschema import Draft202012Validator

from backend.forecasting.conf import Config
from backend.forecasting.management.usage import asks_for_json
from backend.forecasting.tests.support.commands import Run, start_answers, without_table
from backend.forecasting.tests.support.factories import PASSWORD, Google, google_error

pytestmark = pytest.mark.django_db

SETUP_COMMANDS = ("bq_setup", "bq_setup_etl")
COMMANDS = (*SETUP_COMMANDS, "bq_verify")


def validate(document: Any) -> None:
    """Hold a document to the schema in docs/ of the command that it names."""
    path = django_settings.BASE_DIR / "docs" / f"{document['command']}.schema.json"
    schema = json.loads(path.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("flags", [(), ("--check",), ("--run-now",)], ids=" ".join)
def test_json__of_the_etl_is_what_the_schema_says(
    run: Run, provisioned: Google, flags: tuple[str, ...]
) -> None:
    start_answers(provisioned, "FAILED", error_status={"code": 3, "message": "Syntax error"})
    document = run("bq_setup_etl", "--format=json", *flags).document
    validate(document)
    assert (document["run"] is None) == ("--run-now" not in flags)
    assert (document["location"], document["at"][-6:]) == ("us-central1", "+00:00")


@pytest.mark.parametrize("flag", ["--dry-run", "--check"])
def test_json__of_the_table_is_what_the_schema_says(
    run: Run, provisioned: Google, flag: str
) -> None:
    validate(run("bq_setup", "--format=json", flag).document)
    without_table(provisioned)
    validate(run("bq_setup", "--format=json", flag).document)


@pytest.mark.parametrize("command", COMMANDS)
def test_json__of_a_malformed_setting_tells_the_error_and_what_to_do(
    run: Run, no_clients: Mock, command: str
) -> None:
    result = run(command, "--format", "json", "--dataset", "a-b")
    assert result.document == {
        "command": command,
        "status": "error",
        "error": '--dataset is "a-b"',
        "hint": "expected a dataset id of letters, digits and underscores",
    }
    assert result.status == 1
    validate(result.document)


@pytest.mark.parametrize("command", SETUP_COMMANDS)
def test_json__of_googles_refusal_is_one_document(
    run: Run, provisioned: Google, command: str
) -> None:
    provisioned.bigquery.get_table.side_effect = google_error(400, "sly\x1b[2Jword")
    result = run(command, format="json")
    validate(result.document)
    assert result.document["error"] == result.error
    assert "sly [2Jword" in result.error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--format json --nonsense", "unrecognized arguments: --nonsense"),
        ("--nonsense --form=json", "unrecognized arguments: --nonsense"),
        ("--dataset --form json", "argument --dataset: expected one argument"),
        ("--fo json", "ambiguous option: --fo could match --force-color, --format"),
        ("--format json --format", "argument --format: expected one argument"),
        ("--format json --no-color --force-color", "--force-color do not go together"),
    ],
)
def test_json__of_wrong_usage_is_a_document_too(
    run: Run, no_clients: Mock, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    with pytest.raises(SystemExit) as left:
        ManagementUtility(["manage.py", "bq_setup", *words.split()]).execute()
    document = json.loads(capsys.readouterr().out)
    validate(document)
    assert document["error"].endswith(said)
    assert left.value.code == 1


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--format", "json"], True),
        (["--check", "--form=json", "x"], True),
        (["--format=json", "--format", "text"], False),
        (["--format=text", "--f", "json"], True),
        (["--format=json", "--format", "xml"], True),
        (["--formats", "json"], False),
        (["--", "--format", "json"], False),
        (["--force-color", "json"], False),
        (["--report=--format", "json"], False),
        (["--format"], False),
        ([], False),
    ],
)
def test_json__is_asked_for_as_argparse_takes_it(words: list[str], asked: bool) -> None:
    assert asks_for_json(words) is asked


def test_json__of_a_fault_of_our_own_tells_it_without_its_text(
    run: Run, no_clients: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    no_clients.side_effect = ZeroDivisionError(PASSWORD)
    with pytest.raises(ZeroDivisionError):
        call_command("bq_setup", format="json")
    document = json.loads(capsys.readouterr().out)
    validate(document)
    assert "ended by a fault of its own, ZeroDivisionError" in document["error"]
    assert PASSWORD not in str(document)


@pytest.mark.parametrize(
    "line", ["bq_setup --fo=json --nonsense", "bq_verify", "check --format=json"]
)
@pytest.mark.parametrize(
    ("name", "value"), [("DATABASE_URL", f"x://ana:{PASSWORD}@h/name"), ("DJANGO_DEBUG", "perhaps")]
)
def test_json__of_an_environment_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    name: str,
    value: str,
) -> None:
    """The settings are read before there is a command."""
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["manage.py", *line.split()])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(f"{django_settings.BASE_DIR}/backend/config/settings.py")
    printed = capsys.readouterr().out
    assert str(left.value).startswith(f"{name} cannot be read: expected ")
    assert PASSWORD not in f"{left.value}{printed}"
    if "bq_setup" not in line:
        assert printed == ""
        return
    document = json.loads(printed)
    validate(document)
    assert (document["command"], document["error"]) == ("bq_setup", f"{name} cannot be read")


def test_events__of_an_environment_that_cannot_be_read_are_one_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DJANGO_DEBUG", "perhaps")
    monkeypatch.setenv("FORECASTING_LOG_FORMAT", "json")
    monkeypatch.setattr("sys.argv", ["manage.py", "bq_verify"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(f"{django_settings.BASE_DIR}/backend/config/settings.py")
    event = json.loads(str(left.value))
    assert (event["severity"], event["command"]) == ("ERROR", "bq_verify")
    assert event["message"] == "DJANGO_DEBUG cannot be read: expected true or false."
    assert capsys.readouterr().out == ""


# Options by keyword


@pytest.mark.parametrize("days", ["", 0])
def test_keyword__of_no_days_is_refused_as_its_flag_is(
    run: Run, no_clients: Mock, days: object
) -> None:
    result = run("bq_setup_etl", backfill_days=days)
    assert result.error.startswith(f'--backfill-days is "{days}": expected a whole number of days')


def test_report__that_cannot_be_written_is_refused_before_anything_is_asked(
    run: Run, no_clients: Mock
) -> None:
    assert "there is no directory" in run("bq_verify", report="/nowhere/at/all").error
    assert not no_clients.called


def test_keyword__of_no_file_is_refused_as_its_flag_is(run: Run, provisioned: Google) -> None:
    assert run("bq_verify", report="").error.startswith("--report is ., a directory")


def test_keyword__check_and_dry_run_do_what_their_flags_do(run: Run, provisioned: Google) -> None:
    without_table(provisioned)
    assert run("bq_setup", check=True).status == run("bq_setup", "--check").status == 2
    assert run("bq_setup", dry_run=True).out == run("bq_setup", "--dry-run").out
    assert not provisioned.bigquery.create_dataset.called
    run("bq_setup", dry_run=False, check=False)
    assert provisioned.bigquery.create_dataset.called


@pytest.mark.parametrize(
    ("command", "options", "named"),
    [
        ("bq_setup", {"dry_run": True, "check": True}, "--dry-run and --check do not go together"),
        ("bq_setup_etl", {"run_now": True, "backfill_days": 3}, "--run-now and --backfill-days"),
        ("bq_setup_etl", {"no_wait": True}, "--no-wait goes with --run-now"),
        ("bq_setup", {"format": "xml"}, '--format is "xml": expected text or json'),
        ("bq_setup_etl", {"timeout": 0}, '--timeout is "0": expected a number of seconds'),
        ("bq_setup_etl", {"allow_deleting": "never"}, '--allow-deleting is "never": expected on'),
        ("bq_setup_etl", {"run_now": [1]}, '--run-now is "[1]": expected on or off'),
        ("bq_setup", {"verbosity": "loud"}, '--verbosity is "loud": expected 0, 1, 2 or 3'),
        ("bq_setup", {"verbosity": None}, '--verbosity is "None": expected 0'),
        ("bq_setup", {"dataset": True}, '--dataset is "True": expected a dataset id'),
        ("bq_verify", {"report": 5}, '--report is "5": expected the name of a file'),
        ("bq_verify", {"report": ["a"]}, "--report is \"['a']\": expected the name of a file"),
    ],
)
def test_keyword__that_no_flag_could_be_is_refused(
    run: Run, no_clients: Mock, command: str, options: dict[str, Any], named: str
) -> None:
    result = run(command, **options)
    assert result.status == 1
    assert result.error.startswith(named)
    assert not no_clients.called


@pytest.mark.parametrize(
    ("given", "status"), [(True, 2), ("on", 2), (1, 2), ("false", 0), (0, 0), (None, 0), ("", 0)]
)
def test_keyword__of_a_flag_means_what_its_word_says(
    run: Run, provisioned: Google, given: object, status: int
) -> None:
    without_table(provisioned)
    assert run("bq_setup", check=given).status == status
    assert provisioned.bigquery.create_dataset.called == (status == 0)


def test_keyword__of_a_file_may_be_a_path_or_a_text(
    run: Run, no_clients: Mock, tmp_path: Path
) -> None:
    for folder in (tmp_path, str(tmp_path)):
        assert run("bq_verify", report=folder).error.startswith(f"--report is {tmp_path}, a dir")


@pytest.mark.parametrize("command", COMMANDS)
def test_keyword__unknown_is_refused(run: Run, no_clients: Mock, command: str) -> None:
    with pytest.raises(TypeError, match="Unknown option"):
        run(command, nonsense=True)


VALUES: dict[str, Any] = {
    "project": "another-project",
    "location": "us-east1",
    "instance": "another-project:us-central1:other",
    "schedule": "every day 03:00",
    "score_source": "entity",
    "service_account": "loader@demo-project.iam.gserviceaccount.com",
    "notification_topic": "projects/demo-project/topics/loads",
    "min_rows_ratio": 0.5,
    "format": "json",
    "backfill_days": 3,
    "report": "/nowhere/report.html",
}


def options_of(command: str) -> list[tuple[str, Any]]:
    """Each option of a command with a value that its flag takes, Django's own aside."""
    parser = load_command_class("backend.forecasting", command).create_parser("manage.py", command)
    own = [action for action in parser._actions if action.dest not in {*DJANGOS, "help"}]
    return [
        (action.dest, VALUES.get(action.dest, True if action.nargs == 0 else 5)) for action in own
    ]


DJANGOS = {"version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color"}
DJANGOS |= {"skip_checks"}


@pytest.mark.parametrize("command", COMMANDS)
def test_keyword__each_option_is_taken_as_its_flag_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    options = options_of(command)
    names, taken = dict(options), list[tuple[Config, dict[str, str]]]()
    assert len(names) > 8

    def work(_: object, config: Config, options: dict[str, Any]) -> None:
        taken.append((config, {name: str(options[name]) for name in names}))

    monkeypatch.setattr(type(load_command_class("backend.forecasting", command)), "work", work)
    run(command)
    (plain,) = taken
    for name, value in options:
        flag = f"--{'database' if name == 'source_database' else name.replace('_', '-')}"
        run(command, **{name: value})
        run(command, *([flag] if value is True else [flag, str(value)]))
        by_keyword, by_flag = taken[-2:]
        assert by_keyword == by_flag, name
        assert by_flag != plain, name
