"""bqemulator's script interpreter, with what GoogleSQL has and it lacks.

`install` puts the functions and classes of this module in the place of bqemulator's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import duckdb
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog import ddl_sync
from bqemulator.domain.errors import InvalidQueryError
from bqemulator.jobs import executor
from bqemulator.jobs.error_mapper import translate_runtime_error
from bqemulator.row_access.identity import CallerIdentity
from bqemulator.scripting import interpreter
from bqemulator.scripting.ast import ExecuteImmediateStmt, Statement
from bqemulator.scripting.exceptions import ScriptRaise
from bqemulator.scripting.frames import FrameStack
from bqemulator.scripting.parser import Parser
from bqemulator.sql.inner_query import rewrite_and_translate_statement
from bqemulator.sql.table_rewriter import rewrite_table_refs
from bqemulator.sql.translator import SQLTranslator

from backend.localcloud.bqemulator import translating
from backend.localcloud.bqemulator.changes import Run, run_change
from backend.localcloud.bqemulator.engine import Engine, Work, current
from backend.localcloud.bqemulator.errors import bigquery_errors, domain_errors
from backend.localcloud.googlesql.ddl import changes_schema
from backend.localcloud.googlesql.foreign import refuse_foreign_calls, refuse_foreign_statement
from backend.localcloud.googlesql.limits import refuse_beyond_limits
from backend.localcloud.googlesql.literals import literal
from backend.localcloud.googlesql.text import (
    first_word,
    replace_system_variables,
    split_assertion,
    substitute,
    using_name,
)
from backend.localcloud.remembering import remembered

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]


PARSED = 200_000
"""Characters of the scripts whose statements are remembered, some megabytes."""

DML = ("INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE")


@dataclass(frozen=True)
class AssertStmt(Statement):
    """ASSERT, which bqemulator's scripts lack."""

    sql: str


class ScriptParser(Parser):
    """bqemulator's script parser, with ASSERT."""

    def _parse_statement(self) -> Statement | None:
        if self._cursor.current.value.upper() != "ASSERT":
            return super()._parse_statement()
        return AssertStmt(self._parse_sql_statement().sql)

    def _parse_sql_statement(self) -> Any:
        statement = super()._parse_sql_statement()
        refuse_foreign_statement(statement.sql)
        refuse_beyond_limits(statement.sql)
        return statement


@remembered(PARSED)
def parse_script(source: str) -> Any:
    """The statements of a script, each of a kind that GoogleSQL has."""
    return ScriptParser(source).parse_script()


_original_parse = executor._parse_script_or_raise


def parse_to_run(source: str) -> Any:
    """The same for one that is about to run: it calls nothing that only DuckDB has."""
    with domain_errors():
        script = _original_parse(source)
        _refuse_foreign_calls(source)
        return script


def _refuse_foreign_calls(sql: str) -> None:
    refuse_beyond_limits(sql)
    if work := current.get():
        refuse_foreign_calls(sql, work.functions)


