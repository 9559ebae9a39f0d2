"""The lines of docs/ that are for Google's tools and for psql, typed into a shell as they stand."""

import re
import shutil
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.db import connection

from backend.forecasting.tests.support.documents import ROOT, shell_lines_in
from backend.forecasting.tests.support.hooks import Machine
from backend.localcloud.postgres.server import PORT, RunningPostgres, installed_package
from backend.tests.gcloud import asking_once

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

DOCUMENTS = (ROOT / "docs" / "google.md", ROOT / "docs" / "operations.md")
NAMES = {
    "PROJECT": "demo-project",
    "SQL_PROJECT": "demo-project",
    "REGION": "us-central1",
    "LOADER": "loader@demo-project.iam.gserviceaccount.com",
}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.untraced]


def lines_for(program: str, *, but: str) -> list[str]:
    """The lines that call a program, without those that only Google or a person can answer."""
    lines = [line for document in DOCUMENTS for line in shell_lines_in(document, program)]
    assert any(re.search(but, line) for line in lines)
    return [line for line in lines if not re.search(but, line)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A home of its own, with a token that nobody checks."""
    token = tmp_path / "token"
    token.write_text("any")
    return Machine(tmp_path, {**NAMES, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token)})


def type_in(machine: Machine, line: str, answer: str = "y\n") -> None:
    words = ["bash", "-c", f"set -euo pipefail; {line}"]
    assert machine.run(words, {}, answer) == 0, f"{line}\n{machine.read('errors')}"


@pytest.mark.skipif(shutil.which("bq") is None, reason="Google's bq is not installed")
def test_shell__bq_shows_asks_and_removes(
    pipeline: "LocalCloud", machine: Machine, bq_environment: dict[str, str]
) -> None:
    call_command("bq_setup", stdout=StringIO())
    call_command("bq_setup_etl", stdout=StringIO())
    (made,) = pipeline.transfers.items.values()
    name = pipeline.transfers.records.name_of(made)
    real = f"{shutil.which('bq')} --api {pipeline.endpoint} --project_id demo-project"
    machine.install("bq", f'exec {real} "$@"')
    machine.install("gcloud", asking_once(Path(bq_environment["HOME"])))
    machine.environment.update(bq_environment)
    lines = lines_for("bq", but="GRANT")
    assert len(lines) > 6
    for line in lines:
        type_in(machine, re.sub(r"\bNAME$", name, line))
    assert not pipeline.transfers.items
    assert not pipeline.connections.items
    out = StringIO()
    call_command("bq_setup", "--dry-run", stdout=out)
    assert "Plan: 2 to create." in out.getvalue()


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="Google's gcloud is not installed")
def test_shell__gcloud_makes_rotates_and_shows_a_secret(
    cloud: "LocalCloud", machine: Machine, gcloud_environment: dict[str, str]
) -> None:
    cloud.secrets.items.clear()
    machine.environment.update(gcloud_environment)
    machine.environment["CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"] = f"{cloud.endpoint}/"
    lines = lines_for("gcloud secrets", but="add-iam-policy-binding|delete")
    assert len(lines) == 5
    # A secret is there before it is shown, whichever page says so first.
    for line in sorted(lines, key=lambda line: "secrets create" not in line):
        type_in(machine, line, "typed\n")
    values = {name: versions[-1].value for name, versions in cloud.secrets.items.items()}
    assert values == {
        "POSTGRES_USER": b"bigquery_reader",
        "POSTGRES_PASSWORD": b"typed",
        "SLACK_WEBHOOK": b"typed",
    }


@pytest.fixture
def psql(
    pipeline: "LocalCloud", postgres: RunningPostgres, machine: Machine, db: None
) -> Iterator[Callable[[str], None]]:
    """Types a line for psql, as the owner of the server; the role of the documents goes away."""
    machine.install("psql", f'exec {installed_package() / "pginstall" / "bin" / "psql"} -X "$@"')
    database = connection.settings_dict["NAME"]
    uri = f"{postgres.admin_uri.removesuffix('/postgres')}/{database}"
    machine.environment.update(DATABASE_URL=uri, PGPORT=str(PORT), PGPASSWORD="reader")

    def type_line(line: str) -> None:
        here = line.replace("HOST", str(postgres.folder)).replace("venezuelawatch", database)
        type_in(machine, here)

    yield type_line
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'bigquery_reader'")
        left = cursor.fetchone()
    if left:
        type_line(
            'psql "$DATABASE_URL" -c "DROP OWNED BY bigquery_reader; DROP ROLE bigquery_reader"'
        )


def test_shell__psql_makes_looks_as_and_removes_the_role(
    machine: Machine, psql: Callable[[str], None]
) -> None:
    out = StringIO()
    call_command("bq_setup_etl", "--print-role-sql", stdout=out)
    (machine.folder / "printed.sql").write_text(out.getvalue())
    machine.install("python", "cat printed.sql")
    lines = lines_for("psql", but=r"\\password")
    making = [line for line in lines if "role.sql" in line]
    assert len(making) == 2
    for line in making:
        psql(line)
    psql('''psql "$DATABASE_URL" -c "ALTER ROLE bigquery_reader PASSWORD 'reader'"''')
    for line in lines:
        if line not in making:
            psql(line)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'bigquery_reader'")
        assert cursor.fetchone() is None
