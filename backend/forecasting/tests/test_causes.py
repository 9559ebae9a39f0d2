"""Each of the texts that Google and PostgreSQL are known to fail with, and its cure."""

from contextlib import nullcontext

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.errors import SourceDatabaseError
from backend.forecasting.google.causes import (
    _BY_STATE,
    is_credential_refused,
    is_out_of_reach,
    likely_cause,
)
from backend.forecasting.google.errors import explain
from backend.forecasting.google.replies import without_login
from backend.forecasting.loading.reach import raise_refusal_of_query
from backend.forecasting.tests.support.factories import Google, google_error, grpc_error

CONNECT = "Invalid table-valued function EXTERNAL_QUERY Failed to connect to PostgreSQL database. "
PREPARE = (
    "Invalid table-valued function EXTERNAL_QUERY Failed to prepare or execute the query: "
    "prepare statement failed. Error: ERROR: "
)
FAILURES = (
    (
        "Error code 9 : Dataset specified in the query ('') is not consistent with Destination "
        "dataset 'intelligence'.",
        "run bq_setup_etl again to clear it",
    ),
    (
        "Error code 5 : Authentication failure: User Id not found. Error code: INVALID_USERID.",
        "FORECASTING_SERVICE_ACCOUNT",
    ),
    (
        "Error 400: DTS service agent needs iam.serviceAccounts.getAccessToken permission or "
        "[loader@demo-project.iam.gserviceaccount.com] doesn't exist.",
        "roles/iam.serviceAccountTokenCreator",
    ),
    (
        "P4 service account needs iam.serviceAccounts.getAccessToken permission.",
        "roles/iam.serviceAccountTokenCreator",
    ),
    (
        "Invalid table-valued function EXTERNAL_QUERY Connect to PostgreSQL server failed: server "
        "closed the connection unexpectedly This probably means the server terminated abnormally "
        "before or while processing the request.",
        "roles/cloudsql.client",
    ),
    (
        CONNECT + 'Error: FATAL: password authentication failed for user "reader".',
        "make the user with the script",
    ),
    (
        # An expired one is told by PostgreSQL's own log alone.
        CONNECT + 'Error: FATAL: password authentication failed for user "reader".',
        "VALID UNTIL",
    ),
    ("The source query returned no rows, so the training table was left", "their scores"),
    (
        CONNECT + 'prepare statement failed. Error: ERROR: column "risk_dimensions" does not exist',
        "manage.py migrate",
    ),
    (
        CONNECT
        + "prepare statement failed. Error: ERROR: permission denied for table events_event",
        "grant it SELECT",
    ),
    (
        PREPARE + "server closed the connection unexpectedly This probably means the server",
        "went away while the load read",
    ),
    (
        PREPARE + "terminating connection due to administrator command",
        "PostgreSQL ended the session",
    ),
    (
        PREPARE + "canceling statement due to statement timeout",
        "longer than the connection",
    ),
    (
        CONNECT + "Error: FATAL: the database system is in recovery mode",
        "starting, stopping or recovering",
    ),
    (
        "Access Denied: Connection projects/demo-project/locations/us-central1/connections/c: User "
        "does not have bigquery.connections.use permission for connection c.",
        "roles/bigquery.connectionUser",
    ),
    (
        "Missing credentials on Cloud SQL connection: "
        "projects/demo-project/locations/us-central1/connections/postgresql-conn",
        "lost its credential",
    ),
    (
        "Invalid table-valued function external_query Postgres type (OID = 2950) isn't supported "
        "now at [1:15]",
        "cast the column",
    ),
    (
        "Not found: Connection projects/demo-project/locations/us-central1/connections/c",
        "missing or in another location",
    ),
    (
        "Not found: Table demo-project:intelligence.entity_risk_training_data was not found in "
        "location us-central1",
        "run bq_setup, then this again",
    ),
    (
        "Could not serialize access to table demo-project:intelligence.t due to concurrent update",
        "run it again",
    ),
    (
        "Access Denied: Table demo-project:intelligence.t: User does not have permission to query "
        "table demo-project:intelligence.t",
        "roles/bigquery.dataEditor",
    ),
    (
        CONNECT + 'Error: FATAL: database "venezuela" does not exist',
        "FORECASTING_SOURCE_DATABASE",
    ),
    (
        CONNECT + 'Error: FATAL: role "bigquery_reader" does not exist',
        "no such PostgreSQL user",
    ),
    (
        CONNECT + 'Error: FATAL: role "reader" is not permitted to log in',
        "ALTER ROLE ... LOGIN",
    ),
    (
        CONNECT
        + 'Error: FATAL: no pg_hba.conf entry for host "10.1.2.3", user "reader", no encryption',
        "network and SSL settings",
    ),
    (
        CONNECT + "Error: FATAL: sorry, too many clients already",
        "raise max_connections",
    ),
    (
        CONNECT + "Error: FATAL: remaining connection slots are reserved for others",
        "raise max_connections",
    ),
    (
        CONNECT + 'Error: FATAL: too many connections for role "reader"',
        "CONNECTION LIMIT",
    ),
    (
        CONNECT + 'Error: FATAL: too many connections for database "venezuela"',
        "ALTER DATABASE",
    ),
    (
        CONNECT + "Error: FATAL: connection requires a valid client certificate",
        "ENCRYPTED_ONLY",
    ),
    (
        PREPARE + 'could not resize shared memory segment "/PostgreSQL.17" to 8388608 bytes: No '
        "space left on device",
        "max_parallel_workers_per_gather",
    ),
    (
        CONNECT + "Error: could not connect to server: Connection timed out",
        "takes minutes to act",
    ),
    (
        PREPARE + "canceling statement due to conflict with recovery",
        "hot_standby_feedback",
    ),
    (
        PREPARE + "canceling statement due to lock timeout",
        "a migration under way",
    ),
    (
        PREPARE + "out of memory",
        "work_mem",
    ),
    (
        PREPARE + 'user mapping not found for user "bigquery_reader", server "archive"',
        "CREATE USER MAPPING FOR",
    ),
    (
        PREPARE + "temporary file size exceeds temp_file_limit (1048576kB)",
        "temp_file_limit",
    ),
    (
        PREPARE + "could not write to file base/pgsql_tmp/1: No space left on device",
        "enlarge it",
    ),
    (
        PREPARE + "syntax error at or near FROM",
        "for the reason that it gives",
    ),
    (
        PREPARE + "permission denied for schema core",
        "may not use the schema",
    ),
    (
        PREPARE + "query would be affected by row-level security policy for table events_event",
        "BYPASSRLS",
    ),
    (
        "Error while reading data, error message: Failed to fetch row from PostgreSQL server. "
        "Error: ERROR: division by zero",
        "while the load read from it",
    ),
    (
        "Precondition check failed.",
        "transfer agent is missing",
    ),
    (
        "BigQuery Data Transfer service account is not found, this could be fixed by re-enabling "
        "BigQuery Data Transfer service API",
        "transfer agent is missing",
    ),
    (
        "Failed to find a valid credential. The request to create a transfer config is supposed to "
        "contain an authorization code.",
        "set FORECASTING_SERVICE_ACCOUNT",
    ),
    (
        "The field 'version_info' or 'service_account_name' must be specified",
        "set FORECASTING_SERVICE_ACCOUNT",
    ),
    (
        "Billing has not been enabled for this project. DML queries are not allowed in the free "
        "tier.",
        "no billing account",
    ),
    (
        "Access Denied: BigQuery BigQuery: User has neither fine-grained reader nor masked get "
        'permission to get data protected by policy tag "pii : names" on column entity_id.',
        "categoryFineGrainedReader",
    ),
    (
        "Access Denied: User does not have required permission "
        "datacatalog.categories.fineGrainedGet",
        "categoryFineGrainedReader",
    ),
    (
        "VPC Service Controls: Request is prohibited by organization's policy. "
        "vpcServiceControlsUniqueIdentifier: Xf3",
        "perimeter",
    ),
    (
        "Access Denied: Dataset demo-project:intelligence: Request is prohibited by organization's "
        "policy. vpcServiceControlsUniqueIdentifier: Xf3",
        "perimeter",
    ),
    (
        "Not found: Dataset demo-project:intelligence was not found in location US",
        "FORECASTING_LOCATION",
    ),
    (
        "UPDATE or DELETE statement over table demo-project.intelligence.t would affect rows in "
        "the streaming buffer, which is not supported",
        "up to 90 minutes",
    ),
    # The wording of this one is nowhere in writing.
    (
        "Access Denied: Table demo-project:intelligence.t: DML requires full access to the table, "
        "which has row access policies",
        "whose filter is TRUE",
    ),
)

