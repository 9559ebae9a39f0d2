"""bq_setup and bq_setup_etl as they are called, with Google's clients mocked."""

import time
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock, patch

import pytest
from django.conf import settings
from django.db import connection
from google.cloud.bigquery_datatransfer_v1.types import CheckValidCredsResponse

from backend.forecasting.conf import Config
from backend.forecasting.management.commands._watchdog import Watchdog
from backend.forecasting.setup import etl
from backend.forecasting.sql.queries import render_nightly_load
from backend.forecasting.tests.support.commands import ABSENT, Run, start_answers, without_table
from backend.forecasting.tests.support.factories import (
    CLOUD_SQL_AGENT,
    INSTANCE,
    PROJECT,
    RUN_NAME,
    SERVICE_ACCOUNT,
    VERSIONS,
    Google,
    assert_no_secret,
    column_reprs,
    disabled,
    google_error,
    lose_everything,
    make_connection,
    make_dataset,
    make_run,
    make_table,
    make_transfer,
    secret_reply,
    secret_versions,
)

BUSY = google_error(503, "busy")
REFUSED = google_error(
    400,
    "Invalid table-valued function EXTERNAL_QUERY Failed to connect to PostgreSQL database. Error: "
    'FATAL: password authentication failed for user "reader"',
)
NO_DATABASE, GERMAN = (
    google_error(400, f"Failed to connect to PostgreSQL database. Error: FATAL: {said}")
    for said in (
        'database "news" does not exist',
        "Passwort-Authentifizierung für Benutzer »reader« fehlgeschlagen",
    )
)
OUT_OF_REACH = google_error(
    400, "Error while reading data, error message: Connect to PostgreSQL server failed: timed out"
)
TABLE = f"{PROJECT}.intelligence.entity_risk_training_data"
CONNECTION = f"projects/{PROJECT}/locations/us-central1/connections/postgresql-conn"
LOAD = f"Nightly load of {TABLE}"

pytestmark = pytest.mark.django_db


# bq_setup


def test_setup__creates_dataset_and_table(run: Run, provisioned: Google) -> None:
    without_table(provisioned)
    result = run("bq_setup")
    assert result.status == 0
    assert provisioned.writes == ["create_dataset", "create_table"]
    lines = result.out.splitlines()
    assert lines[0] == f"+ dataset {PROJECT}.intelligence"
    assert f"+ table {TABLE}" in lines
    assert lines[-2:] == [
        "Plan: 2 to create.",
        "Done: 2 created, 0 updated, 0 left as they were.",
    ]
    assert result.err == ""


def test_setup__second_run_reads_twice_and_writes_nothing(run: Run, provisioned: Google) -> None:
    result = run("bq_setup")
    assert result.status == 0
    assert provisioned.calls == ["get_dataset", "get_table"]
    assert result.out.splitlines() == [
        f"= dataset {PROJECT}.intelligence",
        f"= table {TABLE}",
        "Plan: 2 unchanged.",
    ]


@pytest.mark.parametrize("command", ["bq_setup", "bq_setup_etl", "bq_verify"])
def test_project__that_is_not_there_is_not_taken_for_an_empty_one(
    run: Run, provisioned: Google, command: str
) -> None:
    missing = google_error(404, "Not found: Project demo-project")
    for name in ("get_dataset", "get_table"):
        getattr(provisioned.bigquery, name).side_effect = missing
    result = run(command)
    assert result.status == 1
    assert "there is no such project" in result.error


def test_setup__half_made_is_finished(run: Run, provisioned: Google) -> None:
    provisioned.bigquery.get_table.side_effect = ABSENT
    assert run("bq_setup").status == 0
    assert provisioned.writes == ["create_table"]


def test_setup__needs_no_instance_and_no_secret(
    run: Run, provisioned: Google, settings: Any
) -> None:
    settings.CLOUD_SQL_INSTANCE = ""
    assert run("bq_setup").status == 0
    assert not provisioned.secrets.method_calls


