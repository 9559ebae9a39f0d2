"""What bqemulator would keep for ever: jobs with their results, and a copy of a table a change."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from bqemulator.jobs import executor
from bqemulator.storage.engine import SNAPSHOTS_SCHEMA
from bqemulator.versioning.snapshots import SnapshotManager

Key = tuple[str, str]
KEPT_SNAPSHOTS = 20
KEPT_OTHER_JOBS = 50
COPIES = "SELECT table_name FROM duckdb_tables() WHERE schema_name = ?"


class Snapshots(SnapshotManager):
    """The copies of tables that FOR SYSTEM_TIME AS OF reads; of each table the newest few."""

    def capture(
        self, project_id: str, dataset_id: str, table_id: str, *, kind: str = "AUTO"
    ) -> Any:
        made = super().capture(project_id, dataset_id, table_id, kind=kind)
        found = self._catalog.list_snapshots_for_table(project_id, dataset_id, table_id)
        newest_first = sorted(found, key=lambda snapshot: snapshot.snapshot_time, reverse=True)
        for snapshot in newest_first[KEPT_SNAPSHOTS:]:
            self.drop_snapshot(snapshot)
        self._drop_orphans()
        return made

    def _drop_orphans(self) -> None:
        """Drop what is left of datasets that were deleted with their tables."""
        known = {snapshot.duckdb_table for snapshot in self._catalog.list_all_snapshots()}
        for (name,) in self._engine.execute(COPIES, [SNAPSHOTS_SCHEMA]).fetchall():
            if name not in known:
                self._engine.execute(f'DROP TABLE IF EXISTS "{SNAPSHOTS_SCHEMA}"."{name}"')


def result_bytes(job: str) -> int:
    """How much memory a job's rows take."""
    found = executor.JOB_RESULTS.get(job)
    return found.nbytes if found is not None else 0


def forget_jobs(catalog: Any, gone: Iterable[Key], kept: Collection[Key]) -> None:
    """Forget jobs by (project, id): those gone, and all but the newest few that are not kept."""
    for key in gone:
        catalog.delete_job(*key, not_found_ok=True)
    others = [key for key in list(catalog._jobs) if key not in kept]
    for key in others[:-KEPT_OTHER_JOBS]:
        catalog.delete_job(*key, not_found_ok=True)
    ids = {job for _, job in (*kept, *others[-KEPT_OTHER_JOBS:])}
    for results in (executor.JOB_RESULTS, executor.JOB_SCHEMAS):
        for job in [job for job in list(results) if job not in ids]:
            results.pop(job, None)
