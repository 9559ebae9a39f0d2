"""BigQuery tables: bqemulator's catalog and DuckDB's tables, with Google's rules in front.

https://cloud.google.com/bigquery/docs/managing-table-schemas says which changes are allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.localcloud.bigquery.datasets import Datasets, check_etag, check_labels, merged_labels
from backend.localcloud.bigquery.namesakes import refuse_namesake
from backend.localcloud.bqemulator.catalog import Catalog
from backend.localcloud.http.call import Call
from backend.localcloud.http.discovery import check_resource
from backend.localcloud.http.errors import AlreadyExists, InvalidArgument, NotDone, NotFound
from backend.localcloud.http.paging import page

TABLE_ID = re.compile(r"[\w\- ]{1,1024}\Z")
COLUMN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}\Z")
LEGACY_TYPES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
TYPES = {"STRING", "BYTES", "INTEGER", "FLOAT", "NUMERIC", "BIGNUMERIC", "BOOLEAN", "TIMESTAMP"}
TYPES |= {"DATE", "TIME", "DATETIME", "GEOGRAPHY", "RECORD", "JSON", "INTERVAL"}
MODES = {"NULLABLE", "REQUIRED", "REPEATED"}
PARTITION_TYPES = {"HOUR", "DAY", "MONTH", "YEAR"}
PARTITION_COLUMNS = {"DATE", "TIMESTAMP", "DATETIME"}
KEPT = (
    "resourceTags",
    "encryptionConfiguration",
    "defaultCollation",
    "maxStaleness",
    "defaultRoundingMode",
    "requirePartitionFilter",
)
REFUSED = ("externalDataConfiguration", "materializedView", "rangePartitioning")
Reference = tuple[str, str, str]


@dataclass
class Tables:
    """The tables and views of every dataset.

    `make_view` makes or replaces the view of a name, from the `view` of a table resource.
    """

    store: Catalog
    datasets: Datasets
    make_view: Callable[[Reference, dict[str, Any] | None], None]

    def insert(self, call: Call) -> dict[str, Any]:
        project, dataset, body = call.params["project"], call.params["dataset"], call.object()
        check_resource("Table", body)
        table = body.get("tableReference", {}).get("tableId", "")
        if not TABLE_ID.match(table):
            raise InvalidArgument(f'Invalid table ID "{table}".')
        _check_new(body)
        with self.store.turn:
            owner = self.datasets.find(project, dataset)
            if self.store.get_table(project, dataset, table):
                raise AlreadyExists(f"Already Exists: Table {project}:{dataset}.{table}")
            refuse_namesake(self.store, project, dataset, table)
            _inherit(body, owner, self.store.now_ms())
            if "view" in body:
                self.make_view((project, dataset, table), body["view"])
                self.store.change_table((project, dataset, table), body, [], [])
            else:
                self.store.insert_table(project, dataset, body)
            self.store.kept[project, dataset, table] = {k: body[k] for k in KEPT if k in body}
            return self.to_json(project, dataset, table)

    def get(self, call: Call) -> dict[str, Any]:
        return self.to_json(*_reference(call))

    def list(self, call: Call) -> dict[str, Any]:
        project, dataset = call.params["project"], call.params["dataset"]
        self.store.expire()
        with self.store.turn:
            self.datasets.find(project, dataset)
            found = [
                _listed(self.store.table_json(meta))
                for meta in self.store.list_tables(project, dataset)
            ]
        size = call.number("maxResults", 0) or 1000
        answer = {"kind": "bigquery#tableList", "totalItems": len(found)}
        return answer | page(found, "tables", size, call.argument("pageToken"))

    def patch(self, call: Call) -> dict[str, Any]:
        return self._change(call, replace=False)

    def update(self, call: Call) -> dict[str, Any]:
        return self._change(call, replace=True)

    def delete(self, call: Call) -> dict[str, Any]:
        reference = _reference(call)
        with self.store.turn:
            check_etag(call, self.to_json(*reference))
            self.store.delete_table(*reference)
        return {}

    def find(self, project: str, dataset: str, table: str) -> Any:
        self.datasets.find(project, dataset)
        self.store.expire()
        meta = self.store.get_table(project, dataset, table)
        if meta is None:
            raise NotFound(f"Not found: Table {project}:{dataset}.{table}")
        return meta

    def to_json(self, project: str, dataset: str, table: str) -> dict[str, Any]:
        """The table as Google shows it, its rows counted now."""
        with self.store.turn:
            meta = self.find(project, dataset, table)
            body = self.store.table_json(meta)
        body["location"] = self.datasets.location(project, dataset)
        for column in body.get("schema", {}).get("fields", []):
            show_column(column)
        return body | self.store.kept.get((project, dataset, table), {})

    def _change(self, call: Call, *, replace: bool) -> dict[str, Any]:
        reference, body = _reference(call), call.object()
        check_resource("Table", body)
        with self.store.turn:
            current = self.to_json(*reference)
            check_etag(call, current)
            _refuse_changes(current, body)
            if "labels" in body and not replace:
                body["labels"] = merged_labels(current.get("labels", {}), body["labels"])
            check_labels(body.get("labels"))
            if replace:
                body = {"friendlyName": None, "description": None, "labels": None} | body
            added, relaxed = _schema_changes(current, body)
            if "view" in body:
                self._replace_view(reference, body["view"])
            self.store.kept.setdefault(reference, {}).update(
                {k: body[k] for k in KEPT if k in body}
            )
            self.store.change_table(reference, body, added, relaxed)
            return self.to_json(*reference)

    def _replace_view(self, reference: Reference, view: dict[str, Any] | None) -> None:
        before = self.find(*reference)
        if before.table_type != "VIEW":
            raise InvalidArgument(f"{':'.join(reference[:2])}.{reference[2]} is not a view")
        self.make_view(reference, view)
        self.store.keep_description(before)


def _reference(call: Call) -> Reference:
    return call.params["project"], call.params["dataset"], call.params["table"]


def _listed(table: dict[str, Any]) -> dict[str, Any]:
    names = (
        "id",
        "tableReference",
        "type",
        "creationTime",
        "timePartitioning",
        "clustering",
        "labels",
        "friendlyName",
        "expirationTime",
    )
    return {"kind": "bigquery#table"} | {n: table[n] for n in names if n in table}


def show_column(column: dict[str, Any]) -> None:
    """Name a column's type as the API does: INTEGER for INT64, and so on."""
    column["type"] = LEGACY_TYPES.get(column["type"], column["type"])
    for inner in column.get("fields", []):
        show_column(inner)


