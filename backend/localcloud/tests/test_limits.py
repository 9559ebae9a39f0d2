"""What is refused for its size, before the engine has to do with it."""

import pytest

from backend.localcloud.googlesql.limits import refuse_beyond_limits
from backend.localcloud.http.errors import InvalidQuery


def nested(levels: int) -> str:
    return f"SELECT {'STRUCT(' * levels}1{')' * levels} AS a"


@pytest.mark.parametrize(
    "sql",
    [
        nested(15),
        "SELECT " + ", ".join(["STRUCT(1)"] * 40),
        "SELECT GENERATE_ARRAY(1, 1048575)",
        "SELECT GENERATE_ARRAY(0, 100000000, 100000)",
        "SELECT GENERATE_ARRAY(1, -100000000)",
        "SELECT GENERATE_ARRAY(1, n) FROM d.t",
        "SELECT 'GENERATE_ARRAY(1, 100000000)' -- GENERATE_ARRAY(1, 100000000)",
        "SELECT GENERATE_ARRAY(",
        "SELECT REPEAT('ab', 50000000), LPAD('a', 100000000, 'b'), REPEAT('', 9000000000)",
        "SELECT REPEAT(a, n), REPEAT('a', 2 * n), repeat",
        "SELECT REPEAT(",
        "SELECT REPEAT(')', 3), '(', 1",
        "SELECT REPEAT(r'(', 3), REPEAT(b'(', 3), 9000000000",
        "SELECT IF(REPEAT(a, 2) = b, 9000000000, 1)",
    ],
)
def test_limits__of_what_bigquery_takes_pass(sql: str) -> None:
    refuse_beyond_limits(sql)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (nested(16), "query is too complex"),
        (nested(16).replace("1)", "')')"), "query is too complex"),
        (nested(90), "query is too complex"),
        ("SELECT GENERATE_ARRAY(1, 100000000)", "more than 1048575 elements"),
        ("SELECT generate_array ( 0 , 1e8 )", "more than 1048575 elements"),
        ("SELECT GENERATE_ARRAY(100000000, 1, -1)", "more than 1048575 elements"),
        (
            "SELECT REPEAT('ab', 50000001)",
            "Output of REPEAT exceeds max allowed output size of 1MB",
        ),
        ("SELECT REPEAT(r')', 200000000)", "Output of REPEAT exceeds"),
        ("SELECT REPEAT(b'ab', 50000001)", "Output of REPEAT exceeds"),
        ("SELECT repeat(CONCAT(a, '(', b), 1000000000)", "Output of REPEAT exceeds"),
        ("SELECT 1; SELECT LPAD('a', 2000000000)", "Output of LPAD/RPAD exceeds"),
        ("SELECT RPAD(TRIM(a), 2000000000, REPEAT('b', 2))", "Output of LPAD/RPAD exceeds"),
        (
            "BEGIN SELECT 1; SELECT GENERATE_ARRAY(-9e9, 9e9, 0.5); END",
            "more than 1048575 elements",
        ),
    ],
)
def test_limits__are_told_in_googles_words(sql: str, message: str) -> None:
    with pytest.raises(InvalidQuery) as raised:
        refuse_beyond_limits(sql)
    assert message in raised.value.message
