"""The text functions: nothing here runs SQL."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from backend.localcloud.googlesql.literals import (
    literal,
    parameter_literal,
    quote,
    string_value,
)
from backend.localcloud.googlesql.text import (
    argument_text,
    external_queries,
    position,
    replace_system_variables,
    split_assertion,
    substitute,
    using_name,
)
from backend.localcloud.http.errors import InvalidQuery, NotDone


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"'a\nb'", "a\nb"),
        (r"r'a\nb'", r"a\nb"),
        ("'''it's'''", "it's"),
        ('R"""a"b\\"""', 'a"b\\'),
        (r'"\x41\u0042\U00000043\101"', "ABCA"),
        (r"'\\\'\"\`\?'", "\\'\"`?"),
    ],
)
def test_string_value__reads_googlesql_literals(text: str, value: str) -> None:
    assert string_value(text) == value


@pytest.mark.parametrize("text", [r"'\d'", r'"""\s"""', r"'\9'"])
def test_string_value__refuses_unknown_escapes(text: str) -> None:
    with pytest.raises(InvalidQuery, match="Illegal escape sequence"):
        string_value(text)


@pytest.mark.parametrize("text", ["plain", "it's", "back\\slash", "two\nlines", '"', "r'''"])
def test_quote__is_read_back_the_same(text: str) -> None:
    assert string_value(quote(text)) == text


def test_substitute__leaves_strings_and_comments_alone() -> None:
    sql = "SELECT @day, '@day', r'''@day''', `@day` -- @day\n, @DAY /* @day */ # @day"
    expected = "SELECT 1, '@day', r'''@day''', `@day` -- @day\n, 1 /* @day */ # @day"
    assert substitute(sql, {"day": "1"}) == expected


def test_substitute__leaves_system_variables_alone() -> None:
    assert substitute("SELECT @@error.message", {"error": "1"}) == "SELECT @@error.message"


def test_substitute__refuses_a_parameter_without_value() -> None:
    with pytest.raises(InvalidQuery, match=r"Query parameter 'day' not found at \[2:3\]"):
        substitute("SELECT\n  @day", {})


def test_substitute__takes_positional_values_in_order() -> None:
    assert substitute("SELECT ?, '?', ?", {}, ["1", "2"]) == "SELECT 1, '?', 2"
    with pytest.raises(InvalidQuery, match="missing"):
        substitute("SELECT ?, ?", {}, ["1"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (3, "3"),
        (0.5, "CAST('0.5' AS FLOAT64)"),
        (float("inf"), "CAST('inf' AS FLOAT64)"),
        ("it's", r"'it\'s'"),
        ([1, 2], "[1, 2]"),
        (datetime.date(2026, 1, 2), "DATE '2026-01-02'"),
        (datetime.time(3, 4), "TIME '03:04:00'"),
        (datetime.datetime(2026, 1, 2, 3), "DATETIME '2026-01-02 03:00:00'"),
        (
            datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC),
            "TIMESTAMP '2026-01-02 03:00:00+00:00'",
        ),
        (Decimal("1.50"), "NUMERIC '1.50'"),
        (b"\x00a", r"b'\x00\x61'"),
    ],
)
def test_literal__keeps_the_type(value: Any, text: str) -> None:
    assert literal(value) == text


def test_literal__refuses_what_has_none() -> None:
    with pytest.raises(NotDone, match="dict"):
        literal({"a": 1})


def parameter(kind: str, value: str | None) -> dict[str, Any]:
    return {"parameterType": {"type": kind}, "parameterValue": {"value": value}}


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("STRING", "a'b", r"'a\'b'"),
        ("INT64", "5", "CAST('5' AS INT64)"),
        ("INTEGER", "5", "CAST('5' AS INT64)"),
        ("BOOL", "true", "CAST('true' AS BOOL)"),
        ("DATE", "2026-01-02", "DATE '2026-01-02'"),
        ("TIMESTAMP", "2026-01-02 00:00:00+00", "TIMESTAMP '2026-01-02 00:00:00+00'"),
        ("BYTES", "AAE=", "FROM_BASE64('AAE=')"),
        ("DATE", None, "CAST(NULL AS DATE)"),
    ],
)
def test_parameter_literal__keeps_the_type(kind: str, value: str | None, text: str) -> None:
    assert parameter_literal(parameter(kind, value)) == text


def test_parameter_literal__arrays_and_structs() -> None:
    array = {
        "parameterType": {"type": "ARRAY", "arrayType": {"type": "STRING"}},
        "parameterValue": {"arrayValues": [{"value": "a"}, {"value": "b"}]},
    }
    assert parameter_literal(array) == "ARRAY<STRING>['a', 'b']"
    with pytest.raises(NotDone, match="STRUCT"):
        parameter_literal({"parameterType": {"type": "STRUCT"}, "parameterValue": {}})


def test_external_queries__finds_each_call_with_its_arguments() -> None:
    sql = "SELECT * FROM external_query('a,(', r'''b)''') JOIN EXTERNAL_QUERY ( 'c' , f(1, 2) )"
    calls = external_queries(sql)
    assert [call.arguments for call in calls] == [["'a,('", "r'''b)'''"], ["'c'", "f(1, 2)"]]
    assert sql[calls[0].start : calls[0].end] == "external_query('a,(', r'''b)''')"


@pytest.mark.parametrize(
    "sql", ["SELECT 'EXTERNAL_QUERY(1)'", "-- EXTERNAL_QUERY(1)", "SELECT external_query FROM t"]
)
def test_external_queries__finds_no_call_where_there_is_none(sql: str) -> None:
    assert external_queries(sql) == []


def test_external_queries__refuses_an_open_call() -> None:
    with pytest.raises(InvalidQuery, match="end of script"):
        external_queries("SELECT * FROM EXTERNAL_QUERY('a', 'b'")


def test_argument_text__comments_do_not_count() -> None:
    assert argument_text("'a' /* why */") == "a"


def test_split_assertion__finds_the_description() -> None:
    assert split_assertion("ASSERT CAST(1 AS BOOL) AS 'it is'") == (" CAST(1 AS BOOL) ", "it is")
    assert split_assertion("ASSERT a = 'AS'") == (" a = 'AS'", None)


def test_split_assertion__the_description_has_to_be_a_literal() -> None:
    with pytest.raises(InvalidQuery, match="Expected string literal"):
        split_assertion("ASSERT TRUE AS message")


def test_using_name__finds_the_alias() -> None:
    assert using_name("@run_time AS t") == ("@run_time ", "t")
    assert using_name("CAST(1 AS INT64)") == ("CAST(1 AS INT64)", "")


def test_replace_system_variables__refuses_unknown_ones() -> None:
    assert replace_system_variables("SET n = @@row_count", {"row_count": "3"}) == "SET n = 3"
    with pytest.raises(InvalidQuery, match="Unrecognized name: @@nope"):
        replace_system_variables("SELECT @@nope", {})


def test_position__counts_lines_and_columns_from_one() -> None:
    assert position("ab\ncd", 4) == "[2:2]"
