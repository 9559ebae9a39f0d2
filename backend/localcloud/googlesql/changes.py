"""Which rows of a table a statement changes, read from sqlglot's tree of it.

https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax
"""

from __future__ import annotations

from sqlglot import exp


def doubly_matched(tree: exp.Expr) -> exp.Select | None:
    """A row for each row of the target to which a statement gives several rows of its source.

    None where no statement of this kind can.
    """
    if isinstance(tree, exp.Update) and not tree.args.get("from_"):
        return None
    pairs = _updated(tree)
    if pairs is None:
        return None
    row = exp.column("rowid", tree.this.alias_or_name)
    return pairs.group_by(row).having("COUNT(*) > 1").limit(1)


def updated_partitions(tree: exp.Expr, column: str, unit: str) -> exp.Select | None:
    """The partitions, as `moment`, of the rows that a statement changes in place."""
    pairs = _updated(tree)
    if pairs is None:
        return None
    moment = exp.column(column, tree.this.alias_or_name).sql("bigquery")
    start = f"TIMESTAMP_TRUNC(CAST({moment} AS TIMESTAMP), {unit}) AS moment"
    return pairs.select(start, append=False, dialect="bigquery").distinct()


def _updated(tree: exp.Expr) -> exp.Select | None:
    """The rows of the target, each as often as there are rows of the source for it."""
    if isinstance(tree, exp.Merge):
        return _matched(tree)
    if not isinstance(tree, exp.Update):
        return None
    rows = exp.select("1").from_(tree.this.copy())
    if from_ := tree.args.get("from_"):
        rows = rows.join(from_.this.copy(), join_type="cross")
    where = tree.args.get("where")
    return rows.where(where.this.copy()) if where else rows


def _matched(tree: exp.Merge) -> exp.Select | None:
    on = tree.args["on"]
    asked = [
        (when.args.get("condition") or exp.true()).copy()
        for when in tree.args["whens"].expressions
        if when.args.get("matched")
    ]
    if not asked or (isinstance(on, exp.Boolean) and not on.this):
        return None
    pairs = exp.select("1").from_(tree.this.copy())
    return pairs.join(tree.args["using"].copy(), on=on.copy()).where(exp.or_(*asked))
