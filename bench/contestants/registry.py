"""The contestants by key: which way each takes, and what has to be installed for it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from bench.contestants.job import Job

OURS = "copy"


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One way; `module` and `function` are imported in the process that runs it only."""

    key: str
    title: str
    aggregates_first: bool
    module: str
    function: str
    needs: tuple[str, ...]
    backend: str = ""

    def missing(self) -> str:
        """Which package that it needs is not installed; empty where all are."""
        return next((name for name in self.needs if find_spec(name) is None), "")

    def load(self) -> Callable[[Job], None]:
        """What fills a job's target."""
        module = importlib.import_module(f"bench.contestants.{self.module}")
        function: Callable[..., None] = getattr(module, self.function)
        return partial(function, backend=self.backend) if self.backend else function


def _pair(key: str, title: str, module: str, *needs: str, backend: str = "") -> list[Contestant]:
    """Both ways of one library: extracting our aggregate, and extracting the mentions."""
    return [
        Contestant(
            key=f"{key}-{way}",
            title=title,
            aggregates_first=way == "aggregate",
            module=module,
            function=f"load_{way}",
            needs=needs,
            backend=backend,
        )
        for way in ("aggregate", "mentions")
    ]


_ALL = (
    Contestant(
        key=OURS,
        title="this project's query, COPY",
        aggregates_first=True,
        module="plain_copy",
        function="load_aggregate",
        needs=("duckdb",),
    ),
    *_pair("adbc", "ADBC", "with_adbc", "adbc_driver_postgresql", "pyarrow"),
    *_pair("duckdb", "DuckDB postgres scanner", "with_duckdb", "duckdb_extension_postgres_scanner"),
    *_pair("connectorx", "ConnectorX", "with_connectorx", "connectorx"),
    *_pair(
        "dlt-cx", "dlt, backend connectorx", "with_dlt", "dlt", "connectorx", backend="connectorx"
    ),
    *_pair("dlt-pa", "dlt, backend pyarrow", "with_dlt", "dlt", "sqlalchemy", backend="pyarrow"),
    *_pair("django", "Django", "with_django", "django"),
)
CONTESTANTS = {contestant.key: contestant for contestant in _ALL}
