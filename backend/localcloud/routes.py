"""Every request that the stand-in answers, and which service answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backend.localcloud.connections import Connections
from backend.localcloud.http import discovery
from backend.localcloud.http.call import Call
from backend.localcloud.http.protojson import bind
from backend.localcloud.http.routes import Handler, Route
from backend.localcloud.secrets import Secrets

if TYPE_CHECKING:  # Both need bqemulator, which is imported when a stand-in starts.
    from backend.localcloud.bigquery.front import BigQuery
    from backend.localcloud.transfers.configs import Transfers

BIGQUERY = "bigquery.googleapis.com"
CONNECTION = "bigqueryconnection.googleapis.com"
TRANSFER = "bigquerydatatransfer.googleapis.com"
SECRETS = "secretmanager.googleapis.com"


@dataclass(frozen=True)
class Services:
    """What there is to ask."""

    bigquery: BigQuery
    connections: Connections
    transfers: Transfers
    secrets: Secrets


def table(services: Services, endpoint: str) -> list[Route]:
    """All routes; `endpoint` is where they are served, which the discovery documents say."""

    def discover(call: Call) -> Any:
        return discovery.document(call, endpoint)

    return [
        *_bigquery(services.bigquery),
        *_connections(services.connections),
        *_transfers(services.transfers),
        *_secrets(services.secrets),
        Route("GET", "/$discovery/rest", "", discover),
        Route("GET", "/discovery/v1/apis/{api}/{version}/rest", "", discover),
    ]


def _proto(operation: Callable[[dict[str, Any]], Any], message: Any, body: str = "") -> Handler:
    """A handler that binds the request to Google's message and calls `operation`."""
    message_class = message.pb() if hasattr(message, "pb") else message
    return lambda call: operation(bind(message_class, call, body))


def _bigquery(bigquery: BigQuery) -> list[Route]:
    project = "/bigquery/v2/projects/{project}"
    datasets, jobs = f"{project}/datasets", f"{project}/jobs"
    dataset, tables = datasets + "/{dataset}", datasets + "/{dataset}/tables"
    one = tables + "/{table}"
    passed = bigquery.passthrough
    rows: list[tuple[str, str, Handler, bool]] = [
        ("GET", "/bigquery/v2/projects", bigquery.list_projects, False),
        ("GET", project + "/serviceAccount", bigquery.service_account, False),
        ("GET", datasets, bigquery.datasets.list, False),
        ("POST", datasets, bigquery.datasets.insert, True),
        ("GET", dataset, bigquery.datasets.get, False),
        ("PATCH", dataset, bigquery.datasets.patch, True),
        ("PUT", dataset, bigquery.datasets.update, True),
        ("DELETE", dataset, bigquery.datasets.delete, True),
        ("GET", tables, bigquery.tables.list, False),
        ("POST", tables, bigquery.tables.insert, True),
        ("GET", one, bigquery.tables.get, False),
        ("PATCH", one, bigquery.tables.patch, True),
        ("PUT", one, bigquery.tables.update, True),
        ("DELETE", one, bigquery.tables.delete, True),
        ("GET", one + "/data", bigquery.list_rows, False),
        ("POST", one + "/insertAll", passed, True),
        ("GET", jobs, bigquery.list_jobs, False),
        ("POST", jobs, bigquery.insert, False),
        ("GET", jobs + "/{job}", bigquery.get, False),
        ("POST", jobs + "/{job}/cancel", bigquery.cancel, True),
        ("DELETE", jobs + "/{job}/delete", passed, True),
        ("POST", project + "/queries", bigquery.query, False),
        ("GET", project + "/queries/{job}", bigquery.results, False),
        ("GET", dataset + "/routines", passed, False),
        ("GET", dataset + "/models", passed, False),
    ]
    return [Route(method, path, BIGQUERY, do, writes) for method, path, do, writes in rows]


