"""The app copied into somebody else's project, which has models of another shape.

The project's manage.py stands in a folder and imports the copy as `forecasting`. What its commands
load is compared with averages that this file computes by itself.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.extras
import pytest

from backend import forecasting
from backend.demo.environment import forget_settings
from backend.forecasting.tests.support.documents import ROOT, blocks_in
from backend.forecasting.tests.support.loading import day_before, midnight, table_rows
from backend.localcloud.postgres.psql import run_script
from backend.localcloud.postgres.server import (
    RunningPostgres,
    admin_cursor,
    create_database,
    create_role,
)

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

DATABASE, OWNER, READER = "newsdesk", "newsdesk_owner", "newsdesk_reader"
PASSWORD = secrets.token_urlsafe(12)
# Enough rows for Vertex AI, which wants a thousand.
DAYS, ENTITIES = 40, range(1, 31)
SPELLINGS = ("as it is called", "as it was written", "as it was misread")
NO_SCORE: dict[str, Any] = {"dimensions": {"supply_chain": {"score": 0.5}}}

FILES = {
    "manage.py": """
import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "newsdesk.settings"
execute_from_command_line(sys.argv)
""",
    "newsdesk/__init__.py": "",
    "newsdesk/urls.py": """
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
""",
    "newsdesk/settings.py": """
import os

SECRET_KEY = "of-a-project-that-lives-as-long-as-a-test"
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "core",
    "forecasting",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ROOT_URLCONF = "newsdesk.urls"
STATIC_URL = "static/"
USE_TZ = True
TIME_ZONE = "America/Caracas"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["NEWSDESK_HOST"],
        "PORT": "5432",
        "NAME": "newsdesk",
        "USER": "newsdesk_owner",
        "PASSWORD": os.environ["NEWSDESK_PASSWORD"],
    }
}

GOOGLE_CLOUD_PROJECT = os.environ.get("GOOGLE_CLOUD_PROJECT", "")
CLOUD_SQL_INSTANCE = os.environ.get("CLOUD_SQL_INSTANCE", "")
for name in os.environ:
    if name.startswith("FORECASTING_"):
        globals()[name] = os.environ[name]

FORECASTING_SOURCE_DATABASE = "newsdesk"
FORECASTING_MENTION_MODEL = "core.EntityMention"
FORECASTING_ENTITY_NAME_FIELD = "entity__canonical_name"
FORECASTING_EVENT_TIME_FIELD = "event__timestamp"
FORECASTING_SCORE_FIELD = "event__llm_analysis__risk__score"
FORECASTING_DIMENSION_FIELDS = {
    "sanctions": "event__llm_analysis__dimensions__sanctions__score",
    "supply_chain": "event__llm_analysis__dimensions__supply_chain__score",
}
""",
    "core/__init__.py": "",
    "core/models.py": """
import uuid

from django.db import models


class Entity(models.Model):
    canonical_name = models.CharField(max_length=100)

    class Meta:
        db_table = 'intel"."entities'


