from collections.abc import Callable

import pytest
import requests
from google.api_core import exceptions
from urllib3.exceptions import LocationParseError

from backend.forecasting.errors import ApiError, MissingPrerequisiteError, UnreachableError
from backend.forecasting.google.errors import (
    ApiDisabledError,
    explain,
    gather,
    google_errors,
    reading,
    reason_of,
)
from backend.forecasting.google.replies import text_of
from backend.forecasting.google.retrying import is_transient
from backend.forecasting.tests.support.factories import (
    NUMBER,
    PROJECT,
    SERVICE_ACCOUNT,
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
from backend.forecasting.tests.test_gcp import (
    refused_connection,
    reset_connection,
    service_account_credentials,
)

DOING = "Looking at connection c"
TITLES = {
    "bigquery.googleapis.com": "BigQuery API",
    "bigqueryconnection.googleapis.com": "BigQuery Connection API",
    "bigquerydatatransfer.googleapis.com": "BigQuery Data Transfer API",
    "secretmanager.googleapis.com": "Secret Manager API",
}
# https://github.com/googleapis/google-cloud-python/issues/4140 and the pattern of the newer APIs.
LEGACY = (
    "Access Not Configured. {title} has not been used in project {number} before or it is "
    "disabled. Enable it by visiting https://console.developers.google.com/apis/api/{service}/"
    "overview?project={number} then retry."
)


# google.auth._default, raised where no source of credentials has any.
NO_TOKEN = "Getting metadata from plugin failed"
NO_CREDENTIALS = (
    "Your default credentials were not found. To set up Application Default Credentials, see "
    "https://cloud.google.com/docs/authentication/external/set-up-adc for more information."
)


def explained(google: Google, error: Exception) -> str:
    found = explain(error, DOING, google)
    assert isinstance(found, ApiError)
    return str(found)


# Disabled APIs


@pytest.mark.parametrize(("service", "title"), TITLES.items())
def test_disabled__todays_form_says_which_command_enables_it(
    google: Google, service: str, title: str
) -> None:
    error = explain(disabled(service, title), DOING, google)
    assert isinstance(error, ApiDisabledError)
    assert str(error) == f"Enable {title}: gcloud services enable {service} --project {PROJECT}"


@pytest.mark.parametrize(("service", "title"), TITLES.items())
def test_disabled__legacy_form_without_details(google: Google, service: str, title: str) -> None:
    text = LEGACY.format(title=title, service=service, number=NUMBER)
    error = explain(google_error(403, text, legacy_reason="accessNotConfigured"), DOING, google)
    assert isinstance(error, ApiDisabledError)
    assert error.services == (service,)


def test_disabled__legacy_form_that_names_neither_service_nor_project(google: Google) -> None:
    error = google_error(403, "Access Not Configured.", legacy_reason="accessNotConfigured")
    assert "gcloud services enable bigquery.googleapis.com" in explained(google, error)


def test_disabled__details_without_metadata_are_enough(google: Google) -> None:
    error = google_error(
        403,
        f"Secret Manager API has not been used in project {NUMBER} before or it is disabled.",
        reason="SERVICE_DISABLED",
    )
    assert "gcloud services enable secretmanager.googleapis.com" in explained(google, error)


@pytest.mark.trap("transport")
def test_disabled__over_grpc(google: Google) -> None:
    error = grpc_error(
        "PERMISSION_DENIED",
        "BigQuery Connection API has not been used in project",
        reason="SERVICE_DISABLED",
        service="bigqueryconnection.googleapis.com",
        consumer=f"projects/{NUMBER}",
    )
    assert isinstance(error, exceptions.PermissionDenied)
    assert "services enable bigqueryconnection.googleapis.com" in explained(google, error)


@pytest.mark.parametrize("consumer", [PROJECT, NUMBER])
def test_disabled__in_our_project_by_id_or_number(google: Google, consumer: str) -> None:
    error = disabled("secretmanager.googleapis.com", "Secret Manager API", consumer)
    assert isinstance(explain(error, DOING, google), ApiDisabledError)


@pytest.mark.trap("transport")
def test_disabled__in_another_project_is_about_the_quota_project(google: Google) -> None:
    error = disabled("secretmanager.googleapis.com", "Secret Manager API", "764086051850")
    assert explained(google, error) == (
        "Secret Manager API is disabled in project 764086051850, which is not demo-project: the "
        "credentials in use are billed to that project; run "
        "`gcloud auth application-default set-quota-project demo-project`."
    )


def test_disabled__in_another_project_in_the_legacy_form(google: Google) -> None:
    text = LEGACY.format(title="BigQuery API", service="bigquery.googleapis.com", number="7640")
    error = google_error(403, text, legacy_reason="accessNotConfigured")
    assert "set-quota-project demo-project" in explained(google, error)


def test_disabled__is_taken_for_ours_where_the_number_cannot_be_told(google: Google) -> None:
    google.bigquery.get_service_account_email.side_effect = google_error(403, "no")
    error = disabled("bigquery.googleapis.com", "BigQuery API")
    assert isinstance(explain(error, DOING, google), ApiDisabledError)


def _raising(error: Exception) -> Callable[[], None]:
    def look() -> None:
        raise error

    return look


def test_gather__names_every_disabled_api_in_one_message(google: Google) -> None:
    errors = [explain(disabled(*api), DOING, google) for api in TITLES.items()]
    other = MissingPrerequisiteError("something else")
    with pytest.raises(ApiDisabledError) as raised:
        gather([_raising(error) for error in [other, *errors, errors[0]]])
    assert str(raised.value).splitlines() == [
        f"Enable {title}: gcloud services enable {service} --project {PROJECT}"
        for service, title in TITLES.items()
    ]


def test_gather__of_one_disabled_api_is_raised_from_it(google: Google) -> None:
    error = explain(disabled("secretmanager.googleapis.com", "x"), DOING, google)
    with pytest.raises(ApiDisabledError) as raised:
        gather([_raising(error)])
    assert raised.value.__cause__ is error
    assert raised.value.services == ("secretmanager.googleapis.com",)
    assert raised.value.project == PROJECT


def test_gather__raises_the_first_error_where_no_api_is_disabled() -> None:
    with pytest.raises(MissingPrerequisiteError, match="first"):
        gather(
            [
                _raising(MissingPrerequisiteError("first")),
                _raising(MissingPrerequisiteError("second")),
            ]
        )


def test_gather__tries_everything_before_it_raises() -> None:
    tried: list[int] = []
    with pytest.raises(MissingPrerequisiteError):
        gather([_raising(MissingPrerequisiteError("first")), lambda: tried.append(1)])
    assert tried == [1]


def test_gather__returns_the_results_in_order() -> None:
    assert gather([lambda: 1, lambda: 2]) == [1, 2]


# Other refusals


def test_refusal__billing(google: Google) -> None:
    error = google_error(403, "This API method requires billing", reason="BILLING_DISABLED")
    assert explained(google, error) == (
        f"{DOING} failed: billing is off for project demo-project; link a billing account with "
        "`gcloud billing projects link demo-project --billing-account ACCOUNT`."
    )


@pytest.mark.trap("identities")
@pytest.mark.parametrize(
    ("permission", "role"),
    [
        ("bigquery.datasets.create", "roles/bigquery.dataOwner"),
        ("bigquery.tables.update", "roles/bigquery.dataEditor"),
        ("bigquery.jobs.create", "roles/bigquery.jobUser"),
        ("bigquery.connections.create", "roles/bigquery.connectionAdmin"),
        ("bigquery.connections.use", "roles/bigquery.connectionUser"),
        ("bigquery.transfers.update", "roles/bigquery.admin"),
        ("secretmanager.versions.access", "roles/secretmanager.secretAccessor"),
        ("iam.serviceAccounts.actAs", "roles/iam.serviceAccountUser"),
    ],
)
def test_refusal__names_the_permission_and_the_least_role(permission: str, role: str) -> None:
    google = make_google(service_account_credentials())
    assert explained(google, denied(permission)) == (
        f"{DOING} was refused: the credentials in use lack {permission} (no); grant it with "
        f"`gcloud projects add-iam-policy-binding demo-project --member serviceAccount:"
        f"{SERVICE_ACCOUNT} --role {role}`."
    )


@pytest.mark.parametrize(
    ("text", "permission"),
    [
        (
            "Permission 'secretmanager.versions.access' denied on resource (or it may not exist).",
            "secretmanager.versions.access",
        ),
        (
            "Access Denied: Connection projects/p/locations/l/connections/c: User does not have "
            "bigquery.connections.use permission for connection projects/p/locations/l/c",
            "bigquery.connections.use",
        ),
        (
            "Access Denied: Dataset p:d: Permission bigquery.datasets.get denied on dataset p:d "
            "(or it may not exist).",
            "bigquery.datasets.get",
        ),
    ],
)
def test_refusal__permission_in_the_text_only(google: Google, text: str, permission: str) -> None:
    message = explained(google, google_error(403, text, legacy_reason="accessDenied"))
    assert f"the credentials in use lack {permission} (" in message


def test_refusal__permission_over_grpc(google: Google) -> None:
    error = grpc_error(
        "PERMISSION_DENIED",
        "Permission denied",
        reason="IAM_PERMISSION_DENIED",
        permission="bigquery.connections.create",
    )
    assert "--role roles/bigquery.connectionAdmin" in explained(google, error)


@pytest.mark.parametrize("reason", ["RATE_LIMIT_EXCEEDED", "USER_PROJECT_DENIED"])
def test_refusal__other_reasons_keep_googles_words(google: Google, reason: str) -> None:
    message = explained(google, google_error(403, "Request was bad.", reason=reason))
    assert message == f"{DOING} was refused: Request was bad (HTTP 403)."


def test_refusal__a_proxys_page_is_shown_without_markup(google: Google) -> None:
    page = "<html><head><title>403 Forbidden</title></head>\n<body><p>Ask IT.</p></body></html>"
    message = explained(google, html_error(403, page))
    assert message == f"{DOING} was refused: 403 Forbidden Ask IT (HTTP 403)."


def test_refusal__plain_text(google: Google) -> None:
    assert explained(google, html_error(403, "Forbidden")) == (
        f"{DOING} was refused: Forbidden (HTTP 403)."
    )


def test_refusal__unauthorized_over_either_transport(google: Google) -> None:
    rest = google_error(401, "Request had invalid authentication credentials.")
    over_grpc = grpc_error("UNAUTHENTICATED", "no token")
    cure = "\nLikely cause: the login has expired or was revoked: run `gcloud auth "
    assert f"authentication credentials (HTTP 401).{cure}" in explained(google, rest)
    assert f"{DOING} was refused: no token (HTTP 401).{cure}" in explained(google, over_grpc)


# Anything else


def test_failure__keeps_googles_words_without_the_request_line(google: Google) -> None:
    error = google_error(400, "Invalid schedule.")
    assert str(error).startswith("400 GET https://")
    assert explained(google, error) == f"{DOING} failed: Invalid schedule (HTTP 400)."


def test_failure__over_grpc(google: Google) -> None:
    error = grpc_error("INVALID_ARGUMENT", "Failed to find a valid credential.")
    assert explained(google, error) == (
        f"{DOING} failed: Failed to find a valid credential (HTTP 400).\nLikely cause: a scheduled "
        "query of a person needs that person's consent: set FORECASTING_SERVICE_ACCOUNT to a "
        "service account (recommended), or give the consent by scheduling any query once in the "
        "BigQuery console, and run this again."
    )


def test_failure__that_passes_says_its_cause_where_one_is_known(google: Google) -> None:
    starting = "FATAL: the database system is starting up"
    assert explained(google, google_error(503, starting)) == (
        f"{DOING} failed: {starting} (HTTP 503).\n"
        "Likely cause: PostgreSQL was starting, stopping or recovering: run it again."
    )


def test_failure__loses_its_full_stop_alone() -> None:
    assert text_of(google_error(400, "There is no column X.")) == "There is no column X"


def test_failure__very_long_text_is_cut() -> None:
    assert len(text_of(google_error(400, "x" * 5000))) < 620


def test_retry_error__is_explained_by_its_cause(google: Google) -> None:
    busy = google_error(503, "The service is currently unavailable.")
    error = retry_error(busy)
    assert explained(google, error) == (
        f"{DOING} failed: The service is currently unavailable (HTTP 503); run it again in a few "
        "minutes."
    )


def test_retry_error__without_a_cause_of_googles(google: Google) -> None:
    error = retry_error(None)
    message = explained(google, error)
    assert message.startswith(f"{DOING} failed: Google could not be reached (Timeout of 60.0s")


NOBODY_THERE = grpc_error(
    "UNAVAILABLE",
    "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:9051: Failed to "
    "connect to remote host: connect: Connection refused (111)",
)


@pytest.mark.parametrize("error", [refused_connection(), reset_connection(), NOBODY_THERE])
def test_network__is_to_be_checked(google: Google, error: Exception) -> None:
    found = explain(error, DOING, google)
    assert isinstance(found, UnreachableError)
    assert str(found).startswith(f"{DOING} failed: Google could not be reached (")
    assert str(found).endswith("; check the network and run the command again.")


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (
            "secretmanager.googleapis.com:443",
            "(errors resolving secretmanager.googleapis.com:443: ",
        ),
        ("proxy.example:3128", "(errors resolving proxy.example:3128: "),
        ("ana:pass", "(an address cannot be read: check HTTPS_PROXY, "),
    ],
)
def test_network__without_names_shows_no_password(google: Google, host: str, said: str) -> None:
    """gRPC takes what stands before a `/` in a proxy's password for the proxy's address."""
    error = grpc_error(
        "UNAVAILABLE", f"errors resolving {host}: [field:hostname lookup error:{host}]"
    )
    found = explained(google, error)
    assert (said in found, "ana:pass" in found, is_transient(error)) == (True, False, False)


