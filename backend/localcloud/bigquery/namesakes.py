"""Names that differ in case only: two for Google, and one for DuckDB.

https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#case_sensitivity
"""

from __future__ import annotations

from sqlglot import exp

from backend.localcloud.bqemulator.catalog import Catalog
from backend.localcloud.googlesql.ddl import Named, named_tables, parse
from backend.localcloud.http.errors import NotDone, NotFound


def refuse_namesake(store: Catalog, project: str, dataset: str, table: str = "") -> None:
    """Refuse to make a dataset or table that DuckDB would take for one of another name."""
    if other := store.namesake(project, dataset, table):
        name = f"{project}:{dataset}.{table}" if table else f"{project}:{dataset}"
        raise NotDone(f"names that differ in case only, as {name} does from {other}")


def refuse_namesakes(store: Catalog, sql: str, project: str, location: str) -> None:
    """Refuse a statement that names a dataset or table in another case than its own.

    What it makes, or leaves alone IF it EXISTS or not, is not done; all else is not found.
    """
    tree = parse(sql)
    if tree is None:
        return
    lenient = isinstance(tree, exp.Create) or bool(tree.args.get("exists"))
    for number, named in enumerate(named_tables(sql)):
        names = _full_name(named, project, is_dataset=tree.args.get("kind") == "SCHEMA")
        if lenient and not number:
            refuse_namesake(store, *names)
        elif store.namesake(*names):
            raise NotFound(
                f"Not found: {_said(store, *names)} was not found in location {location}"
            )


def _full_name(named: Named, project: str, *, is_dataset: bool) -> tuple[str, str, str]:
    """Project, dataset and table; without a table where it is a dataset's name."""
    parts = (".".join(named.parts) + "." * is_dataset).rsplit(".", 2)
    owner, dataset, table = [project, "", ""][: 3 - len(parts)] + parts
    return owner, dataset, table


def _said(store: Catalog, project: str, dataset: str, table: str) -> str:
    if store.get_dataset(project, dataset) is None:
        return f"Dataset {project}:{dataset}"
    return f"Table {project}:{dataset}.{table}"
