"""Google's `bq` and `gcloud`, spared what they do again at each start and would find the same."""

import os
import platform
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from backend.localcloud.postgres.keeper import start_kept

_FORKING = Path(__file__).with_name("forking.py")
_PYTHON = "platform/bundledpythonunix/bin/python3"
_PROGRAMS = {
    "bin/bootstrapping/bq.py": [],
    "platform/bq/bq.py": [],
    "lib/gcloud.py": ["googlecloudsdk.gcloud_main"],
}
"""What `bq` runs, what that runs in turn, and `gcloud`; with what they import when all has run.

Each imports for half a second.
"""


@pytest.fixture(scope="session")
def bq_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """For bq, in a home of its own, with a token that nobody checks; its programs are forked.

    Without CLOUDSDK_BQ_PYTHON they start as they do for a user.
    """
    home = tmp_path_factory.mktemp("home")
    (home / "token").write_text("any")
    install(home / "programs" / "gcloud", asking_once(home))
    environment = {
        "HOME": str(home),
        "PATH": f"{home / 'programs'}:{os.environ['PATH']}",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(home / "token"),
    }
    with _forked(home / "programs" / "python", environment) as python:
        yield {**environment, **python}


@pytest.fixture(scope="session")
def gcloud_environment(bq_environment: dict[str, str]) -> dict[str, str]:
    """The same for gcloud, which is told of a Python in another way."""
    if "CLOUDSDK_BQ_PYTHON" not in bq_environment:
        return bq_environment
    # Where it chooses its Python by itself, it sets the second too.
    python = {"CLOUDSDK_PYTHON": bq_environment["CLOUDSDK_BQ_PYTHON"]}
    return {**bq_environment, **python, "CLOUDSDK_PYTHON_SITEPACKAGES": "1"}


def install(program: Path, script: str) -> None:
    """A program; the text is what follows `#!/bin/sh`."""
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def asking_once(folder: Path) -> str:
    """What a shell has to run as `gcloud`: the real one, its settings but once.

    They are kept in the folder, for as long as HOME and the rest of the environment are the same.
    To start it for them is a third of what a call of bq takes.
    """
    real, answer = shlex.quote(str(shutil.which("gcloud"))), shlex.quote(f"{folder}/settings.json")
    return f"""answer={answer}
if [ "$*" != "config list --format=json" ]; then exec {real} "$@"; fi
if [ ! -e "$answer" ]; then
  {real} "$@" >"$answer.new" || exit
  mv "$answer.new" "$answer"
fi
cat "$answer"
"""


@contextmanager
def _forked(program: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The variable that names bq its Python; none where it does not start the one it comes with."""
    python = Path(shutil.which("bq") or "").resolve().parent.parent / _PYTHON
    if not python.exists() or platform.machine() != "x86_64":
        yield {}
        return
    # Python reads it when it starts, and bq sets it.
    environment = {**environment, "PYTHONIOENCODING": "UTF-8"}
    with ExitStack() as stack:
        lines = [
            f"*/{name}) exec {calling(python, served)} ;;"
            for name, modules in _PROGRAMS.items()
            for served in [stack.enter_context(serving(python, environment, *modules))]
        ]
        other = f'*) exec {shlex.quote(str(python))} "$@" ;;'
        install(program, "\n".join(['case "$1" in', *lines, other, "esac"]))
        yield {"CLOUDSDK_BQ_PYTHON": str(program)}


def calling(python: Path, served: Path) -> str:
    """What a shell has to run as `python` for the program that is served."""
    return f'{shlex.join([str(python), "-I", "-S", str(_FORKING), "call", str(served)])} "$@"'


@contextmanager
def serving(python: Path, environment: dict[str, str], *modules: str) -> Iterator[Path]:
    """Where calls of a program are waited for, to be run by a Python."""
    kept = start_kept([str(python), str(_FORKING), "serve", *modules], environment=environment)
    try:
        assert kept.keeper.stdout
        kept.keeper.stdout.read()
        yield kept.folder / "socket"
    finally:
        kept.stop()
