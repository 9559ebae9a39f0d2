import traceback
from datetime import UTC, datetime
from typing import Any

import pytest
from google.cloud.secretmanager_v1.types import SecretVersion

from backend.forecasting.conf import Config
from backend.forecasting.errors import ApiError, MissingPrerequisiteError
from backend.forecasting.google.errors import ApiDisabledError
from backend.forecasting.google.waiting import TIMEOUT
from backend.forecasting.provisioning.credentials import (
    Credential,
    read_credential,
    same_versions,
    shown_versions,
)
from backend.forecasting.tests.support.factories import (
    NUMBER,
    PASSWORD,
    PROJECT,
    USER,
    VERSIONS,
    Google,
    disabled,
    google_error,
    grpc_error,
    make_config,
    secret_reply,
    secret_versions,
)

DISABLED = "Secret Version [projects/1/secrets/POSTGRES_PASSWORD/versions/7] is in DISABLED state."
ADD_VERSION = (
    "add one with `printf %s VALUE | gcloud secrets versions add POSTGRES_PASSWORD --data-file=- "
    f"--project {PROJECT}` (after `gcloud secrets create POSTGRES_PASSWORD`, where it does not "
    "exist)"
)


def read(google: Google, config: Config, **replies: Any) -> Credential:
    google.secrets.access_secret_version.side_effect = secret_versions(**replies)
    return read_credential(google, config)


def read_password(google: Google, config: Config, data: bytes, **options: Any) -> str:
    reply = secret_reply("POSTGRES_PASSWORD", data, **options)
    return read(google, config, POSTGRES_PASSWORD=reply).password


def test_credential__is_the_newest_version_of_both_secrets(google: Google, config: Config) -> None:
    assert read(google, config) == Credential(user=USER, password=PASSWORD, versions=VERSIONS)
    names = [c.kwargs["name"] for c in google.secrets.access_secret_version.call_args_list]
    assert names == [
        f"projects/{PROJECT}/secrets/POSTGRES_USER/versions/latest",
        f"projects/{PROJECT}/secrets/POSTGRES_PASSWORD/versions/latest",
    ]


def test_credential__is_read_with_a_timeout(google: Google, config: Config) -> None:
    read(google, config)
    assert google.secrets.access_secret_version.call_args.kwargs["timeout"] == TIMEOUT


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret\r", "secret"),
        (b"secret\n\n", "secret"),
        (b"\xef\xbb\xbfsecret\r\n", "secret"),
        (b"\nsecret\xef\xbb\xbf", "secret"),
        (b" secret ", " secret "),
        ("contraseña".encode(), "contraseña"),
        (b"a", "a"),
    ],
)
def test_secret__loses_line_ends_and_bom_at_its_ends_and_nothing_else(
    google: Google, config: Config, data: bytes, text: str
) -> None:
    assert read_password(google, config, data) == text


@pytest.mark.parametrize("data", [b"", b"\n", b" ", b"\n\n"])
def test_secret__empty_is_refused(google: Google, config: Config, data: bytes) -> None:
    with pytest.raises(MissingPrerequisiteError) as raised:
        read_password(google, config, data, version=7)
    assert str(raised.value) == (
        f"Secret version POSTGRES_PASSWORD/versions/7 is empty: {ADD_VERSION}."
    )


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"hunter2\xff\xfe", "is not UTF-8 text"),
        (b"hunter2\0x", "holds a NUL character"),
        (b"hunter2\nx\n", "POSTGRES_PASSWORD/versions/1 holds several lines"),
        (b"hunter2\rx", "holds several lines"),
    ],
)
def test_secret__unusable_is_refused_without_showing_it(
    google: Google, config: Config, data: bytes, what: str
) -> None:
    with pytest.raises(MissingPrerequisiteError, match=what) as raised:
        read_password(google, config, data)
    assert "hunter2" not in "".join(traceback.format_exception(raised.value))
    # UnicodeDecodeError carries the payload, so it must not hang on to the error at all.
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_secret__wrong_checksum_is_refused(google: Google, config: Config) -> None:
    with pytest.raises(MissingPrerequisiteError) as raised:
        read_password(google, config, b"hunter2", version=7, crc=12345)
    assert str(raised.value) == (
        "Secret version POSTGRES_PASSWORD/versions/7 arrived damaged (its CRC32C differs): run "
        "the command again."
    )


def test_secret__wrong_checksum_of_zero_is_refused(google: Google, config: Config) -> None:
    with pytest.raises(MissingPrerequisiteError, match="arrived damaged"):
        read_password(google, config, b"hunter2", crc=0)


def test_secret__without_checksum_is_taken(google: Google, config: Config) -> None:
    assert read_password(google, config, b"hunter2", crc=None) == "hunter2"


@pytest.mark.parametrize(
    "error",
    [
        google_error(400, DISABLED),
        grpc_error("FAILED_PRECONDITION", DISABLED),
    ],
)
def test_secret__disabled_newest_version_says_what_to_do(
    google: Google, config: Config, error: Exception
) -> None:
    with pytest.raises(MissingPrerequisiteError) as raised:
        read(google, config, POSTGRES_PASSWORD=error)
    assert str(raised.value) == (
        f"Secret POSTGRES_PASSWORD of project {PROJECT} has no version that can be read "
        f"({DISABLED.rstrip('.')}): {ADD_VERSION}."
    )


