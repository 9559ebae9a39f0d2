"""The BigQuery connection to the Cloud SQL instance."""

import re
from dataclasses import dataclass

from google.cloud.bigquery_connection_v1.types import (
    CloudSqlCredential,
    CloudSqlProperties,
    Connection,
)
from google.protobuf.field_mask_pb2 import FieldMask

from ..conf import Config
from ..google.clients import Clients
from ..google.replies import named, readable
from .credentials import Credential, same_versions, shown_versions
from .plan import Action, Change, Plan, Resource, differences

_CREDENTIAL = re.compile(r"\[credential: ([^\]]*)\]")
_NONE = "none"
_PROPERTIES = {"instance": "cloud_sql.instance_id", "database": "cloud_sql.database"}
TARGET_FIELDS = (*_PROPERTIES,)
"""The fields that say what a connection reads."""


@dataclass(frozen=True, kw_only=True)
class ConnectionSpec(Resource[Connection]):
    """A Cloud SQL connection with its credential.

    Google never returns a credential, so the secret versions that it was read from are recorded
    in the connection's description, between brackets; the rest of that text is the operator's.
    """

    parent: str
    connection_id: str
    instance: str
    database: str
    credential: Credential
    kind = "connection"

    @classmethod
    def from_config(cls, config: Config, credential: Credential) -> "ConnectionSpec":
        return cls(
            parent=config.parent,
            connection_id=config.connection_id,
            instance=config.instance,
            database=config.source_database,
            credential=credential,
        )

    @property
    def name(self) -> str:
        return f"{self.parent}/connections/{self.connection_id}"

    def observe(self, clients: Clients) -> Connection | None:
        return observe_connection(clients, self.name)

    def wanted(self) -> dict[str, str]:
        return {
            "instance": self.instance,
            "database": self.database,
            "credential": shown_versions(self.credential.versions),
        }

    def obstacles(self, observed: Connection) -> list[Change]:
        return differences(("type", connection_kind(observed), POSTGRES))

    def remedy(self, observed: Connection) -> str:
        return (
            "A connection never changes its kind: choose another id with "
            "FORECASTING_CONNECTION_ID, or remove this connection (bq rm --connection) after "
            "making sure that nothing else uses it."
        )

    def changes(self, observed: Connection) -> list[Change]:
        recorded, current = recorded_versions(observed), self.credential.versions
        before, after = shown_versions(recorded, current), shown_versions(current, recorded)
        return differences(
            ("instance", observed.cloud_sql.instance_id, self.instance),
            ("database", observed.cloud_sql.database, self.database),
            ("credential", after if same_versions(recorded, current) else before, after),
        )

    def plan_again(self, refusal: str) -> Plan:
        """The credential once more, for a connection that PostgreSQL refuses as it is."""
        current = shown_versions(self.credential.versions)
        changes = [Change(field="credential", before=refusal, after=current)]
        return Plan(kind=self.kind, name=self.name, action=Action.UPDATE, changes=tuple(changes))

    def create(self, clients: Clients) -> Connection:
        with readable():
            created = clients.connections.create_connection(
                parent=self.parent,
                connection_id=self.connection_id,
                connection=self._message(_record("", self.credential.versions)),
                **clients.repeating,
            )
        return named(created)

    def update(self, clients: Clients, observed: Connection, plan: Plan) -> Connection:
        """Patch the properties that differ, always with the credential.

        Google wipes the credential when a property is in the mask and the credential is not
        (connection.proto, UpdateConnection).
        """
        properties = [path for field, path in _PROPERTIES.items() if field in plan.fields]
        with readable():
            updated = clients.connections.update_connection(
                name=self.name,
                connection=self._message(_record(observed.description, self.credential.versions)),
                update_mask=FieldMask(paths=[*properties, "cloud_sql.credential", "description"]),
                **clients.repeating,
            )
        return named(updated)

    def _message(self, description: str) -> Connection:
        return Connection(
            description=description,
            cloud_sql=CloudSqlProperties(
                instance_id=self.instance,
                database=self.database,
                type_=CloudSqlProperties.DatabaseType.POSTGRES,
                credential=CloudSqlCredential(
                    username=self.credential.user, password=self.credential.password
                ),
            ),
        )


POSTGRES = "Cloud SQL for PostgreSQL"


def observe_connection(clients: Clients, name: str) -> Connection | None:
    """The connection, None where there is none; its credential is never part of it."""
    return clients.find(lambda: clients.connections.get_connection(name=name, **clients.repeating))


def connection_kind(connection: Connection) -> str:
    """What the connection connects to, in words."""
    if "cloud_sql" not in connection:
        properties = type(connection).pb(connection).WhichOneof("properties")
        return str(properties or "unknown").replace("_", " ")
    engine = connection.cloud_sql.type_
    if engine == CloudSqlProperties.DatabaseType.POSTGRES:
        return POSTGRES
    return f"Cloud SQL for {getattr(engine, 'name', engine)}"


def recorded_versions(connection: Connection) -> str:
    """The secret versions that the connection's credential was read from, or `none`."""
    found = _CREDENTIAL.search(connection.description)
    return found.group(1) if found and connection.has_credential else _NONE


def _record(description: str, versions: str) -> str:
    """The description with the versions noted, the operator's own words kept."""
    note = f"[credential: {versions}]"
    if _CREDENTIAL.search(description):
        return _CREDENTIAL.sub(lambda _: note, description, count=1)
    return f"{description} {note}".strip()
