"""Each process of the tests reads all files, begins with its own, and runs whole ones."""

from pathlib import Path

import pytest
from django.conf import settings

from backend.tests.collecting import beginning_at, unit_of


@pytest.mark.parametrize(
    ("share", "order"), [(0, "abcde"), (1 / 3, "bcdea"), (2 / 3, "deabc"), (0.99, "eabcd")]
)
def test_files__are_all_read_whoever_begins_where(share: float, order: str) -> None:
    assert "".join(beginning_at(share, "abcde")) == order


def test_files__of_one_server_are_run_by_one_process() -> None:
    names = [f"{file.relative_to(settings.BASE_DIR)}::test_x[a::b]" for file in _files()]
    units = {name: unit_of(name) for name in names}
    together = {name for name, unit in units.items() if not name.startswith(f"{unit}::")}
    assert together == {name for name in names if "/timescale/" in name}
    assert len(together) > len({units[name] for name in together}) == 1


def _files() -> list[Path]:
    return sorted((settings.BASE_DIR / "backend").rglob("test_*.py"))
