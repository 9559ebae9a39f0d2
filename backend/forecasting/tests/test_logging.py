"""What a server leaves on stderr when a page fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FAILING_REQUEST = """
from types import ModuleType
from django.conf import settings
from django.test import Client
from django.urls import path
settings.ALLOWED_HOSTS = ["testserver"]
settings.ROOT_URLCONF = ModuleType("failing")
settings.ROOT_URLCONF.urlpatterns = [path("", lambda request: 1 / 0)]
print(Client(raise_request_exception=False).get("/").status_code)
"""


def failing_page(**variables: str) -> str:
    """What is on stderr after it."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", FAILING_REQUEST],
        cwd=ROOT,
        env={**os.environ, "DJANGO_DEBUG": "false", "DJANGO_HTTPS": "false", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "500"
    return done.stderr


def test_failing_page__is_logged_on_stderr_with_debug_off() -> None:
    said = failing_page()
    assert "Internal Server Error: /" in said
    assert "ZeroDivisionError" in said


def test_failing_page__is_a_line_of_json_where_that_is_asked() -> None:
    (line,) = failing_page(FORECASTING_LOG_FORMAT="json").splitlines()
    event = json.loads(line)
    assert (event["severity"], event["message"]) == ("ERROR", "Internal Server Error: /")
    assert "ZeroDivisionError" in event["exc_info"]
