"""What a server leaves on stderr when a page fails."""

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


def test_failing_page__is_logged_on_stderr_with_debug_off() -> None:
    environment = {**os.environ, "DJANGO_DEBUG": "false"}
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", FAILING_REQUEST],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "500"
    assert "Internal Server Error: /" in done.stderr
    assert "ZeroDivisionError" in done.stderr
