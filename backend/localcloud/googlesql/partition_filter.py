"""Whether a statement filters each table that demands it by its partitioning column.

https://cloud.google.com/bigquery/docs/querying-partitioned-tables#require_a_partition_filter_in_queries
Where Google's pages leave it open whether a predicate will do, it will not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from backend.localcloud.googlesql.ddl import parse

INGESTION_TIME = ("_PARTITIONTIME", "_PARTITIONDATE")
COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In, exp.Is)
Columns = tuple[str, ...]
"""The columns that a filter may be on; none where the table demands no filter."""


def unfiltered(tree: exp.Expr, columns_of: Callable[[exp.Table], Columns]) -> exp.Table | None:
    """A table that the statement reads without the filter that it demands."""
    for target, condition in _changed(tree):
        if (columns := columns_of(target)) and not _filters(condition, target, columns):
            return target
    try:
        scopes = traverse_scope(tree)
    except SqlglotError:
        scopes = []
    for scope in scopes:
        for name, source in scope.sources.items():
            if not isinstance(source, exp.Table) or not (columns := columns_of(source)):
                continue
            if not _filtered(scope, name, columns, scopes):
                return source
    return None


def without_variables(tree: exp.Expr, names: Collection[str]) -> exp.Expr:
    """The statement with a script's variables as what they are while it runs: constants."""
    known = {name.lower() for name in names}

    def fill(node: exp.Expr) -> exp.Expr:
        is_variable = isinstance(node, exp.Column) and not node.table and node.name.lower() in known
        return exp.Parameter(this=exp.var(node.name)) if is_variable else node

    return tree.transform(fill)


def with_views(tree: exp.Expr, text_of: Callable[[exp.Table], str]) -> exp.Expr:
    """The statement with each view in it replaced by the query that it stands for."""

    def expand(node: exp.Expr) -> exp.Expr:
        text = text_of(node) if isinstance(node, exp.Table) else ""
        query = parse(text) if text else None
        if not isinstance(query, exp.Query):
            return node
        return with_views(query, text_of).subquery(node.alias_or_name)  # type: ignore[attr-defined,no-any-return]

    return tree.transform(expand)


def _changed(tree: exp.Expr) -> Iterator[tuple[exp.Table, exp.Expr | None]]:
    """The tables of an UPDATE, DELETE or MERGE itself, each with the condition that it is under."""
    where = tree.args.get("where")
    condition = where.this if where else None
    if isinstance(tree, exp.Update | exp.Delete):
        from_ = tree.args.get("from_") or tree.args.get("from")
        for table in (tree.this, from_ and from_.this):
            if isinstance(table, exp.Table):
                yield table, condition
    elif isinstance(tree, exp.Merge):
        yield from _merged(tree)


def _merged(tree: exp.Merge) -> Iterator[tuple[exp.Table, exp.Expr | None]]:
    """The same of a MERGE, whose clauses may be filters of the target as its condition may."""
    on = tree.args["on"]
    never = isinstance(on, exp.Boolean) and not on.this
    clauses = [
        when.args.get("condition") or exp.true()
        for when in tree.args["whens"].expressions
        if when.args.get("matched") or when.args.get("source")
    ]
    if clauses:
        yield tree.this, exp.and_(on, exp.or_(*clauses))
    elif not never:
        yield tree.this, on
    if isinstance(source := tree.args["using"], exp.Table):
        yield source, on


def _filtered(scope: Scope, name: str, columns: Columns, scopes: list[Scope]) -> bool:
    """Whether a source of a query is filtered, there or in each query that reads from that."""
    if any(_filters(condition, name, columns) for condition in _conditions(scope, name)):
        return True
    outer = _shown_as(scope, name, columns)
    readers = [(s, n) for s in scopes for n, source in s.sources.items() if source is scope]
    return bool(outer and readers) and all(_filtered(s, n, outer, scopes) for s, n in readers)


def _conditions(scope: Scope, name: str) -> Iterator[exp.Expr]:
    """The conditions of a query that every row of this source has to meet."""
    if where := scope.expression.args.get("where"):
        yield where.this
    for join in scope.expression.args.get("joins") or []:
        on = join.args.get("on")
        if on and (not join.side or (join.side == "LEFT" and join.alias_or_name == name)):
            yield on


def _shown_as(scope: Scope, name: str, columns: Columns) -> Columns:
    """What a query calls the columns of its source in its own rows, where a filter passes in."""
    query = scope.expression
    group = query.args.get("group")
    if not isinstance(query, exp.Select) or query.args.get("limit") or query.find(exp.Window):
        return ()
    if group is None and any(item.find(exp.AggFunc) for item in query.expressions):
        return ()
    shown = set()
    for item in query.expressions:
        inner = item.unalias()
        if item.is_star:
            shown |= set(columns) if _is_all(item, name) else set()
        elif _is_one(inner, name, columns) and (group is None or inner in group.expressions):
            shown.add(item.alias_or_name)
    return tuple(shown)


def _filters(condition: exp.Expr | None, source: exp.Table | str, columns: Columns) -> bool:
    """Whether the condition compares one of the columns, and nothing else of any row."""
    name = source if isinstance(source, str) else source.alias_or_name
    if isinstance(condition, exp.Paren):
        return _filters(condition.this, name, columns)
    if isinstance(condition, exp.And | exp.Or):
        sides = (_filters(side, name, columns) for side in (condition.left, condition.right))
        return any(sides) if isinstance(condition, exp.And) else all(sides)
    if not isinstance(condition, COMPARISONS) or condition.find(exp.Query):
        return False
    used = list(condition.find_all(exp.Column))
    return bool(used) and all(_is_one(column, name, columns) for column in used)


def _is_all(item: exp.Expr, name: str) -> bool:
    """Whether `*` or `name.*` shows a source's columns as they are."""
    star = item.this if isinstance(item, exp.Column) else item
    of = item.text("table") if isinstance(item, exp.Column) else name
    return of.lower() == name.lower() and not any(star.args.values())


def _is_one(node: exp.Expr, name: str, columns: Columns) -> bool:
    if not isinstance(node, exp.Column):
        return False
    known = node.name.lower() in (column.lower() for column in columns)
    return known and node.table.lower() in ("", name.lower())
