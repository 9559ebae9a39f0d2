"""What is remembered of a text: answers that cannot change, of the newest texts, within bounds."""

from __future__ import annotations

from unittest.mock import patch

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
import sqlglot

from backend.localcloud.remembering import remembered
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import Query


@pytest.fixture
def asked() -> list[str]:
    return []


def test_answer__is_worked_out_once(asked: list[str]) -> None:
    @remembered(100)
    def shout(text: str, mark: str = "!") -> str:
        asked.append(text + mark)
        return text.upper() + mark

    answers = [shout("a"), shout("a"), shout("a", "?"), shout("b"), shout("a", mark="?")]
    assert answers == ["A!", "A!", "A?", "B!", "A?"]
    assert asked == ["a!", "a?", "b!", "a?"]  # An argument by its name is another question.


def test_answer__none_is_one(asked: list[str]) -> None:
    ask = remembered(100)(asked.append)
    assert (ask("a"), ask("a"), asked) == (None, None, ["a"])


def test_error__is_raised_anew(asked: list[str]) -> None:
    @remembered(100)
    def fail(text: str) -> None:
        asked.append(text)
        raise ValueError(text)

    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            fail("a")
    assert asked == ["a", "a"]


def test_answers__those_used_last_are_kept_as_far_as_there_is_room(asked: list[str]) -> None:
    @remembered(30)  # Ten of a character that are answered with two.
    def twice(text: str) -> str:
        asked.append(text)
        return text * 2

    letters = "abcdefghij"
    for letter in (*letters, "a", "k"):
        twice(letter)
    assert asked == [*letters, "k"]
    for letter in ("a", "c", "b"):
        twice(letter)
    assert asked[len(letters) :] == ["k", "b"]


def test_answer__too_long_to_be_kept_leaves_the_others(asked: list[str]) -> None:
    @remembered(30)
    def same(text: str) -> str:
        asked.append(text)
        return text

    for text in ("a", "long", "a", "long"):
        assert same(text) == text
    assert asked == ["a", "long", "long"]


@pytest.mark.usefixtures("dataset")
def test_translation__of_a_table_that_has_other_columns_is_another(query: Query) -> None:
    """An average of NUMERIC is NUMERIC, and of integers no such thing: the same text both times."""
    averages = []
    for value in ("NUMERIC '1.5'", "2"):
        query("DROP TABLE IF EXISTS intelligence.changing")
        query(f"CREATE TABLE intelligence.changing AS SELECT {value} AS a")
        averages += query("SELECT AVG(a) AS a FROM intelligence.changing")
    assert [type(average["a"]).__name__ for average in averages] == ["Decimal", "float"]


@pytest.mark.usefixtures("dataset")
def test_text__that_named_a_table_reads_the_view_of_that_name(query: Query) -> None:
    read = "SELECT * FROM intelligence.changing"
    query("CREATE TABLE intelligence.changing AS SELECT 1 AS a")
    before = query(read)
    query("DROP TABLE intelligence.changing")
    query("CREATE VIEW intelligence.changing AS SELECT 2 AS a, 'seen' AS b")
    assert (before, query(read)) == ([{"a": 1}], [{"a": 2, "b": "seen"}])


def test_script__is_read_by_the_statement(query: Query) -> None:
    """What a run is about stands in it, so that each is another text."""
    with patch("sqlglot.parse_one", wraps=sqlglot.parse_one) as read:
        assert query("DECLARE a INT64 DEFAULT 41; SELECT a + 1 AS b") == [{"b": 42}]
    texts = [call.args[0] for call in read.call_args_list]
    assert texts
    assert not any("DECLARE" in text for text in texts)


def test_relation__of_the_same_text_is_each_works_own(cloud: LocalCloud) -> None:
    emulator, rows = cloud.bigquery.emulator, [pa.table({"a": [n]}) for n in (1, 2)]
    with emulator.work() as first, emulator.work() as second:
        names = [first.register(rows[0]), second.register(rows[1])]
        assert names[0] == names[1] != first.register(rows[1])
        found = [w.cursor.execute(f"FROM {names[0]}").fetchall() for w in (first, second)]
    assert found == [[(1,)], [(2,)]]


@pytest.mark.usefixtures("connection")
def test_external_query__is_asked_each_time(query: Query) -> None:
    sql = "SELECT * FROM EXTERNAL_QUERY('us-central1.pg', 'SELECT clock_timestamp()::text AS a')"
    assert query(sql) != query(sql)