class ScriptInterpreter(interpreter.ScriptInterpreter):
    """bqemulator's interpreter, with ASSERT, and with GoogleSQL's rules for dynamic SQL."""

    _STATEMENT_DISPATCH = (
        (AssertStmt, "_exec_assert"),
        *interpreter.ScriptInterpreter._STATEMENT_DISPATCH,
    )

    _row_count: int | None = None

    async def _exec_statement(self, stmt: Statement) -> None:
        with domain_errors():
            await super()._exec_statement(stmt)

    async def _exec_assert(self, statement: AssertStmt) -> None:
        condition, text = split_assertion(statement.sql)
        if await self._eval_expr_scalar(f"({condition})") is not True:
            raise InvalidQueryError("Assertion failed" + (f": {text}" if text is not None else ""))
        self._final_table = None

    async def _exec_execute_immediate(self, statement: ExecuteImmediateStmt) -> None:
        """Run dynamic SQL, which sees neither variables nor parameters but those of USING."""
        text = await self._eval_expr_scalar(statement.sql_expr)
        if not isinstance(text, str):
            raise InvalidQueryError("EXECUTE IMMEDIATE sql expression cannot be NULL")
        named, positional = await self._using(statement.using_exprs)
        script = parse_to_run(substitute(text, named, positional))
        if len(script.statements) != 1:
            raise InvalidQueryError("EXECUTE IMMEDIATE takes one statement")
        frames, self._frames = self._frames, FrameStack()
        self._frames.push(kind="root")
        try:
            await self._exec_statement(script.statements[0])
        finally:
            self._frames = frames
        self._assign(statement.into_names)

    async def _using(self, expressions: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
        named: dict[str, str] = {}
        positional: list[str] = []
        for expression in expressions:
            value_sql, name = using_name(expression)
            value = literal(await self._eval_expr_scalar(value_sql))
            if name:
                named[name] = value
            else:
                positional.append(value)
        return named, positional

    def _assign(self, names: tuple[str, ...]) -> None:
        if not names:
            return
        rows = self._final_table.to_pylist() if self._final_table is not None else []
        if len(rows) > 1 or (rows and len(rows[0]) != len(names)):
            raise InvalidQueryError("EXECUTE IMMEDIATE INTO takes one row of as many columns")
        values = list(rows[0].values()) if rows else [None] * len(names)
        for name, value in zip(names, values, strict=True):
            self._frames.set(name, value)

    async def _run_query(self, bq_sql: str) -> pa.Table:
        work = current.get()
        if self._active_txn is not None and changes_schema(bq_sql):
            raise InvalidQueryError("DDL statements are not supported in a transaction")
        sql = self._with_system_variables(bq_sql)
        if work:
            work.variables = frozenset(self._frames.all_visible())
        with bigquery_errors(bq_sql):
            run = super()._run_query
            table = await _run_prepared(run, sql, work, self._ctx) if work else await run(sql)
        if table.column_names == ["Count"] and table.num_rows and first_word(bq_sql) in DML:
            self._row_count = table.column(0)[0].as_py()
        return table

    async def _handle_txn_statement(self, op: str) -> None:
        """Begin, commit or roll back; what is rolled back is the state before once more."""
        await super()._handle_txn_statement(op)
        if work := current.get():
            work.in_transaction = self._active_txn is not None
            if not work.in_transaction:
                work.committed()

    def _with_system_variables(self, sql: str) -> str:
        """`@@name` replaced by its value, for the few that scripts use."""
        error = self._frames.all_visible().get("__error_message__")
        values = {
            "row_count": literal(self._row_count),
            "project_id": literal(self._project_id),
            "error.message": literal(error.value if error else None),
        }
        return replace_system_variables(sql, values)


_original_single_sql = executor._run_single_sql


async def _run_single_sql(
    project_id: str, bq_sql: str, query_params: Any, ctx: AppContext, *, caller: Any
) -> pa.Table:
    """Run a statement that is a job of its own, with the work's hooks around it."""
    work = current.get()
    sql = replace_system_variables(bq_sql, {"project_id": literal(project_id)})

    async def run(text: str) -> pa.Table:
        return await _original_single_sql(project_id, text, query_params, ctx, caller=caller)

    with bigquery_errors(bq_sql):
        return await _run_prepared(run, sql, work, ctx) if work else await run(sql)


async def _run_prepared(run: Run, sql: str, work: Work, ctx: AppContext) -> pa.Table:
    sql = work.prepare(sql)
    return await run_change(run, sql, work.change(sql), cast(Engine, ctx.engine))


_original_sync = ddl_sync.sync_created_view


def _sync_created_view(bq_sql: str, project_id: str, ctx: AppContext) -> None:
    """Take a created view into the catalog; called after every statement, whatever it is.

    A created table has been taken into it just before.
    """
    _original_sync(bq_sql, project_id, ctx)
    if work := current.get():
        work.finished(bq_sql)
        if not work.in_transaction:
            work.committed()


async def _run_script(script: ScriptInterpreter, source: str, ctx: AppContext) -> pa.Table:
    """Run a script; a RAISE that nothing catches is an error of the query, not of the server."""
    import pyarrow as pa

    try:
        result = await script.run(source)
    except ScriptRaise as raised:
        raise InvalidQueryError(raised.message) from raised
    return result.final_table if result.final_table is not None else pa.table({})


async def explain(ctx: AppContext, project: str, sql: str) -> None:
    """Check a statement against the tables that there are, without running it."""
    work = current.get()
    with bigquery_errors(sql), domain_errors():
        _refuse_foreign_calls(sql)
        translated = await rewrite_and_translate_statement(
            work.prepare(sql) if work else sql,
            project_id=project,
            ctx=ctx,
            caller=CallerIdentity(principal="user:anonymous", is_authenticated=False),
            translator=SQLTranslator(),
        )
        duckdb_sql = rewrite_table_refs(translated, project)
        try:
            ctx.engine.execute(f"EXPLAIN {duckdb_sql}")
        except duckdb.Error as error:
            raise translate_runtime_error(error, duckdb_sql=duckdb_sql) from error


def install() -> None:
    """Have bqemulator use this module."""
    translating.install()
    for module in (executor, interpreter):
        vars(module).update(
            ScriptInterpreter=ScriptInterpreter,
            parse_script=parse_script,
            sync_created_view=_sync_created_view,
        )
    vars(executor).update(
        _parse_script_or_raise=parse_to_run,
        _run_single_sql=_run_single_sql,
        _run_script=_run_script,
    )
