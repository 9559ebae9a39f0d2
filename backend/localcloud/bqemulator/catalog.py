"""bqemulator's catalog, and the DuckDB tables under it: what datasets and tables are kept in.

Like emulator.py this uses private parts of bqemulator: its REST rendering of a resource, and the
catalog's frozen records, which it copies with changes. Nothing here knows Google's rules.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from bqemulator.api.routes.datasets import _dataset_to_rest, _rest_to_dataset_meta
from bqemulator.api.routes.tables import _parse_schema_fields, _table_to_rest
from bqemulator.catalog.ddl_sync import _introspect_schema
from bqemulator.catalog.etag import generate_etag
from bqemulator.catalog.models import Clustering, TableMeta, TableSchema, TimePartitioning
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.storage.type_map import bq_schema_to_duckdb_columns
from sqlglot import exp

from backend.localcloud.bqemulator.emulator import Emulator
from backend.localcloud.bqemulator.errors import error_of
from backend.localcloud.googlesql import ddl

BYTES_A_CELL = 8


class Catalog:
    """Datasets and tables, kept by bqemulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.kept: dict[tuple[str, str, str], dict[str, Any]] = {}
        """What bqemulator does not keep of a table, by its project, dataset and name."""

    @property
    def turn(self) -> threading.RLock:
        """Hold this while looking and then changing."""
        return self.emulator.engine.turn

    def now_ms(self) -> int:
        return int(datetime.now(UTC).timestamp() * 1000)

    def get_dataset(self, project: str, dataset: str) -> Any:
        return self.emulator.catalog.get_dataset(project, dataset)

    def list_datasets(self, project: str) -> Any:
        return self.emulator.catalog.list_datasets(project)

    def get_table(self, project: str, dataset: str, table: str) -> Any:
        return self.emulator.catalog.get_table(project, dataset, table)

    def list_tables(self, project: str, dataset: str) -> Any:
        return self.emulator.catalog.list_tables(project, dataset)

    def namesake(self, project: str, dataset: str, table: str = "") -> str:
        """The other dataset or table that DuckDB, to which case is nothing, takes for this one."""
        if self.get_dataset(project, dataset) is None:
            name = f"{project}:{dataset}"
            every = self.emulator.catalog.list_all_datasets()
            known = [f"{meta.project_id}:{meta.dataset_id}" for meta in every]
        elif table and self.get_table(project, dataset, table) is None:
            name = f"{project}:{dataset}.{table}"
            tables = self.list_tables(project, dataset)
            known = [f"{project}:{dataset}.{meta.table_id}" for meta in tables]
        else:
            return ""
        return next((other for other in known if other.lower() == name.lower()), "")

    def insert_dataset(self, project: str, body: dict[str, Any]) -> None:
        self._request("POST", f"projects/{project}/datasets", body)

    def update_dataset(self, project: str, dataset: str, body: dict[str, Any]) -> None:
        full = {**body, "datasetReference": {"datasetId": dataset}}
        if "labels" in full:
            full["labels"] = full["labels"] or {}
        meta = self.get_dataset(project, dataset)
        clock = self.emulator.context.clock
        self.emulator.catalog.update_dataset(_rest_to_dataset_meta(project, full, clock, meta))

    def delete_dataset(self, project: str, dataset: str) -> None:
        self._request("DELETE", f"projects/{project}/datasets/{dataset}", {}, "deleteContents=true")
        for reference in [key for key in self.kept if key[:2] == (project, dataset)]:
            del self.kept[reference]

    def dataset_json(self, meta: Any) -> dict[str, Any]:
        body: dict[str, Any] = _dataset_to_rest(meta)
        return body

    def insert_table(self, project: str, dataset: str, body: dict[str, Any]) -> None:
        """Make the table, its REQUIRED columns NOT NULL in DuckDB too."""
        self._request("POST", f"projects/{project}/datasets/{dataset}/tables", body)
        table = body["tableReference"]["tableId"]
        for column in body.get("schema", {}).get("fields", []):
            if column["mode"] == "REQUIRED":
                self._alter(project, dataset, table, f'ALTER "{column["name"]}" SET NOT NULL')
        if body.get("expirationTime"):
            self._update(project, dataset, table, expiration_time=_moment(body["expirationTime"]))
        self.emulator.remember((project, dataset, table))

    def delete_table(self, project: str, dataset: str, table: str) -> None:
        self.kept.pop((project, dataset, table), None)
        if self.get_table(project, dataset, table).table_type == "VIEW":
            self.emulator.rows(f"DROP VIEW {quoted_table_ref(project, dataset, table)}")
        self._request("DELETE", f"projects/{project}/datasets/{dataset}/tables/{table}", {})

    def change_table(
        self,
        reference: tuple[str, str, str],
        body: dict[str, Any],
        added: list[dict[str, Any]],
        relaxed: list[str],
    ) -> None:
        """Apply a patch that has been found to be allowed."""
        for name, kind in bq_schema_to_duckdb_columns(added):
            self._alter(*reference, f'ADD COLUMN "{name}" {kind}')
        for name in relaxed:
            self._alter(*reference, f'ALTER "{name}" DROP NOT NULL')
        self._update(*reference, **self._changes(self.get_table(*reference), body))
        if added:
            self.emulator.remember(reference)

    def table_json(self, meta: Any) -> dict[str, Any]:
        body: dict[str, Any] = _table_to_rest(meta)
        if meta.expiration_time:
            body["expirationTime"] = str(int(meta.expiration_time.timestamp() * 1000))
        if meta.table_type == "VIEW":
            body["view"] = {"query": meta.view_query, "useLegacySql": False}
        if meta.table_type == "TABLE":
            rows = self.count_rows(meta)
            size = str(rows * len(meta.schema_.fields) * BYTES_A_CELL)
            body |= {"numRows": str(rows), "numBytes": size}
            body |= {"numActiveLogicalBytes": size, "numTotalLogicalBytes": size}
        return body

    def duckdb_name(self, reference: tuple[str, str, str]) -> str:
        """What DuckDB calls a table, quoted."""
        return str(quoted_table_ref(*reference))

    def count_rows(self, meta: Any) -> int:
        reference = quoted_table_ref(meta.project_id, meta.dataset_id, meta.table_id)
        rows: int = self.emulator.rows(f"SELECT COUNT(*) FROM {reference}")[0][0]  # noqa: S608
        return rows

    def expire(self) -> None:
        """Drop the tables and the partitions whose time is over.

        A partition's time counts from its first moment.
        """
        now = self.emulator.now.now()
        with self.turn:
            for meta in list(self.emulator.catalog._tables.values()):
                reference = meta.project_id, meta.dataset_id, meta.table_id
                if meta.expiration_time and meta.expiration_time <= now:
                    self.delete_table(*reference)
                elif (spec := meta.time_partitioning) and spec.expiration_ms and spec.field:
                    self._expire_partitions(reference, spec, now)

    def _expire_partitions(
        self, reference: tuple[str, str, str], spec: TimePartitioning, now: datetime
    ) -> None:
        name = self.duckdb_name(reference)
        last = now - timedelta(milliseconds=spec.expiration_ms or 0)
        over = f"""date_trunc('{spec.type}', "{spec.field}"::TIMESTAMPTZ) <= ?"""
        if self.emulator.rows(f"SELECT 1 FROM {name} WHERE {over} LIMIT 1", [last]):  # noqa: S608
            self.emulator.rows(f"DELETE FROM {name} WHERE {over}", [last])  # noqa: S608
            self.emulator.remember(reference)

    def finish_create(self, tree: exp.Create, project: str) -> None:
        """Add to a table that SQL has created what bqemulator's own look at it loses."""
        reference = ddl.target(tree, project)
        if reference is None:
            return
        meta, listed = self.get_table(*reference), ddl.columns(tree)
        fields = tuple(
            f.model_copy(update=listed.get(f.name.lower(), {})) for f in meta.schema_.fields
        )
        for column in fields:
            if column.mode == "REQUIRED":
                self._alter(*reference, f'ALTER "{column.name}" SET NOT NULL')
        spec = ddl.partitioning(tree)
        if spec and (default := self.get_dataset(*reference[:2]).default_partition_expiration_ms):
            spec.setdefault("expirationMs", default)
        partitioning = _partitioning(spec)
        self._update(*reference, schema_=TableSchema(fields=fields), time_partitioning=partitioning)

    def finish_view(self, tree: exp.Create, project: str, text: str) -> None:
        """Give a view that SQL has made the text that was sent, and what its OPTIONS say."""
        reference = ddl.target(tree, project)
        if reference and self.get_table(*reference):
            description = ddl.options(tree).get("description")
            self._update(*reference, view_query=text, description=description)

    def keep_description(self, before: TableMeta) -> None:
        """Put back what a replaced view had besides its text and columns."""
        kept = ("friendly_name", "description", "labels", "creation_time", "expiration_time")
        reference = before.project_id, before.dataset_id, before.table_id
        self._update(*reference, **{name: getattr(before, name) for name in kept})

    def finish_alter(self, tree: exp.Alter, project: str) -> None:
        """Take the columns of an altered table into the catalog again."""
        reference = ddl.target(tree, project)
        if reference is None or self.get_table(*reference) is None:
            return
        known = {f.name: f for f in self.get_table(*reference).schema_.fields}
        required = self._required(reference)
        introspected = _introspect_schema(*reference, self.emulator.context)
        fields = tuple(
            known.get(f.name, f).model_copy(
                update={"mode": "REQUIRED" if f.name in required else f.mode}
            )
            for f in introspected.fields
        )
        self._update(*reference, schema_=TableSchema(fields=fields))

    def place_dataset(self, project: str, dataset: str, location: str) -> None:
        """Give a dataset that SQL has created its location."""
        meta = self.get_dataset(project, dataset).model_copy(update={"location": location})
        self.emulator.catalog.update_dataset(meta)

    def restore(self, meta: Any) -> None:
        """Put back a table's record that CREATE TABLE IF NOT EXISTS should not have touched."""
        self.emulator.catalog.update_table(meta)

    def _required(self, reference: tuple[str, str, str]) -> set[str]:
        project, dataset, table = reference
        rows = self.emulator.rows(
            "SELECT column_name FROM duckdb_columns() "
            "WHERE schema_name = ? AND table_name = ? AND NOT is_nullable",
            [f"{project}__{dataset}", table],
        )
        return {name for (name,) in rows}

    def _changes(self, meta: TableMeta, body: dict[str, Any]) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for name, attribute in (("friendlyName", "friendly_name"), ("description",) * 2):
            if name in body:
                changes[attribute] = body[name] or None
        if "labels" in body:
            changes["labels"] = body["labels"] or {}
        if "expirationTime" in body:
            changes["expiration_time"] = _moment(body["expirationTime"])
        if "clustering" in body:
            fields = (body["clustering"] or {}).get("fields", ())
            changes["clustering"] = Clustering(fields=tuple(fields)) if fields else None
        if (body.get("schema") or {}).get("fields") is not None:
            changes["schema_"] = TableSchema(fields=_parse_schema_fields(body["schema"]["fields"]))
        if body.get("timePartitioning") and meta.time_partitioning:
            expiration = body["timePartitioning"].get("expirationMs")
            changes["time_partitioning"] = meta.time_partitioning.model_copy(
                update={"expiration_ms": int(expiration) if expiration else None}
            )
        return changes

    def _update(self, project: str, dataset: str, table: str, **changes: Any) -> None:
        now = self.emulator.context.clock.now()
        changes |= {"last_modified_time": now}
        changes |= {"etag": generate_etag(project, dataset, table, str(now))}
        meta = self.get_table(project, dataset, table).model_copy(update=changes)
        self.emulator.catalog.update_table(meta)

    def _alter(self, project: str, dataset: str, table: str, change: str) -> None:
        reference = quoted_table_ref(project, dataset, table)
        self.emulator.rows(f"ALTER TABLE {reference} {change}")

    def _request(self, method: str, path: str, body: dict[str, Any], query: str = "") -> None:
        answer = self.emulator.call(
            method, f"/bigquery/v2/{path}", query, json.dumps(body).encode()
        )
        if answer.status >= 300:
            raise error_of(answer.body)


def _partitioning(spec: dict[str, Any] | None) -> TimePartitioning | None:
    if spec is None:
        return None
    expiration = spec.get("expirationMs")
    return TimePartitioning(
        type=spec["type"],
        field=spec.get("field"),
        expiration_ms=int(expiration) if expiration else None,
    )


def _moment(milliseconds: Any) -> datetime | None:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if milliseconds else None
