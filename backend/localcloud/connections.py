"""BigQuery Connection API v1: connections and their credentials.

https://cloud.google.com/bigquery/docs/reference/bigqueryconnection/rest
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from backend.localcloud.clock import Clock
from backend.localcloud.http.errors import AlreadyExists, InvalidArgument, NotFound
from backend.localcloud.http.names import Place, Projects, split_name
from backend.localcloud.http.paging import page
from backend.localcloud.http.protojson import patch
from backend.localcloud.iam import Iam, service_account

CONNECTION_ID = re.compile(r"[A-Za-z0-9_-]{1,1024}\Z")
INSTANCE_ID = re.compile(r"[a-z0-9:.-]+:[a-z0-9-]+:[a-z0-9-]+\Z")
KINDS = ("cloudSql", "aws", "azure", "cloudSpanner", "cloudResource", "spark")
OUTPUT_ONLY = ("name", "creationTime", "lastModifiedTime", "hasCredential")
PAGE_SIZE = 100
IMMUTABLE = {"name", "creation_time", "last_modified_time", "has_credential"}


@dataclass
class StoredConnection:
    """A connection as Google keeps it.

    `resource` is Google's JSON without name, credential and times, so a test may change e.g.
    `resource["cloudSql"]["database"]`; `username` and `password` are None when there is no
    credential.
    """

    place: Place
    id: str
    resource: dict[str, Any]
    created_ms: int
    modified_ms: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    policy: dict[str, Any] = field(default_factory=dict)


@dataclass
class Connections:
    """All connections, by (place, id)."""

    projects: Projects
    clock: Clock
    iam: Iam = field(default_factory=Iam)
    items: dict[tuple[Place, str], StoredConnection] = field(default_factory=dict)
    grant_seconds: float = 0
    """How long after its creation a connection reaches nothing: the grant it needs acts late."""

    def acts(self, stored: StoredConnection) -> bool:
        """Whether a connection's agent may reach its instance: the grant acts late."""
        agent = self.agent(stored)
        if not self.iam.allows(service_account(agent), "cloudsql.instances.connect"):
            return False
        return self.clock.now_ms() - stored.created_ms >= self.grant_seconds * 1000

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        place, rest = split_name(request["parent"], self.projects)
        if rest != [""]:
            raise InvalidArgument(f"Invalid parent: {request['parent']}")
        identifier = request.get("connectionId") or self.clock.uuid()
        if not CONNECTION_ID.match(identifier):
            raise InvalidArgument(f"Invalid connection id: {identifier}")
        resource = dict(request.get("connection", {}))
        _refuse_output_only(resource)
        now = self.clock.now_ms()
        stored = StoredConnection(place, identifier, resource, now, now)
        _take_credential(stored)
        _check(stored)
        if self.items.setdefault((place, identifier), stored) is not stored:
            raise AlreadyExists(f"Already Exists: Connection {self.name_of(stored)}")
        return self.to_json(stored)

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.to_json(self.find(request["name"]))

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        place, _ = split_name(request["parent"], self.projects)
        size = request.get("pageSize") or PAGE_SIZE
        here = {id_: c for (at, id_), c in list(self.items.items()) if at == place}
        found = [self.to_json(here[id_]) for id_ in sorted(here)]
        return page(found, "connections", size, request.get("pageToken", ""))

    def patch(self, request: dict[str, Any]) -> dict[str, Any]:
        """Apply the masked fields; changed properties without a credential wipe it."""
        stored = self.find(request["name"])
        paths = request.get("updateMask") or []
        if not paths:
            raise InvalidArgument("update_mask is required")
        if wrong := IMMUTABLE.intersection(paths):
            raise InvalidArgument(f"Field {min(wrong)} cannot be updated")
        changed = replace(stored, resource=_copy(stored.resource), modified_ms=self.clock.now_ms())
        patch(changed.resource, request.get("connection", {}), paths)
        _update_credential(changed, request.get("connection", {}), paths)
        _refuse_changed_kind(stored, changed)
        _check(changed)
        self.items[stored.place, stored.id] = changed
        return self.to_json(changed)

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        stored = self.find(request["name"])
        del self.items[stored.place, stored.id]
        return {}

    def get_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"etag": "ACAB", **self.find(request["resource"]).policy}

    def set_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        self.find(request["resource"]).policy = dict(request.get("policy", {}))
        return self.get_policy(request)

    def test_permissions(self, request: dict[str, Any]) -> dict[str, Any]:
        """Those asked for that the caller has; none on a connection that is not there."""
        stored = self._lookup(request["resource"])
        asked = request.get("permissions", []) if stored else []
        allowed = [p for p in asked if stored and self.allows(self.iam.caller, p, stored)]
        return {"permissions": allowed} if allowed else {}

    def allows(self, member: str, permission: str, stored: StoredConnection) -> bool:
        """Whether somebody has a permission on a connection, by its own policy too."""
        return self.iam.allows(member, permission, stored.id, policy=stored.policy)

    def agent(self, stored: StoredConnection) -> str:
        """The service account as which a connection reaches its instance."""
        number = self.projects.number(stored.place.project)
        return f"service-{number}@gcp-sa-bigqueryconnection.iam.gserviceaccount.com"

    def find(self, name: str) -> StoredConnection:
        stored = self._lookup(name)
        if stored is None:
            raise NotFound(f"Not found: Connection {name}")
        return stored

    def named(self, name: str, project: str) -> StoredConnection | None:
        """The connection that EXTERNAL_QUERY calls `name`, in any of its three forms."""
        if name.startswith("projects/"):
            return self._lookup(name)
        parts = name.split(".")
        if len(parts) not in (2, 3):
            raise InvalidArgument(f"Invalid connection ID: {name}", reason="invalidQuery")
        owner, location, identifier = parts if len(parts) == 3 else [project, *parts]
        place = Place(self.projects.resolve(owner), location.lower())
        return self.items.get((place, identifier))

    def name_of(self, stored: StoredConnection) -> str:
        number = self.projects.number(stored.place.project)
        return f"projects/{number}/locations/{stored.place.location}/connections/{stored.id}"

    def to_json(self, stored: StoredConnection) -> dict[str, Any]:
        """The connection as Google shows it: never its credential."""
        body = {"name": self.name_of(stored), **_copy(stored.resource)}
        agent = self.agent(stored)
        if "cloudSql" in body:
            body["cloudSql"]["serviceAccountId"] = agent
        if "cloudResource" in body:
            body["cloudResource"]["serviceAccountId"] = f"bqcx-{agent.removeprefix('service-')}"
        body |= {"creationTime": str(stored.created_ms)}
        body |= {"lastModifiedTime": str(stored.modified_ms)}
        return body | ({"hasCredential": True} if stored.username else {})

    def _lookup(self, name: str) -> StoredConnection | None:
        place, rest = split_name(name, self.projects)
        if len(rest) != 2 or rest[0] != "connections":
            raise InvalidArgument(f"Invalid connection name: {name}")
        return self.items.get((place, rest[1]))