@pytest.mark.parametrize(("flag", "status"), [("--dry-run", 0), ("--check", 2)])
def test_setup__looks_and_writes_nothing(
    run: Run, provisioned: Google, flag: str, status: int
) -> None:
    without_table(provisioned)
    result = run("bq_setup", flag)
    assert result.status == status
    assert provisioned.writes == []
    assert result.out.endswith("Plan: 2 to create. Nothing was changed.\n")


@pytest.mark.parametrize("command", ["bq_setup", "bq_setup_etl"])
def test_check__of_what_is_as_it_should_be_ends_with_0(run: Run, command: str) -> None:
    assert run(command, "--check").status == 0


def test_setup__conflict_writes_nothing_at_all(run: Run, provisioned: Google) -> None:
    provisioned.bigquery.get_dataset.return_value = make_dataset(defaultTableExpirationMs="1")
    provisioned.bigquery.get_table.return_value = make_table(timePartitioning=None)
    result = run("bq_setup")
    assert result.status == 1
    assert provisioned.writes == []
    assert result.error.startswith(
        f"Nothing was changed. table {TABLE} cannot be changed in place: partitioning is none, not "
        "DAY on mentioned_at. "
    )


def test_setup__json_is_one_document_on_stdout(run: Run, provisioned: Google) -> None:
    provisioned.bigquery.get_table.return_value = make_table(description="by hand")
    provisioned.bigquery.update_table.return_value = make_table()
    result = run("bq_setup", "--format", "json")
    description = "Entity risk scores aggregated daily for Vertex AI forecasting training"
    assert result.document == {
        "command": "bq_setup",
        "project": PROJECT,
        "location": "us-central1",
        "at": result.document["at"],
        "status": "applied",
        "resources": [
            {
                "kind": "dataset",
                "name": f"{PROJECT}.intelligence",
                "action": "unchanged",
                "changes": [],
                "deletes": None,
            },
            {
                "kind": "table",
                "name": TABLE,
                "action": "update",
                "changes": [{"field": "description", "from": "by hand", "to": description}],
                "deletes": None,
            },
        ],
        "run": None,
    }
    assert f"~ table {TABLE}" in result.err


def test_setup__json_of_a_conflict_is_printed_too(run: Run, provisioned: Google) -> None:
    provisioned.bigquery.get_dataset.return_value = make_dataset(location="EU")
    result = run("bq_setup", format="json")
    assert result.status == 1
    assert result.document["status"] == "conflict"
    assert [r["action"] for r in result.document["resources"]] == ["conflict", "unchanged"]


def test_setup__lost_race_for_both_ends_well(run: Run, provisioned: Google) -> None:
    provisioned.bigquery.get_dataset.side_effect = [ABSENT, ABSENT, make_dataset()]
    provisioned.bigquery.get_table.side_effect = [ABSENT, ABSENT, make_table()]
    provisioned.bigquery.create_dataset.side_effect = google_error(409, "Already Exists")
    provisioned.bigquery.create_table.side_effect = google_error(409, "Already Exists")
    assert run("bq_setup").status == 0
    assert provisioned.writes == ["create_dataset", "create_table"]


# bq_setup_etl


def test_etl__creates_connection_and_scheduled_query(run: Run, provisioned: Google) -> None:
    lose_everything(provisioned)
    result = run("bq_setup_etl")
    assert result.status == 0
    assert provisioned.writes == ["create_connection", "create_transfer_config"]
    assert f"+ connection {CONNECTION}\n    instance: {INSTANCE}\n" in result.out
    assert f"    credential: {VERSIONS}\n+ scheduled_query {LOAD}\n" in result.out
    assert "lines (--print-sql shows them)\nPlan: 2 to create.\n" in result.out


def test_etl__says_who_needs_which_role_as_commands_to_paste(run: Run, provisioned: Google) -> None:
    lose_everything(provisioned)
    result = run("bq_setup_etl", "--service-account", SERVICE_ACCOUNT)
    grant = f"gcloud projects add-iam-policy-binding {PROJECT} --member serviceAccount:"
    for account, role in (
        (CLOUD_SQL_AGENT, "roles/cloudsql.client"),
        (SERVICE_ACCOUNT, "roles/bigquery.jobUser"),
        (SERVICE_ACCOUNT, "roles/bigquery.dataEditor"),
        (SERVICE_ACCOUNT, "roles/bigquery.connectionUser"),
    ):
        assert f"    {grant}{account} --role {role}" in result.out.splitlines()


