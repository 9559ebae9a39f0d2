"""The methods of the three services that are spoken to by REST and by gRPC alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.localcloud.connections import Connections
from backend.localcloud.http.rpc import Rpc, Service
from backend.localcloud.secrets import Secrets

if TYPE_CHECKING:  # It needs bqemulator, which is imported when a stand-in starts.
    from backend.localcloud.transfers.configs import Transfers


def connection_service(store: Connections) -> Service:
    return Service(
        "bigqueryconnection.googleapis.com",
        "google.cloud.bigquery.connection.v1.ConnectionService",
        _connections(store),
    )


def transfer_service(store: Transfers) -> Service:
    return Service(
        "bigquerydatatransfer.googleapis.com",
        "google.cloud.bigquery.datatransfer.v1.DataTransferService",
        (*_configs(store), *_runs(store), *_sources(store)),
    )


def secret_service(store: Secrets) -> Service:
    return Service(
        "secretmanager.googleapis.com",
        "google.cloud.secretmanager.v1.SecretManagerService",
        _secrets(store),
    )


def _connections(store: Connections) -> tuple[Rpc, ...]:
    from google.cloud.bigquery_connection_v1 import types as t
    from google.iam.v1 import iam_policy_pb2 as iam  # type: ignore[import-untyped]
    from google.iam.v1 import policy_pb2
    from google.protobuf.empty_pb2 import Empty

    parent = ("/v1/{parent=projects/*/locations/*}/connections",)
    name = ("/v1/{name=projects/*/locations/*/connections/*}",)

    def asked(verb: str) -> tuple[str]:
        return (f"/v1/{{resource=projects/*/locations/*/connections/*}}:{verb}",)

    return (
        Rpc("CreateConnection", store.create, t.CreateConnectionRequest, t.Connection,
            "POST", parent, "connection", writes=True,
            permission="bigquery.connections.create"),
        Rpc("ListConnections", store.list, t.ListConnectionsRequest, t.ListConnectionsResponse,
            "GET", parent,
            permission="bigquery.connections.list"),
        Rpc("GetConnection", store.get, t.GetConnectionRequest, t.Connection, "GET", name,
            permission="bigquery.connections.get"),
        Rpc("UpdateConnection", store.patch, t.UpdateConnectionRequest, t.Connection,
            "PATCH", name, "connection", writes=True,
            permission="bigquery.connections.update"),
        Rpc("DeleteConnection", store.delete, t.DeleteConnectionRequest, Empty,
            "DELETE", name, writes=True,
            permission="bigquery.connections.delete"),
        Rpc("GetIamPolicy", store.get_policy, iam.GetIamPolicyRequest, policy_pb2.Policy,
            "POST", asked("getIamPolicy"), "*",
            permission="bigquery.connections.getIamPolicy"),
        Rpc("SetIamPolicy", store.set_policy, iam.SetIamPolicyRequest, policy_pb2.Policy,
            "POST", asked("setIamPolicy"), "*", writes=True,
            permission="bigquery.connections.setIamPolicy"),
        Rpc("TestIamPermissions", store.test_permissions, iam.TestIamPermissionsRequest,
            iam.TestIamPermissionsResponse, "POST", asked("testIamPermissions"), "*"),
    )  # fmt: skip


def _places(pattern: str) -> tuple[str, str]:
    """A template with its place, and without a location: that is the multi-region US."""
    return pattern.replace("@", "projects/*/locations/*"), pattern.replace("@", "projects/*")


def _configs(store: Transfers) -> tuple[Rpc, ...]:
    from google.cloud.bigquery_datatransfer_v1 import types as t
    from google.protobuf.empty_pb2 import Empty

    parent = _places("/v1/{parent=@}/transferConfigs")
    name = _places("/v1/{name=@/transferConfigs/*}")
    sent = _places("/v1/{transfer_config.name=@/transferConfigs/*}")
    return (
        Rpc("CreateTransferConfig", store.create, t.CreateTransferConfigRequest,
            t.TransferConfig, "POST", parent, "transfer_config", writes=True,
            permission="bigquery.transfers.update"),
        Rpc("ListTransferConfigs", store.list_configs, t.ListTransferConfigsRequest,
            t.ListTransferConfigsResponse, "GET", parent,
            permission="bigquery.transfers.get"),
        Rpc("GetTransferConfig", store.get, t.GetTransferConfigRequest, t.TransferConfig,
            "GET", name,
            permission="bigquery.transfers.get"),
        Rpc("UpdateTransferConfig", store.patch, t.UpdateTransferConfigRequest,
            t.TransferConfig, "PATCH", sent, "transfer_config", writes=True,
            permission="bigquery.transfers.update"),
        Rpc("DeleteTransferConfig", store.delete, t.DeleteTransferConfigRequest, Empty,
            "DELETE", name, writes=True,
            permission="bigquery.transfers.update"),
    )  # fmt: skip


def _runs(store: Transfers) -> tuple[Rpc, ...]:
    from google.cloud.bigquery_datatransfer_v1 import types as t
    from google.protobuf.empty_pb2 import Empty

    config, run = "{parent=@/transferConfigs/*}", "{name=@/transferConfigs/*/runs/*}"
    return (
        Rpc("StartManualTransferRuns", store.runs.start, t.StartManualTransferRunsRequest,
            t.StartManualTransferRunsResponse, "POST",
            _places(f"/v1/{config}:startManualRuns"), "*", writes=True,
            permission="bigquery.transfers.update"),
        Rpc("ListTransferRuns", store.runs.list, t.ListTransferRunsRequest,
            t.ListTransferRunsResponse, "GET", _places(f"/v1/{config}/runs"),
            permission="bigquery.transfers.get"),
        Rpc("GetTransferRun", store.runs.get, t.GetTransferRunRequest, t.TransferRun,
            "GET", _places(f"/v1/{run}"),
            permission="bigquery.transfers.get"),
        Rpc("DeleteTransferRun", store.runs.delete, t.DeleteTransferRunRequest, Empty,
            "DELETE", _places(f"/v1/{run}"), writes=True,
            permission="bigquery.transfers.update"),
        Rpc("ListTransferLogs", store.runs.list_logs, t.ListTransferLogsRequest,
            t.ListTransferLogsResponse, "GET",
            _places("/v1/{parent=@/transferConfigs/*/runs/*}/transferLogs"),
            permission="bigquery.transfers.get"),
    )  # fmt: skip


def _sources(store: Transfers) -> tuple[Rpc, ...]:
    from google.cloud.bigquery_datatransfer_v1 import types as t

    source = "{name=@/dataSources/*}"
    return (
        Rpc("ListDataSources", store.list_sources, t.ListDataSourcesRequest,
            t.ListDataSourcesResponse, "GET", _places("/v1/{parent=@}/dataSources"),
            permission="bigquery.transfers.get"),
        Rpc("GetDataSource", store.get_source, t.GetDataSourceRequest, t.DataSource,
            "GET", _places(f"/v1/{source}"),
            permission="bigquery.transfers.get"),
        Rpc("CheckValidCreds", store.check_credentials, t.CheckValidCredsRequest,
            t.CheckValidCredsResponse, "POST", _places(f"/v1/{source}:checkValidCreds"),
            "*",
            permission="bigquery.transfers.get"),
    )  # fmt: skip


def _secrets(store: Secrets) -> tuple[Rpc, ...]:
    from google.cloud.secretmanager_v1 import types as t

    secrets, secret = ("/v1/{parent=projects/*}/secrets",), "projects/*/secrets/*"
    version = "/v1/{name=projects/*/secrets/*/versions/*}"
    return (
        Rpc("ListSecrets", store.list_secrets, t.ListSecretsRequest, t.ListSecretsResponse,
            "GET", secrets,
            permission="secretmanager.secrets.list"),
        Rpc("CreateSecret", store.create_secret, t.CreateSecretRequest, t.Secret,
            "POST", secrets, "secret", writes=True,
            permission="secretmanager.secrets.create"),
        Rpc("GetSecret", store.get_secret, t.GetSecretRequest, t.Secret,
            "GET", (f"/v1/{{name={secret}}}",),
            permission="secretmanager.secrets.get"),
        Rpc("AddSecretVersion", store.add, t.AddSecretVersionRequest, t.SecretVersion,
            "POST", (f"/v1/{{parent={secret}}}:addVersion",), "*", writes=True,
            permission="secretmanager.versions.add"),
        Rpc("ListSecretVersions", store.list_versions, t.ListSecretVersionsRequest,
            t.ListSecretVersionsResponse, "GET", (f"/v1/{{parent={secret}}}/versions",),
            permission="secretmanager.versions.list"),
        Rpc("AccessSecretVersion", store.access, t.AccessSecretVersionRequest,
            t.AccessSecretVersionResponse, "GET", (f"{version}:access",),
            permission="secretmanager.versions.access"),
        Rpc("GetSecretVersion", store.get_version, t.GetSecretVersionRequest, t.SecretVersion,
            "GET", (version,),
            permission="secretmanager.versions.get"),
    )  # fmt: skip
