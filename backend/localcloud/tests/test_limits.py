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
    ],
)
def test_limits__of_what_bigquery_takes_pass(sql: str) -> None:
    refuse_beyond_limits(sql)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (nested(16), "query is too complex"),
        (nested(90), "query is too complex"),
        ("SELECT GENERATE_ARRAY(1, 100000000)", "more than 1048575 elements"),
        ("SELECT generate_array ( 0 , 1e8 )", "more than 1048575 elements"),
        ("SELECT GENERATE_ARRAY(100000000, 1, -1)", "more than 1048575 elements"),
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
