"""What Google's clients take, return and raise, as the real objects: no mock values."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from unittest.mock import Mock, create_autospec

import google_crc32c
import grpc
import requests
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth import exceptions as auth_exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, bigquery_connection_v1, bigquery_datatransfer_v1
from google.cloud import secretmanager_v1 as secret_manager
from google.cloud.bigquery_connection_v1.types import Connection
from google.cloud.bigquery_datatransfer_v1.types import TransferConfig, TransferRun
from google.cloud.secretmanager_v1.types import AccessSecretVersionResponse
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from backend.forecasting.conf import Config, load_config
from backend.forecasting.google.clients import Clients
from backend.forecasting.google.waiting import Pace
from backend.forecasting.provisioning.plan import Change, Plan
from backend.forecasting.provisioning.views import ViewSpec
from backend.forecasting.sql.queries import load_name, render_nightly_load
from backend.forecasting.tests.support.mocks import mock_of
from backend.forecasting.training_table import COLUMNS, DESCRIPTION

PROJECT, NUMBER = "demo-project", "123456789012"
INSTANCE = f"{PROJECT}:us-central1:main"
USER, PASSWORD = "reader_7f3a", "p4ss-9c1e'\"\\word"
VERSIONS = "POSTGRES_USER/versions/3, POSTGRES_PASSWORD/versions/7"
TRANSFER_NAME = f"projects/{NUMBER}/locations/us-central1/transferConfigs/6f0e"
RUN_NAME = f"{TRANSFER_NAME}/runs/1a2b"
CLOUD_SQL_AGENT = f"service-{NUMBER}@gcp-sa-bigqueryconnection.iam.gserviceaccount.com"
SERVICE_ACCOUNT = f"loader@{PROJECT}.iam.gserviceaccount.com"
TOPIC = f"projects/{PROJECT}/topics/loads"

# The methods that the product calls.
_BIGQUERY = (
    *("get_dataset", "create_dataset", "update_dataset"),
    *("get_table", "create_table", "update_table"),
    *("query_and_wait", "get_service_account_email"),
)
_CONNECTIONS = ("get_connection", "create_connection", "update_connection")
_TRANSFERS = (
    *("list_transfer_configs", "get_transfer_config", "create_transfer_config"),
    *("update_transfer_config", "delete_transfer_config", "check_valid_creds"),
    *("start_manual_transfer_runs", "list_transfer_runs", "get_transfer_run"),
)
_SECRETS = ("access_secret_version", "get_secret_version")
_WRITES = ("create_", "update_", "delete_", "start_", "set_")


def make_config(**options: Any) -> Config:
    """The settings of a demo project; `options` are as the command line gives them."""
    return load_config({"project": PROJECT, "instance": INSTANCE, **options})


class Google(Clients):
    """The product's own `Clients`, each service an autospecced mock that has to be arranged."""

    @cached_property
    def bigquery(self) -> Any:
        mock = mock_of(bigquery.Client, _BIGQUERY)
        account = f"bq-{NUMBER}@bigquery-encryption.iam.gserviceaccount.com"
        mock.get_service_account_email.return_value = account
        return mock

    @cached_property
    def connections(self) -> Any:
        return mock_of(bigquery_connection_v1.ConnectionServiceClient, _CONNECTIONS)

    @cached_property
    def transfers(self) -> Any:
        return mock_of(bigquery_datatransfer_v1.DataTransferServiceClient, _TRANSFERS)

    @cached_property
    def secrets(self) -> Any:
        return mock_of(secret_manager.SecretManagerServiceClient, _SECRETS)

    @property
    def calls(self) -> list[str]:
        """The methods that were called, service by service."""
        mocks = (self.bigquery, self.connections, self.transfers, self.secrets)
        return [call[0] for mock in mocks for call in mock.method_calls]

    @property
    def writes(self) -> list[str]:
        return [name for name in self.calls if name.startswith(_WRITES)]


AT_ONCE = Pace(first_pause=0)
"""Nothing is waited for before it is tried again."""


def make_google(credentials: Any = None, endpoint: str = "", **options: Any) -> Google:
    who = credentials or anonymous()
    return Google(PROJECT, "us-central1", who, endpoint, pace=AT_ONCE, **options)


