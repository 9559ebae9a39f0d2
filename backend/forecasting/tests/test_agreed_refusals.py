"""What is made of each way in which Google can refuse or fail, word by word."""

import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.auth.exceptions import RefreshError
from google.oauth2 import credentials as user_credentials

from backend.forecasting.activity import what_is_done
from backend.forecasting.errors import ApiError
from backend.forecasting.google.causes import (
    CAUSES,
    cause_line,
    circumstance,
    ends_session,
    is_credential_refused,
    is_login_refused,
    is_out_of_reach,
    likely_cause,
)
from backend.forecasting.google.errors import reading, reason_of
from backend.forecasting.google.login import is_lost_login, is_missing_scope, login_failure
from backend.forecasting.google.replies import (
    EmptyReplyError,
    UnreadableReplyError,
    is_unreachable,
    text_of,
)
from backend.forecasting.google.retrying import is_transient, tries_after
from backend.forecasting.google.waiting import GivenUpError
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.factories import (
    NUMBER,
    Google,
    auth_error,
    denied,
    disabled,
    google_error,
    grpc_error,
    html_error,
    make_google,
    retry_error,
)
from backend.forecasting.tests.test_causes import FAILURES
from backend.forecasting.tests.test_gcp import (
    refused_connection,
    reset_connection,
    service_account_credentials,
)
from backend.forecasting.tests.test_google_errors import (
    LEGACY,
    NO_CREDENTIALS,
    NO_TOKEN,
    NOBODY_THERE,
)

PERMISSION = "bigquery.jobs.create"
VPC = "VPC Service Controls: no"


def person() -> Any:
    return user_credentials.Credentials("token", account="ana@example.com")


def with_items(*items: Any) -> exceptions.GoogleAPICallError:
    return exceptions.Forbidden("no", errors=items)


