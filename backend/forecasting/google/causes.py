"""What usually stands behind a failure of Google's, by what its text says."""

import re
from collections.abc import Mapping
from functools import cache

_REACH = (
    "BigQuery cannot reach the instance: if its connection is new, a granted roles/cloudsql.client "
    "takes minutes to act, so run this again then; else grant it to the connection's service "
    "account, check that the instance runs and its name, and with private IP enable its private "
    "path for Google Cloud services"
)
# Whatever a language puts around a name, and however JSON has it.
_QUOTED = r"""\\?["'`“”„«»][^"'`“”„«»]*["'`“”«»]"""
_LOADS = "the account that the load runs as"

# By a regular expression for a stable fragment of Google's or PostgreSQL's text, which may be
# reworded at any time (procedural-language, @@error.message). First match wins: what PostgreSQL
# says of itself comes before what Google says around it, and what names its reason before what
# leaves it open.
_ROWS = {
    "returned no rows": (
        "PostgreSQL has no mention of the days that are read that has a score: find out whether "
        "the mentions or their scores (FORECASTING_SCORE_FIELD) are gone, and bring them back; the "
        "next run then loads them, and until it does the training table stays as it was"
    ),
    "far fewer rows": (
        "PostgreSQL has lost mentions, or scores of theirs, of which the training table still "
        "holds rows: find out which, and bring them back; the next run then succeeds. Only where "
        "they are rightly gone, lower FORECASTING_MIN_ROWS_RATIO"
    ),
}
_POSTGRESQL = {
    'database "[^"]*" does not exist': (
        "the instance has no such database: correct FORECASTING_SOURCE_DATABASE and run "
        "bq_setup_etl again"
    ),
    'role "[^"]*" does not exist': (
        "the instance has no such PostgreSQL user: make it with the script of `bq_setup_etl "
        "--print-role-sql`, or correct the secret that names it"
    ),
    "<@ tstzrange": (
        "the column of FORECASTING_TIME_FIELD has no time zone: set FORECASTING_TIME_ZONE=UTC if "
        "it means UTC, or name a column that has one"
    ),
    "with time zone <@ tsrange|with time zone <@ daterange": (
        "the column of FORECASTING_TIME_FIELD has a time zone: unset FORECASTING_TIME_ZONE"
    ),
    "function jsonb_typeof": (
        "a column that is read as JSON has the type json, in which nothing is looked up: make it "
        "jsonb (ALTER TABLE ... ALTER COLUMN ... TYPE jsonb USING ...::jsonb)"
    ),
    "function pg_input_is_valid": (
        "JSON in a column of text takes PostgreSQL 16 or later: upgrade, or make the column jsonb"
    ),
    "relation.*does not exist|column.*does not exist|schema.*does not exist": (
        "the source query names what is not there, or not on the PostgreSQL user's search_path: "
        "run `python manage.py migrate` there where a migration is missing, else correct the "
        "models (db_table, with the schema, and db_column), FORECASTING_SOURCE_DATABASE or the "
        "FORECASTING_ settings that name the fields; for a search_path run the script of "
        "`bq_setup_etl --print-role-sql` again"
    ),
    "password authentication failed": (
        "the connection's user or password is wrong, the password has expired, or PostgreSQL has "
        "no such user: put the right ones into Secret Manager and run bq_setup_etl again, let the "
        "password last longer (ALTER ROLE ... VALID UNTIL), or make the user with the script of "
        "`bq_setup_etl --print-role-sql`"
    ),
    "is not permitted to log in": (
        "the connection's PostgreSQL user may not log in: let it, with ALTER ROLE ... LOGIN"
    ),
    "requires a valid client certificate": (
        "PostgreSQL, or Cloud SQL's SSL mode, asks for a client certificate that the connection "
        "does not show: let this user in without one, in pg_hba.conf or with the SSL mode "
        "ENCRYPTED_ONLY"
    ),
    "pg_hba.conf": (
        "PostgreSQL lets this user in neither from there nor without encryption: allow it in "
        "pg_hba.conf, or on Cloud SQL in the instance's network and SSL settings"
    ),
    "too many connections for database": (
        "all sessions that the database may have are taken: let other loads end and run it again, "
        "or raise the CONNECTION LIMIT of the database (ALTER DATABASE), not the role's"
    ),
    "too many connections for": (
        "all sessions that the connection's PostgreSQL user may have are taken: let other loads "
        "end and run it again, or raise the role's CONNECTION LIMIT"
    ),
    "too many clients already|remaining connection slots are reserved": (
        "all of PostgreSQL's sessions are taken: run it again when fewer are open, or raise "
        "max_connections"
    ),
    "conflict with recovery": (
        "the replica that is read took in changes that the query still needed: run it again, or "
        "set hot_standby_feedback or a longer max_standby_streaming_delay on the replica"
    ),
    "out of memory": (
        "PostgreSQL had too little memory for the source query: lower the role's work_mem, read "
        "fewer days at once (FORECASTING_REFRESH_DAYS), or give the instance more"
    ),
    "temporary file size exceeds": (
        "the source query sorts more on disk than temp_file_limit allows: raise it for the "
        "connection's role, or read fewer days at once (FORECASTING_REFRESH_DAYS)"
    ),
    "resize shared memory segment": (
        "PostgreSQL's shared memory (/dev/shm), not its disk, is too small for a parallel query: "
        "ALTER ROLE ... SET max_parallel_workers_per_gather = 0 for the connection's role, or "
        "enlarge it (a container's shm_size), then run it again"
    ),
    "No space left on device": (
        "the disk of the PostgreSQL instance is full: enlarge it, then run it again"
    ),
    "permission denied for schema": (
        "the connection's PostgreSQL user may not use the schema of the tables: run the script of "
        "`bq_setup_etl --print-role-sql` again"
    ),
    "permission denied for": (
        "the connection's PostgreSQL user may not read a table of the source query: run the script "
        "of `bq_setup_etl --print-role-sql` again, or grant it SELECT"
    ),
    "user mapping not found": (
        "a foreign table is read, and its server knows no user for the connection's role: give it "
        "one (CREATE USER MAPPING FOR ... SERVER ...), or read a materialized view of that table"
    ),
    "would be affected by row-level security": (
        "a row level security policy hides rows from the connection's PostgreSQL user: give that "
        "role a policy that shows all rows of the table, or BYPASSRLS"
    ),
    "lock timeout": (
        "a table was locked for too long, as by a migration under way: run it again when that has "
        "ended"
    ),
    "statement timeout": (
        "the source query took longer than the connection's PostgreSQL user may: see "
        "docs/scaling.md, or raise the limit that --print-role-sql sets"
    ),
    "canceling statement due to user request": (
        "somebody cancelled the source query in PostgreSQL: run it again"
    ),
    "terminating connection": (
        "PostgreSQL ended the session, as it does when it restarts or fails over: run it again"
    ),
    "Connect to PostgreSQL server failed": _REACH,
    "server closed the connection": (
        "PostgreSQL went away while the load read from it, as it does when it restarts or fails "
        "over: run it again"
    ),
    "the database system is": "PostgreSQL was starting, stopping or recovering: run it again",
}