def _check_new(body: dict[str, Any]) -> None:
    for name in REFUSED:
        if name in body:
            raise NotDone(f"tables with {name}")
    check_labels(body.get("labels"))
    columns = body.get("schema", {}).get("fields", [])
    if "view" in body and columns:
        raise InvalidArgument("Schema field shouldn't be used as input with a view")
    _check_columns(columns)
    if partitioning := body.get("timePartitioning"):
        _check_partitioning(partitioning, columns)


def _check_columns(columns: list[dict[str, Any]]) -> None:
    names = [str(column.get("name", "")).lower() for column in columns]
    for column, name in zip(columns, names, strict=True):
        if not COLUMN_NAME.match(name):
            raise InvalidArgument(
                f'Invalid field name "{column.get("name", "")}". Fields must contain only '
                "letters, numbers, and underscores, start with a letter or underscore, and be "
                "at most 300 characters long."
            )
        if names.count(name) > 1:
            raise InvalidArgument(f"Duplicate field name: {column['name']}")
        column["type"] = str(column.get("type", "")).upper()
        if LEGACY_TYPES.get(column["type"], column["type"]) not in TYPES:
            raise InvalidArgument(f"Invalid value for type: {column['type']} is not a valid value")
        column["mode"] = str(column.get("mode") or "NULLABLE").upper()
        if column["mode"] not in MODES:
            raise InvalidArgument(f"Invalid value for mode: {column['mode']} is not a valid value")
        _check_columns(column.get("fields", []))


