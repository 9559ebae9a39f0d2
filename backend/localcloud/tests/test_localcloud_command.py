"""manage.py localcloud, as a process of its own and in this one."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from types import FrameType

import grpc
import pytest
import requests
from django.conf import settings
from django.core.management import CommandError, call_command
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcTransport,
)

from backend.localcloud.server import LocalCloud
from backend.localcloud.signals import handled

READY = re.compile(r"Local Google Cloud ready on (http://127\.0\.0\.1:\d+), gRPC on (127\S+)\n")
FREE_PORTS = ("--port", "0", "--grpc-port", "0")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command on a free port with an empty home; killed if it is left running."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "manage.py", "localcloud", *FREE_PORTS]
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=settings.BASE_DIR,
            env={**os.environ, "HOME": str(tmp_path / "none"), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def handlers() -> Iterator[None]:
    """What the command has signals do ends with the test, which fails where it has them do none."""

    def fail(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"nobody heeds signal {number}")

    with handled(fail, signal.SIGINT, signal.SIGTERM):
        yield


def ready(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The addresses, that of gRPC last, in the line that says it is ready."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 240)[0], "not ready"
    line = process.stdout.readline()
    found = READY.fullmatch(line)
    if not found:
        pytest.fail(line + process.communicate(timeout=60)[1])
    return found[1], found[2]


def test_command__serves_until_it_is_told_to_end(start: Start) -> None:
    process = start("--secret", "A=b=c", "--secret", "FROM_ENVIRONMENT", FROM_ENVIRONMENT="d")
    address, grpc_address = ready(process)
    for name, data in (("A", "Yj1j"), ("FROM_ENVIRONMENT", "ZA==")):
        path = f"/v1/projects/p/secrets/{name}/versions/latest:access"
        assert requests.get(address + path, timeout=60).json()["payload"]["data"] == data
    with grpc.insecure_channel(grpc_address) as channel:
        transport = SecretManagerServiceGrpcTransport(channel=channel)
        secrets = SecretManagerServiceClient(transport=transport)
        found = secrets.access_secret_version(name="projects/p/secrets/A/versions/1", timeout=60)
    assert found.payload.data == b"b=c"
    process.terminate()  # First: without the line there is an end to read, and no waiting.
    assert process.stdout is not None
    assert process.stdout.readline().startswith("For development: any program on this machine, and")
    assert process.communicate() == ("", "")
    assert process.returncode == 0


class Terminal(StringIO):
    """Asks the server that is told of here, and sends Ctrl-C when all is told."""

    status = 0
    address = ""

    def write(self, text: str) -> int:
        if found := READY.fullmatch(text):
            self.address = f"{found[1]}/v1/projects/p/secrets/A/versions/1"
        elif text.startswith("For development"):
            self.status = requests.get(self.address, timeout=60).status_code
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_command__ends_at_ctrl_c(handlers: None) -> None:
    terminal = Terminal()
    call_command("localcloud", port=0, grpc_port=0, secret=["A=b"], stdout=terminal)
    assert terminal.status == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(terminal.address, timeout=60)


def test_command__a_port_in_use(cloud: LocalCloud) -> None:
    with pytest.raises(CommandError, match=rf"Port {cloud.port} cannot be used: .* in use\."):
        call_command("localcloud", port=cloud.port, grpc_port=0)
    with pytest.raises(CommandError, match=f"Port {cloud.grpc_port} cannot be used"):
        call_command("localcloud", port=0, grpc_port=cloud.grpc_port)


@pytest.mark.parametrize("port", [70000, -1])
def test_command__a_port_that_is_none(port: int) -> None:
    with pytest.raises(CommandError, match=f"Port {port} cannot be used"):
        call_command("localcloud", port=port)


@pytest.mark.parametrize(
    "instance", ["nope", "p:r=postgresql://h", "p:r:n=mysql://h", "p:r:n=", "=postgresql://h"]
)
def test_command__a_malformed_instance(instance: str) -> None:
    with pytest.raises(CommandError, match="--sql-instance takes PROJECT:REGION:NAME="):
        call_command("localcloud", port=0, sql_instance=[instance])


def test_command__a_secret_without_a_value() -> None:
    with pytest.raises(CommandError, match="no environment variable NOT_SET_ANYWHERE"):
        call_command("localcloud", port=0, secret=["NOT_SET_ANYWHERE"])
    with pytest.raises(CommandError, match="takes NAME=VALUE"):
        call_command("localcloud", port=0, secret=["=value"])


def test_command__without_the_local_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "structlog", None)
    with pytest.raises(CommandError, match=r"pip install -r requirements-local\.txt"):
        call_command("localcloud", port=0, grpc_port=0)


def test_import__needs_no_local_requirement() -> None:
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('bqemulator', 'duckdb', 'sqlglot', 'uvicorn', "
        "'structlog', 'pyarrow', 'googleapiclient', 'h2')))\n"
        "import backend.localcloud.management.commands.localcloud"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=settings.BASE_DIR)