# The texts that name a permission or a refusal: the cure is not a role of whoever asks.
REFUSALS = [
    (text, named)
    for text, named in FAILURES
    if "ccess" in text.split()[0] or "getAccessToken" in text or "VPC" in text
]


@pytest.mark.trap("identities")
@pytest.mark.parametrize(("text", "named"), FAILURES, ids=lambda text: text[:30])
def test_cause__of_each_text_in_a_runs_message(text: str, named: str) -> None:
    assert named in likely_cause(text)
    assert likely_cause(without_login(text)) == likely_cause(text)


@pytest.mark.parametrize(
    "text",
    [
        'FATAL: password authentication failed for user "o\'reader"',
        '{"message": "role \\"o\'reader\\" does not exist"}',
        "FATAL: Rolle »o'reader« existiert nicht",
        "FATAL : authentification par mot de passe échouée pour l'utilisateur « o'reader »",
        "FATAL: no existe el rol «o'reader»",
    ],
)
def test_login__is_no_part_of_what_is_told_in_any_language(text: str) -> None:
    assert "reader" not in without_login(text)


def test_login__leaves_the_roles_that_google_names() -> None:
    text = "Access Denied: grant the role 'roles/bigquery.jobUser' to user@example.com"
    assert without_login(text) == text


@pytest.mark.parametrize(("text", "named"), FAILURES, ids=lambda text: text[:30])
def test_cause__of_each_text_as_a_request_is_answered(
    google: Google, text: str, named: str
) -> None:
    for error in (google_error(400, text), grpc_error("INVALID_ARGUMENT", text)):
        assert named in str(explain(error, "Creating it", google))


