"""What a process imports: only what it uses, as each deploy hook waits for it."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

GIVEN = "'--project=demo-project', '--instance=demo-project:us-central1:main'"
CALL = """
import sys
from django.core.management import ManagementUtility
try:
    ManagementUtility(["manage.py", {words}]).execute()
except SystemExit:
    pass
OURS = "google.cloud.bigquery", "google.api_core", "google.auth", "grpc", "rich"
print([name for name in OURS
       if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words",
    [
        "'bq_setup', '--help'",
        "'bq_setup_etl', '--help'",
        "'bq_verify', '--help'",
        f"'bq_setup_etl', '--print-sql', {GIVEN}",
        f"'bq_setup_etl', '--print-role-sql', {GIVEN}",
        "'bq_setup', '--dataset', 'a-b'",
        "'check'",
    ],
)
def test_imports__nothing_of_googles_for_what_asks_nothing(words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CALL.format(words=words)],
        cwd=settings.BASE_DIR,
        env={"DJANGO_SETTINGS_MODULE": "backend.config.settings", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr.splitlines()[-1] == "[]"
    assert ended.stdout or "CommandError" in ended.stderr or "check" in words


ASKS = """
import sys
from django.core.management import ManagementUtility
try:
    ManagementUtility(["manage.py", "bq_setup"]).execute()
except SystemExit:
    pass
print([name for name in sys.modules if name.startswith((
    "google.cloud.bigquery_connection", "google.cloud.bigquery_datatransfer",
    "google.cloud.secretmanager", "google.cloud.bigquery_storage", "pyarrow", "numpy", "dns.",
    "rich", "altair", "backend.forecasting.loading", "backend.localcloud.server", "h2"))])
"""


def test_imports__of_bq_setup_are_those_of_bigquery_alone() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASKS],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "backend.config.settings",
            "GOOGLE_CLOUD_PROJECT": "demo-project",
            "FORECASTING_API_ENDPOINT": "http://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nothing usable answers at FORECASTING_API_ENDPOINT" in ended.stderr
    assert ended.stdout == "[]\n"
