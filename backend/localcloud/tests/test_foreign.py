"""What only the engine under the stand-in has: found in the text, and refused in Google's words."""

from __future__ import annotations

import pytest
from zetasql.core.local_service import ZetaSqlLocalService
from zetasql.types import LanguageOptions, ProductMode

from backend.localcloud.googlesql.foreign import (
    BIGQUERY,
    WORDS,
    functions,
    refuse_foreign_calls,
    refuse_foreign_statement,
)
from backend.localcloud.http.errors import InvalidQuery, NotDone
from backend.tests.compiling import compile_once

compile_once()

ENGINE = frozenset({"glob", "list", "sum", "read_text"})


def test_functions__are_those_of_googles_analyzer() -> None:
    language = LanguageOptions.maximum_features()
    language.product_mode = ProductMode.PRODUCT_EXTERNAL
    answer = ZetaSqlLocalService.get_instance().get_builtin_functions(language_options=language)
    names = {name for f in answer.function for name in (f.name_path[-1], f.options.alias_name)}
    googles = {name.lower() for name in names if name and not name.startswith("$")}
    assert len(googles) > 400
    assert functions() - BIGQUERY - WORDS == googles - BIGQUERY - WORDS


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(a) AS list FROM glob",
        "SELECT 'glob(1)', r'list(1)', b'list(1)' -- list(1)\n, /* glob(1) */ \"list(1)\"",
        "SELECT list.a, glob FROM list WHERE glob IN (1)",
        "INSERT list (a) VALUES (1)",
        "INSERT INTO p.d.list (a) SELECT 1",
        "CREATE TABLE IF NOT EXISTS d.list (a INT64)",
        "CREATE FUNCTION d.list(a INT64) AS (a)",
        "SELECT nobodys(1)",
    ],
)
def test_calls__that_are_googles_or_none_pass(sql: str) -> None:
    refuse_foreign_calls(sql, ENGINE)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT list(1)", "Function not found: list at [1:8]"),
        ("SELECT 1;\n SELECT * FROM GLOB ('x')", "Function not found: GLOB at [2:16]"),
        ("SELECT `list`(1)", "Function not found: list at [1:8]"),
        ("SELECT a.list /* b */ (1)", "Function not found: a.list at [1:8]"),
        ("SELECT * FROM `system.main`.glob(1)", "Function not found: system.main.glob at [1:15]"),
        ("BEGIN EXECUTE IMMEDIATE glob(1); END", "Function not found: glob at [1:25]"),
        ("BEGIN SELECT 1; EXCEPTION WHEN ERROR THEN SELECT list(1); END", "found: list at [1:50]"),
        ("SELECT explode(a)", "Function not found: explode at [1:8]"),
    ],
)
def test_calls__of_the_engines_own_are_not_found(sql: str, message: str) -> None:
    with pytest.raises(InvalidQuery) as raised:
        refuse_foreign_calls(sql, ENGINE)
    assert raised.value.message.endswith(message)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "(SELECT 1)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "BEGIN TRANSACTION",
        "create or replace temp table t as select 1",
        "CREATE OR REPLACE VIEW d.v AS SELECT 1",
        "DROP SCHEMA d CASCADE",
        "DROP ALL ROW ACCESS POLICIES ON d.t",
        "TRUNCATE TABLE d.t",
    ],
)
def test_statements__of_googlesql_pass(sql: str) -> None:
    refuse_foreign_statement(sql)


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [("COPY t TO 'x'", '"COPY" at [1:1]'), ("-- a\n attach 'x'", '"attach" at [2:2]')]
    + [(f"CREATE OR REPLACE {kind} x", f'"{kind}" at [1:19]') for kind in ("MACRO", "SECRET")],
)
def test_statements__of_the_engines_own_are_syntax_errors(sql: str, wrong: str) -> None:
    with pytest.raises(InvalidQuery) as raised:
        refuse_foreign_statement(sql)
    assert raised.value.message == f"Syntax error: Unexpected identifier {wrong}"


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("EXPORT DATA OPTIONS (uri = 'gs://b/f') AS SELECT 1", "EXPORT DATA"),
        ("LOAD DATA INTO d.t FROM FILES (uris = ['gs://b/f'])", "LOAD DATA"),
        ("CREATE EXTERNAL TABLE d.t OPTIONS (uris = ['gs://b/f'])", "CREATE EXTERNAL"),
        ("GRANT `roles/bigquery.dataViewer` ON TABLE d.t TO 'user:a@b.c'", "GRANT"),
    ],
)
def test_statements__of_bigquery_that_are_not_done_name_themselves(sql: str, named: str) -> None:
    with pytest.raises(NotDone, match=f"does not do {named}$"):
        refuse_foreign_statement(sql)
