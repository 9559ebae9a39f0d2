"""Copies of the working tree, in which files are mutated, and pytest running in them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = "backend/forecasting"

_LEFT_OUT = (
    "backend/forecasting/tests/reliability/",
    "backend/forecasting/tests/timescale/",
    "backend/forecasting/tests/test_status_browser.py",
)
"""What no mutant is tried on: the tests of the browser, of reliability and on TimescaleDB."""
_PLUGINS = ("-p", "mutants.plugin", "-p", "no:cacheprovider")


@contextmanager
def tree_copy() -> Iterator[Path]:
    """A folder with all files of the tree, as they are, that is gone in the end."""
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    try:
        for file in _files():
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, target)
        if (ROOT / ".venv").exists():
            (folder / ".venv").symlink_to(ROOT / ".venv")
        _share(folder, ".pytest_cache/compiled")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _share(folder: Path, part: str) -> None:
    """Have what the tests compile in half a minute of a processor in all copies."""
    (ROOT / part).mkdir(parents=True, exist_ok=True)
    (folder / part).parent.mkdir(parents=True)
    (folder / part).symlink_to(ROOT / part)


def product_files() -> list[str]:
    """The product's own Python and SQL, without its tests and migrations."""
    return [
        file
        for file in _files()
        if file.startswith(f"{PRODUCT}/")
        and file.endswith((".py", ".sql"))
        and not {"tests", "migrations"} & set(Path(file).parts)
    ]


def test_files() -> list[str]:
    """The files of the suite that mutants are tried on."""
    return [
        file
        for file in _files()
        if file.startswith(("backend/", "bench/"))
        and Path(file).name.startswith("test_")
        and file.endswith(".py")
        and not file.startswith(_LEFT_OUT)
    ]


def backend_files() -> list[str]:
    """All that a test's end may depend on."""
    return [file for file in _files() if file.startswith("backend/")]


def _files() -> Iterator[str]:
    """What belongs to the tree: nothing that is hidden or compiled, but for its own settings."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f == ".ci" or f[0] not in "._")
        for file in sorted(files):
            if file != ".env":
                yield Path(folder, file).relative_to(ROOT).as_posix()


_running: set[subprocess.Popen[str]] = set()


def running(
    tree: Path, arguments: Sequence[str], output: int = subprocess.DEVNULL, **environment: str
) -> subprocess.Popen[str]:
    """pytest in a tree, in a session of its own, which `end` ends with all its children."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "pytest", "-q", *_PLUGINS, *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), **environment},
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    _running.add(process)
    return process


def end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started, also where only that is left."""
    _running.discard(process)
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
    except ProcessLookupError:
        process.wait()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def end_all() -> None:
    """End what is running still, where the whole is interrupted."""
    for process in list(_running):
        end(process)