def test_etl__several_schemas_are_told_of_when_the_script_is_stored(
    run: Run, provisioned: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role that an earlier version's script made would look for the tables elsewhere."""
    lose_everything(provisioned)
    options = settings.DATABASES["default"]["OPTIONS"]
    monkeypatch.setitem(options, "options", "-c search_path=app,public")
    told = "Tables are looked for in the schemas app, public, in this order"
    assert told in run("bq_setup_etl", "--dry-run").out
    monkeypatch.setitem(options, "options", "-c search_path=app")
    assert "Tables are looked for" not in run("bq_setup_etl", "--dry-run").out


def test_etl__second_run_sends_eight_reads(run: Run, provisioned: Google) -> None:
    result = run("bq_setup_etl")
    assert result.status == 0
    database = connection.settings_dict["NAME"]
    assert result.out == (
        f"source query not tried: Django's database is {database}, not venezuelawatch\n"
        f"= connection {CONNECTION}\n= scheduled_query {LOAD}\nPlan: 2 unchanged.\n"
    )
    assert sorted(provisioned.calls) == [
        "access_secret_version",
        "access_secret_version",
        "get_connection",
        "get_secret_version",
        "get_secret_version",
        "get_table",
        "list_transfer_configs",
        "query_and_wait",
    ]


@pytest.mark.parametrize(("flag", "status"), [("--dry-run", 0), ("--check", 2)])
def test_etl__looks_and_writes_nothing(
    run: Run, provisioned: Google, flag: str, status: int
) -> None:
    lose_everything(provisioned)
    result = run("bq_setup_etl", flag, "--run-now")
    assert result.status == status
    assert provisioned.writes == []
    assert "Nothing was changed." in result.out


def test_etl__rotated_secret_updates_the_credential_only(run: Run, provisioned: Google) -> None:
    new = secret_reply("POSTGRES_PASSWORD", b"new", version=8)
    provisioned.secrets.access_secret_version.side_effect = secret_versions(POSTGRES_PASSWORD=new)
    result = run("bq_setup_etl")
    assert provisioned.writes == ["update_connection"]
    rotated = VERSIONS.replace("PASSWORD/versions/7", "PASSWORD/versions/8")
    assert f"    credential: {VERSIONS} -> {rotated}\n" in result.out


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (None, "does not exist"),
        (
            {"schema": {"fields": column_reprs(economic_risk=None, political_risk=None)}},
            "lacks political_risk, economic_risk",
        ),
        (
            {"schema": {"fields": column_reprs(economic_risk={"mode": "REQUIRED"})}},
            "takes no NULL in economic_risk",
        ),
    ],
)
def test_etl__without_the_table_says_run_bq_setup_first(
    run: Run, provisioned: Google, table: Any, what: str
) -> None:
    lose_everything(provisioned)
    provisioned.bigquery.get_table.side_effect = ABSENT if table is None else None
    provisioned.bigquery.get_table.return_value = make_table(**(table or {}))
    result = run("bq_setup_etl")
    assert result.status == 1
    assert result.error == (
        f"Table {TABLE} {what}: run bq_setup first (python manage.py bq_setup)."
    )
    assert provisioned.writes == []


def test_etl__table_in_the_way_is_a_conflict_beside_the_others(
    run: Run, provisioned: Google
) -> None:
    lose_everything(provisioned)
    provisioned.bigquery.get_table.return_value = make_table(timePartitioning=None)
    result = run("bq_setup_etl", "--format=json")
    assert result.status == 1
    assert provisioned.writes == []
    assert [r["action"] for r in result.document["resources"]] == ["conflict", "create", "create"]


def test_etl__conflict_of_one_resource_writes_neither(
    run: Run, provisioned: Google, config: Config
) -> None:
    provisioned.connections.get_connection.side_effect = ABSENT
    provisioned.transfers.list_transfer_configs.side_effect = lambda *_, **__: [
        make_transfer(config, name="one"),
        make_transfer(config, name="two", schedule="every day 05:00"),
    ]
    result = run("bq_setup_etl")
    assert result.status == 1
    assert provisioned.writes == []
    assert "scheduled queries is one, two, not one." in result.error


