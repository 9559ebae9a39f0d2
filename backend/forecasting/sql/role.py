"""The psql script that makes the PostgreSQL role of the connection."""

from collections.abc import Iterator, Sequence

from ..conf import Config
from ..database.lookups import Table
from ..database.mapping import load_mapping
from ..database.source_mapping import SourceMapping
from .template import load, render

_BLOCK = "$script$"


def render_connection_role(config: Config) -> str:
    """The script for these settings. Raises SettingError where they fit no model."""
    mapping = load_mapping(config)
    return render(
        load("connection_role.sql"),
        database=config.source_database,
        quoted_database=_identifier(config.source_database),
        user_secret=config.user_secret,
        password_secret=config.password_secret,
        search_path=_search_path(mapping.search_path),
        sources=",\n".join(_sources(mapping)),
    )


def _search_path(schemas: Sequence[str]) -> str:
    """That the tables are looked for where Django does, whoever runs the script."""
    return f"SET LOCAL search_path = {', '.join(map(_identifier, schemas))};" if schemas else ""


def _sources(mapping: SourceMapping) -> Iterator[str]:
    """All that the source query reads; a test runs it as a role that may read no more."""
    for table, names in mapping.columns_read().items():
        columns = ", ".join(map(_identifier, names))
        has_schema = "true" if table.schema else "false"
        yield f"({_text(_name(table))}::regclass, {has_schema}, {_text(columns)})"


def _name(table: Table) -> str:
    return ".".join(_identifier(part) for part in (table.schema, table.name) if part)


def _identifier(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _text(text: str) -> str:
    """A literal in the script's block, in pieces where it holds what the block ends with."""
    escaped = text.replace("'", "''")
    if _BLOCK not in escaped:
        return f"'{escaped}'"
    return "('" + escaped.replace("$", "' || '$") + "')"