def anonymous() -> Any:
    return AnonymousCredentials()


def provision(google: Google, config: Config) -> Google:
    """Let every look find what is desired, and every write answer with what it was sent."""
    google.bigquery.get_dataset.return_value = make_dataset()
    google.bigquery.get_table.return_value = make_table()
    google.bigquery.create_dataset.side_effect = lambda dataset, **_: dataset
    google.bigquery.create_table.side_effect = lambda table, **_: table
    google.connections.get_connection.return_value = make_connection()
    google.connections.create_connection.return_value = make_connection()
    google.connections.update_connection.return_value = make_connection()
    transfer = make_transfer(config)
    google.transfers.list_transfer_configs.side_effect = lambda *_, **__: [transfer]
    google.transfers.get_transfer_config.return_value = transfer
    google.transfers.create_transfer_config.return_value = transfer
    google.transfers.update_transfer_config.return_value = transfer
    google.secrets.access_secret_version.side_effect = secret_versions()
    return google


def lose_everything(google: Google) -> Google:
    """Let every look find nothing, except the training table and the secrets."""
    google.bigquery.get_dataset.side_effect = google_error(404, "Not found: Dataset")
    google.connections.get_connection.side_effect = google_error(404, "Not found: Connection")
    google.transfers.list_transfer_configs.side_effect = lambda *_, **__: []
    return google


def assert_no_secret(text: str) -> None:
    """Neither the user nor the password, however the text escapes it."""
    assert USER not in text
    assert PASSWORD.split("'")[0] not in text


# BigQuery --------------------------------------------------------------------------------------


def make_dataset(**resource: Any) -> bigquery.Dataset:
    """The dataset as BigQuery answers, with `resource` over what the pipeline wants."""
    wanted = {
        "datasetReference": {"projectId": PROJECT, "datasetId": "intelligence"},
        "location": "us-central1",
        "etag": "dataset-etag",
    }
    return bigquery.Dataset.from_api_repr({**wanted, **resource})


def column_reprs(**changes: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The columns as BigQuery answers: each named one changed, or left out where it is None."""
    columns = []
    for column in COLUMNS:
        change = changes.get(column.name, {})
        if change is not None:
            field = {"name": column.name, "type": column.type, "mode": column.mode}
            columns.append({**field, "description": column.description, **change})
    return columns


def make_table(**resource: Any) -> bigquery.Table:
    """The training table as BigQuery answers, with `resource` over what the pipeline wants."""
    wanted = {
        "tableReference": {
            "projectId": PROJECT,
            "datasetId": "intelligence",
            "tableId": "entity_risk_training_data",
        },
        "type": "TABLE",
        "location": "us-central1",
        "description": DESCRIPTION,
        "schema": {"fields": column_reprs()},
        "timePartitioning": {"type": "DAY", "field": "mentioned_at"},
        "numRows": "4200",
        "numBytes": "268800",
        "etag": "table-etag",
    }
    return bigquery.Table.from_api_repr({**wanted, **resource})


def make_view(spec: ViewSpec, **resource: Any) -> bigquery.Table:
    """A view as BigQuery answers, with `resource` over what the spec wants."""
    project, dataset, table = spec.name.rsplit(".", 2)
    wanted = {
        "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table},
        "type": "VIEW",
        "location": "us-central1",
        "description": spec.description,
        "view": {"query": spec.query, "useLegacySql": False},
        "etag": "view-etag",
    }
    return bigquery.Table.from_api_repr(copy.deepcopy({**wanted, **resource}))


@dataclass(frozen=True)
class Wire:
    """BigQuery's real client over a mocked HTTP session, to see exactly what is sent."""

    clients: Clients
    session: Mock

    @property
    def sent(self) -> tuple[str, str, Any]:
        """Method, path and body of the last request."""
        request = self.session.request.call_args.kwargs
        path = request["url"].split("/bigquery/v2", 1)[1].split("?")[0]
        return request["method"], path, json.loads(request["data"])

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.session.request.call_args.kwargs["headers"])


