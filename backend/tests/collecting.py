"""Several processes collect the same tests, and share the work.

Each file is prepared by one of them, for all; its tests run in one, and so do those of the files
that use one server beside the processes' own.
"""

import importlib
import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

_OF_ONE_SERVER = "backend/forecasting/tests/timescale/"


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Read the files of whole folders from another place on than the processes beside this one.

    pytest rewrites the asserts of each file and keeps what came of it for whoever comes later.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        share = number / int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        for name in beginning_at(share, _modules(session.config.rootpath, session.config.args)):
            # Whatever is wrong with it, pytest says it when its turn comes.
            with suppress(Exception, pytest.skip.Exception):
                importlib.import_module(name)
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What hands out whole files under `--dist loadfile`, those of one server together."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    if config.getvalue("dist") != "loadfile":
        return None
    scheduling = LoadFileScheduling(config, log)
    scheduling._split_scope = unit_of
    return scheduling


def unit_of(nodeid: str) -> str:
    """What a test is run together with: its file, or the folder of a server that takes seconds."""
    file = nodeid.split("::", 1)[0]
    return _OF_ONE_SERVER if file.startswith(_OF_ONE_SERVER) else file


def beginning_at(share: float, names: Sequence[str]) -> list[str]:
    """All of them, from so far within to the end, and then those before."""
    first = int(share * len(names))
    return [*names[first:], *names[:first]]


def _modules(root: Path, folders: Iterable[str]) -> list[str]:
    files = sorted(file for folder in folders for file in (root / folder).rglob("test_*.py"))
    inside = (file.relative_to(root) for file in files if file.is_relative_to(root))
    return [".".join(file.with_suffix("").parts) for file in inside]