@pytest.mark.parametrize("error", [requests.exceptions.InvalidURL, LocationParseError])
def test_network__by_a_proxy_that_cannot_be_read_shows_no_password(
    google: Google, error: type[Exception]
) -> None:
    with pytest.raises(ApiError) as raised, reading(DOING, google):
        raise error("Failed to parse: 'ana:pass' is not a valid host or port")
    assert "check HTTPS_PROXY" in str(raised.value)
    assert "ana:pass" not in str(raised.value)


def test_network__with_a_certificate_of_its_own_names_what_is_to_be_set(google: Google) -> None:
    text = "failed to connect to all addresses; last error: UNKNOWN: CERTIFICATE_VERIFY_FAILED: OK"
    assert "set REQUESTS_CA_BUNDLE and GRPC_" in explained(google, grpc_error("UNAVAILABLE", text))


def test_network__of_a_local_endpoint_says_how_to_start_it() -> None:
    google = make_google(endpoint="http://127.0.0.1:9050")
    assert explained(google, refused_connection()) == (
        f"{DOING} failed: nothing usable answers at FORECASTING_API_ENDPOINT "
        "http://127.0.0.1:9050; start it with `python manage.py localcloud`, or unset both "
        "settings to reach Google Cloud."
    )


def test_network__of_a_local_grpc_endpoint_is_named_too() -> None:
    google = make_google(endpoint="http://127.0.0.1:9050", grpc_endpoint="127.0.0.1:9051")
    assert explained(google, NOBODY_THERE).startswith(
        f"{DOING} failed: nothing usable answers at FORECASTING_GRPC_ENDPOINT 127.0.0.1:9051; "
    )