def make_wire(reply: Mapping[str, Any]) -> Wire:
    """`reply` is the JSON that every request is answered with."""
    session = create_autospec(requests.Session, instance=True)
    session.is_mtls = False
    session.request.return_value = http_response(200, dict(reply))
    credentials = anonymous()
    clients = Clients(PROJECT, "us-central1", credentials)
    vars(clients)["bigquery"] = bigquery.Client(
        project=PROJECT, location="us-central1", credentials=credentials, _http=session
    )
    return Wire(clients, session)


@dataclass(frozen=True)
class RestConnections(Clients):
    """Google's real connection client over REST, with a mocked HTTP session."""

    @cached_property
    def connections(self) -> bigquery_connection_v1.ConnectionServiceClient:
        client = bigquery_connection_v1.ConnectionServiceClient(
            credentials=self.credentials,
            transport="rest",
            client_options=ClientOptions(api_endpoint=self.endpoint),
        )
        reply = http_response(200, json.loads(Connection.to_json(make_connection())))
        for method in ("post", "patch"):
            mock = create_autospec(getattr(_session_of(client), method), return_value=reply)
            setattr(_session_of(client), method, mock)
        return client

    def sent(self, method: str) -> Any:
        """The body of the last request by an HTTP method."""
        call = getattr(_session_of(self.connections), method).call_args
        return json.loads(call.kwargs["data"])


def _session_of(client: Any) -> Any:
    return client.transport._session


# Connection, Data Transfer, Secret Manager -----------------------------------------------------


def make_connection(**fields: Any) -> Connection:
    """The connection as the API answers: with its agent, without its credential."""
    properties = {
        "instance_id": INSTANCE,
        "database": "venezuelawatch",
        "type_": "POSTGRES",
        "service_account_id": CLOUD_SQL_AGENT,
        **fields.pop("cloud_sql", {}),
    }
    name = f"projects/{PROJECT}/locations/us-central1/connections/postgresql-conn"
    wanted: dict[str, Any] = {
        "name": name,
        "description": f"[credential: {VERSIONS}]",
        "has_credential": True,
        "cloud_sql": properties,
    }
    return Connection({**wanted, **fields})


def make_transfer(config: Config, **fields: Any) -> TransferConfig:
    """The scheduled query as the API lists it: without its owner."""
    wanted: dict[str, Any] = {
        "name": TRANSFER_NAME,
        "display_name": load_name(config.table_id),
        "data_source_id": "scheduled_query",
        "params": {"query": render_nightly_load(config)},
        "schedule": config.schedule,
        "dataset_region": "us-central1",
        "update_time": datetime(2026, 3, 1, 9, tzinfo=UTC),
    }
    return TransferConfig({**wanted, **fields})


def make_run(state: str = "PENDING", **fields: Any) -> TransferRun:
    times = {} if state == "PENDING" else {"start_time": datetime(2026, 3, 2, 2, 0, 5, tzinfo=UTC)}
    if state not in ("PENDING", "RUNNING"):
        times["end_time"] = datetime(2026, 3, 2, 2, 0, 47, 500_000, tzinfo=UTC)
    day = datetime(2026, 3, 2, 2, tzinfo=UTC)
    wanted = {"name": RUN_NAME, "state": state, "schedule_time": day, "run_time": day}
    return TransferRun({**wanted, **times, **fields})


def secret_reply(name: str, data: bytes, *, version: int = 1, crc: int | None = -1) -> Any:
    """A secret version as the API answers; `crc` None: without a checksum, -1: the right one."""
    payload: dict[str, Any] = {"data": data}
    if crc is not None:
        payload["data_crc32c"] = google_crc32c.value(data) if crc == -1 else crc
    return AccessSecretVersionResponse(
        name=f"projects/{NUMBER}/secrets/{name}/versions/{version}", payload=payload
    )


def secret_versions(**replies: Any) -> Callable[..., Any]:
    """What `access_secret_version` does: the two secrets, or what is given for one of them."""
    known = {
        "POSTGRES_USER": secret_reply("POSTGRES_USER", USER.encode(), version=3),
        "POSTGRES_PASSWORD": secret_reply("POSTGRES_PASSWORD", PASSWORD.encode(), version=7),
        **replies,
    }

    def access(*, name: str, **_: Any) -> Any:
        reply = known[name.split("/")[3]]
        if isinstance(reply, Exception):
            raise reply
        return copy.deepcopy(reply)

    return access


