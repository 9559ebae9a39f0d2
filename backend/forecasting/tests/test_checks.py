"""The system checks: what `manage.py check` says of the settings, and that it asks nobody."""

import os
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from backend.forecasting.conf import SETTINGS
from backend.forecasting.system_checks import check_deployment, check_settings

GOOD = {
    "GOOGLE_CLOUD_PROJECT": "demo-project",
    "CLOUD_SQL_INSTANCE": "demo-project:us-central1:main",
    "FORECASTING_SERVICE_ACCOUNT": "loader@demo-project.iam.gserviceaccount.com",
    "FORECASTING_KEEP_HISTORY": "on",
    "FORECASTING_HORIZON_DAYS": "30",
    "CACHES": {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "forecasting_cache",
        }
    },
}


@pytest.fixture(autouse=True)
def configured(settings: Settings) -> None:
    """Settings that nothing is to be said against."""
    change(settings, GOOD)


def change(settings: Settings, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(settings, name, value)


def ids(messages: list[checks.CheckMessage]) -> list[str]:
    return [str(message.id) for message in messages]


def test_checks__good_settings_are_silent() -> None:
    assert check_settings() == check_deployment() == []


def test_checks__nothing_set_is_no_error(settings: Settings) -> None:
    change(settings, {setting.setting: "" for setting in SETTINGS})
    assert check_settings() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOOGLE_CLOUD_PROJECT", "My Project"),
        ("CLOUD_SQL_INSTANCE", "main"),
        ("FORECASTING_SCHEDULE", "0 2 * * *"),
        ("FORECASTING_WINDOW_DAYS", 0.5),
        ("FORECASTING_KEEP_HISTORY", "perhaps"),
        ("FORECASTING_API_ENDPOINT", "http://example.com:9050"),
    ],
)
def test_checks__malformed_setting_is_an_error(
    settings: Settings, name: str, value: object
) -> None:
    setattr(settings, name, value)
    (message,) = check_settings()
    (setting,) = [setting for setting in SETTINGS if setting.setting == name]
    assert message == checks.Error(
        f'{name} is "{value}".', hint=f"Expected {setting.form.expected}.", id="forecasting.E001"
    )


def test_checks__malformed_value_is_told_apart_from_the_advice(settings: Settings) -> None:
    settings.FORECASTING_DATASET = 'a": expected b: c'
    (message,) = check_settings()
    assert message.msg == 'FORECASTING_DATASET is "a": expected b: c".'
    assert message.hint == "Expected a dataset id of letters, digits and underscores."


def test_checks__every_malformed_setting_is_named(settings: Settings) -> None:
    change(settings, {"FORECASTING_DATASET": "a-b", "FORECASTING_TABLE": "c d"})
    assert [message.msg.split()[0] for message in check_settings()] == [
        "FORECASTING_DATASET",
        "FORECASTING_TABLE",
    ]


@pytest.mark.parametrize(
    ("values", "problem", "remedy"),
    [
        (
            {"FORECASTING_WINDOW_DAYS": "30", "FORECASTING_REFRESH_DAYS": 31},
            "FORECASTING_REFRESH_DAYS is 31, more than the window.",
            "Expected at most FORECASTING_WINDOW_DAYS, 30.",
        ),
        (
            {"FORECASTING_LOCATION": "europe-west1"},
            "CLOUD_SQL_INSTANCE is demo-project:us-central1:main, in us-central1, and "
            "FORECASTING_LOCATION is europe-west1.",
            "BigQuery reads a Cloud SQL instance only from its own region",
        ),
    ],
)
def test_checks__settings_at_odds_are_an_error(
    settings: Settings, values: dict[str, Any], problem: str, remedy: str
) -> None:
    change(settings, values)
    (message,) = check_settings()
    assert (message.id, message.level, message.msg) == ("forecasting.E002", checks.ERROR, problem)
    assert str(message.hint).startswith(remedy)


def test_checks__present_score_is_a_warning(settings: Settings) -> None:
    settings.FORECASTING_SCORE_SOURCE = "entity"
    assert ids(check_settings()) == ["forecasting.W002"]


@pytest.mark.parametrize(
    ("schedule", "hours", "warned"),
    [
        ("every day 02:00", "24", False),
        ("every day 02:00", "23.5", True),
        ("every 6 hours", "7", False),
        ("every 12 hours", "7", True),
        ("every monday 02:00", "168", False),
        ("every monday 02:00", "26", True),
        ("every mon,thu 02:00", "96", False),
        ("every mon,thu 02:00", "95", True),
        ("every mon,tue,wed,thu,fri,sat,sun 02:00", "24", False),
    ],
)
def test_checks__age_that_no_schedule_keeps_is_a_warning(
    settings: Settings, schedule: str, hours: str, warned: bool
) -> None:
    change(settings, {"FORECASTING_SCHEDULE": schedule, "FORECASTING_MAX_AGE_HOURS": hours})
    assert ids(check_settings()) == (["forecasting.W003"] if warned else [])


