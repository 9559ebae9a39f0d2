"""What happens to each statement of a job before BigQuery's engine runs it.

Locations are checked, CREATE OR REPLACE is held to its rules, and each EXTERNAL_QUERY call is
replaced by a temporary relation that holds its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp

from backend.localcloud.bigquery.datasets import Datasets
from backend.localcloud.bigquery.federation import Federation, Reader
from backend.localcloud.bigquery.namesakes import refuse_namesakes
from backend.localcloud.bigquery.tables import Reference, partition_spec
from backend.localcloud.bqemulator.catalog import BYTES_A_CELL, Catalog
from backend.localcloud.bqemulator.changes import Change
from backend.localcloud.bqemulator.engine import Work
from backend.localcloud.bqemulator.scripts import statement_count, texts
from backend.localcloud.googlesql.changes import doubly_matched, updated_partitions
from backend.localcloud.googlesql.ddl import (
    is_temporary,
    named_tables,
    options,
    parse,
    partitioning,
    schema_location,
    target,
)
from backend.localcloud.googlesql.partition_filter import (
    INGESTION_TIME,
    unfiltered,
    with_views,
    without_variables,
)
from backend.localcloud.googlesql.text import external_queries, substitute, view_text
from backend.localcloud.googlesql.undone import refuse_undone
from backend.localcloud.http.errors import (
    AccessDenied,
    CloudError,
    InvalidQuery,
    NotDone,
    NotFound,
)
from backend.localcloud.remembering import remembered

CHANGES = (
    *(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable),
    *(exp.Create, exp.Alter),
)
"""What can make a table another one."""
NEEDED = {
    exp.Create: "bigquery.tables.create",
    exp.Drop: "bigquery.tables.delete",
    exp.Alter: "bigquery.tables.update",
    **dict.fromkeys(CHANGES[:5], "bigquery.tables.updateData"),
}
"""The permission on its table that a statement takes."""
FILTERED = "requirePartitionFilter"
WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create)


@dataclass
class StatementHooks:
    """The hooks of one job; `bytes` adds up what its statements read.

    `watchers` are called with the job's id and each statement that it is about to run.
    """

    datasets: Datasets
    federation: Federation
    reader: Reader
    watchers: list[Callable[[str, str], None]] = field(default_factory=list)
    bytes_limit: int | None = None
    bytes: int = 0
    existing: Any = None
    uncommitted: set[Reference] = field(default_factory=set)

    @property
    def store(self) -> Catalog:
        return self.datasets.store

    def before(self, work: Work, sql: str) -> str:
        for watcher in list(self.watchers):
            watcher(self.reader.job, sql)
        sql = substitute(sql, {}) if "@" in sql else sql
        tree = parse(sql)
        refuse_undone(sql)
        self.store.expire()
        _check_moments(sql)
        self._check_datasets(sql)
        refuse_namesakes(self.store, sql, self.reader.project, self.reader.location)
        self._check_filters(tree, work.variables)
        self._check_member(tree, sql)
        if isinstance(tree, exp.Create):
            self._check_create(tree)
        if isinstance(tree, exp.Alter) and tree.find(exp.AlterSet):
            raise NotDone("ALTER TABLE SET OPTIONS: patch the table through the API")
        if isinstance(tree, exp.Alter) and tree.find(exp.AlterRename):
            raise NotDone("ALTER TABLE RENAME TO: make another table of its rows")
        return self._stage(work, sql)

    def change(self, sql: str) -> Change:
        """What a statement is about to change, for the limits that it has to keep to."""
        tree = parse(sql)
        if not isinstance(tree, WRITES):
            return Change()
        doubly, spec = doubly_matched(tree), self._partitioning(tree)
        found = Change(doubly_matched=doubly.sql("bigquery") if doubly else "")
        if (
            spec is None
            or not spec.get("field")
            or (name := target(tree, self.reader.project)) is None
        ):
            return found
        moments = updated_partitions(tree, spec["field"], spec["type"])
        return replace(
            found,
            table=self.store.duckdb_name(name),
            partition=f"""date_trunc('{spec["type"]}', "{spec["field"]}")""",
            updated=moments.sql("bigquery") if moments else "",
            is_new=isinstance(tree, exp.Create),
        )

    def _partitioning(self, tree: exp.Expr) -> dict[str, Any] | None:
        """How the table that a statement writes to is partitioned."""
        if isinstance(tree, exp.Create):
            return partitioning(tree) if isinstance(tree.expression, exp.Query) else None
        reference = target(tree, self.reader.project)
        meta = self.store.get_table(*reference) if reference else None
        spec = meta.time_partitioning if meta else None
        return {"type": spec.type, "field": spec.field} if spec else None

    def finished(self, sql: str) -> None:
        """Take what a DDL statement did into the catalog."""
        tree, store, reader = parse(sql), self.store, self.reader
        if isinstance(tree, exp.Create | exp.Drop) and tree.kind == "TABLE" and not self.existing:
            store.kept.pop(target(tree, reader.project) or ("", "", ""), None)
        if isinstance(tree, exp.Alter):
            store.finish_alter(tree, reader.project)
        elif isinstance(tree, exp.Create) and tree.kind == "SCHEMA":
            schema = tree.this
            location = schema_location(tree) or reader.location
            store.place_dataset(schema.catalog or reader.project, schema.db, location)
        elif self.existing is not None:
            store.restore(self.existing)
            self.existing = None
        elif isinstance(tree, exp.Create) and tree.kind == "TABLE":
            store.finish_create(tree, reader.project)
        elif isinstance(tree, exp.Create) and tree.kind == "VIEW":
            store.finish_view(tree, reader.project, view_text(sql))
        if isinstance(tree, CHANGES) and (changed := target(tree, reader.project)):
            self.uncommitted.add(changed)

    def committed(self) -> None:
        """Keep what the statements so far have made of tables, for FOR SYSTEM_TIME AS OF."""
        for reference in self.uncommitted:
            self.store.emulator.remember(reference)
        self.uncommitted.clear()

    def _check_datasets(self, sql: str) -> None:
        """Whether all that is read is here, and how much it is; a view is what its tables are."""
        rows: dict[Reference, int] = {}
        for reference, meta in self._tables_read(sql, self.reader.project):
            if reference not in rows:
                rows[reference] = self.store.count_rows(meta)
            self.bytes += rows[reference] * len(meta.schema_.fields) * BYTES_A_CELL
        if self.bytes_limit is not None and self.bytes > self.bytes_limit:
            raise InvalidQuery(
                f"Query exceeded limit for bytes billed: {self.bytes_limit}. {self.bytes} or "
                "higher required.",
                reason="bytesBilledLimitExceeded",
            )

    def _tables_read(self, sql: str, default_project: str) -> Iterator[tuple[Reference, Any]]:
        """The tables, each as often as it is read; one that is elsewhere is not found."""
        where = self.reader.location
        for reference in references(sql, default_project):
            project, dataset, _ = reference
            location = self.datasets.location(project, dataset)
            if location is None or location.lower() != where.lower():
                raise NotFound(
                    f"Not found: Dataset {project}:{dataset} was not found in location {where}"
                )
            meta = self.store.get_table(*reference)
            if meta and meta.table_type == "VIEW":
                yield from self._tables_read(meta.view_query, project)
            elif meta:
                yield reference, meta

    def _check_member(self, tree: exp.Expr | None, sql: str) -> None:
        """Refuse what the job's owner has no permission for."""
        if not self.reader.member:
            return
        needed = [permission for kind, permission in NEEDED.items() if isinstance(tree, kind)]
        written = target(tree, self.reader.project) if tree is not None and needed else None
        if written:
            self._need(needed[0], written)
        for reference in references(sql, self.reader.project):
            if reference != written:
                self._need("bigquery.tables.getData", reference)

    def _need(self, permission: str, reference: Reference) -> None:
        project, dataset, table = reference
        iam = self.federation.connections.iam
        if iam.allows(self.reader.member, permission, dataset, table):
            return
        name = f"{project}:{dataset}.{table}"
        raise AccessDenied(
            f"Table {name}",
            f"User does not have permission to query table {name}, or perhaps it does not exist."
            if permission == "bigquery.tables.getData"
            else f"Permission {permission} denied on table {name} (or it may not exist).",
        )

    def _check_filters(self, tree: exp.Expr | None, variables: Collection[str]) -> None:
        """Refuse to read a table that demands a filter on its partitions without one."""
        if tree is None or not any(kept.get(FILTERED) for kept in self.store.kept.values()):
            return
        if isinstance(tree, exp.Create) and tree.kind == "VIEW":
            return  # Who reads from it has to filter.
        whole = with_views(without_variables(tree, variables), self._view_text)
        if table := unfiltered(whole, self._demanded):
            columns = "', '".join(self._demanded(table))
            raise InvalidQuery(
                f"Cannot query over table '{'.'.join(self._reference(table))}' without a filter "
                f"over column(s) '{columns}' that can be used for partition elimination"
            )

    def _demanded(self, table: exp.Table) -> tuple[str, ...]:
        """The columns on one of which a query of the table has to have a filter."""
        meta = self.store.get_table(*self._reference(table))
        kept = self.store.kept.get(self._reference(table), {})
        if meta is None or meta.time_partitioning is None or not kept.get(FILTERED):
            return ()
        column = meta.time_partitioning.field
        return (column,) if column else INGESTION_TIME

    def _view_text(self, table: exp.Table) -> str:
        meta = self.store.get_table(*self._reference(table))
        return str(meta.view_query) if meta and meta.table_type == "VIEW" else ""

    def _reference(self, table: exp.Table) -> Reference:
        return table.catalog or self.reader.project, table.db, table.name

    def _check_create(self, tree: exp.Create) -> None:
        """Note the table that IF NOT EXISTS keeps; refuse to replace by another partitioning."""
        reference = target(tree, self.reader.project) if tree.kind == "TABLE" else None
        old = self.store.get_table(*reference) if reference else None
        if tree.kind == "TABLE":
            options(tree)
        if old is None:
            return
        if tree.args.get("exists"):
            self.existing = old
        if not tree.args.get("replace"):
            return
        spec = old.time_partitioning
        existing = partition_spec({"type": spec.type, "field": spec.field} if spec else None)
        new = partition_spec(partitioning(tree))
        if existing != new:
            raise InvalidQuery(
                "Cannot replace a table with a different partitioning spec. Instead, DROP the "
                f"table, and then recreate it. New partitioning spec is {new} and existing spec "
                f"is {existing}"
            )

    def _stage(self, work: Work, sql: str) -> str:
        """`sql` with each EXTERNAL_QUERY call replaced by a relation with its rows."""
        for call in reversed(external_queries(sql)):
            rows = self.federation.read(call, self.reader)
            self.bytes += rows.nbytes
            sql = sql[: call.start] + work.register(rows) + sql[call.end :]
        return sql


