"""The whole pipeline on one machine: servers, settings, and the commands that a user would type."""

import os
import re
import secrets
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from backend.demo.environment import forget_settings, setting_names
from backend.demo.model import show_model
from backend.demo.site import Site, SiteError, new_login, running_site
from backend.demo.steps import PROJECT, TABLE, DemoError, Write, count_rows, manage, run_step
from backend.localcloud.postgres.keeper import KeptProcess, start_kept
from backend.localcloud.postgres.psql import run_script
from backend.localcloud.postgres.server import (
    RunningPostgres,
    create_database,
    create_role,
    start_postgres,
)
from backend.localcloud.signals import handled

INSTANCE = f"{PROJECT}:us-central1:main"
DATABASE = "venezuelawatch"
_OWNER, _READER = "backend", "bigquery"
_READY = re.compile(r"Local Google Cloud ready on (\S+), gRPC on (\S+)\n")
_START_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What is loaded, how far a model is to forecast, and whether the servers stay at the end."""

    entities: int | None = None
    events: Path | None = None
    horizon_days: int | None = None
    keep: bool = False

    @property
    def steps(self) -> list[list[str]]:
        """The management commands of the demo, the last two to show that nothing changes."""
        load = ["load_sample"]
        if self.entities is not None:
            load += ["--entities", str(self.entities)]
        if self.events is not None:
            load += ["--events", str(self.events)]
        project = ["--project", PROJECT]
        return [
            ["migrate", "--verbosity", "0"],
            load,
            ["bq_setup", *project],
            ["bq_setup_etl", *project, "--run-now"],
            ["bq_verify", *project],
            ["bq_setup", *project],
            ["bq_setup_etl", *project],
        ]


def run_demo(options: DemoOptions, write: Write) -> None:
    """Runs it from nothing and leaves nothing. Raises `DemoError`."""
    began = time.monotonic()
    with _terminated_like_interrupted(), _running_servers() as (postgres, environment):
        write("PostgreSQL and a stand-in for Google Cloud run on this machine, for these settings:")
        for name in _changed_settings(environment):
            write(f"  {name}={environment[name]}")
        write("For development: all is reached from this machine only, and is gone at the end.")
        for step in options.steps:
            run_step(step, environment, write)
            if step[0] == "migrate":
                _make_reader(postgres, environment, write)
        if options.horizon_days:
            show_model(options.horizon_days, environment, write)
            environment["FORECASTING_HORIZON_DAYS"] = str(options.horizon_days)
        rows, seconds = count_rows(environment, TABLE), time.monotonic() - began
        write(f"\n{rows:,} rows arrived in {TABLE}; the demo took {seconds:.0f} s.")
        if options.keep:
            _explore(environment, write)


@contextmanager
def _running_servers() -> Iterator[tuple[RunningPostgres, dict[str, str]]]:
    """Yields PostgreSQL, and the environment in which the commands find it and the stand-in."""
    passwords = {role: secrets.token_urlsafe(16) for role in (_OWNER, _READER)}
    postgres = start_postgres()
    try:
        create_role(postgres, user=_OWNER, password=passwords[_OWNER])
        create_role(postgres, user=_READER, password=passwords[_READER])
        create_database(postgres, name=DATABASE, owner=_OWNER)
        with _running_cloud(postgres, passwords[_READER]) as (endpoint, grpc_endpoint):
            yield (
                postgres,
                _clean_environment()
                | {
                    "DATABASE_URL": postgres.uri(
                        user=_OWNER, password=passwords[_OWNER], database=DATABASE
                    ),
                    "GOOGLE_CLOUD_PROJECT": PROJECT,
                    "CLOUD_SQL_INSTANCE": INSTANCE,
                    "FORECASTING_SOURCE_DATABASE": DATABASE,
                    "FORECASTING_API_ENDPOINT": endpoint,
                    "FORECASTING_GRPC_ENDPOINT": grpc_endpoint,
                },
            )
    finally:
        postgres.stop()


@contextmanager
def _running_cloud(postgres: RunningPostgres, password: str) -> Iterator[tuple[str, str]]:
    """Yields both addresses of a stand-in for Google Cloud that has the reader's login."""
    cloud = start_kept(
        [
            *manage("localcloud", "--port", "0", "--grpc-port", "0"),
            *("--sql-instance", f"{INSTANCE}={postgres.address}"),
            *("--secret", "POSTGRES_USER", "--secret", "POSTGRES_PASSWORD"),
        ],
        # In the environment: arguments can be read by every process on the machine.
        environment=_clean_environment()
        | {"POSTGRES_USER": _READER, "POSTGRES_PASSWORD": password},
    )
    try:
        yield _await_ready(cloud)
    finally:
        cloud.stop()