NO_PROJECT = "Not found: Project"

_GOOGLE = {
    "Missing credentials": "the connection has lost its credential: run bq_setup_etl again",
    "Failed to connect to PostgreSQL database": _REACH,
    "Failed to fetch row from PostgreSQL": (
        "PostgreSQL failed while the load read from it: the text above says why; run it again"
    ),
    "OID =": (
        "the source query returns a PostgreSQL type that BigQuery refuses: cast the column in "
        "source_query.sql"
    ),
    "prepare statement failed": (
        "PostgreSQL refuses the source query for the reason that it gives above"
    ),
    "is not consistent with Destination dataset": (
        "a destination dataset was set on the scheduled query: run bq_setup_etl again to clear it"
    ),
    "Not found: Connection": (
        "the connection is missing or in another location: run bq_setup_etl again"
    ),
    NO_PROJECT: (
        "there is no such project, or the login may not see it: correct GOOGLE_CLOUD_PROJECT, or "
        "--project"
    ),
    "Not found: Dataset": (
        "there is no such dataset in that location: check FORECASTING_DATASET and "
        "FORECASTING_LOCATION, and run bq_setup where it is missing"
    ),
    "Not found: Table": "the training table is missing: run bq_setup, then this again",
    "User Id not found": (
        "the user who owned the scheduled query is gone: set FORECASTING_SERVICE_ACCOUNT and run "
        "bq_setup_etl again"
    ),
    "Could not serialize access": (
        "another job changed the training table at the same time: run it again"
    ),
    "streaming buffer": (
        "somebody streamed rows into the training table, and BigQuery changes none of them for up "
        "to 90 minutes: stop what streams into it, wait, and run it again"
    ),
    "row access polic": (
        f"a row access policy on the training table hides rows: {_LOADS} needs one whose filter is "
        "TRUE, or remove the policies"
    ),
    "requested service account name": (
        "the service account does not exist, or you may not act as it: grant yourself "
        "roles/iam.serviceAccountUser on it"
    ),
    "without taking ownership": (
        "somebody else owns the scheduled query: set FORECASTING_SERVICE_ACCOUNT to take it over, "
        "or let its owner run this command"
    ),
}

