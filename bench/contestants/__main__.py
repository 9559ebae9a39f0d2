"""Runs one contestant: takes a job as JSON on standard input, and reports as JSON on the output."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import IO, Any

from bench.contestants.job import Job, digest
from bench.contestants.registry import CONTESTANTS
from bench.data import Window
from bench.processes import peak_of_process


def main() -> None:
    """Fails with the last line of what went wrong, and never with the address in it."""
    request = json.load(sys.stdin)
    try:
        with _quiet_output() as report:
            json.dump(_run(request), report)
    except Exception as error:  # noqa: BLE001 - other people's libraries raise what they like
        lines = f"{type(error).__name__}: {error}".replace(request["uri"], "...").splitlines()
        sys.exit(" ".join(line.strip() for line in lines if line.strip()))


def _run(request: dict[str, Any]) -> dict[str, Any]:
    window = Window(
        first_day=date.fromisoformat(request["first_day"]),
        end_day=date.fromisoformat(request["end_day"]),
    )
    job = Job(
        uri=request["uri"],
        window=window,
        target=Path(request["target"]),
        aggregate=request["aggregate"],
    )
    contestant = CONTESTANTS[request["contestant"]]
    contestant.prepare()
    began = time.perf_counter()
    contestant.fill(job)
    taken = time.perf_counter() - began
    return {"seconds": taken, "peak_bytes": peak_of_process(), "digest": digest(job.target)}


@contextlib.contextmanager
def _quiet_output() -> Iterator[IO[str]]:
    """What was standard output; whatever a library prints goes to standard error instead."""
    with os.fdopen(os.dup(1), "w") as report:
        os.dup2(2, 1)
        yield report


if __name__ == "__main__":
    main()
