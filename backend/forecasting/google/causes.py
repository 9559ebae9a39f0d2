"""What usually stands behind a failure of Google's, by what its text says."""

# Likely causes by a stable fragment of Google's text, which may be reworded at any time
# (procedural-language, @@error.message). First match wins.
_CAUSES = (
    (
        "password authentication failed",
        "the connection's user or password is wrong: put the right ones into Secret Manager and "
        "run bq_setup_etl again",
    ),
    (
        "Missing credentials",
        "the connection has lost its credential: run bq_setup_etl again",
    ),
    (
        "Connect to PostgreSQL server failed",
        "BigQuery cannot reach the instance: grant roles/cloudsql.client to the connection's "
        "service account, check the instance's name and that it runs, and with private IP enable "
        "its private path for Google Cloud services",
    ),
    (
        "connections.use",
        "the account that the load runs as lacks roles/bigquery.connectionUser on the connection",
    ),
    (
        "permission denied for",
        "the connection's PostgreSQL user may not read a table of the source query: grant it "
        "SELECT",
    ),
    (
        "OID =",
        "the source query returns a PostgreSQL type that BigQuery refuses: cast the column in "
        "source_query.sql",
    ),
    (
        "statement timeout",
        "the source query took longer than the connection's PostgreSQL user may: see "
        "docs/scaling.md, or raise the limit that --print-role-sql sets",
    ),
    (
        "terminating connection",
        "PostgreSQL ended the session, as it does when it restarts or fails over: run it again",
    ),
    (
        "server closed the connection",
        "PostgreSQL went away while the load read from it, as it does when it restarts or fails "
        "over: run it again",
    ),
    (
        "the database system is",
        "PostgreSQL was starting, stopping or recovering: run it again",
    ),
    (
        "prepare statement failed",
        "the source query does not fit the source database: run `python manage.py migrate` there "
        "and check FORECASTING_SOURCE_DATABASE",
    ),
    (
        "is not consistent with Destination dataset",
        "a destination dataset was set on the scheduled query: run bq_setup_etl again to clear it",
    ),
    (
        "Not found: Connection",
        "the connection is missing or in another location: run bq_setup_etl again",
    ),
    (
        "Not found: Table",
        "the training table is missing: run bq_setup, then this again",
    ),
    (
        "User Id not found",
        "the user who owned the scheduled query is gone: set FORECASTING_SERVICE_ACCOUNT and run "
        "bq_setup_etl again",
    ),
    (
        "getAccessToken",
        "Google's transfer agent may not act as the service account: grant it "
        "roles/iam.serviceAccountTokenCreator on that account",
    ),
    (
        "Could not serialize access",
        "another job changed the training table at the same time: run it again",
    ),
    (
        "Failed to find a valid credential",
        "a scheduled query of a person needs that person's consent: set "
        "FORECASTING_SERVICE_ACCOUNT to a service account and run this again",
    ),
    (
        "requested service account name",
        "the service account does not exist, or you may not act as it: grant yourself "
        "roles/iam.serviceAccountUser on it",
    ),
    (
        "service account is not found",
        "Google's transfer agent is missing: run `gcloud services enable "
        "bigquerydatatransfer.googleapis.com` again, and this a few minutes later",
    ),
    (
        "without taking ownership",
        "somebody else owns the scheduled query: set FORECASTING_SERVICE_ACCOUNT to take it over, "
        "or let its owner run this command",
    ),
    (
        "The caller does not have permission",
        "Google does not say which: where a service account is set, it often is "
        "roles/iam.serviceAccountUser on that account",
    ),
    (
        "Access Denied",
        "the account that the load runs as lacks a permission: it needs roles/bigquery.jobUser, "
        "roles/bigquery.dataEditor on the dataset and roles/bigquery.connectionUser on the "
        "connection",
    ),
)


def likely_cause(message: str) -> str:
    """What usually stands behind such a failure and what to do; empty for an unknown one."""
    return next((cause for fragment, cause in _CAUSES if fragment in message), "")