def test_etl__missing_secret_writes_nothing(run: Run, provisioned: Google) -> None:
    lose_everything(provisioned)
    provisioned.secrets.access_secret_version.side_effect = secret_versions(POSTGRES_USER=ABSENT)
    result = run("bq_setup_etl")
    assert result.status == 1
    assert provisioned.writes == []
    assert result.error.startswith(f"Secret POSTGRES_USER of project {PROJECT} has no version")


def test_etl__names_every_disabled_api_before_anything_is_written(
    run: Run, provisioned: Google
) -> None:
    services = {
        "bigquery.googleapis.com": "BigQuery API",
        "secretmanager.googleapis.com": "Secret Manager API",
        "bigqueryconnection.googleapis.com": "BigQuery Connection API",
        "bigquerydatatransfer.googleapis.com": "BigQuery Data Transfer API",
    }
    bigquery, secrets, connections, transfers = (disabled(*api) for api in services.items())
    provisioned.bigquery.get_table.side_effect = bigquery
    provisioned.secrets.access_secret_version.side_effect = secrets
    provisioned.connections.get_connection.side_effect = connections
    provisioned.transfers.list_transfer_configs.side_effect = transfers
    result = run("bq_setup_etl")
    assert result.status == 1
    assert provisioned.writes == []
    assert result.error.splitlines() == [
        f"Enable {title}: gcloud services enable {service} --project {PROJECT}"
        for service, title in services.items()
    ]


# --run-now


def test_etl__as_a_person_without_consent_makes_nothing(run: Run, provisioned: Google) -> None:
    lose_everything(provisioned)
    reply = CheckValidCredsResponse(has_valid_creds=False)
    provisioned.transfers.check_valid_creds.return_value = reply
    result = run("bq_setup_etl")
    assert (result.status, provisioned.writes) == (1, [])
    assert result.error.startswith("Nothing was changed: a scheduled query of a person needs that")
    assert "FORECASTING_SERVICE_ACCOUNT to a service account (recommended), or " in result.error
    assert run("bq_setup_etl", "--service-account", SERVICE_ACCOUNT).status == 0


def test_etl__never_asks_for_the_grant_of_somebody_unnamed(run: Run, provisioned: Google) -> None:
    lose_everything(provisioned)
    with patch.object(Google, "member", "user:ana@example.com"):
        result = run("bq_setup_etl")
    assert "--member user:ana@example.com --role roles/bigquery.jobUser" in result.out


def test_etl__tells_the_grant_though_a_later_step_fails(run: Run, provisioned: Google) -> None:
    lose_everything(provisioned)
    provisioned.transfers.create_transfer_config.side_effect = google_error(403, "no")
    result = run("bq_setup_etl")
    assert result.status == 1
    assert f"--member serviceAccount:{CLOUD_SQL_AGENT} --role roles/cloudsql.client" in result.out


@pytest.mark.parametrize(
    ("error", "told"),
    [(OUT_OF_REACH, True), (BUSY, False)],
)
def test_etl__tells_the_grant_again_while_it_does_not_act(
    run: Run, provisioned: Google, error: Exception, told: bool
) -> None:
    provisioned.bigquery.query_and_wait.side_effect = error
    result = run("bq_setup_etl")
    assert (result.status, provisioned.writes) == (0, [])
    assert ("--role roles/cloudsql.client" in result.out) is told


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (None, "The connection's credential was sent, and PostgreSQL takes it."),
        (BUSY, "could not be tried: a run tells"),
        (OUT_OF_REACH, "the instance is out of reach"),
        (REFUSED, "PostgreSQL refuses the credential that Secret Manager holds, too"),
    ],
    ids=["takes it", "busy", "out of reach", "refuses it again"],
)
def test_etl__credential_that_postgresql_refuses_is_sent_again_and_tried(
    run: Run, provisioned: Google, second: Exception | None, told: str
) -> None:
    answer = provisioned.bigquery.query_and_wait.return_value
    errors = [second] * 9 if second is BUSY else [second or answer]
    provisioned.bigquery.query_and_wait.side_effect = [REFUSED, *errors]
    result = run("bq_setup_etl")
    assert provisioned.writes == ["update_connection"]
    assert f"    credential: refused by PostgreSQL -> {VERSIONS}\n" in result.out
    assert told in result.out + result.error
    assert result.status == (1 if second is REFUSED else 0)
    assert_no_secret(result.out + result.error)


