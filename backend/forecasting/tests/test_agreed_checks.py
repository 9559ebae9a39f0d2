"""What `manage.py check` says of settings, word by word, and of which there is nothing to say."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage
from pytest_django import Settings

from backend.forecasting.conf import SETTINGS
from backend.forecasting.system_checks import check_deployment, check_settings
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.test_checks import GOOD

EDGES: tuple[dict[str, Any], ...] = (
    {},
    {"REFRESH_DAYS": "90"},
    {"REFRESH_DAYS": "91"},
    {"WINDOW_DAYS": "30", "HORIZON_DAYS": "30", "KEEP_HISTORY": ""},
    {"WINDOW_DAYS": "30", "HORIZON_DAYS": "31", "KEEP_HISTORY": ""},
    {"WINDOW_DAYS": "30", "HORIZON_DAYS": "31"},
    {"WINDOW_DAYS": "299", "KEEP_HISTORY": ""},
    {"WINDOW_DAYS": "300", "KEEP_HISTORY": ""},
    {"TABLE": "t" * 1015},
    {"TABLE": "t" * 1016},
    {"TABLE": "t" * 1016, "HORIZON_DAYS": ""},
    {"API_ENDPOINT": "http://127.0.0.1:9050"},
    {"GRPC_ENDPOINT": "127.0.0.1:9051"},
    {"SCORE_SOURCE": "entity"},
    {"SCORE_SOURCE": "entity", "SCORE_FIELD": "entity__risk_score"},
    {"SCORE_SOURCE": "entity", "SCORE_FIELD": "event__severity"},
    {"SCORE_FIELD": "entity__risk_score"},
    {"SCORE_FIELD": "event__no_such_field"},
    {"MENTION_MODEL": "nobody.Mention"},
    {"LOCATION": "EU"},
    {"LOCATION": "US"},
    {"LOCATION": "us-east1"},
    {"SERVICE_ACCOUNT": ""},
    {"DIMENSION_FIELDS": {"sanctions": "event__risk_dimensions__sanctions"}},
    {"DIMENSION_FIELDS": {}},
    {"DIMENSION_FIELDS": "none"},
    {"WINDOW_DAYS": True},
    {"KEEP_HISTORY": "perhaps", "WINDOW_DAYS": "1,5"},
    {"WINDOWDAYS": "9", "QQ": "1"},
    *({"SCHEDULE": "every day 02:00", "MAX_AGE_HOURS": hours} for hours in ("23.5", "24")),
    {"SCHEDULE": "every 1 hours", "MAX_AGE_HOURS": "0.5"},
    {"WINDOW_DAYS": "9", "HORIZON_DAYS": "1", "KEEP_HISTORY": ""},
    *({"SCHEDULE": "every 6 hours", "MAX_AGE_HOURS": hours} for hours in ("5.5", "6")),
    *({"SCHEDULE": "every mon,thu 02:00", "MAX_AGE_HOURS": hours} for hours in ("95", "96")),
    *({"SCHEDULE": "every tue,wed,sat 02:00", "MAX_AGE_HOURS": hours} for hours in ("71", "72")),
    *({"SCHEDULE": "every sunday 02:00", "MAX_AGE_HOURS": hours} for hours in ("167", "168")),
    *({"SCHEDULE": "every fri,sun 02:00", "MAX_AGE_HOURS": hours} for hours in ("119", "120")),
)
NOT_SET = {setting.setting: "" for setting in SETTINGS}
ENGINES = ("django.db.backends.sqlite3", "postgresql", "django.contrib.gis.db.backends.postgis")
CACHES = ("locmem.LocMemCache", "dummy.DummyCache", "redis.RedisCache")


def told(messages: list[CheckMessage]) -> list[str]:
    return [
        f"{found.id} {found.level}: {short(found.msg)} {short(found.hint)}" for found in messages
    ]


def short(text: str | None) -> str:
    return f"{text}".replace("t" * 200, "t...")


def said() -> list[str]:
    """By every check, and by a deployment's."""
    return [*told(check_settings()), *(f"deploy: {text}" for text in told(check_deployment()))]


def apply(settings: Settings, change: dict[str, Any]) -> None:
    for name, value in change.items():
        setattr(settings, name, value)


def test_checks__say_what_was_agreed(settings: Settings, tmp_path: Path) -> None:
    agreed = {}
    apply(settings, GOOD)
    for edge in EDGES:
        change = {f"FORECASTING_{name}": value for name, value in edge.items()}
        before = {name: getattr(settings, name, "") for name in change}
        apply(settings, change)
        agreed[short(f"{edge}")] = said()
        apply(settings, {name: before[name] for name in change if name in NOT_SET})
        for name in change.keys() - NOT_SET.keys():
            delattr(settings, name)
    apply(settings, NOT_SET)
    agreed["nothing set"] = said()
    assert_agreed("checks.json", agreed, tmp_path)


def test_checks__of_databases_and_caches_say_what_was_agreed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    agreed = {}
    apply(settings, GOOD)
    for cache in CACHES:
        settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{cache}"}}
        agreed[cache] = said()
    apply(settings, GOOD)
    for engine in ENGINES:
        monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", engine)
        agreed[engine] = said()
    assert_agreed("checks_of_others.json", agreed, tmp_path)