def test_network__a_reply_that_is_no_json(google: Google) -> None:
    error = requests.exceptions.JSONDecodeError("Expecting value", "<html>", 0)
    assert isinstance(explain(error, DOING, google), UnreachableError)


def test_credentials__none_found(google: Google) -> None:
    error = auth_error("DefaultCredentialsError", NO_CREDENTIALS)
    assert explained(google, error) == (
        "No Google credentials were found: run `gcloud auth application-default login`, or set "
        "GOOGLE_APPLICATION_CREDENTIALS to the path of a service account's key file."
    )


@pytest.mark.parametrize(
    "error",
    [
        auth_error("RefreshError", "invalid_grant: Token has been expired or revoked."),
        auth_error("DefaultCredentialsError", "File key.json was not found."),
        auth_error("DefaultCredentialsError", "File server_error.json was not found."),
        auth_error("InvalidOperation", "Anonymous credentials cannot be refreshed."),
    ],
)
def test_credentials__that_cannot_be_used(google: Google, error: Exception) -> None:
    found = explain(error, DOING, google)
    assert isinstance(found, UnreachableError)
    assert str(found).startswith(
        f"Google credentials could not be used ({str(error).rstrip('.')}): run "
    )
    assert "gcloud auth application-default login" in str(found)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (auth_error("TransportError", "connection refused"), "connection refused"),
        (auth_error("RefreshError", "internal_failure: Try later."), "internal_failure: Try later"),
        (exceptions.ServiceUnavailable(f"{NO_TOKEN} with error: Read timed out"), "Read timed out"),
    ],
)
def test_credentials__that_are_not_reached_call_for_no_other_login(
    google: Google, error: Exception, said: str
) -> None:
    found = explain(error, DOING, google)
    assert isinstance(found, UnreachableError)
    assert str(found) == (
        f"Google gave no login for the moment ({said}); check the network and run the "
        "command again."
    )


