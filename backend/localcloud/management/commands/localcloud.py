from __future__ import annotations

import os
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.localcloud.connections import INSTANCE_ID
from backend.localcloud.http.web import PortError
from backend.localcloud.server import LocalCloud

NOTICE = (
    "For development: any program on this machine, and nothing else, can use it and read its "
    "secrets; its SQL reaches the Cloud SQL instances it was given, no file and no other host."
)


class Command(BaseCommand):
    help = "Serves a stand-in for Google Cloud on this machine until it is interrupted."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port", type=int, default=9050, help="port on 127.0.0.1; 0 is a free one (9050)"
        )
        parser.add_argument(
            "--grpc-port",
            type=int,
            default=9051,
            help="the same for gRPC, which all services but BigQuery are asked by (9051)",
        )
        parser.add_argument(
            "--sql-instance",
            action="append",
            default=[],
            metavar="PROJECT:REGION:NAME=URI",
            help="a Cloud SQL instance and the libpq URI of the server that stands for it; the "
            "user and password come from the connection (none)",
        )
        parser.add_argument(
            "--secret",
            action="append",
            default=[],
            metavar="NAME[=VALUE]",
            help="a secret; every process can see the arguments, so NAME alone takes the value "
            "from the environment variable of that name (none)",
        )

    def handle(
        self,
        *args: Any,
        port: int,
        grpc_port: int,
        sql_instance: list[str],
        secret: list[str],
        **options: Any,
    ) -> None:
        instances = dict(_instance(text) for text in sql_instance)
        secrets = dict(_secret(text) for text in secret)
        cloud = LocalCloud(port, instances, secrets, grpc_port=grpc_port)
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        _start(cloud)
        try:
            self.stdout.write(
                f"Local Google Cloud ready on {cloud.endpoint}, gRPC on {cloud.grpc_endpoint}"
            )
            self.stdout.write(NOTICE)
            self.stdout.flush()
            stopped.wait()
        finally:
            cloud.stop()


def _start(cloud: LocalCloud) -> None:
    try:
        cloud.start()
    except PortError as error:
        raise CommandError(str(error)) from error
    except ImportError as error:
        raise CommandError(
            f"{error.name or error} is not installed: pip install -r requirements-local.txt"
        ) from error


def _instance(text: str) -> tuple[str, str]:
    name, _, uri = text.partition("=")
    if not INSTANCE_ID.match(name) or not uri.startswith(("postgresql://", "postgres://")):
        raise CommandError(
            f"--sql-instance takes PROJECT:REGION:NAME=postgresql://HOST:PORT, not {text!r}."
        )
    return name, uri


def _secret(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given and name not in os.environ:
        raise CommandError(f"--secret {name}: there is no environment variable {name}.")
    if not name:
        raise CommandError("--secret takes NAME=VALUE or NAME.")
    return name, value if given else os.environ[name]
