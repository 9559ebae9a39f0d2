"""The past of tables, which FOR SYSTEM_TIME AS OF reads: a copy of a table after each change.

bqemulator copies after single DML statements only, keeps every copy, and answers from the live
table where it has none. Here every state within the dataset's window has a copy, or is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bqemulator.domain.errors import InvalidQueryError
from bqemulator.domain.events import TableDataChanged
from bqemulator.storage.engine import SNAPSHOTS_SCHEMA
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.versioning.snapshots import SnapshotManager

from backend.localcloud.bqemulator.engine import current
from backend.localcloud.bqemulator.steady import Steady

# Whatever is older is refused, as what is older than the window is.
KEPT_SNAPSHOTS = 20
KEPT_ROWS = 1_000_000
DEFAULT_HOURS = 168


class Snapshots(SnapshotManager):
    """The copies, of each table the newest few; `hours` tells a dataset's window."""

    def __init__(self, *, hours: Callable[[str, str], int], **parts: Any) -> None:
        super().__init__(retention_days=DEFAULT_HOURS // 24, **parts)
        self.hours = hours
        self.sizes = Steady[str, int]()
        self.tables: set[str] = set()
        """DuckDB's tables that were made for copies, and may still be there."""

    def record_change(self, project_id: str, dataset_id: str, table_id: str) -> Any:
        """Copy what changed, but for a job's statements, which are told of on their own."""
        work = current.get()
        told = work is not None and work.job
        made = None if told else self.capture(project_id, dataset_id, table_id)
        self._events.publish(TableDataChanged(project_id, dataset_id, table_id))
        return made

    def capture(
        self, project_id: str, dataset_id: str, table_id: str, *, kind: str = "AUTO"
    ) -> Any:
        reference = project_id, dataset_id, table_id
        meta = self._catalog.get_table(*reference)
        if kind != "AUTO":
            return self._copy(reference, kind)
        if meta is None or meta.table_type != "TABLE":
            return None
        counted = f"SELECT COUNT(*) FROM {quoted_table_ref(*reference)}"  # noqa: S608
        ((rows,),) = self._engine.execute(counted).fetchall()
        if rows > KEPT_ROWS:
            for snapshot in self._copies(reference):
                self._drop(snapshot)
            return None
        made = self._copy(reference, kind)
        self.sizes[made.snapshot_id] = rows
        self._forget(reference)
        return made

    def _copy(self, reference: tuple[str, str, str], kind: str) -> Any:
        made: Any = super().capture(*reference, kind=kind)
        if made is not None:
            self.tables.add(made.duckdb_table)
        return made

    def resolve_time_travel(
        self, project_id: str, dataset_id: str, table_id: str, target: datetime
    ) -> Any:
        """The copy that a table was at `target`; Google's refusal where it is out of reach."""
        reference = project_id, dataset_id, table_id
        meta = self._catalog.get_table(*reference)
        if meta is None:
            return None  # The query is told so for the table.
        if meta.table_type != "TABLE":
            raise InvalidQueryError(f"FOR SYSTEM_TIME AS OF takes no {meta.table_type}")
        if target > max(self._clock.now(), datetime.now(UTC)):
            raise InvalidQueryError(f"Invalid snapshot time {_ms(target)}: it is in the future")
        known = self._copies(reference)
        first = max([self._cutoff(reference), *(s.snapshot_time for s in known[-1:])])
        if target < first or not known:
            name = f"{project_id}:{dataset_id}.{table_id}"
            raise InvalidQueryError(
                f"Invalid snapshot time {_ms(target)} for table {name}@{_ms(target)}. "
                f"Cannot read before {_ms(first if known else self._clock.now())}."
            )
        return next(s for s in known if s.snapshot_time <= target)

    def _copies(self, reference: tuple[str, str, str]) -> list[Any]:
        """Newest first; of those of one moment the last one made."""
        found = self._catalog.list_snapshots_for_table(*reference)
        made = {name: number for number, name in enumerate(self.sizes)}
        automatic = [s for s in found if s.snapshot_id in made]
        return sorted(automatic, key=lambda s: (s.snapshot_time, made[s.snapshot_id]), reverse=True)

    def _cutoff(self, reference: tuple[str, str, str]) -> datetime:
        now: datetime = self._clock.now()
        return now - timedelta(hours=self.hours(*reference[:2]))

    def _forget(self, reference: tuple[str, str, str]) -> None:
        """Drop what is too much, and what was over before the window began."""
        known, cutoff = self._copies(reference), self._cutoff(reference)
        over = [
            s for s, later in zip(known[1:], known, strict=False) if later.snapshot_time <= cutoff
        ]
        for snapshot in {s.snapshot_id: s for s in [*known[KEPT_SNAPSHOTS:], *over]}.values():
            self._drop(snapshot)
        self._drop_orphans()
        every = {s.snapshot_id: s for s in self._catalog.list_all_snapshots()}
        for name in list(self.sizes):
            if sum(self.sizes.values()) <= KEPT_ROWS:
                break
            self._drop(every[name])

    def _drop(self, snapshot: Any) -> None:
        self.drop_snapshot(snapshot)
        self.sizes.pop(snapshot.snapshot_id, None)

    def _drop_orphans(self) -> None:
        """Drop what is left of tables, and of datasets that were deleted with theirs."""
        # Last what there is: of a copy that is being made nothing is known before.
        made, sized, every = set(self.tables), set(self.sizes), self._catalog.list_all_snapshots()
        for name in sized - {s.snapshot_id for s in every}:
            self.sizes.pop(name, None)
        orphans = made - {s.duckdb_table for s in every}
        for name in orphans:
            self._engine.execute(f'DROP TABLE IF EXISTS "{SNAPSHOTS_SCHEMA}"."{name}"')
        self.tables -= orphans


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
