"""The admin in production: what `check --deploy` says of the documented settings."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.test import RequestFactory
from pytest_django import Settings

DOCUMENTED = {
    "DJANGO_SECRET_KEY": "k" * 25 + "abcdefghijklmnopqrstuvwxyz0123456789",
    "DJANGO_ALLOWED_HOSTS": "admin.example.com",
    "DJANGO_HTTPS": "true",
    "DJANGO_CSRF_TRUSTED_ORIGINS": "https://admin.example.com",
    "DJANGO_SECURE_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO",
}


def check(**environment: str) -> str:
    """What Django's security checks say."""
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--tag", "security"],
        cwd=settings.BASE_DIR,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_deploy__is_clean_with_the_documented_settings() -> None:
    assert "security.W" not in check(**DOCUMENTED)
    assert "security.W012" in check(**DOCUMENTED | {"DJANGO_HTTPS": "false"})


@pytest.mark.parametrize("told", [True, False])
def test_login__behind_a_proxy_that_ends_tls(told: bool, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["admin.example.com"]
    if told:
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        settings.CSRF_TRUSTED_ORIGINS = ["https://admin.example.com"]
    token = "t" * 32
    request = RequestFactory().post(
        "/admin/login/",
        {"csrfmiddlewaretoken": token},
        HTTP_HOST="admin.example.com",
        HTTP_ORIGIN="https://admin.example.com",
        HTTP_X_FORWARDED_PROTO="https",
    )
    request.COOKIES["csrftoken"] = token
    middleware = CsrfViewMiddleware(lambda _: HttpResponse())
    middleware.process_request(request)
    refusal = middleware.process_view(request, lambda _: HttpResponse(), (), {})
    assert (refusal is None) == told
