"""GoogleSQL as DuckDB's SQL, and what kind of statement a text is: found out once for each text.

bqemulator reads a statement some thirty times over each time that it runs. What is remembered here
depends on the text and on the columns of its tables; what depends on anything else is left alone.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import sqlglot
from bqemulator.api.dependencies import AppContext
from bqemulator.api.routes import jobs
from bqemulator.catalog import ddl_sync
from bqemulator.domain.errors import DomainError
from bqemulator.domain.result import Err, Ok, Result
from bqemulator.jobs import ddl_result, executor
from bqemulator.jobs.routine_ddl import detect_drop_routine
from bqemulator.row_access.identity import CallerIdentity
from bqemulator.scripting import interpreter
from bqemulator.sql import catalog_schema, inner_query
from bqemulator.sql.rewriter.row_access_filter import rewrite_for_row_access
from bqemulator.sql.table_rewriter import rewrite_table_refs
from bqemulator.sql.translator import SQLTranslator

from backend.localcloud.bqemulator.errors import domain_errors
from backend.localcloud.googlesql.ddl import named_tables, parsed
from backend.localcloud.googlesql.text import first_word
from backend.localcloud.remembering import remembered

TEXT = 500_000
"""Characters of each kind of answer: a megabyte or two, with what they are about."""

ABOUT_A_TEXT = {
    function.__name__: remembered(TEXT)(function)
    for function in (
        executor.classify_statement_type,
        detect_drop_routine,
        rewrite_table_refs,
        interpreter._is_row_producing,
    )
}

CHANGES_ROWS = {"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE_TABLE"}
MAY_CHANGE_ROWS = {"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "WITH"}
"""How a statement begins that does: what begins otherwise, a script say, need not be parsed."""

ONLY_READING = SimpleNamespace(parse_one=lambda sql, read: parsed(sql), errors=sqlglot.errors)
"""sqlglot for modules that read statements of GoogleSQL, and change nothing in their trees."""

_original_translate = SQLTranslator.translate


def translate(
    translator: SQLTranslator,
    bq_sql: str,
    *,
    schema: dict[str, Any] | None = None,
    caller: CallerIdentity | None = None,
) -> Result[str, Any]:
    """What bqemulator's translator returns; they are all the same one."""
    try:
        return Ok(_translated(bq_sql, json.dumps(schema), caller))
    except DomainError as error:
        return Err(error)


@remembered(TEXT)
def _translated(sql: str, schema: str, caller: CallerIdentity | None) -> str:
    found: Result[str, Any] = _original_translate(
        SQLTranslator(), sql, schema=json.loads(schema), caller=caller
    )
    if isinstance(found, Err):
        raise found.error
    return found.value


def _changes_rows(sql: str) -> bool:
    may = first_word(sql) in MAY_CHANGE_ROWS
    return may and executor.classify_statement_type(sql) in CHANGES_ROWS


_original_reject = executor._reject_dml_on_immutable


def _reject_dml_on_immutable(project: str, sql: str, ctx: AppContext) -> None:
    """Read a statement again for what it changes only where it is of those that change rows."""
    if _changes_rows(sql):
        _original_reject(project, sql, ctx)


_original_capture = executor._capture_dml_snapshots


async def _capture_dml_snapshots(project: str, sql: str, ctx: AppContext) -> None:
    """The same of what is copied after it."""
    if _changes_rows(sql):
        await _original_capture(project, sql, ctx)


def _rewrite_for_row_access(
    sql: str, *, project_id: str, caller: CallerIdentity, catalog: Any
) -> str:
    """Read a statement again for what it reads only where that is a view, or under a policy."""
    with domain_errors():
        named = named_tables(sql)
    references = [(project_id, *table.parts)[-3:] for table in named if len(table.parts) > 1]
    if not any(_is_rewritten(reference, catalog) for reference in references):
        return sql
    return rewrite_for_row_access(sql, project_id=project_id, caller=caller, catalog=catalog)


def _is_rewritten(reference: tuple[str, ...], catalog: Any) -> bool:
    meta = catalog.get_table(*reference)
    if meta is None:
        return False
    return meta.table_type == "VIEW" or bool(catalog.list_row_access_policies(*reference))


def _build_query_configuration(sql: str, project: str, job: str) -> dict[str, Any]:
    """A job is shown as it was sent: nobody looks at where its rows would be in bqemulator."""
    return {"query": {"query": sql}}


def install() -> None:
    """Have bqemulator use this module."""
    for module in (ddl_sync, ddl_result, catalog_schema):
        vars(module).update(sqlglot=ONLY_READING)
    vars(executor).update(
        _reject_dml_on_immutable=_reject_dml_on_immutable,
        _capture_dml_snapshots=_capture_dml_snapshots,
        _build_query_configuration=_build_query_configuration,
    )
    for module in (executor, jobs, interpreter):
        known = vars(module)
        known.update({name: ask for name, ask in ABOUT_A_TEXT.items() if name in known})
    vars(inner_query).update(rewrite_for_row_access=_rewrite_for_row_access)
    SQLTranslator.translate = translate  # type: ignore[assignment,method-assign]
