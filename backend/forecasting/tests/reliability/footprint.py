"""What the process that has the stand-in in it holds on to."""

import gc
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.forecasting.tests.reliability.processes import PATIENCE_SECONDS, holds_soon
from backend.forecasting.tests.reliability.scene import Fault, Scene
from bench.processes import read_bytes

FEW = 4
"""Threads and files by which a later look may differ: what is leaked each night is soon more."""

NIGHT_BYTES, SLACK_BYTES = 1_000_000, 48_000_000
"""The stand-in keeps every job with its rows, as BigQuery does, and memory is not exact."""

_FILES = Path("/proc/self/fd")
_POOLED = re.compile(r"localcloud-\w+_\d+")
"""A thread of a pool, which grows up to its bound whenever more is at work at once."""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Numbers of threads outside of pools, open files and pieces of work, and bytes of memory.

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
        threads=sum(not _POOLED.fullmatch(thread.name) for thread in threading.enumerate()),
        files=len(list(_FILES.iterdir())) if _FILES.exists() else 0,
        work=sum(map(len, under_way)),
        memory=read_bytes("self", "VmRSS"),
    )


def judge_growth(
    before: Footprint,
    look: Callable[[], Footprint],
    nights: int,
    seconds: float = PATIENCE_SECONDS,
) -> tuple[Footprint, list[Fault]]:
    """How it is after so many nights, and what has grown that should not have, and stays so.

    Connections that nobody has any more are closed in threads of gRPC's and of the server's, some
    time after the collector has come to them: a leak is what does not go again.
    """
    looks: list[Footprint] = []

    def is_like_before() -> bool:
        looks.append(look())
        return not judge_footprint(before, looks[-1], nights)

    holds_soon(is_like_before, seconds)
    return looks[-1], judge_footprint(before, looks[-1], nights)


def judge_footprint(before: Footprint, after: Footprint, nights: int) -> list[Fault]:
    """What has grown over so many nights that should not have."""
    grown = {
        "threads": after.threads - before.threads > FEW,
        "open files": after.files - before.files > FEW,
        "work under way": after.work > 0,
        "memory": after.memory - before.memory > nights * NIGHT_BYTES + SLACK_BYTES,
    }
    return [("leaks", f"{name}: {before} became {after}") for name, grew in grown.items() if grew]