# Errors ----------------------------------------------------------------------------------------


def http_response(status: int, body: Any, url: str = "https://bigquery.googleapis.com/v2") -> Any:
    response = requests.Response()
    response.status_code = status
    text = body if isinstance(body, str) else json.dumps(body)
    response.headers["Content-Type"] = "text/html" if isinstance(body, str) else "application/json"
    response._content = text.encode()
    response.request = requests.Request("GET", url).prepare()
    return response


def google_error(
    status: int,
    message: str,
    *,
    reason: str = "",
    legacy_reason: str = "",
    **metadata: str,
) -> exceptions.GoogleAPICallError:
    """What a client raises over REST: `reason` goes into ErrorInfo, `legacy_reason` into errors."""
    error: dict[str, Any] = {"code": status, "message": message}
    if reason:
        info = "type.googleapis.com/google.rpc.ErrorInfo"
        detail = {"@type": info, "reason": reason, "domain": "googleapis.com"}
        error["details"] = [{**detail, "metadata": metadata}]
    if legacy_reason:
        error["errors"] = [{"message": message, "domain": "global", "reason": legacy_reason}]
    return html_error(status, {"error": error})


def denied(permission: str) -> exceptions.GoogleAPICallError:
    """What a client raises where the credentials lack it, and Google says so."""
    return google_error(403, "no", reason="IAM_PERMISSION_DENIED", permission=permission)


def html_error(status: int, body: Any) -> exceptions.GoogleAPICallError:
    """What a client raises for a body that is shown as it is, such as a proxy's page."""
    found = exceptions.from_http_response(http_response(status, body))
    assert isinstance(found, exceptions.GoogleAPICallError)
    return found


class _Refusal(grpc.RpcError):  # type: ignore[misc]
    """A call that a gRPC server refused, as the clients see it."""

    def __init__(self, code: grpc.StatusCode, status: status_pb2.Status) -> None:
        super().__init__()
        self._code, self._status = code, status

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return str(self._status.message)

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        return (("grpc-status-details-bin", self._status.SerializeToString()),)


def grpc_error(
    name: str, message: str, *, reason: str = "", **metadata: str
) -> exceptions.GoogleAPICallError:
    """What a client raises over gRPC, its default transport."""
    code = grpc.StatusCode[name]
    status = status_pb2.Status(code=code.value[0], message=message)
    if reason:
        detail = any_pb2.Any()
        detail.Pack(
            error_details_pb2.ErrorInfo(reason=reason, domain="googleapis.com", metadata=metadata)
        )
        status.details.append(detail)
    found = exceptions.from_grpc_error(_Refusal(code, status))
    assert isinstance(found, exceptions.GoogleAPICallError)
    return found


def retry_error(cause: Exception | None) -> exceptions.RetryError:
    """What a client raises when it has called again until its deadline."""
    return exceptions.RetryError("Timeout of 60.0s exceeded", cause)


def auth_error(name: str, text: str = "no") -> auth_exceptions.GoogleAuthError:
    """One of google-auth's errors, by its class name."""
    found = getattr(auth_exceptions, name)(text)
    assert isinstance(found, auth_exceptions.GoogleAuthError)
    return found


def disabled(service: str, title: str, consumer: str = NUMBER) -> exceptions.GoogleAPICallError:
    """The refusal of an API that is not enabled, in today's form."""
    return google_error(
        403,
        f"{title} has not been used in project {consumer} before or it is disabled. Enable it by "
        f"visiting https://console.developers.google.com/apis/api/{service}/overview?project="
        f"{consumer} then retry.",
        reason="SERVICE_DISABLED",
        service=service,
        consumer=f"projects/{consumer}",
    )


# Plans -----------------------------------------------------------------------------------------


def changes_of(plan: Plan) -> dict[str, tuple[str | None, str | None]]:
    """The plan's changes by field: what was and what will be."""
    return {change.field: (change.before, change.after) for change in plan.changes}


def change(field: str, before: str | None, after: str | None) -> Change:
    return Change(field=field, before=before, after=after)
