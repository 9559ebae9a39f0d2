"""The route table: which request goes to which function. Routes know HTTP, state does not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backend.localcloud.http import discovery
from backend.localcloud.http.errors import InvalidArgument, NotDone
from backend.localcloud.http.protojson import bind

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

BIGQUERY = "bigquery.googleapis.com"
CONNECTION = "bigqueryconnection.googleapis.com"
TRANSFER = "bigquerydatatransfer.googleapis.com"
SECRETS = "secretmanager.googleapis.com"


@dataclass
class Call:
    """One request, read."""

    method: str
    path: str
    query_string: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    raw: bytes
    params: dict[str, str] = field(default_factory=dict)
    body: Any = None
    sent: Any = None
    writes: bool = False

    def query_items(self) -> Iterator[tuple[str, str]]:
        yield from self.query

    def argument(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return next((v for n, v in reversed(self.query) if n == name), default)

    def number(self, name: str, default: int) -> int:
        text = self.argument(name)
        if text and not text.isdigit():
            raise InvalidArgument(f"Invalid value at '{name}' (TYPE_UINT32), \"{text}\"")
        return int(text) if text else default

    def read_body(self) -> None:
        """Parse the body; what is not JSON is Google's 400."""
        if not self.raw.strip():
            return
        try:
            self.body, self.sent = json.loads(self.raw), json.loads(self.raw)
        except ValueError as error:
            raise InvalidArgument(f"Invalid JSON payload received. {error}") from error

    def object(self) -> dict[str, Any]:
        """The body, which has to be a JSON object."""
        if not isinstance(self.body, dict):
            raise InvalidArgument("Invalid JSON payload received. Expected an object.")
        return self.body


Handler = Callable[[Call], Any]


@dataclass(frozen=True)
class Route:
    """A method and a path template, the API it belongs to, and what answers it."""

    method: str
    template: str
    service: str
    handler: Handler
    writes: bool = False

    def match(self, path: str) -> dict[str, str] | None:
        found = _pattern(self.template).fullmatch(path)
        if found is None:
            return None
        # Group names cannot hold the dots of proto paths such as {transfer_config.name}.
        return {name.replace("__", "."): value for name, value in found.groupdict().items()}


PATTERNS: dict[str, re.Pattern[str]] = {}


def _pattern(template: str) -> re.Pattern[str]:
    """A template such as `/v1/{name=projects/*/secrets/*}:access` as a pattern."""
    if template not in PATTERNS:
        parts = re.split(r"\{([^}=]+)(?:=([^}]+))?\}", template)
        text = re.escape(parts[0])
        for name, shape, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            inner = re.escape(shape or "*").replace(r"\*", "[^/:]+" if shape else "[^/]+")
            text += f"(?P<{name.replace('.', '__')}>{inner}){re.escape(rest)}"
        PATTERNS[template] = re.compile(text)
    return PATTERNS[template]


def find(routes: list[Route], call: Call) -> Route:
    """The route of a call, its path variables put into it; none is a 501 that says so."""
    for route in routes:
        params = route.match(call.path) if route.method == call.method else None
        if params is not None:
            call.params = params
            call.writes = route.writes
            return route
    raise NotDone(f"{call.method} {call.path}")


def table(cloud: LocalCloud) -> list[Route]:
    """Every request that the stand-in answers."""
    return [
        *_bigquery(cloud),
        *_connections(cloud),
        *_transfers(cloud),
        *_secrets(cloud),
        Route("GET", "/$discovery/rest", "", lambda call: discovery.document(cloud, call)),
        Route(
            "GET",
            "/discovery/v1/apis/{api}/{version}/rest",
            "",
            lambda call: discovery.document(cloud, call),
        ),
    ]


def _proto(operation: Callable[[dict[str, Any]], Any], message: Any, body: str = "") -> Handler:
    """A handler that binds the request to Google's message and calls `operation`."""
    message_class = message.pb() if hasattr(message, "pb") else message
    return lambda call: operation(bind(message_class, call, body))


def _bigquery(cloud: LocalCloud) -> list[Route]:
    project = "/bigquery/v2/projects/{project}"
    datasets, jobs = f"{project}/datasets", f"{project}/jobs"
    dataset, tables = datasets + "/{dataset}", datasets + "/{dataset}/tables"
    one = tables + "/{table}"
    bigquery, passed = cloud.bigquery, cloud.bigquery.passthrough
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


def _connections(cloud: LocalCloud) -> list[Route]:
    from google.cloud.bigquery_connection_v1 import types
    from google.iam.v1 import iam_policy_pb2 as iam  # type: ignore[import-untyped]

    parent = "/v1/{parent=projects/*/locations/*}/connections"
    name = "/v1/{name=projects/*/locations/*/connections/*}"
    resource = "/v1/{resource=projects/*/locations/*/connections/*}"
    store = cloud.connections
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


def _transfers(cloud: LocalCloud) -> list[Route]:
    from google.cloud.bigquery_datatransfer_v1 import types

    store = cloud.transfers
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


def _secrets(cloud: LocalCloud) -> list[Route]:
    from google.cloud.secretmanager_v1 import types

    store = cloud.secrets
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
