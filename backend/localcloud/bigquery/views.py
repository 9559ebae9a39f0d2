"""Views as the tables API makes and changes them.

https://cloud.google.com/bigquery/docs/reference/rest/v2/tables (ViewDefinition)
"""

from __future__ import annotations

from typing import Any

from backend.localcloud.bigquery.statements import is_select
from backend.localcloud.bigquery.tables import Reference
from backend.localcloud.http.errors import InvalidArgument, NotDone

DONE = {"query", "useLegacySql"}


def view_statement(reference: Reference, view: dict[str, Any] | None) -> str:
    """The statement that makes or replaces the view that a table resource describes."""
    view = view or {}
    if view.get("useLegacySql", True):
        raise NotDone("views of legacy SQL: send useLegacySql false")
    if others := sorted(set(view) - DONE):
        raise NotDone(f"views with {others[0]}")
    text = str(view.get("query", ""))
    if not text.strip():
        raise InvalidArgument("Required parameter is missing: view.query")
    if not is_select(text):
        raise InvalidArgument("The text of a view is one query and no other statement.")
    path = ".".join(f"`{part}`" for part in reference)
    return f"CREATE OR REPLACE VIEW {path} AS\n{text}"