def _await_ready(cloud: KeptProcess) -> tuple[str, str]:
    output = cloud.keeper.stdout
    line = ""
    if output and select.select([output], [], [], _START_SECONDS)[0]:
        line = output.readline()
    ready = _READY.fullmatch(line)
    if not ready:
        raise DemoError(f"the stand-in for Google Cloud did not start: {cloud.log.strip()}")
    return ready[1], ready[2]


def _make_reader(postgres: RunningPostgres, environment: dict[str, str], write: Write) -> None:
    """Lets what BigQuery logs in as read what the load reads, as in production: nothing else."""
    command = ["bq_setup_etl", "--print-role-sql"]
    piped = ["psql", "-v", f"role={_READER}"]
    write(f"\n$ {shlex.join(['python', 'manage.py', *command])} | {shlex.join(piped)}")
    printed = subprocess.run(  # noqa: S603 - the arguments are this module's own
        manage(*command), env=environment, check=False, capture_output=True, text=True
    )
    if printed.returncode:
        raise DemoError(f"the reader's rights are not known: {printed.stderr.strip()}")
    run_script(postgres, printed.stdout, database=DATABASE, role=_READER)


def _clean_environment() -> dict[str, str]:
    environment = dict(os.environ)
    forget_settings(environment)
    return environment


def _changed_settings(environment: dict[str, str]) -> list[str]:
    return [name for name in setting_names() if environment[name]]


def _explore(environment: dict[str, str], write: Write) -> None:
    """Serves the admin too, and stays until Ctrl-C."""
    login = new_login()
    create = ["createsuperuser", "--no-input", "--verbosity", "0"]
    run_step(create, environment | login, write)
    try:
        with running_site(manage(), environment, login) as site, suppress(KeyboardInterrupt):
            for line in _describe_exploring(environment, site):
                write(line)
            signal.pause()
    except SiteError as error:
        raise DemoError(str(error)) from error
    write("\nStopped.")


def _describe_exploring(environment: dict[str, str], site: Site) -> Iterator[str]:
    """What to paste."""
    endpoint = environment["FORECASTING_API_ENDPOINT"]
    yield "\nAll servers stay until Ctrl-C. To use them from another terminal:"
    for name in ["DATABASE_URL", *_changed_settings(environment)]:
        yield f"  export {name}={shlex.quote(environment[name])}"
    yield "The three commands:"
    for command in ("bq_setup --check", "bq_setup_etl --run-now", "bq_verify --report report.html"):
        yield f"  {shlex.quote(sys.executable)} manage.py {command}"
    yield "Google's own tool, where it is installed, with a token that nobody checks:"
    yield "  export CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=$(mktemp)"
    yield '  echo any > "$CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"'
    yield f"  bq --api {endpoint} --project_id {PROJECT} show {TABLE.replace('.', ':', 1)}"
    yield "The status page, on this machine only:"
    yield f"  {site.url}"
    yield f"  user {site.user}, password {site.password}"


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Lets SIGTERM unwind the stack as Ctrl-C does, so that everything is stopped on the way."""

    def leave(signum: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + signum)

    with handled(leave, signal.SIGTERM):
        yield
