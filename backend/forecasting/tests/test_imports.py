"""What a process imports that needs nothing of Google's: half a second in each deploy hook."""

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
