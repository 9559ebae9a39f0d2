"""The admin in production: what `check --deploy` says of the documented settings, and a login."""

import os
import re
import runpy
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client, override_settings

DOCUMENTED = {
    "DJANGO_SECRET_KEY": "k" * 25 + "abcdefghijklmnopqrstuvwxyz0123456789",
    "DJANGO_ALLOWED_HOSTS": "admin.example.com",
    "DJANGO_CSRF_TRUSTED_ORIGINS": "https://admin.example.com",
    "DJANGO_SECURE_PROXY_SSL_HEADER": "X-Forwarded-Proto",
    "CACHE_URL": "db://forecasting_cache",
    "DATABASE_URL": "postgresql://backend:secret@127.0.0.1:1/venezuelawatch",
    "GOOGLE_CLOUD_PROJECT": "demo-project",
    "CLOUD_SQL_INSTANCE": "demo-project:us-central1:main",
    "FORECASTING_SERVICE_ACCOUNT": "loader@demo-project.iam.gserviceaccount.com",
}
LOGIN = "/admin/login/"
TLS: dict[str, Any] = {"HTTP_HOST": "admin.example.com", "HTTP_X_FORWARDED_PROTO": "https"}


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The settings that an environment makes, but for the database of the tests."""

    def settings_of(**environment: str) -> dict[str, Any]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        made = runpy.run_path(f"{django_settings.BASE_DIR}/backend/config/settings.py")
        return {name: made[name] for name in made if name.isupper() and name != "DATABASES"}

    return settings_of


def deployed(settings: dict[str, Any]) -> list[str]:
    """The ids of what `check --deploy` says."""
    with override_settings(**settings):
        return [str(found.id) for found in run_checks(include_deployment_checks=True)]


def test_deploy__is_clean_with_the_documented_settings() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=django_settings.BASE_DIR,
        env={**os.environ, **DOCUMENTED},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "System check identified no issues (0 silenced).\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"CACHE_URL": ""}, ["forecasting.W008"]),
        ({"CACHE_URL": "dummy://"}, ["forecasting.W008"]),
        ({"CACHE_URL": "redis://127.0.0.1:6379/1"}, []),
        ({"DJANGO_SECRET_KEY": ""}, ["security.W009"]),
        ({"DJANGO_SSL_REDIRECT": "false"}, ["security.W008"]),
        ({"DJANGO_HSTS_SECONDS": "0"}, ["security.W004"]),
        (
            {"DJANGO_HTTPS": "false"},
            ["security.W004", "security.W008", "security.W012", "security.W016"],
        ),
    ],
)
def test_deploy__says_what_is_amiss(
    settings_of: Any, change: dict[str, str], said: list[str]
) -> None:
    assert sorted(deployed(settings_of(**DOCUMENTED | change))) == said


def test_settings__are_secure_without_a_word_and_plain_for_development(settings_of: Any) -> None:
    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT")
    plain = settings_of(DJANGO_DEBUG="true")
    assert [plain[name] for name in names] == [False] * 3
    secure = settings_of(DJANGO_DEBUG="")
    assert [secure[name] for name in names] == [True] * 3
    assert (plain["SECURE_HSTS_SECONDS"], secure["SECURE_HSTS_SECONDS"]) == (0, 31_536_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DJANGO_HTTPS", "maybe"),
        ("DJANGO_HSTS_SECONDS", "-1"),
        ("CACHE_URL", "memory"),
        ("CACHE_URL", "x://y"),
        ("DATABASE_URL", "mysql://u:p@h/n"),  # Of which no driver is installed.
        ("DATABASE_URL", "oracle://u:p@h/n"),
        ("DJANGO_SECURE_PROXY_SSL_HEADER", "X-Forwarded-Proto, http"),
        ("DJANGO_SECURE_PROXY_SSL_HEADER", "X-Forwarded-Proto: https"),
        ("DJANGO_SECURE_PROXY_SSL_HEADER", "A, https, B"),
    ],
)
def test_settings__that_cannot_be_read_are_one_sentence(
    settings_of: Any, name: str, value: str
) -> None:
    with pytest.raises(SystemExit, match=rf"^{name} cannot be read: expected [^\n]+\.$"):
        settings_of(**{name: value})


@pytest.mark.parametrize(
    ("url", "patient"), [("postgresql://h/name", {"connect_timeout": 5}), ("sqlite://:memory:", {})]
)
def test_settings__bound_the_connection_of_a_database_that_can_be(
    monkeypatch: pytest.MonkeyPatch, url: str, patient: dict[str, int]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    made = runpy.run_path(f"{django_settings.BASE_DIR}/backend/config/settings.py")
    assert made["DATABASES"]["default"].get("OPTIONS", {}) == patient


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-Proto",
        "HTTP_X_FORWARDED_PROTO",
        " X-Forwarded-Proto ",
        "HTTP_X_FORWARDED_PROTO,https",
        "x-forwarded-proto, https",
    ],
)
def test_settings__know_a_header_by_either_of_its_names(settings_of: Any, header: str) -> None:
    made = settings_of(DJANGO_SECURE_PROXY_SSL_HEADER=header)
    assert made["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")


def test_settings__lists_may_have_spaces(settings_of: Any) -> None:
    made = settings_of(DJANGO_ALLOWED_HOSTS="a.example.com, b.example.com,")
    assert made["ALLOWED_HOSTS"] == ["a.example.com", "b.example.com"]


def log_in(client: Client) -> Any:
    """A login as a browser sends it that reaches the site through a proxy."""
    form = client.get(LOGIN, **TLS)
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.content.decode())
    fields = {"username": "ana", "password": "right"} | (
        {"csrfmiddlewaretoken": found[1]} if found else {}
    )
    return client.post(LOGIN, fields, **TLS, HTTP_ORIGIN="https://admin.example.com")


@pytest.mark.django_db
def test_login__behind_a_proxy_that_ends_tls(settings_of: Any) -> None:
    User.objects.create_superuser("ana", password="right")
    with override_settings(**settings_of(**DOCUMENTED | {"CACHE_URL": ""})):
        reply = log_in(Client(enforce_csrf_checks=True))
        assert (reply.status_code, reply["Location"]) == (302, "/accounts/profile/")
        assert reply.cookies["sessionid"]["secure"]
        assert reply["Strict-Transport-Security"].startswith("max-age=31536000; include")
        plain = Client().get(LOGIN, HTTP_HOST="admin.example.com")
        assert (plain.status_code, plain["Location"][:8]) == (301, "https://")


@pytest.mark.django_db
def test_probe__of_a_load_balancer_comes_without_tls(settings_of: Any) -> None:
    with override_settings(**settings_of(**DOCUMENTED | {"CACHE_URL": ""})):
        assert Client().get("/health/", HTTP_HOST="admin.example.com").status_code != 301


@pytest.mark.django_db
def test_login__is_sent_in_circles_where_the_proxy_is_not_named(settings_of: Any) -> None:
    User.objects.create_superuser("ana", password="right")
    change = {"CACHE_URL": "", "DJANGO_SECURE_PROXY_SSL_HEADER": ""}
    with override_settings(**settings_of(**DOCUMENTED | change)):
        assert log_in(Client(enforce_csrf_checks=True)).status_code == 301
