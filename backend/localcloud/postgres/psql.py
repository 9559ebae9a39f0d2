"""psql, as it comes with the embedded server."""

from __future__ import annotations

import os
import subprocess

from backend.localcloud.postgres.server import (
    PORT,
    SUPERUSER,
    LocalPostgresError,
    RunningPostgres,
    installed_package,
)


def run_script(server: RunningPostgres, script: str, *, database: str, role: str) -> None:
    """Runs a script as the superuser, as `psql -v role=ROLE -f` does. Raises LocalPostgresError."""
    program = installed_package() / "pginstall" / "bin" / "psql"
    # Not as a URI: arguments, with the password in them, can be read by every process here.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PGHOST": str(server.folder),
        "PGPORT": str(PORT),
        "PGDATABASE": database,
        "PGUSER": SUPERUSER,
        "PGPASSWORD": server.superuser_password,
    }
    done = subprocess.run(  # noqa: S603 - the package's own program
        [program, "--no-psqlrc", "--quiet", "--variable", f"role={role}"],
        env=environment,
        input=script,
        text=True,
        check=False,
        capture_output=True,
    )
    if done.returncode:
        raise LocalPostgresError(f"psql: {done.stderr.strip()}")