def _copy(resource: dict[str, Any]) -> dict[str, Any]:
    return {k: dict(v) if isinstance(v, dict) else v for k, v in resource.items()}


def _refuse_output_only(resource: dict[str, Any]) -> None:
    for name in OUTPUT_ONLY:
        resource.pop(name, None)  # Google ignores output-only fields in a request.


def _take_credential(stored: StoredConnection) -> None:
    """Move the credential out of the resource, so that no answer can carry it."""
    properties = stored.resource.get("cloudSql", {})
    properties.pop("serviceAccountId", None)
    if credential := properties.pop("credential", None):
        stored.username = credential.get("username", "")
        stored.password = credential.get("password", "")


def _update_credential(changed: StoredConnection, sent: dict[str, Any], paths: list[str]) -> None:
    """Set the credential that was sent; wipe it where the properties change without one.

    UpdateConnection "also resets credential if connection properties are in the update field
    mask": google/cloud/bigquery/connection/v1/connection.proto.
    """
    properties = [path for path in paths if path.split(".")[0] == "cloud_sql"]
    if not properties:
        return
    credential = sent.get("cloudSql", {}).get("credential")
    changed.resource.get("cloudSql", {}).pop("credential", None)
    changed.resource.get("cloudSql", {}).pop("serviceAccountId", None)
    masked = any(p == "cloud_sql" or p.startswith("cloud_sql.credential") for p in properties)
    if credential and masked:
        if "cloud_sql.credential.password" in paths and "username" not in credential:
            credential = {"username": changed.username or "", **credential}
        changed.username = credential.get("username", "")
        changed.password = credential.get("password", "")
    else:
        changed.username = changed.password = None


def _kind(resource: dict[str, Any]) -> str:
    kinds = [kind for kind in KINDS if kind in resource]
    if len(kinds) != 1:
        raise InvalidArgument(
            "Connection properties are required: exactly one of " + ", ".join(KINDS)
        )
    return kinds[0]


def _refuse_changed_kind(old: StoredConnection, new: StoredConnection) -> None:
    before, after = old.resource.get("cloudSql", {}), new.resource.get("cloudSql", {})
    if _kind(old.resource) != _kind(new.resource) or before.get("type") != after.get("type"):
        raise InvalidArgument("The type of a connection cannot be changed")


def _check(stored: StoredConnection) -> None:
    kind = _kind(stored.resource)
    if kind == "cloudResource":
        return
    if kind != "cloudSql":
        raise InvalidArgument(f"The local stand-in does not do {kind} connections")
    properties = stored.resource["cloudSql"]
    if not INSTANCE_ID.match(properties.get("instanceId", "")):
        raise InvalidArgument("Invalid instance_id: it has the form 'project:location:instance'")
    if not properties.get("database"):
        raise InvalidArgument("database is required")
    if properties.get("type") not in ("POSTGRES", "MYSQL"):
        raise InvalidArgument("type is required: POSTGRES or MYSQL")
