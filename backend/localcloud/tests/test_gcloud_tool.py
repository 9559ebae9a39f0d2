"""Google's own `gcloud`, unmodified, against the stand-in: a secret rotated as in operations.md."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import PROJECT


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="Google's gcloud is not installed")
def test_secrets__versions_add(cloud: LocalCloud, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("any")
    command = ["gcloud", "secrets", "versions", "add", "POSTGRES_PASSWORD", "--data-file=-"]
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "CLOUDSDK_CONFIG": str(tmp_path / "config"),
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": f"{cloud.endpoint}/",
    }
    done = subprocess.run(
        [*command, "--project", PROJECT],
        env=environment,
        input="rotated",
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "Created version [2] of the secret [POSTGRES_PASSWORD]" in done.stderr
    assert cloud.secrets.items["POSTGRES_PASSWORD"][-1].value == b"rotated"