def test_etl__tells_whose_loads_a_connection_is_taken_from(
    run: Run, provisioned: Google, config: Config
) -> None:
    elsewhere = make_connection(cloud_sql={"database": "elsewhere"})
    provisioned.connections.get_connection.return_value = elsewhere
    text = f'SELECT * FROM EXTERNAL_QUERY("{CONNECTION}", "SELECT 1")'
    theirs = make_transfer(config, name="t/1", display_name="theirs", params={"query": text})
    provisioned.transfers.list_transfer_configs.side_effect = lambda *_, **__: [
        make_transfer(config),
        theirs,
    ]
    result = run("bq_setup_etl", "--check")
    assert (result.status, result.out.count('next run on: "theirs" (t/1). Unless')) == (2, 1)


@pytest.mark.parametrize("option", [(), ("--run-now",)])
def test_etl__connection_that_is_let_in_to_nothing_is_left_to_a_run_to_tell_of(
    run: Run, provisioned: Google, option: tuple[str, ...]
) -> None:
    start_answers(provisioned, "SUCCEEDED")
    with patch.object(etl, "learn_refusal", return_value=NO_DATABASE.message):
        result = run("bq_setup_etl", *option)
    assert result.status == (0 if option else 1)
    assert ("PostgreSQL lets the connection in to nothing" in result.error) is (not option)


@pytest.mark.parametrize("refusal", [REFUSED, NO_DATABASE, GERMAN])
def test_etl__credential_of_a_new_connection_that_is_refused_is_a_failure(
    run: Run, provisioned: Google, refusal: Exception
) -> None:
    """Not so a grant that does not act yet, and nothing is scheduled that could not log in."""
    lose_everything(provisioned)
    partitions = provisioned.bigquery.query_and_wait.return_value
    provisioned.bigquery.query_and_wait.side_effect = [partitions, refusal]
    result = run("bq_setup_etl")
    assert (result.status, provisioned.writes) == (1, ["create_connection"])
    assert result.error.startswith("PostgreSQL ")
    assert "holds, too" not in result.error
    assert "Likely cause: the " in result.error


def test_etl__check_finds_the_credential_that_postgresql_refuses(
    run: Run, provisioned: Google
) -> None:
    provisioned.bigquery.query_and_wait.side_effect = [REFUSED]
    assert (run("bq_setup_etl", "--check").status, provisioned.writes) == (2, [])


# --run-now


def test_run_now__reports_the_rows(run: Run, provisioned: Google) -> None:
    start_answers(provisioned, "SUCCEEDED")
    result = run("bq_setup_etl", "--run-now")
    assert result.status == 0
    assert result.out.endswith(
        "Run 1a2b: SUCCEEDED\nRun succeeded in 42.5 s: the training table holds 4,200 rows. "
        "https://console.cloud.google.com/bigquery/scheduled-queries/locations/us-central1/configs/"
        "6f0e/runs?project=demo-project\n"
    )


def test_run_now__after_a_first_set_up_runs_what_was_made(run: Run, provisioned: Google) -> None:
    lose_everything(provisioned)
    start_answers(provisioned, "SUCCEEDED")
    tables = [make_table(numRows=rows) for rows in ("4000", "4000", "4200")]
    provisioned.bigquery.get_table.side_effect = tables
    result = run("bq_setup_etl", "--run-now", "--format", "json")
    assert result.document["status"] == "applied"
    assert result.document["run"] == {
        "name": RUN_NAME,
        "state": "SUCCEEDED",
        "rows": 4200,
        "rows_before": 4000,
        "seconds": 42.5,
        "error": None,
    }