@pytest.mark.parametrize(
    ("engine", "warned"),
    [
        ("django.db.backends.sqlite3", True),
        ("django.db.backends.mysql", True),
        ("django.contrib.gis.db.backends.postgis", False),
    ],
)
def test_checks__other_databases_are_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, engine: str, warned: bool
) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", engine)
    assert ids(check_settings()) == (["forecasting.W004"] if warned else [])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("GOOGLE_CLOUD_PROJECT", "", "forecasting.W001"),
        ("CLOUD_SQL_INSTANCE", "", "forecasting.W001"),
        ("FORECASTING_API_ENDPOINT", "http://127.0.0.1:9050", "forecasting.E003"),
        ("FORECASTING_SERVICE_ACCOUNT", "", "forecasting.W005"),
        ("FORECASTING_KEEP_HISTORY", "", "forecasting.W006"),
    ],
)
def test_checks__deployment_is_asked_more(
    settings: Settings, name: str, value: str, expected: str
) -> None:
    setattr(settings, name, value)
    assert check_settings() == []
    (found,) = check_deployment()
    assert found.id == expected
    told = f"{found.msg} {found.hint}"
    assert name in told
    assert "None" not in told


def test_checks__window_is_long_enough_for_a_model_that_nobody_wants(settings: Settings) -> None:
    change(settings, {"FORECASTING_KEEP_HISTORY": "", "FORECASTING_HORIZON_DAYS": ""})
    assert check_deployment() == []


def test_checks__wide_window_needs_no_history(settings: Settings) -> None:
    change(settings, {"FORECASTING_KEEP_HISTORY": "", "FORECASTING_WINDOW_DAYS": "300"})
    assert check_deployment() == []


def test_check_command__runs_them(settings: Settings) -> None:
    settings.FORECASTING_WINDOW_DAYS = "ninety"
    with pytest.raises(SystemCheckError, match=r"\(forecasting\.E001\) .* is \"ninety\""):
        call_command("check", stdout=StringIO(), stderr=StringIO())


def test_check_command__deployment_only_on_request(settings: Settings) -> None:
    settings.FORECASTING_API_ENDPOINT = "http://127.0.0.1:9050"
    call_command("check", stdout=StringIO(), stderr=StringIO())
    with pytest.raises(SystemCheckError, match=r"forecasting\.E003"):
        call_command("check", deploy=True, stdout=StringIO(), stderr=StringIO())


# The source -------------------------------------------------------------------------------------


def test_checks__every_field_that_fits_no_model_is_an_error(settings: Settings) -> None:
    change(
        settings,
        {
            "FORECASTING_TIME_FIELD": "seen_at",
            "FORECASTING_DIMENSION_FIELDS": {"political": "event__title", "economy": "event__x"},
        },
    )
    time, political, economy = check_settings()
    assert time == checks.Error(
        'FORECASTING_TIME_FIELD is "seen_at", but entities.EntityMention has no field seen_at.',
        hint="Expected a date and time of entities.EntityMention.",
        id="forecasting.E004",
    )
    assert political.msg == (
        'FORECASTING_DIMENSION_FIELDS is "political=event__title", but events.Event.title is no '
        "number."
    )
    assert (
        economy.hint
        == "Expected each of sanctions, political, economic, supply_chain once at most."
    )


def test_checks__model_that_is_not_there_is_one_error(settings: Settings) -> None:
    settings.FORECASTING_MENTION_MODEL = "core.EntityMention"
    (message,) = check_settings()
    assert message.id == "forecasting.E004"
    assert message.msg == (
        'FORECASTING_MENTION_MODEL is "core.EntityMention", but there is no such model.'
    )


@pytest.mark.parametrize(
    "values",
    [{"FORECASTING_SCORE_SOURCE": "entity"}, {"FORECASTING_SCORE_FIELD": "entity__risk_score"}],
)
def test_checks__score_of_the_entity_is_a_warning(
    settings: Settings, values: dict[str, Any]
) -> None:
    change(settings, values)
    (message,) = check_settings()
    assert message.id == "forecasting.W002"
    assert message.msg.startswith("The score is entity__risk_score: the present one")


def test_checks__import_nothing_of_googles() -> None:
    """They run before every command, runserver's reloads among them."""
    script = (
        "import sys, django; from django.core.management import call_command; django.setup(); "
        "call_command('check', verbosity=0); "
        "print([name for name in sys.modules if name.startswith(('google.api_core', 'google.auth', "
        # A package of Google's may make the namespace google.cloud in every process.
        "'google.cloud.', 'google.protobuf'))])"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "backend.config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_checks__unknown_setting_is_named_with_the_one_that_was_meant(settings: Settings) -> None:
    settings.FORECASTING_DATASETT = "x"
    settings.FORECASTING_QQQ = "x"
    (meant, other) = check_settings()
    assert ids([meant, other]) == ["forecasting.W007"] * 2
    assert (meant.msg, meant.hint) == (
        "FORECASTING_DATASETT is no setting.",
        "Did you mean FORECASTING_DATASET?",
    )
    assert other.hint == "Remove it, or see .env.example for all."


def test_checks__unknown_variable_of_the_environment_is_seen() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", "check"],
        env={**os.environ, "FORECASTING_DATASETT": "x", "DJANGO_DEBUG": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "FORECASTING_DATASETT is no setting." in ended.stderr
    assert ended.returncode == 0


@pytest.mark.parametrize(
    "value",
    [
        "garbage",
        "postgresql://u:geheim@[bad/x",
        "mysqlx://u:geheim@h/x",
        "postgresql://u:geheim@h:p/x",
    ],
)
def test_database_url__that_cannot_be_read_is_one_sentence_without_the_password(value: str) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "bq_setup"],
        env={**os.environ, "DATABASE_URL": value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (
        1,
        "DATABASE_URL cannot be read: expected postgresql://USER:PASSWORD@HOST:PORT/NAME.\n",
    )