def test_secret__missing_says_how_to_make_it(google: Google, config: Config) -> None:
    error = google_error(404, "Secret [projects/1/secrets/POSTGRES_PASSWORD] not found.")
    with pytest.raises(MissingPrerequisiteError) as raised:
        read(google, config, POSTGRES_PASSWORD=error)
    assert str(raised.value).endswith(f"POSTGRES_PASSWORD] not found): {ADD_VERSION}.")
    assert raised.value.__cause__ is error


def test_secret__that_may_not_be_read_names_the_role(google: Google, config: Config) -> None:
    error = google_error(
        403,
        "Permission 'secretmanager.versions.access' denied on resource (or it may not exist).",
        reason="IAM_PERMISSION_DENIED",
        permission="secretmanager.versions.access",
    )
    with pytest.raises(ApiError) as raised:
        read(google, config, POSTGRES_USER=error)
    assert str(raised.value).startswith("Reading secret POSTGRES_USER was refused: the credential")
    assert "--role roles/secretmanager.secretAccessor" in str(raised.value)


def test_secret__disabled_api_is_named_once(google: Google, config: Config) -> None:
    error = disabled("secretmanager.googleapis.com", "Secret Manager API")
    with pytest.raises(ApiDisabledError) as raised:
        read(google, config, POSTGRES_USER=error, POSTGRES_PASSWORD=error)
    assert len(str(raised.value).splitlines()) == 1


def test_secret__other_names_are_read_where_they_are_set(google: Google, settings: Any) -> None:
    settings.FORECASTING_POSTGRES_USER_SECRET = "DB_READER"
    reply = secret_reply("DB_READER", b"someone", version=2)
    credential = read(google, make_config(), DB_READER=reply)
    assert credential.user == "someone"
    assert credential.versions == "DB_READER/versions/2, POSTGRES_PASSWORD/versions/7"


def test_credential__is_not_in_its_repr(google: Google, config: Config) -> None:
    shown = repr(read(google, config))
    assert VERSIONS in shown
    assert USER not in shown
    assert PASSWORD not in shown


MADE = " of 2026-03-01T10:00:00.000000Z"
LATER = " of 2026-03-01T10:00:00.000001Z"


def test_credential__notes_when_its_versions_were_made(google: Google, config: Config) -> None:
    made = SecretVersion(name="v", create_time=datetime(2026, 3, 1, 10, tzinfo=UTC))
    google.secrets.get_secret_version.side_effect = lambda **_: made
    user, password = VERSIONS.split(", ")
    assert read(google, config).versions == f"{user}{MADE}, {password}{MADE}"
    names = [call.kwargs["name"] for call in google.secrets.get_secret_version.call_args_list]
    assert names == [f"projects/{NUMBER}/secrets/{version}" for version in (user, password)]


def test_credential__without_the_right_to_look_is_known_by_number(
    google: Google, config: Config
) -> None:
    google.secrets.get_secret_version.side_effect = google_error(403, "no")
    assert read(google, config).versions == VERSIONS


@pytest.mark.parametrize(
    ("recorded", "current", "same"),
    [
        (f"a/1{MADE}, b/2{MADE}", f"a/1{MADE}, b/2{MADE}", True),
        (f"a/1{MADE}, b/2{MADE}", f"a/1{MADE}, b/2{LATER}", False),
        (f"a/1{MADE}, b/2{MADE}", f"a/1{MADE}, b/3{MADE}", False),
        (f"a/1{MADE}, b/2{MADE}", "a/1, b/2", True),
        ("a/1, b/2", f"a/1{MADE}, b/2{MADE}", True),
        ("none", "a/1, b/2", False),
        ("a/1", "a/1, b/2", False),
    ],
)
def test_versions__are_the_same_by_number_and_time(recorded: str, current: str, same: bool) -> None:
    assert same_versions(recorded, current) is same
    shown = shown_versions(recorded, current), shown_versions(current, recorded)
    assert same or shown[0] != shown[1]


def test_versions__are_shown_with_their_times_only_where_these_tell_them_apart() -> None:
    assert shown_versions(f"a/1{MADE}", f"a/2{MADE}") == "a/1"
    assert shown_versions(f"a/1{MADE}", f"a/1{LATER}") == f"a/1{MADE}"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xff", "is not UTF-8 text"),
        (b" \r\n", "is empty"),
        (b"a\0b", "holds a NUL character"),
        (b"a\nb", "holds several lines"),
        (b"a\rb", "holds several lines"),
    ],
)
def test_secret__that_is_of_no_use_is_told_with_what_to_add(
    google: Google, config: Config, data: bytes, what: str
) -> None:
    with pytest.raises(MissingPrerequisiteError) as raised:
        read_password(google, config, data)
    version = "POSTGRES_PASSWORD/versions/1"
    assert str(raised.value) == f"Secret version {version} {what}: {ADD_VERSION}."


def test_secret__that_arrived_damaged_is_to_be_read_again(google: Google, config: Config) -> None:
    assert read_password(google, config, b"\xef\xbb\xbfabc\r\n", crc=None) == "abc"
    with pytest.raises(MissingPrerequisiteError) as raised:
        read_password(google, config, b"abc", crc=1)
    assert str(raised.value) == (
        "Secret version POSTGRES_PASSWORD/versions/1 arrived damaged (its CRC32C differs): run the "
        "command again."
    )