def _check_moments(sql: str) -> None:
    """Refuse a table at two points in time, of which the present is one."""
    moments: dict[str, str] = {}
    for table in named_tables(sql):
        name = ".".join(table.parts)
        if moments.setdefault(name, table.moment) != table.moment:
            raise InvalidQuery(
                f"Table {name} is referenced at multiple points in time, which FOR SYSTEM_TIME "
                "AS OF does not allow in one statement"
            )


def references(sql: str, project: str) -> Iterator[Reference]:
    """The tables that a statement names with their dataset: project, dataset, table."""
    named = named_tables(sql)
    local = {table.alias for table in named}
    for parts in (table.parts for table in named):
        if "INFORMATION_SCHEMA" in (p.upper() for p in parts):
            continue
        if len(parts) == 3 or (len(parts) == 2 and parts[0] not in local):
            owner, dataset, name = parts if len(parts) == 3 else (project, *parts)
            yield owner, dataset, name


def script_references(sql: str, project: str) -> Iterator[Reference]:
    """The same for a whole script, except what it builds at run time."""
    for text in texts(sql):
        yield from references(text, project)


def is_select(sql: str) -> bool:
    """Whether a job of this text is one query and nothing else."""
    try:
        return statement_count(sql) == 1 and only_reads(sql)
    except CloudError:
        return False


def refuse_dry_run(sql: str) -> None:
    """Refuse the dry run of CREATE TEMP TABLE, which BigQuery does not support."""
    tree = parse(sql)
    if isinstance(tree, exp.Create) and is_temporary(tree):
        raise InvalidQuery("Dry run of CREATE TEMP TABLE is not supported")


@remembered(500_000)
def only_reads(sql: str) -> bool:
    """Whether a job of this text changes nothing."""
    trees = [parse(text) for text in texts(sql)]
    return bool(trees) and all(isinstance(tree, exp.Query) for tree in trees)