@pytest.mark.parametrize(("text", "named"), REFUSALS, ids=lambda text: text[:30])
def test_cause__of_each_refusal_that_a_request_gets(google: Google, text: str, named: str) -> None:
    for error in (google_error(403, text), grpc_error("PERMISSION_DENIED", text)):
        message = str(explain(error, "Creating it", google))
        assert named in message
        assert message.count("--role") <= 1


def test_cause__refusals_are_among_the_texts() -> None:
    assert len(REFUSALS) >= 6


def test_cause__of_billing_over_rest_names_how_to_link_an_account(google: Google) -> None:
    error = google_error(403, "Billing has not been enabled", legacy_reason="billingNotEnabled")
    assert "gcloud billing projects link demo-project" in str(explain(error, "Creating", google))


@pytest.mark.parametrize("text", ["", "Syntax error: Unexpected identifier at [1:1]"])
def test_cause__of_anything_else_is_not_guessed(text: str) -> None:
    assert likely_cause(text) == ""


DATABASE = "the instance has no such database"


@pytest.mark.parametrize(
    "text",
    [
        'FATAL:  database "x" does not exist',
        'fatal: DATABASE "x" DOES NOT EXIST',
        "FATAL: database „x“ does not exist",
        "FATAL: database «x» does not exist",
        r'Error while reading data, error message: {"error": "database \"x\" does not exist"}',
    ],
)
def test_cause__is_known_in_any_case_and_any_quotes(text: str) -> None:
    assert likely_cause(text).startswith(DATABASE)


