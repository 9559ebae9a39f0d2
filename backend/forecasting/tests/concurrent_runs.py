"""What the processes of the concurrency tests run; imported by them without a Django set up."""

import os
from collections.abc import Mapping
from io import StringIO
from threading import BrokenBarrierError
from typing import Any

_barrier: Any = None


def wait_with(barrier: Any) -> None:
    """Gives a process the barrier at which all of them wait for each other."""
    global _barrier
    _barrier = barrier


def set_up_all(environment: Mapping[str, str]) -> list[str]:
    """Runs the two set-up commands at the same moment as the other processes; their failures."""
    os.environ.update(environment)
    import django

    django.setup()
    from django.core.management import CommandError, call_command

    failures = []
    for command in ("bq_setup", "bq_setup_etl"):
        try:
            _barrier.wait(timeout=60)
            call_command(command, stdout=StringIO(), stderr=StringIO())
        except (CommandError, BrokenBarrierError) as error:
            failures.append(f"{command}: {error!r}")
    return failures
