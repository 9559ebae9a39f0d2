"""GoogleSQL as DuckDB's SQL, and what kind of statement a text is: found out once for each text.

bqemulator reads a statement some thirty times over each time that it runs. What is remembered here
depends on the text and on the columns of its tables; what depends on anything else is left alone.
"""

from __future__ import annotations

import json
from typing import Any

from bqemulator.api.routes import jobs
from bqemulator.catalog import ddl_sync
from bqemulator.domain.errors import DomainError
from bqemulator.domain.result import Err, Ok, Result
from bqemulator.jobs import executor
from bqemulator.jobs.routine_ddl import detect_drop_routine
from bqemulator.row_access.identity import CallerIdentity
from bqemulator.scripting import interpreter
from bqemulator.sql.table_rewriter import rewrite_table_refs
from bqemulator.sql.translator import SQLTranslator

from backend.localcloud.remembering import remembered

TEXT = 500_000
"""Characters of each kind of answer: a megabyte or two, with what they are about."""

ABOUT_A_TEXT = {
    function.__name__: remembered(TEXT)(function)
    for function in (
        executor.classify_statement_type,
        detect_drop_routine,
        rewrite_table_refs,
        ddl_sync._detect_catalog_drop,
        ddl_sync._detect_create_schema,
        ddl_sync._detect_plain_create_table,
        ddl_sync._detect_plain_create_view,
        interpreter._is_row_producing,
    )
}
"""By name; the trees that some return are only read."""

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


def install() -> None:
    """Have bqemulator use this module."""
    for module in (executor, jobs, ddl_sync, interpreter):
        known = vars(module)
        known.update({name: ask for name, ask in ABOUT_A_TEXT.items() if name in known})
    SQLTranslator.translate = translate  # type: ignore[assignment,method-assign]
