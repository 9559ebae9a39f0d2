"""What bqemulator would keep for ever: jobs with their results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from bqemulator.jobs import executor

Key = tuple[str, str]
KEPT_OTHER_JOBS = 50


def result_bytes(job: str) -> int:
    """How much memory a job's rows take."""
    found = executor.JOB_RESULTS.get(job)
    return found.nbytes if found is not None else 0


def forget_jobs(
    catalog: Any, gone: Iterable[Key], read_kept: Callable[[], Collection[Key]]
) -> None:
    """Forget jobs by (project, id): those gone, and all but the newest few that are not kept.

    Which those are is read last: of a job that begins meanwhile nothing is there before.
    """
    for key in gone:
        catalog.delete_job(*key, not_found_ok=True)
    known, stored = list(catalog._jobs), {*executor.JOB_RESULTS, *executor.JOB_SCHEMAS}
    kept = read_kept()
    others = [key for key in known if key not in kept]
    for key in others[:-KEPT_OTHER_JOBS]:
        catalog.delete_job(*key, not_found_ok=True)
    for job in stored - {job for _, job in (*kept, *others[-KEPT_OTHER_JOBS:])}:
        executor.JOB_RESULTS.pop(job, None)
        executor.JOB_SCHEMAS.pop(job, None)
