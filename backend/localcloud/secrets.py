"""Secret Manager v1: as much as reading a secret, and adding a version, needs.

https://cloud.google.com/secret-manager/docs/reference/rest
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import google_crc32c

from backend.localcloud.clock import Clock, timestamp
from backend.localcloud.http.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from backend.localcloud.http.names import Projects, split_name
from backend.localcloud.http.paging import page

LARGEST_VALUE = 64 * 1024


@dataclass
class Version:
    """One version of a secret; `number` counts from 1."""

    number: int
    value: bytes = field(repr=False)
    created: str
    state: str = "ENABLED"
    checked: bool = False  # Whether a checksum came with it.


@dataclass
class Secrets:
    """The secrets of one machine: the same names in every project.

    `items` holds the versions of each secret, oldest first.
    """

    projects: Projects
    clock: Clock
    items: dict[str, list[Version]] = field(default_factory=dict)

    def add_version(self, name: str, value: str | bytes) -> int:
        """Add a version, and the secret where it is missing; returns the version's number."""
        content = value.encode() if isinstance(value, str) else value
        versions = self.items.setdefault(name, [])
        versions.append(Version(len(versions) + 1, content, timestamp(self.clock.now())))
        return len(versions)

    def disable_version(self, name: str, number: int) -> None:
        self.items[name][number - 1].state = "DISABLED"

    def access(self, request: dict[str, Any]) -> dict[str, Any]:
        """The content of a version; `latest` is the newest one whatever its state."""
        version, name = self._version(request["name"])
        if version.state != "ENABLED":
            raise FailedPrecondition(f"Secret Version [{name}] is in {version.state} state.")
        checksum = str(google_crc32c.value(version.value))
        data = base64.b64encode(version.value).decode()
        return {"name": name, "payload": {"data": data, "dataCrc32c": checksum}}

    def get_version(self, request: dict[str, Any]) -> dict[str, Any]:
        version, name = self._version(request["name"])
        return _version_json(name, version)

    def list_versions(self, request: dict[str, Any]) -> dict[str, Any]:
        versions, name = self._secret(request["parent"])
        found = [_version_json(f"{name}/versions/{v.number}", v) for v in reversed(versions)]
        answer = page(
            found, "versions", request.get("pageSize") or 100, request.get("pageToken", "")
        )
        return answer | {"totalSize": len(found)}

    def get_secret(self, request: dict[str, Any]) -> dict[str, Any]:
        _, name = self._secret(request["name"])
        return {"name": name, "replication": {"automatic": {}}}

    def list_secrets(self, request: dict[str, Any]) -> dict[str, Any]:
        place, _ = split_name(request["parent"], self.projects)
        prefix = f"projects/{self.projects.number(place.project)}/secrets/"
        found = [{"name": prefix + n, "replication": {"automatic": {}}} for n in sorted(self.items)]
        answer = page(
            found, "secrets", request.get("pageSize") or 100, request.get("pageToken", "")
        )
        return answer | {"totalSize": len(found)}

    def create_secret(self, request: dict[str, Any]) -> dict[str, Any]:
        place, _ = split_name(request["parent"], self.projects)
        identifier = request.get("secretId", "")
        if not identifier:
            raise InvalidArgument("secret_id is required")
        if "replication" not in request.get("secret", {}):
            raise InvalidArgument("secret.replication is required")
        name = f"projects/{self.projects.number(place.project)}/secrets/{identifier}"
        if identifier in self.items:
            raise AlreadyExists(f"Secret [{name}] already exists.")
        self.items[identifier] = []
        return {"name": name, "replication": {"automatic": {}}}

    def add(self, request: dict[str, Any]) -> dict[str, Any]:
        versions, name = self._secret(request["parent"])
        payload = request.get("payload", {})
        data, checksum = base64.b64decode(payload.get("data", "")), payload.get("dataCrc32c")
        if not data:
            raise InvalidArgument("payload.data is required")
        if len(data) > LARGEST_VALUE:
            raise InvalidArgument(f"The secret payload is larger than {LARGEST_VALUE} bytes.")
        if checksum is not None and int(checksum) != google_crc32c.value(data):
            raise InvalidArgument("The checksum that came with the payload is not the payload's.")
        number = self.add_version(name.rpartition("/")[2], data)
        versions[-1].checked = checksum is not None
        return _version_json(f"{name}/versions/{number}", versions[-1])

    def _secret(self, name: str) -> tuple[list[Version], str]:
        place, rest = split_name(name, self.projects)
        full = f"projects/{self.projects.number(place.project)}/secrets/{rest[1]}"
        if rest[1] not in self.items:
            raise NotFound(f"Secret [{full}] not found.")
        return self.items[rest[1]], full

    def _version(self, name: str) -> tuple[Version, str]:
        place, rest = split_name(name, self.projects)
        secret, wanted = rest[1], rest[3]
        full = f"projects/{self.projects.number(place.project)}/secrets/{secret}"
        versions = self.items.get(secret)
        if not versions:
            raise NotFound(f"Secret [{full}] not found or has no versions.")
        number = str(len(versions)) if wanted == "latest" else wanted
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= len(versions):
            raise NotFound(f"Secret Version [{full}/versions/{wanted}] not found.")
        return versions[int(number) - 1], f"{full}/versions/{number}"


def _version_json(name: str, version: Version) -> dict[str, Any]:
    answer = {"name": name, "createTime": version.created, "state": version.state}
    return answer | ({"clientSpecifiedPayloadChecksum": True} if version.checked else {})