CONSENT = (
    "a scheduled query of a person needs that person's consent: set FORECASTING_SERVICE_ACCOUNT to "
    "a service account (recommended), or give the consent by scheduling any query once in the "
    "BigQuery console, and run this again"
)
_AGENT = (
    "Google's transfer agent is missing: run `gcloud services enable "
    "bigquerydatatransfer.googleapis.com` again, and this a few minutes later"
)

# No role of whoever asks is the cure of these, though some are told as a lack of permission.
_CIRCUMSTANCES = {
    "getAccessToken": (
        "Google's transfer agent may not act as the service account: grant it "
        "roles/iam.serviceAccountTokenCreator on that account"
    ),
    "Failed to find a valid credential": CONSENT,
    "'version_info' or 'service_account_name' must be specified": CONSENT,
    "service account is not found": _AGENT,
    "Precondition check failed": _AGENT,
    "VPC Service Controls|prohibited by organization's policy": (
        "a service perimeter of the organisation forbids it: run it from inside the perimeter, or "
        "let its administrators allow it (they find it by the identifier above)"
    ),
    "fineGrainedGet|fine-grained reader": (
        "a policy tag protects a column of the training table: grant "
        "roles/datacatalog.categoryFineGrainedReader on it to whoever reads the column, or take "
        "the tag off"
    ),
    "billingNotEnabled|Billing has not been enabled": (
        "the project has no billing account, and the sandbox allows neither DML nor scheduled "
        "queries: link one"
    ),
}

# Where nothing above says more.
_REFUSALS = {
    "connections.use": f"{_LOADS} lacks roles/bigquery.connectionUser on the connection",
    "The caller does not have permission": (
        "Google does not say which: where a service account is set, it often is "
        "roles/iam.serviceAccountUser on that account"
    ),
    "Access Denied": (
        f"{_LOADS} lacks a permission: it needs roles/bigquery.jobUser, roles/bigquery.dataEditor "
        "on the dataset and roles/bigquery.connectionUser on the connection"
    ),
}


CAUSES = {**_ROWS, **_CIRCUMSTANCES, **_POSTGRESQL, **_GOOGLE, **_REFUSALS}
"""Every known cause with its cure by its pattern, in the order in which they are tried."""


