"""What happens to each statement of a job before BigQuery's engine runs it.

Locations are checked, CREATE OR REPLACE is held to its rules, and each EXTERNAL_QUERY call is
replaced by a temporary relation that holds its rows.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bqemulator.domain.errors import DomainError
from sqlglot import exp

from backend.localcloud.bigquery.federation import Reader
from backend.localcloud.bigquery.tables import Reference, partition_spec
from backend.localcloud.bqemulator.catalog import BYTES_A_CELL
from backend.localcloud.bqemulator.interpreter import AssertStmt, parse_script
from backend.localcloud.googlesql.ddl import (
    is_temporary,
    options,
    parse,
    partitioning,
    schema_location,
    target,
)
from backend.localcloud.googlesql.text import external_queries, substitute, view_text
from backend.localcloud.googlesql.undone import refuse_undone
from backend.localcloud.http.errors import CloudError, InvalidQuery, NotDone, NotFound

if TYPE_CHECKING:
    from backend.localcloud.bigquery.front import BigQuery
    from backend.localcloud.bqemulator.engine import Work

# The attributes of bqemulator's statements that hold SQL, and those that hold an expression.
SQL_ATTRIBUTES = ("sql", "source_sql")
EXPRESSION_ATTRIBUTES = ("default_expr", "source_expr", "condition_expr", "sql_expr")


@dataclass
class StatementHooks:
    """The hooks of one job; `bytes` adds up what its statements read."""

    bigquery: BigQuery
    job: str
    project: str
    location: str
    describe: bool = False
    bytes_limit: int | None = None
    bytes: int = 0
    existing: Any = None

    def before(self, work: Work, sql: str) -> str:
        for watcher in list(self.bigquery.watchers):
            watcher(self.job, sql)
        sql = substitute(sql, {}) if "@" in sql else sql
        tree = parse(sql)
        refuse_undone(sql)
        self._check_datasets(tree, self.project)
        if isinstance(tree, exp.Create):
            self._check_create(tree)
        if isinstance(tree, exp.Alter) and tree.find(exp.AlterSet):
            raise NotDone("ALTER TABLE SET OPTIONS: patch the table through the API")
        return self._stage(work, sql)

    def finished(self, sql: str) -> None:
        """Take what a DDL statement did into the catalog."""
        tree, store = parse(sql), self.bigquery.store
        if isinstance(tree, exp.Alter):
            store.finish_alter(tree, self.project)
        elif isinstance(tree, exp.Create) and tree.kind == "SCHEMA":
            schema = tree.this
            location = schema_location(tree) or self.location
            store.place_dataset(schema.catalog or self.project, schema.db, location)
        elif self.existing is not None:
            store.restore(self.existing)
            self.existing = None
        elif isinstance(tree, exp.Create) and tree.kind == "TABLE":
            store.finish_create(tree, self.project)
        elif isinstance(tree, exp.Create) and tree.kind == "VIEW":
            store.finish_view(tree, self.project, view_text(sql))

    def _check_datasets(self, tree: exp.Expr | None, default_project: str) -> None:
        """Whether all that is read is here, and how much it is; a view is what its tables are."""
        for project, dataset, table in references(tree, default_project):
            location = self.bigquery.datasets.location(project, dataset)
            if location is None or location.lower() != self.location.lower():
                raise NotFound(
                    f"Not found: Dataset {project}:{dataset} was not found in location "
                    f"{self.location}"
                )
            meta = self.bigquery.store.get_table(project, dataset, table)
            if meta and meta.table_type == "VIEW":
                self._check_datasets(parse(meta.view_query), project)
            elif meta:
                cells = self.bigquery.store.count_rows(meta) * len(meta.schema_.fields)
                self.bytes += cells * BYTES_A_CELL
        if self.bytes_limit is not None and self.bytes > self.bytes_limit:
            raise InvalidQuery(
                f"Query exceeded limit for bytes billed: {self.bytes_limit}. {self.bytes} or "
                "higher required.",
                reason="bytesBilledLimitExceeded",
            )

    def _check_create(self, tree: exp.Create) -> None:
        """Note the table that IF NOT EXISTS keeps; refuse to replace by another partitioning."""
        reference = target(tree, self.project) if tree.kind == "TABLE" else None
        old = self.bigquery.store.get_table(*reference) if reference else None
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
        reader = Reader(self.job, self.project, self.location, self.describe)
        for call in reversed(external_queries(sql)):
            rows = self.bigquery.federation.read(call, reader)
            name = f"external_query_{uuid.uuid4().hex}"
            work.cursor.register(name, rows)
            self.bytes += rows.nbytes
            sql = sql[: call.start] + name + sql[call.end :]
        return sql


def references(tree: exp.Expr | None, project: str) -> Iterator[Reference]:
    """The tables that a statement names with their dataset: project, dataset, table."""
    if tree is None:
        return
    local = {t.alias_or_name for t in tree.find_all(exp.Table)}
    for table in tree.find_all(exp.Table):
        parts = [part.name for part in table.parts]
        if "INFORMATION_SCHEMA" in (p.upper() for p in parts):
            continue
        if len(parts) == 3 or (len(parts) == 2 and parts[0] not in local):
            owner, dataset, name = parts if len(parts) == 3 else [project, *parts]
            yield owner, dataset, name


def script_references(sql: str, project: str) -> Iterator[Reference]:
    """The same for a whole script, except what it builds at run time."""
    for text in _texts(parse_script(sql)):
        yield from references(parse(text), project)


def _texts(node: Any) -> Iterator[str]:
    """Every piece of SQL in a parsed script, at any depth."""
    if isinstance(node, tuple | list):
        for item in node:  # A text here is the condition of an IF branch.
            yield from [f"SELECT {item}"] if isinstance(item, str) else _texts(item)
    elif dataclasses.is_dataclass(node):
        for attribute in dataclasses.fields(node):
            value = getattr(node, attribute.name)
            if isinstance(value, str) and isinstance(node, AssertStmt):
                yield f"SELECT {value[len('ASSERT') :]}"
            elif isinstance(value, str) and attribute.name in SQL_ATTRIBUTES:
                yield value
            elif isinstance(value, str) and attribute.name in EXPRESSION_ATTRIBUTES:
                yield f"SELECT {value}"
            else:
                yield from _texts(value)


def is_select(sql: str) -> bool:
    """Whether a job of this text is one query and nothing else."""
    try:
        return statement_count(sql) == 1 and only_reads(sql)
    except (CloudError, DomainError):
        return False


def refuse_dry_run(sql: str) -> None:
    """Refuse the dry run of CREATE TEMP TABLE, which BigQuery does not support."""
    tree = parse(sql)
    if isinstance(tree, exp.Create) and is_temporary(tree):
        raise InvalidQuery("Dry run of CREATE TEMP TABLE is not supported")


def only_reads(sql: str) -> bool:
    """Whether a job of this text changes nothing."""
    trees = [parse(text) for text in _texts(parse_script(sql))]
    return bool(trees) and all(isinstance(tree, exp.Query) for tree in trees)


def statement_count(sql: str) -> int:
    """How many statements a text holds, those inside blocks not counted."""
    return len(parse_script(sql).statements)