@pytest.mark.parametrize(
    "error",
    [
        google_error(404, "Not found: Dataset d"),
        retry_error(google_error(503, "busy")),
        auth_error("RefreshError", "revoked"),
        refused_connection(),
    ],
)
def test_google_errors__keeps_the_cause(google: Google, error: Exception) -> None:
    with pytest.raises(ApiError) as raised, google_errors(DOING, google):
        raise error
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("mistake", [ZeroDivisionError, KeyError, TypeError])
def test_google_errors__lets_our_own_mistakes_through(
    google: Google, mistake: type[Exception]
) -> None:
    with pytest.raises(mistake), google_errors(DOING, google):
        raise mistake


def test_reading__takes_what_cannot_be_read_for_googles(google: Google) -> None:
    with pytest.raises(ApiError) as raised, reading(DOING, google):
        raise KeyError("schema")
    assert str(raised.value).startswith(
        f"{DOING} failed: the reply is not as Google documents it (KeyError: 'schema')"
    )


def test_reason__of_either_form_or_none() -> None:
    assert reason_of(google_error(403, "no", reason="A", legacy_reason="b")) == "A"
    assert reason_of(google_error(403, "no", legacy_reason="b")) == "b"
    assert reason_of(html_error(403, "no")) == ""
    assert reason_of(grpc_error("PERMISSION_DENIED", "no")) == ""