# What PostgreSQL says in English with an SQLSTATE, as far as it has one cure: of several texts the
# last is for whatever is none of the others (Appendix A of PostgreSQL's documentation).
_BY_STATE = {
    "28000": (
        *("pg_hba.conf", "requires a valid client certificate", "is not permitted to log in"),
        'role "" does not exist',
    ),
    "28P01": ("password authentication failed",),
    "3D000": ('database "" does not exist',),
    "3F000": ("schema does not exist",),
    "42501": (
        *("permission denied for schema", "would be affected by row-level security"),
        "permission denied for",
    ),
    "42703": ("column does not exist",),
    "42P01": ("relation does not exist",),
    "53100": ("resize shared memory segment", "No space left on device"),
    "53200": ("out of memory",),
    "53300": (
        *("too many connections for database", "too many connections for"),
        "too many clients already",
    ),
    "53400": ("temporary file size exceeds",),
    "55P03": ("lock timeout",),
    "57014": ("canceling statement due to user request", "statement timeout"),
    "57P01": ("terminating connection",),
    "57P02": ("terminating connection",),
    "57P03": ("the database system is",),
}


def likely_cause(message: str, state: str = "") -> str:
    """What usually stands behind such a failure and what to do; empty for an unknown one.

    By the SQLSTATE where PostgreSQL has given one: it speaks the language of its `lc_messages`.
    """
    *finer, plain = _BY_STATE.get(state, (message,))
    said = next((text for text in finer if text.lower() in message.lower()), plain)
    found = _first_match(CAUSES, said)
    if found == _REACH and ends_session(message):
        # It has been reached, and says why not in another language.
        foreign = _regex(_PASSWORD).search(message)
        return _first_match(CAUSES, "password authentication failed") if foreign else ""
    return found


def cause_line(message: str) -> str:
    """The likely cause as a line to put behind the message; empty for an unknown one."""
    cause = likely_cause(message)
    return f"\nLikely cause: {cause}." if cause else ""


# Google does not pass on the SQLSTATE, and PostgreSQL says the rest in its own language: of what it
# lets nobody in for, only the password has a word of its own in each.
_FATAL = r"\b(FATAL\w*|FATÁLN\w*|PANIC)\b|ВАЖНО|ФАТАЛ|致命|치명|KATASTROFALNY|ÖLÜMCÜL"
_PASSWORD = (
    rf"connect to PostgreSQL.*(?:{_FATAL}).*"
    r"(?:passwor|mot de passe|contraseña|senha|парол|パスワード|密码|密碼|암호|비밀번호"
    r"|hasł|heslo|parola|şifre|lösen)"
)
_CREDENTIAL = r'password authentication failed|role "[^"]*" does not exist|Missing credentials'
_LOGIN = (
    r'database "[^"]*" does not exist|is not permitted to log in|pg_hba\.conf|'
    "valid client certificate"
)


def is_credential_refused(message: str) -> bool:
    """Whether PostgreSQL does not take what the connection logs in with, or it has nothing."""
    if _regex(_CREDENTIAL).search(message):
        return True
    return likely_cause(message) == likely_cause("password authentication failed")


def is_login_refused(message: str) -> bool:
    """Whether PostgreSQL has answered and lets the connection in for no waiting."""
    return is_credential_refused(message) or bool(_regex(_LOGIN).search(message))


def is_out_of_reach(message: str) -> bool:
    """Whether it says that the instance cannot be reached, as before a grant has begun to act.

    Who is refused by PostgreSQL has reached it, in whatever language it says so.
    """
    return likely_cause(message) == _REACH


def ends_session(message: str) -> bool:
    """Whether PostgreSQL lets nobody in or ends a session, which is no word on a statement."""
    return bool(_regex(_FATAL).search(message))


def circumstance(message: str) -> str:
    """The likely cause of a refusal that no role of the caller would cure; empty for others."""
    return _first_match(_CIRCUMSTANCES, message)


def _first_match(table: Mapping[str, str], message: str) -> str:
    return next((cause for pattern, cause in table.items() if _regex(pattern).search(message)), "")


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern for texts in any case, with a name in any quotes where it has one in `"`."""
    return re.compile(pattern.replace('"[^"]*"', _QUOTED), re.IGNORECASE)
