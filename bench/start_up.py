"""What a command costs before Google answers: beside Google's own `bq`, on the same stand-in.

The second run of each, which finds all as it should be, as a deploy hook does.
"""

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.database import Database, manage
from bench.end_to_end import PROJECT, running_cloud
from bench.measuring import Sample, alternate

BQ_SHOW = "bq show"
COMMANDS = ("bq_setup", "bq_setup_etl", "bq_verify")


def measure_start_up(database: Database, repetitions: int) -> Mapping[str, Sequence[Sample]]:
    """Samples by command, the commands' own processor seconds in `server_seconds`.

    Without `bq` where that is not installed.
    """
    with running_cloud(database) as environment, tempfile.TemporaryDirectory() as home:
        manage("bq_setup", environment=environment)
        manage("bq_setup_etl", "--run-now", environment=environment)
        runs: dict[str, Callable[[], Sample]] = {
            name: partial(_take, partial(manage, name, environment=environment))
            for name in COMMANDS
        }
        if shutil.which("bq"):
            endpoint = environment["FORECASTING_API_ENDPOINT"]
            runs[BQ_SHOW] = partial(_take, partial(_show, Path(home), endpoint))
        return alternate(runs, repetitions)


def _take(run: Callable[[], object]) -> Sample:
    before, began = _used_by_children(), time.perf_counter()
    run()
    taken = time.perf_counter() - began
    return Sample(seconds=taken, server_seconds=_used_by_children() - before)


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _show(home: Path, endpoint: str) -> None:
    """`bq show` of the training table, with an empty home and any login."""
    token = home / "token"
    token.write_text("any")
    subprocess.run(  # noqa: S603 - the arguments are this module's own
        ["bq", "--api", endpoint, "--project_id", PROJECT, "show", _TABLE],  # noqa: S607
        env={
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        },
        capture_output=True,
        check=True,
    )


_TABLE = "intelligence.entity_risk_training_data"