@pytest.mark.parametrize(
    ("state", "text", "cause"),
    [
        ("42P01", "no existe la relación «events_event»", "the source query names what is not"),
        ("42703", "Spalte „x“ existiert nicht", "the source query names what is not"),
        ("3D000", "Datenbank »x« existiert nicht", DATABASE),
        ("42501", "keine Berechtigung für Tabelle x", "the connection's PostgreSQL user may not r"),
        ("42501", "permission denied for schema x", "the connection's PostgreSQL user may not use"),
        ("42501", "query would be affected by row-level security policy", "a row level security"),
        ("28000", "kein pg_hba.conf-Eintrag für Host", "PostgreSQL lets this user in neither"),
        (
            "28000",
            "pg_hba.conf rejects connection for host",
            "PostgreSQL lets this user in neither",
        ),
        (
            "28000",
            'role "x" is not permitted to log in',
            "the connection's PostgreSQL user may not l",
        ),
        (
            "28000",
            "connection requires a valid client certificate",
            "PostgreSQL, or Cloud SQL's SSL",
        ),
        ("28000", 'role "x" does not exist', "the instance has no such PostgreSQL user"),
        (
            "53100",
            "could not resize shared memory segment: No space left on device",
            "PostgreSQL's s",
        ),
        ("53100", "kein Platz", "the disk"),
        ("53300", 'too many connections for database "x"', "all sessions that the database may"),
        ("53300", 'too many connections for role "x"', "all sessions that the connection's"),
        ("57014", "canceling statement due to user request", "somebody cancelled"),
        ("57014", "storniere Anfrage wegen Zeitüberschreitung", "the source query took longer"),
        ("53200", "memoria agotada", "PostgreSQL had too little memory"),
        ("XX000", "out of memory", "PostgreSQL had too little memory"),
        ("", "etwas anderes", ""),
    ],
)
def test_cause__is_known_by_sqlstate_in_any_language(state: str, text: str, cause: str) -> None:
    found = likely_cause(text, state)
    assert found.startswith(cause)
    assert bool(found) == bool(cause)


def test_states__each_has_a_cause() -> None:
    assert _BY_STATE
    for state in _BY_STATE:
        assert likely_cause("", state), state


@pytest.mark.parametrize(
    ("said", "credential", "reached"),
    [
        ("FATAL: Passwort-Authentifizierung für Benutzer »x« fehlgeschlagen", True, True),
        ('ВАЖНО: пользователь "x" не прошёл проверку подлинности (по паролю)', True, True),
        ("FATAL: la autentificación password falló para el usuario «x»", True, True),
        ('FATAL: database "passwords" does not exist', False, True),
        ("FATAL: zu viele Verbindungen für Rolle »x«", False, True),
        ("connection to server failed: Connection timed out", False, False),
    ],
)
def test_login__that_is_refused_is_told_in_any_language(
    said: str, credential: bool, reached: bool
) -> None:
    text = f"Failed to connect to PostgreSQL database. Error: {said}"
    assert (is_credential_refused(text), not is_out_of_reach(text)) == (credential, reached)


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("FEHLER: Berechtigung nicht gegeben für Tabelle events_event", True),
        ("ОШИБКА: нет доступа к таблице events_event", True),
        ("ERROR: permission denied for table events_event", True),
        ("FATAL: Verbindung wird abgebrochen aufgrund von Anweisung des Administrators", False),
        ("server closed the connection unexpectedly", False),
    ],
)
def test_query__that_is_refused_is_told_in_any_language(
    config: Config, said: str, refused: bool
) -> None:
    """What ends a session is no word on the query, and left to the run."""
    with pytest.raises(SourceDatabaseError, match="source query") if refused else nullcontext():
        raise_refusal_of_query(config, f"prepare statement failed. Error: {said}")
