"""Commands in processes of their own; imported by them without a Django set up."""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

ROTATE = "ROTATED_PASSWORD"
"""In the place of a command: a new version of the secret, with what this variable holds."""

_IMPORTED = (
    *("django.contrib.admin.sites", "django.core.management", "django.views.debug"),
    *("django.db.backends.postgresql.base", "environs", "backend.forecasting.setup.etl"),
    *("backend.forecasting.output.progress", "backend.forecasting.verification.verify"),
    *("backend.forecasting.management.commands.bq_setup_etl", "backend.forecasting.sql.role"),
    "backend.forecasting.management.commands.bq_verify",
)
"""What takes commands long to import, and asks for no settings."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: what it was called with, its exit status, and all that it said."""

    arguments: tuple[str, ...]
    status: int
    said: str


def forking() -> Any:
    """Makes processes that have everything imported, from one without threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context


def run_manage(environment: Mapping[str, str], words: Sequence[str], said: Any) -> None:
    """Runs manage.py, the first of the words, to its end; `said` is the pipe that it writes to."""
    os.setsid()
    os.dup2(said.fileno(), 1)
    os.dup2(said.fileno(), 2)
    said.close()
    # Those that were there have been made for what the server of forks writes to.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.environ.clear()
    _set(environment)
    sys.argv = list(words)
    runpy.run_path(words[0], run_name="__main__")


def _set(environment: Mapping[str, str]) -> None:
    """Nothing has asked before what is in it."""
    from django.conf import settings

    assert not settings.configured
    os.environ.update(environment)


def run_commands(
    environment: Mapping[str, str], commands: Sequence[Sequence[str]], answer: Any, barrier: Any
) -> None:
    """Runs one command after the other, as a shell would, and sends how each one ended.

    `answer` is the end of a pipe. With a barrier each command waits for those of the other
    processes.
    """
    _set(environment)
    import django

    django.setup()
    for arguments in commands:
        if barrier is not None:
            barrier.wait(timeout=240)
        answer.send(_run(tuple(arguments)))


def _run(arguments: tuple[str, ...]) -> Ended:
    from django.core.management import CommandError, call_command

    if arguments[0] == ROTATE:
        return _rotate(arguments)
    said = StringIO()
    try:
        call_command(*arguments, stdout=said, stderr=said)
    except CommandError as error:
        return Ended(arguments, error.returncode, f"{said.getvalue()}{error}")
    return Ended(arguments, 0, said.getvalue())


def _rotate(arguments: tuple[str, ...]) -> Ended:
    """Adds a version to the secret with the password, as gcloud does."""
    from backend.forecasting.conf import load_config
    from backend.forecasting.google.clients import make_clients

    config = load_config()
    request: Any = {
        "parent": f"projects/{config.project}/secrets/{config.password_secret}",
        "payload": {"data": os.environ[ROTATE].encode()},
    }
    version = make_clients(config).secrets.add_secret_version(request)
    return Ended(arguments, 0, version.name)