ERRORS: dict[str, Exception] = {
    **{f"{status}": google_error(status, "No way.") for status in (400, 401, 403, 404, 409, 412)},
    **{f"HTTP {status}": google_error(status, "Not now.") for status in (429, 500, 502, 503, 504)},
    **{
        f"gRPC {name}": grpc_error(name, "Not now.")
        for name in (
            "UNKNOWN",
            "ABORTED",
            "CANCELLED",
            "DATA_LOSS",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
        )
    },
    "of no status at all": exceptions.GoogleAPICallError("broken"),
    "disabled": disabled("bigquery.googleapis.com", "BigQuery API"),
    "disabled elsewhere": disabled("bigquery.googleapis.com", "BigQuery API", "7640"),
    "disabled, some other": disabled("storage.googleapis.com", "Storage API", "7640"),
    "disabled, without metadata": google_error(
        403, "Secret Manager API", reason="SERVICE_DISABLED"
    ),
    "disabled, of one page": google_error(
        403, "see https://c.example.com/storage.googleapis.com/overview", reason="SERVICE_DISABLED"
    ),
    "disabled, long ago": google_error(
        403,
        LEGACY.format(title="BigQuery API", service="bigquery.googleapis.com", number=NUMBER),
        legacy_reason="accessNotConfigured",
    ),
    "disabled, says another reason": google_error(403, "BigQuery API is disabled", reason="OTHER"),
    "disabled, by its details": google_error(
        403, "no", reason="SERVICE_DISABLED", service="secretmanager.googleapis.com"
    ),
    "disabled elsewhere, by its details": google_error(
        403, "no", reason="SERVICE_DISABLED", consumer="projects/7640"
    ),
    "billing": google_error(403, "no", reason="BILLING_DISABLED"),
    "billing, long ago": google_error(403, "no", legacy_reason="billingNotEnabled"),
    "a permission": denied(PERMISSION),
    "a permission of another kind": denied("storage.objects.get"),
    "a permission in the text": google_error(403, f"lacks {PERMISSION} on it"),
    "a permission and a perimeter": google_error(403, f"{VPC} {PERMISSION}"),
    "a perimeter": google_error(403, VPC),
    "a perimeter, without login": google_error(401, VPC),
    "no login": grpc_error("UNAUTHENTICATED", "no token"),
    "no scope": google_error(403, "no", reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    "no scope, over gRPC": grpc_error(
        "PERMISSION_DENIED", "no", reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT"
    ),
    "no scope, in words": google_error(403, "insufficient authentication scopes"),
    "a scope that is no refusal": google_error(400, "insufficient authentication scopes"),
    "rate": google_error(403, "no", legacy_reason="jobRateLimitExceeded"),
    "backend": google_error(403, "no", legacy_reason="backendError"),
    "no item of a mapping": with_items("rateLimitExceeded", {"reason": "rateLimitExceeded"}),
    "a second reason": with_items({"reason": ""}, {"message": "x"}, {"reason": "second"}),
    "a page": html_error(502, "<html><b>502</b>\n <p>Ask  IT.</p></html>"),
    "a cause": google_error(400, "statement timeout"),
    "a cause, forbidden": google_error(403, "Failed to find a valid credential"),
    "a login in it": google_error(400, 'role "reader" does not exist'),
    "retried": retry_error(google_error(503, "busy")),
    "retried, a lost race": retry_error(google_error(409, "there is one")),
    "retried, nobody there": retry_error(NOBODY_THERE),
    "retried, of ours": retry_error(ValueError("ours")),
    "retried, of nothing": retry_error(None),
    "given up": GivenUpError("it took longer than 9 seconds"),
    "too long": TimeoutError("9"),
    "unreadable": UnreadableReplyError(KeyError("schema")),
    "empty": EmptyReplyError(),
    "refused connection": refused_connection(),
    "reset connection": reset_connection(),
    "a connection error without words": requests.exceptions.ConnectionError(),
    "a read timeout": requests.exceptions.ReadTimeout("slow"),
    "nobody there": NOBODY_THERE,
    "no name": grpc_error("UNAVAILABLE", "DNS resolution failed for x"),
    "unavailable": grpc_error("UNAVAILABLE", "Socket closed"),
    "no credentials": auth_error("DefaultCredentialsError", NO_CREDENTIALS),
    "revoked": auth_error("RefreshError", "('invalid_grant: Bad Request', {'error': 'x'})"),
    "revoked, in other quotes": auth_error("RefreshError", '("it\'s gone", {})'),
    "no text": auth_error("RefreshError", ""),
    "nothing": RefreshError(),
    "more than a text": RefreshError("gone", {"error": "x"}),
    "transport": auth_error("TransportError", "refused"),
    "a lost login": grpc_error("UNAVAILABLE", f"{NO_TOKEN} with error: ('invalid_grant: x', {{}})"),
    "a login that may come": grpc_error("UNAVAILABLE", f"{NO_TOKEN} with error: Read timed out"),
    "a lost login, in two": grpc_error("UNAVAILABLE", f"{NO_TOKEN} with error: x with error: y"),
    "a login that says nothing": grpc_error("UNAVAILABLE", NO_TOKEN),
    "a plugin of others": google_error(400, NO_TOKEN),
}
LENGTHS = {f"{length} letters": google_error(400, "x" * length) for length in (600, 601)}

LOCAL = "http://127.0.0.1:9050"
WHO = {
    "": make_google(),
    "person": make_google(person()),
    "account": make_google(service_account_credentials()),
    "stand-in": make_google(endpoint=LOCAL, grpc_endpoint="127.0.0.1:9051"),
}


def explained(error: Exception, google: Google) -> str:
    """What is told, and as what."""

    def read() -> None:
        assert what_is_done(threading.get_ident()) == "Doing it"
        raise error

    with pytest.raises(ApiError) as raised, reading("Doing it", google):
        read()
    return f"{type(raised.value).__name__}: {raised.value}"


def test_refusals__are_explained_as_agreed(tmp_path: Path) -> None:
    """To everybody alike, but for what is said of who asks, and of whom."""
    shown = {}
    for name, error in ERRORS.items():
        usual = explained(error, WHO[""])
        said = {who: explained(error, google) for who, google in WHO.items()}
        shown[name] = {who: text for who, text in said.items() if not who or text != usual}
    assert_agreed("refusals.json", shown, tmp_path)


def test_refusals__are_judged_as_agreed(tmp_path: Path) -> None:
    """Whether it is sent again, and what it is taken for."""
    shown = {}
    for name, error in (ERRORS | LENGTHS).items():
        verdicts = (is_transient, is_unreachable, is_lost_login, is_missing_scope)
        true = [verdict.__name__ for verdict in verdicts if verdict(error)]
        text, said = text_of(error), f"{reason_of(error)} | {login_failure(error)}"
        shown[name] = (
            f"{' '.join(true)} | {tries_after(error)} more | {said} | {len(text)}: {text[-20:]}"
        )
    assert_agreed("verdicts.json", shown, tmp_path)


REACHED = "Failed to connect to PostgreSQL database. Error: "
TEXTS = (
    *(text for text, _ in FAILURES),
    *(f"{REACHED}FATAL: {said}" for said in ("Passwort", "x", "Rolle »x« existiert nicht")),
    f"{REACHED}PANIC: no",
    f"{REACHED}Connection timed out",
    f"{REACHED}fatality",
    "FATAL: Passwort",
    "FATAL: x",
    "relation x does not exist",
    "returned no rows",
    "far fewer rows",
    "a nice day",
    "",
)

# SQLSTATEs, of which the last but one has no cause, and the last is none.
STATES = (
    *("28000", "28P01", "3D000", "3F000", "42501", "42703", "42P01", "53100", "53200", "53300"),
    *("53400", "55P03", "57014", "57P01", "57P02", "57P03", "22P02", ""),
)


def test_causes__are_found_as_agreed(tmp_path: Path) -> None:
    """By what is said; and what that is taken for."""
    verdicts = (is_credential_refused, is_login_refused, is_out_of_reach, ends_session)
    assert len(TEXTS) > 50
    shown = {}
    for text in TEXTS:
        true = " ".join(verdict.__name__ for verdict in verdicts if verdict(text))
        shown[text] = [
            likely_cause(text)[:40],
            circumstance(text)[:40],
            true,
            cause_line(text)[:16],
        ]
    assert len(STATES) > 10
    shown["by state"] = [f"{state}: {likely_cause('nein', state)}" for state in STATES]
    shown["known"] = [f"{pattern}: {cause}" for pattern, cause in CAUSES.items()]
    assert_agreed("causes.json", shown, tmp_path)