def _check_partitioning(partitioning: dict[str, Any], columns: list[dict[str, Any]]) -> None:
    if partitioning.get("type") not in PARTITION_TYPES:
        raise InvalidArgument(
            f"Invalid value for type: {partitioning.get('type')} is not a valid value"
        )
    name = partitioning.get("field")
    if name is None:
        return
    column = next((c for c in columns if c["name"].lower() == name.lower()), None)
    if column is None:
        raise InvalidArgument("The field specified for partitioning cannot be found in the schema")
    if column["type"] not in PARTITION_COLUMNS or column["mode"] == "REPEATED":
        raise InvalidArgument(
            "The field specified for time partitioning has type "
            f"{column['type']}. It can only be TIMESTAMP, DATE or DATETIME."
        )


def _inherit(body: dict[str, Any], dataset: Any, now_ms: int) -> None:
    """Give a new table the expirations that its dataset has as defaults.

    A default partition expiration wins over a default table expiration:
    https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets
    """
    partitioning = body.get("timePartitioning")
    partitions = dataset.default_partition_expiration_ms
    if partitioning and partitions:
        partitioning.setdefault("expirationMs", str(partitions))
    elif dataset.default_table_expiration_ms and "expirationTime" not in body:
        body["expirationTime"] = str(now_ms + int(dataset.default_table_expiration_ms))


def partition_spec(partitioning: dict[str, Any] | None) -> str:
    """A partitioning as Google's messages name it."""
    if not partitioning:
        return "none"
    field_name = f",field:{partitioning['field']}" if partitioning.get("field") else ""
    return f"interval(type:{partitioning['type'].lower()}{field_name})"


def _refuse_changes(current: dict[str, Any], body: dict[str, Any]) -> None:
    for name in REFUSED:
        if name in body:
            raise NotDone(f"changes of {name}")
    if "timePartitioning" in body:
        old, new = (partition_spec(b.get("timePartitioning")) for b in (current, body))
        if old != new:
            raise InvalidArgument(
                "Cannot convert non partitioned/clustered table to partitioned/clustered table."
                if old == "none"
                else f"Cannot change partitioning spec from {old} to {new}."
            )


def _schema_changes(
    current: dict[str, Any], body: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The columns that a patch adds and the names of those it makes NULLABLE.

    Anything else that it changes in the schema is refused.
    """
    fields = (body.get("schema") or {}).get("fields")
    if fields is None:
        return [], []
    _check_columns(fields)
    table = "{projectId}:{datasetId}.{tableId}".format(**current["tableReference"])
    old = {c["name"].lower(): c for c in current.get("schema", {}).get("fields", [])}
    new = {c["name"].lower(): c for c in fields}
    for name, column in old.items():
        if name not in new:
            _refuse_schema(table, f"Field {column['name']} is missing in new schema")
        _compare(table, column, new[name])
    added = [column for name, column in new.items() if name not in old]
    if added and current["type"] == "VIEW":
        _refuse_schema(table, f"Field {added[0]['name']} is not one of the view's")
    for column in added:
        if column["mode"] == "REQUIRED":
            _refuse_schema(
                table,
                f"Cannot add required fields to an existing schema. (field: {column['name']})",
            )
    relaxed = [c["name"] for n, c in old.items() if new[n]["mode"] != c["mode"]]
    return added, relaxed


def _compare(table: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    kind = LEGACY_TYPES.get(new["type"], new["type"])
    name = old["name"]
    if kind != old["type"]:
        _refuse_schema(table, f"Field {name} has changed type from {old['type']} to {kind}")
    if new["mode"] != old["mode"] and (old["mode"], new["mode"]) != ("REQUIRED", "NULLABLE"):
        _refuse_schema(table, f"Field {name} has changed mode from {old['mode']} to {new['mode']}")


def _refuse_schema(table: str, problem: str) -> None:
    raise InvalidArgument(f"Provided Schema does not match Table {table}. {problem}")
