"""What the process that has the stand-in in it holds on to."""

import gc
import threading
from dataclasses import dataclass
from pathlib import Path

from backend.forecasting.tests.reliability.scene import Fault, Scene
from bench.processes import read_bytes

FEW = 4
"""Threads and files by which a later look may differ: pools grow when more is at work at once."""

NIGHT_BYTES, SLACK_BYTES = 1_000_000, 16_000_000
"""The stand-in keeps every job with its rows, as BigQuery does, and memory is not exact."""

_FILES = Path("/proc/self/fd")


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Numbers of threads, open files and pieces of work, and bytes of memory.

    Files and memory are 0 on a system without /proc.
    """

    threads: int
    files: int
    work: int
    memory: int

    def describe(self) -> str:
        return (
            f"{self.threads} threads, {self.files} open files, {self.work} pieces of work under "
            f"way, {self.memory / 1e6:.0f} MB of memory"
        )


def look_at_footprint(scene: Scene) -> Footprint:
    """As it is now, without what the collector has not come to."""
    gc.collect()
    cloud = scene.cloud
    under_way = (cloud.bigquery.emulator.active, cloud.transfers.runner.unfinished)
    return Footprint(
        threads=threading.active_count(),
        files=len(list(_FILES.iterdir())) if _FILES.exists() else 0,
        work=sum(map(len, under_way)),
        memory=read_bytes("self", "VmRSS"),
    )


def judge_footprint(before: Footprint, after: Footprint, nights: int) -> list[Fault]:
    """What has grown over so many nights that should not have."""
    grown = {
        "threads": after.threads - before.threads > FEW,
        "open files": after.files - before.files > FEW,
        "work under way": after.work > 0,
        "memory": after.memory - before.memory > nights * NIGHT_BYTES + SLACK_BYTES,
    }
    return [("leaks", f"{name}: {before} became {after}") for name, grew in grown.items() if grew]