def _connections(store: Connections) -> list[Route]:
    from google.cloud.bigquery_connection_v1 import types
    from google.iam.v1 import iam_policy_pb2 as iam  # type: ignore[import-untyped]

    parent = "/v1/{parent=projects/*/locations/*}/connections"
    name = "/v1/{name=projects/*/locations/*/connections/*}"
    resource = "/v1/{resource=projects/*/locations/*/connections/*}"
    rows: list[tuple[str, str, Handler, bool]] = [
        ("POST", parent, _proto(store.create, types.CreateConnectionRequest, "connection"), True),
        ("GET", parent, _proto(store.list, types.ListConnectionsRequest), False),
        ("GET", name, _proto(store.get, types.GetConnectionRequest), False),
        ("PATCH", name, _proto(store.patch, types.UpdateConnectionRequest, "connection"), True),
        ("DELETE", name, _proto(store.delete, types.DeleteConnectionRequest), True),
        ("POST", resource + ":getIamPolicy",
         _proto(store.get_policy, iam.GetIamPolicyRequest, "*"), False),
        ("POST", resource + ":setIamPolicy",
         _proto(store.set_policy, iam.SetIamPolicyRequest, "*"), True),
        ("POST", resource + ":testIamPermissions",
         _proto(store.test_permissions, iam.TestIamPermissionsRequest, "*"), False),
    ]  # fmt: skip
    return [Route(method, path, CONNECTION, do, writes) for method, path, do, writes in rows]


def _transfers(store: Transfers) -> list[Route]:
    from google.cloud.bigquery_datatransfer_v1 import types

    rows: list[Route] = []
    for place in ("projects/*/locations/*", "projects/*"):
        parent, configs = f"/v1/{{parent={place}}}", f"/v1/{{parent={place}}}/transferConfigs"
        config, source = f"{place}/transferConfigs/*", f"{place}/dataSources/*"
        name, runs = f"/v1/{{name={config}}}", f"/v1/{{parent={config}}}"
        table: list[tuple[str, str, Handler, bool]] = [
            ("POST", configs,
             _proto(store.create, types.CreateTransferConfigRequest, "transfer_config"), True),
            ("GET", configs, _proto(store.list_configs, types.ListTransferConfigsRequest), False),
            ("GET", name, _proto(store.get, types.GetTransferConfigRequest), False),
            ("PATCH", f"/v1/{{transfer_config.name={config}}}",
             _proto(store.patch, types.UpdateTransferConfigRequest, "transfer_config"), True),
            ("DELETE", name, _proto(store.delete, types.DeleteTransferConfigRequest), True),
            ("POST", runs + ":startManualRuns",
             _proto(store.runs.start, types.StartManualTransferRunsRequest, "*"), True),
            ("GET", runs + "/runs", _proto(store.runs.list, types.ListTransferRunsRequest), False),
            ("GET", f"/v1/{{name={config}/runs/*}}",
             _proto(store.runs.get, types.GetTransferRunRequest), False),
            ("DELETE", f"/v1/{{name={config}/runs/*}}",
             _proto(store.runs.delete, types.DeleteTransferRunRequest), True),
            ("GET", f"/v1/{{parent={config}/runs/*}}/transferLogs",
             _proto(store.runs.list_logs, types.ListTransferLogsRequest), False),
            ("GET", parent + "/dataSources",
             _proto(store.list_sources, types.ListDataSourcesRequest), False),
            ("GET", f"/v1/{{name={source}}}",
             _proto(store.get_source, types.GetDataSourceRequest), False),
            ("POST", f"/v1/{{name={source}}}:checkValidCreds",
             _proto(store.check_credentials, types.CheckValidCredsRequest, "*"), False),
        ]  # fmt: skip
        rows += [Route(method, path, TRANSFER, do, writes) for method, path, do, writes in table]
    return rows


def _secrets(store: Secrets) -> list[Route]:
    from google.cloud.secretmanager_v1 import types

    secrets, secret = "/v1/{parent=projects/*}/secrets", "projects/*/secrets/*"
    version = "/v1/{name=projects/*/secrets/*/versions/*}"
    rows: list[tuple[str, str, Handler, bool]] = [
        ("GET", secrets, _proto(store.list_secrets, types.ListSecretsRequest), False),
        ("POST", secrets, _proto(store.create_secret, types.CreateSecretRequest, "secret"), True),
        ("GET", f"/v1/{{name={secret}}}",
         _proto(store.get_secret, types.GetSecretRequest), False),
        ("POST", f"/v1/{{parent={secret}}}:addVersion",
         _proto(store.add, types.AddSecretVersionRequest, "*"), True),
        ("GET", f"/v1/{{parent={secret}}}/versions",
         _proto(store.list_versions, types.ListSecretVersionsRequest), False),
        ("GET", version + ":access",
         _proto(store.access, types.AccessSecretVersionRequest), False),
        ("GET", version, _proto(store.get_version, types.GetSecretVersionRequest), False),
    ]  # fmt: skip
    return [Route(method, path, SECRETS, do, writes) for method, path, do, writes in rows]
