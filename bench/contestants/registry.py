"""The contestants by key: which way each takes, and what has to be installed for it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from bench.contestants import libraries, with_django
from bench.contestants.job import Job

OURS = "copy"

Fill = Callable[[Job], None]


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One way to fill a job's target: the packages that it needs, the modules that it imports."""

    key: str
    title: str
    aggregates_first: bool
    fill: Fill
    needs: tuple[str, ...]
    imports: tuple[str, ...] = ()

    def missing(self) -> str:
        """Which package that it needs is not installed; empty where all are."""
        return next((name for name in self.needs if find_spec(name) is None), "")

    def prepare(self) -> None:
        """Imports those modules, so that the time it takes to fill is without that."""
        for name in self.imports:
            importlib.import_module(name)


def _pair(
    key: str, title: str, fill: tuple[Fill, Fill], *needs: str, imports: tuple[str, ...]
) -> list[Contestant]:
    """Both ways of one library: extracting our aggregate, and extracting the mentions."""
    return [
        Contestant(
            key=f"{key}-{way}",
            title=title,
            aggregates_first=way == "aggregate",
            fill=each,
            needs=needs,
            imports=imports,
        )
        for way, each in zip(("aggregate", "mentions"), fill, strict=True)
    ]


def _dlt(key: str, backend: str, *needs: str) -> list[Contestant]:
    ways = (
        partial(libraries.dlt_aggregate, backend=backend),
        partial(libraries.dlt_mentions, backend=backend),
    )
    imports = ("dlt", "dlt.sources.sql_database")
    return _pair(key, f"dlt, backend {backend}", ways, "dlt", *needs, imports=imports)


_ALL = (
    Contestant(
        key=OURS,
        title="this project's query, COPY",
        aggregates_first=True,
        fill=libraries.copy_aggregate,
        needs=("duckdb",),
    ),
    *_pair(
        "adbc",
        "ADBC",
        (libraries.adbc_aggregate, libraries.adbc_mentions),
        *("adbc_driver_postgresql", "pyarrow"),
        imports=("adbc_driver_postgresql.dbapi",),
    ),
    *_pair(
        "duckdb",
        "DuckDB postgres scanner",
        (libraries.duckdb_aggregate, libraries.duckdb_mentions),
        "duckdb_extension_postgres_scanner",
        imports=("duckdb_extensions",),
    ),
    *_pair(
        "connectorx",
        "ConnectorX",
        (libraries.connectorx_aggregate, libraries.connectorx_mentions),
        "connectorx",
        imports=("connectorx",),
    ),
    *_dlt("dlt-cx", "connectorx", "connectorx"),
    *_dlt("dlt-pa", "pyarrow", "sqlalchemy"),
    *_pair(
        "django",
        "Django",
        (with_django.load_aggregate, with_django.load_mentions),
        "django",
        imports=("pyarrow",),
    ),
)
CONTESTANTS = {contestant.key: contestant for contestant in _ALL}