class Event(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    timestamp = models.DateTimeField()
    llm_analysis = models.JSONField(null=True)

    class Meta:
        db_table = 'intel"."events'


class EntityMention(models.Model):
    entity = models.ForeignKey(Entity, models.CASCADE)
    event = models.ForeignKey(Event, models.CASCADE)
    raw_name = models.CharField(max_length=100)
    mentioned_at = models.DateTimeField(db_column="seen")

    class Meta:
        db_table = 'intel"."Entity_mentions'
        unique_together = (("entity", "event", "raw_name"),)
""",
}

VISIT = """
from django.contrib.auth.models import User
from django.contrib.staticfiles.finders import find
from django.core.management import call_command
from django.test import Client

client = Client()
client.force_login(User.objects.create_superuser("desk"))
print("status page:", client.get("/admin/forecasting/pipeline/").status_code)
print("script:", find("forecasting/pipeline.js"))
call_command("check")
"""


@dataclass(frozen=True)
class Project:
    """Somebody else's project, in a folder of its own; `environment` is all that it is told."""

    folder: Path
    environment: dict[str, str]

    def manage(self, *words: str) -> str:
        """What `python manage.py WORDS` says, called from outside the folder of manage.py."""
        ended = subprocess.run(
            [sys.executable, self.folder / "manage.py", *words],
            cwd=self.folder.parent,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
        return ended.stdout


@pytest.fixture
def project(tmp_path: Path, cloud: "LocalCloud", postgres: RunningPostgres) -> Iterator[Project]:
    """The project with its copy of the app, and a database that holds its schema, still empty."""
    folder = tmp_path / "backend"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    source = Path(str(forecasting.__file__)).parent
    ignored = shutil.ignore_patterns("tests", "__pycache__")
    shutil.copytree(source, folder / "forecasting", ignore=ignored)
    create_role(postgres, user=OWNER, password=PASSWORD)
    create_role(postgres, user=READER, password=PASSWORD)
    create_database(postgres, name=DATABASE, owner=OWNER)
    cloud.add_secret_version("POSTGRES_USER", READER)
    cloud.add_secret_version("POSTGRES_PASSWORD", PASSWORD)
    execute(postgres, "CREATE SCHEMA intel")
    yield Project(folder, environment(cloud, postgres))
    with admin_cursor(postgres) as cursor:
        cursor.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        cursor.execute(f"DROP ROLE {OWNER}, {READER}")


def environment(cloud: "LocalCloud", postgres: RunningPostgres) -> dict[str, str]:
    inherited = dict(os.environ)
    forget_settings(inherited)
    # This repository is not to be found from there.
    inherited.pop("PYTHONPATH", None)
    inherited.pop("DJANGO_SETTINGS_MODULE", None)
    return {
        **inherited,
        "NEWSDESK_HOST": str(postgres.folder),
        "NEWSDESK_PASSWORD": PASSWORD,
        "GOOGLE_CLOUD_PROJECT": "demo-project",
        "CLOUD_SQL_INSTANCE": "demo-project:us-central1:main",
        "FORECASTING_API_ENDPOINT": cloud.endpoint,
        "FORECASTING_GRPC_ENDPOINT": cloud.grpc_endpoint,
        "FORECASTING_WINDOW_DAYS": str(DAYS),
    }


def execute(postgres: RunningPostgres, statement: str, rows: list[Any] | None = None) -> None:
    """Runs a statement as the owner, with `rows` as its VALUES if there are any."""
    uri = postgres.uri(user=OWNER, password=PASSWORD, database=DATABASE)
    with closing(psycopg2.connect(uri)) as connection, connection, connection.cursor() as cursor:
        if rows is None:
            cursor.execute(statement)
        else:
            psycopg2.extras.execute_values(cursor, statement, rows)


@dataclass(frozen=True)
class Event:
    """What one event says of whom, on one day."""

    id: str
    at: datetime
    analysis: dict[str, Any]
    entities: tuple[int, ...]

    def says(self, name: str) -> float | None:
        """Its score, or that of a dimension; None where it says nothing."""
        place = self.analysis if name == "risk" else self.analysis["dimensions"]
        found: float | None = place.get(name, {}).get("score")
        return found


def make_events() -> list[Event]:
    """Three events a day, two of them at the ends of the UTC day, some without a score."""
    moments = [time(0, 0), time(13, 30), time(23, 59, 59, 999999)]
    return [
        make_event(datetime.combine(day_before(days), moment, midnight(day_before(1)).tzinfo), n)
        for days in range(DAYS + 3)
        for n, moment in enumerate(moments, start=3 * days)
    ]


def make_event(at: datetime, n: int) -> Event:
    sanctions = {"sanctions": {"score": n % 5 / 7}} if n % 2 else {}
    scored = {"risk": {"score": (n * 37 % 101) / 13}, "dimensions": sanctions}
    entities = tuple(entity for entity in ENTITIES if (n + entity) % 3)
    return Event(str(uuid.UUID(int=n + 1)), at, scored if n // 2 % 7 else NO_SCORE, entities)


def store(postgres: RunningPostgres, events: list[Event]) -> None:
    """Writes the events; each names each of its entities up to three times."""
    names = [(entity, f"Ministry {entity}") for entity in ENTITIES]
    mentions = [
        (entity, event.id, spelling, event.at)
        for event in events
        for entity in event.entities
        for spelling in SPELLINGS[: 1 + uuid.UUID(event.id).int % 3]
    ]
    execute(postgres, "INSERT INTO intel.entities (id, canonical_name) VALUES %s", names)
    execute(
        postgres,
        "INSERT INTO intel.events (id, timestamp, llm_analysis) VALUES %s",
        [(event.id, event.at, json.dumps(event.analysis)) for event in events],
    )
    execute(
        postgres,
        'INSERT INTO intel."Entity_mentions" (entity_id, event_id, raw_name, seen) VALUES %s',
        mentions,
    )


def expected_rows(events: list[Event]) -> dict[tuple[str, date], tuple[float | None, ...]]:
    """The averages of the window's days, by entity and day: each event counts once."""
    rows = {}
    for entity in ENTITIES:
        for days in range(1, DAYS + 1):
            day = day_before(days)
            about = [e for e in events if e.at.date() == day and entity in e.entities]
            if any(event.says("risk") is not None for event in about):
                rows[str(entity), day] = averages(about)
    return rows


def averages(events: list[Event]) -> tuple[float | None, ...]:
    said = {
        name: [value for event in events if (value := event.says(name)) is not None]
        for name in ("risk", "sanctions", "political", "economic", "supply_chain")
    }
    return tuple(fmean(values) if values else None for values in said.values())


def deploy(project: Project, postgres: RunningPostgres, events: list[Event]) -> None:
    """What docs/operations.md has a team do in its own backend, up to the first load."""
    project.manage("migrate", "--run-syncdb", "--verbosity", "0")
    store(postgres, events)
    script = project.manage("bq_setup_etl", "--print-role-sql")
    run_script(postgres, script, database=DATABASE, role=READER)
    project.manage("bq_setup")
    project.manage("bq_setup_etl", "--run-now")


def test_relocated__loads_and_verifies_what_the_models_there_hold(
    project: Project, cloud: "LocalCloud", postgres: RunningPostgres
) -> None:
    events = make_events()
    deploy(project, postgres, events)
    rows, loaded = expected_rows(events), table_rows(cloud)
    assert 1000 < len(rows) < DAYS * len(ENTITIES)
    assert loaded.keys() == rows.keys()
    for key, values in rows.items():
        assert loaded[key] == pytest.approx(values, abs=1e-9), key

    report = project.folder / "report.html"
    output = ("--report", str(report), "--format", "json")
    document = json.loads(project.manage("bq_verify", "--reconcile", *output))
    checks = {check["id"]: check["status"] for check in document["checks"]}
    assert checks["source.reconciled"] == checks["connection.usable"] == "pass"
    assert "Ministry 7" in report.read_text("utf-8")

    visited = project.manage("shell", "--verbosity", "0", "--command", VISIT)
    assert "status page: 200" in visited
    assert "no issues" in visited
    assert f"script: {project.folder / 'forecasting' / 'static'}" in visited


def test_relocated__settings_are_those_of_the_document() -> None:
    blocks = blocks_in(ROOT / "docs" / "operations.md", "python")
    lines = [line for block in blocks if "FORECASTING_" in block for line in block.splitlines()]
    told = [line for line in lines if line and not line.startswith("INSTALLED_APPS")]
    assert len(told) > 10
    assert [line for line in told if line not in FILES["newsdesk/settings.py"].splitlines()] == []
