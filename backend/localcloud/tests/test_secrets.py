"""Secret Manager, through Google's own client."""

from __future__ import annotations

import google_crc32c
import pytest
from google.api_core.exceptions import AlreadyExists, BadRequest, Conflict, NotFound
from google.cloud.secretmanager_v1.types import Replication, Secret, SecretPayload

from backend.localcloud.http.names import project_number
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PROJECT, GoogleClients, Send

TRANSPORTS = ("rest", "grpc")

PARENT = f"projects/{PROJECT}"
RESOLVED = f"projects/{project_number(PROJECT)}/secrets/KEY/versions"


def access(google: GoogleClients, version: str = "latest") -> tuple[str, bytes]:
    name = f"{PARENT}/secrets/KEY/versions/{version}"
    answer = google.secret.access_secret_version(name=name)
    return answer.name, answer.payload.data


def test_access__latest_is_the_newest_and_is_named(
    cloud: LocalCloud, google: GoogleClients
) -> None:
    cloud.add_secret_version("KEY", "old")
    assert cloud.add_secret_version("KEY", "new\n") == 2
    assert access(google) == (f"{RESOLVED}/2", b"new\n")
    assert access(google, "1") == (f"{RESOLVED}/1", b"old")


def test_access__carries_a_checksum(cloud: LocalCloud, google: GoogleClients) -> None:
    cloud.add_secret_version("KEY", "välue")
    payload = google.secret.access_secret_version(name=f"{PARENT}/secrets/KEY/versions/1").payload
    assert payload.data_crc32c == google_crc32c.value(payload.data)


def test_access__latest_does_not_fall_back_from_a_disabled_version(
    cloud: LocalCloud, google: GoogleClients, transport: str
) -> None:
    cloud.add_secret_version("KEY", "old")
    cloud.add_secret_version("KEY", "new")
    cloud.disable_secret_version("KEY", 2)
    with pytest.raises(BadRequest, match="is in DISABLED state") as raised:
        access(google)
    said = raised.value.response
    status = said.code().name if transport == "grpc" else said.json()["error"]["status"]
    assert status == "FAILED_PRECONDITION"
    assert access(google, "1")[1] == b"old"


@pytest.mark.parametrize("version", ["latest", "1", "nope"])
def test_access__of_a_missing_secret_is_not_found(google: GoogleClients, version: str) -> None:
    with pytest.raises(NotFound, match="not found or has no versions"):
        access(google, version)


@pytest.mark.parametrize("version", ["0", "2", "nope"])
def test_access__of_a_missing_version_is_not_found(
    cloud: LocalCloud, google: GoogleClients, version: str
) -> None:
    cloud.add_secret_version("KEY", "value")
    with pytest.raises(NotFound, match="Secret Version"):
        access(google, version)


def test_reset__restores_the_first_secrets(cloud: LocalCloud) -> None:
    cloud.add_secret_version("POSTGRES_USER", "other")
    cloud.add_secret_version("KEY", "value")
    cloud.reset()
    assert {name: len(versions) for name, versions in cloud.secrets.items.items()} == {
        "POSTGRES_USER": 1,
        "POSTGRES_PASSWORD": 1,
    }


def test_secret__can_be_made_and_listed(google: GoogleClients) -> None:
    automatic = Secret(replication=Replication(automatic=Replication.Automatic()))
    made = google.secret.create_secret(parent=PARENT, secret_id="KEY", secret=automatic)
    google.secret.add_secret_version(parent=made.name, payload=SecretPayload(data=b"value"))
    assert access(google)[1] == b"value"
    assert google.secret.get_secret(name=made.name).name == made.name
    names = [secret.name.rpartition("/")[2] for secret in google.secret.list_secrets(parent=PARENT)]
    assert names == ["KEY", "POSTGRES_PASSWORD", "POSTGRES_USER"]
    (version,) = google.secret.list_secret_versions(parent=made.name)
    assert google.secret.get_secret_version(name=version.name).state.name == "ENABLED"
    with pytest.raises((AlreadyExists, Conflict)):
        google.secret.create_secret(parent=PARENT, secret_id="KEY", secret=automatic)


def test_add__checks_a_checksum_and_says_so(cloud: LocalCloud, google: GoogleClients) -> None:
    cloud.add_secret_version("KEY", "value")
    parent = f"{PARENT}/secrets/KEY"
    for wrong in (SecretPayload(data=b"new", data_crc32c=1), SecretPayload(data=b"x" * 65_537)):
        with pytest.raises(BadRequest, match=r"checksum|larger than 65536"):
            google.secret.add_secret_version(parent=parent, payload=wrong)
    right = SecretPayload(data=b"new", data_crc32c=google_crc32c.value(b"new"))
    assert google.secret.add_secret_version(
        parent=parent, payload=right
    ).client_specified_payload_checksum
    plain = google.secret.add_secret_version(parent=parent, payload=SecretPayload(data=b"newer"))
    assert not plain.client_specified_payload_checksum
    assert access(google) == (f"{RESOLVED}/3", b"newer")


def test_requests__never_show_a_value(cloud: LocalCloud, send: Send) -> None:
    cloud.add_secret_version("KEY", "value")
    data = {"payload": {"data": "c2VjcmV0"}}
    assert send("POST", f"/v1/{PARENT}/secrets/KEY:addVersion", json=data).ok
    assert cloud.requests[-1].body == {"payload": {"data": "***"}}
