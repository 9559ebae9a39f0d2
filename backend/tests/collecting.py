"""Several processes collect the same tests: each file is prepared by one of them, for all."""

import importlib
import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest


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


def beginning_at(share: float, names: Sequence[str]) -> list[str]:
    """All of them, from so far within to the end, and then those before."""
    first = int(share * len(names))
    return [*names[first:], *names[:first]]


def _modules(root: Path, folders: Iterable[str]) -> list[str]:
    files = sorted(file for folder in folders for file in (root / folder).rglob("test_*.py"))
    inside = (file.relative_to(root) for file in files if file.is_relative_to(root))
    return [".".join(file.with_suffix("").parts) for file in inside]
