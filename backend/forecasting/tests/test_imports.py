"""What a process imports: only what it uses, as each deploy hook waits for it."""

import json
import os
import subprocess
import sys

from django.conf import settings

GIVEN = ["--project=demo-project", "--instance=demo-project:us-central1:main"]
ASKING_NOTHING = [
    ["bq_setup", "--help"],
    ["bq_setup_etl", "--help"],
    ["bq_verify", "--help"],
    ["bq_setup_etl", "--print-sql", *GIVEN],
    ["bq_setup_etl", "--print-role-sql", *GIVEN],
    ["bq_setup", "--dataset", "a-b"],
    ["check"],
]
CALL = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from django.core.management import ManagementUtility

def call(words):
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            ManagementUtility(["manage.py", *words]).execute()
        except SystemExit:
            pass
    return said.getvalue()

OURS = "google.cloud.bigquery", "google.api_core", "google.auth", "grpc", "rich"
for words in json.load(sys.stdin):
    print(json.dumps([call(words), [name for name in OURS if name in sys.modules]]))
"""


def test_imports__nothing_of_googles_for_what_asks_nothing() -> None:
    """One process calls them all: whatever one of them imports stays."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CALL],
        cwd=settings.BASE_DIR,
        env={"DJANGO_SETTINGS_MODULE": "backend.config.settings", "PATH": ""},
        input=json.dumps(ASKING_NOTHING),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    for words, (said, imported) in zip(ASKING_NOTHING, answers, strict=True):
        assert said, words
        assert imported == [], words


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