def test_run_now__failure_ends_with_2_googles_words_and_the_cause(
    run: Run, provisioned: Google
) -> None:
    message = "Missing credentials on Cloud SQL connection: c"
    start_answers(provisioned, "FAILED", error_status={"code": 3, "message": message})
    result = run("bq_setup_etl", "--run-now", "--format", "json")
    assert result.status == 2
    assert result.error == (
        f"Run {RUN_NAME} ended FAILED: {message}\n"
        "Likely cause: the connection has lost its credential: run bq_setup_etl again."
    )
    assert result.document["run"]["error"] == message
    assert result.document["run"]["rows"] is None


@pytest.mark.usefixtures("fast_clock")
def test_run_now__adopts_a_run_under_way(run: Run, provisioned: Google) -> None:
    ours = make_run("RUNNING", run_time=datetime.now(UTC))
    provisioned.transfers.list_transfer_runs.side_effect = lambda *_, **__: [ours]
    result = run("bq_setup_etl", "--run-now", "--no-wait")
    assert result.status == 0
    assert provisioned.writes == []
    assert "Run 1a2b: RUNNING\n" in result.out


def test_run_now__names_a_run_of_another_day_and_starts_its_own(
    run: Run, provisioned: Google
) -> None:
    start_answers(provisioned, "SUCCEEDED")
    provisioned.transfers.list_transfer_runs.side_effect = lambda *_, **__: [make_run("RUNNING")]
    result = run("bq_setup_etl", "--run-now")
    assert result.status == 0
    assert provisioned.writes == ["start_manual_transfer_runs"]
    assert "Run 1a2b for 2026-03-02 is RUNNING and not waited for: " in result.out


@pytest.mark.usefixtures("fast_clock")  # Waiting all the same shall fail, and not take so long.
def test_run_now__no_wait_says_how_to_learn_the_end(run: Run, provisioned: Google) -> None:
    start_answers(provisioned, "PENDING")
    result = run("bq_setup_etl", "--run-now", "--no-wait")
    assert result.status == 0
    assert not provisioned.transfers.get_transfer_run.called
    assert "`python manage.py bq_verify` tells how it ended. https://console" in result.out


@pytest.mark.parametrize("timeout", ["0", "-5", "soon", "nan", "1e3", ""])
def test_timeout__malformed_is_refused_before_any_request(
    run: Run, no_clients: Mock, timeout: str
) -> None:
    result = run("bq_setup_etl", "--run-now", f"--timeout={timeout}")
    assert result.status == 1
    assert result.error == f'--timeout is "{timeout}": expected a number of seconds above 0.'
    assert not no_clients.called


def test_timeout__counts_anew_with_each_slice(
    run: Run, provisioned: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog ends what outlasts a slice, and no command that has a slice to go."""
    counted: list[float] = []
    monkeypatch.setattr(Watchdog, "restart", lambda self, seconds: _count(self, counted, seconds))
    assert run("bq_setup", "--timeout", "400").status == 0
    provisioned.deadline.start(77)
    assert counted == [400, 77]


def _count(watchdog: Watchdog, counted: list[float], seconds: float) -> None:
    counted.append(seconds)
    watchdog._end = time.monotonic() + seconds


def test_timeout__may_be_a_number_in_a_call_from_code(run: Run, provisioned: Google) -> None:
    start_answers(provisioned, "SUCCEEDED")
    assert run("bq_setup_etl", run_now=True, timeout=60).status == 0


# --print-sql


def test_print_sql__is_the_script_and_nothing_else(
    run: Run, no_clients: Mock, config: Config
) -> None:
    result = run("bq_setup_etl", "--print-sql")
    assert (result.status, result.out, result.err) == (0, render_nightly_load(config), "")
    assert not no_clients.called


def test_print_sql__takes_the_flags_in(run: Run, no_clients: Mock) -> None:
    result = run("bq_setup_etl", "--print-sql", "--window-days", "33", "--table", "other")
    assert "INTERVAL 33 DAY" in result.out
    assert f"`{PROJECT}.intelligence.other`" in result.out
