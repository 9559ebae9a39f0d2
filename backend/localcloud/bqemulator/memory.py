"""What bqemulator would keep for ever: jobs with their results."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from bqemulator.jobs import executor

Key = tuple[str, str]
KEPT_OTHER_JOBS = 50


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
