"""A call of a program that is served does what its start does, and imports nothing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.tests.gcloud import calling, install, serving

PROGRAM = """
import os, sys
with open("imported", "a") as file:
    file.write("once ")
if __name__ == "__main__":
    print("begun", flush=True)
    print(sys.argv[1:], os.environ["WORD"], os.getcwd(), sys.stdin.read())
    print(__file__, __name__, sys.path[0], file=sys.stderr)
    if sys.argv[1] == "die":
        os.kill(os.getpid(), 9)
    sys.exit(int(sys.argv[1]))
"""

Ended = tuple[int, str, str]
Start = Callable[..., Ended]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def start(program: Path) -> Start:
    """Has a Python run the program in a folder; how it ended and what it wrote."""

    def run(python: str | Path, *words: str, word: str = "", folder: str = ".") -> Ended:
        here = program.parent / folder
        here.mkdir(exist_ok=True)
        ended = subprocess.run(
            [python, program, *words],
            env={"WORD": word},
            cwd=here,
            input="typed",
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout, ended.stderr

    return run


@contextmanager
def server(folder: Path) -> Iterator[Path]:
    """A Python in the folder that serves the program which it is first told to run."""
    real = Path(sys.executable)
    with serving(real, {}) as socket:
        install(folder / "python", f"exec {calling(real, socket)}")
        yield folder / "python"


@pytest.fixture
def forked(tmp_path: Path) -> Iterator[Path]:
    with server(tmp_path) as python:
        yield python


def test_fork__is_given_and_gives_what_a_started_program_is(start: Start, forked: Path) -> None:
    first = start(sys.executable, "0", "a b", word="one")
    assert first[1].startswith("begun\n['0', 'a b'] one ")
    assert start(forked, "0", "a b", word="one") == first
    second = start(sys.executable, "3", word="ä", folder="elsewhere")
    assert second[0] == 3
    assert start(forked, "3", word="ä", folder="elsewhere") == second


def test_fork__imports_nothing_more(start: Start, forked: Path, tmp_path: Path) -> None:
    assert [start(forked, word)[0] for word in ("5", "none", "die")] == [5, 1, 137]
    assert (tmp_path / "imported").read_text() == "once "


def test_call__starts_what_cannot_be_served(start: Start, program: Path, forked: Path) -> None:
    program.write_text("import sys\nsys.exit(4)")
    assert start(forked, "1") == (4, "", "")
    assert start(forked, "1") == (4, "", "")


def test_fork__ends_with_its_server(program: Path, tmp_path: Path) -> None:
    """Else it would read what is typed, and tell."""
    with server(tmp_path) as python:
        called = subprocess.Popen(
            [python, program, "0"],
            env={"WORD": ""},
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert called.stdout
        assert called.stdout.readline() == b"begun\n"
    written, _ = called.communicate(b"typed")
    assert (called.returncode, written) == (1, b"")
