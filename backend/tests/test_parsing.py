"""Trees that are copied faster are those that sqlglot copies."""

from copy import deepcopy

from sqlglot import parse_one
from sqlglot.expressions import Expr
from sqlglot.optimizer.annotate_types import annotate_types

from backend.tests.parsing import copied

SQL = """
SELECT /* why */ a.day, COUNT(*) AS n, [1, 2][OFFSET(0)] AS first, CAST('x' AS STRING) AS text
FROM `p.d.t` AS a JOIN UNNEST(GENERATE_DATE_ARRAY('2026-01-01', '2026-01-02')) AS day ON a.day = day
WHERE a.score BETWEEN 0 AND 1.5 GROUP BY ALL
"""


def _described(tree: Expr) -> list[object]:
    """Every node with its place, its remarks and its type."""
    places = [(repr(n), repr(n.parent), n.arg_key, n.index, list(n.args)) for n in tree.walk()]
    return [*places, *((n.comments, n._meta and dict(n._meta), repr(n._type)) for n in tree.walk())]


def test_copy__is_sqlglots() -> None:
    tree = annotate_types(parse_one(SQL, dialect="bigquery"))
    assert any(node._meta for node in tree.walk())
    assert any(node._type for node in tree.walk())
    assert any(node.comments for node in tree.walk())
    assert _described(copied(tree)) == _described(deepcopy(tree))


def test_copy__shares_nothing_with_what_it_is_of() -> None:
    tree = parse_one(SQL, dialect="bigquery")
    before = _described(tree)
    copy = copied(tree)
    assert {id(node) for node in copy.walk()}.isdisjoint(id(node) for node in tree.walk())
    for node in list(copy.walk()):
        node.add_comments(["mine"])
        node.meta["mine"] = True
        node.type = "INT64"
    copy.expressions.clear()
    assert _described(tree) == before
