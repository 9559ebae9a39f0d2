"""What counts as a leak: that which is more after each night, and stays."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from backend.forecasting.tests.reliability.footprint import (
    FEW,
    NIGHT_BYTES,
    SLACK_BYTES,
    Footprint,
    judge_growth,
)

BEFORE = Footprint(threads=9, files=25, work=0, memory=351_000_000)
NIGHTS = FEW + 1


def _looks(*found: Footprint) -> Callable[[], Footprint]:
    """One after the other, then the last again and again."""
    left = list(found)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize(
    ("name", "leaked"),
    [
        ("open files", {"files": BEFORE.files + NIGHTS}),
        ("threads", {"threads": BEFORE.threads + NIGHTS}),
        ("work under way", {"work": 1}),
        ("memory", {"memory": BEFORE.memory + SLACK_BYTES + NIGHTS * NIGHT_BYTES + 1}),
    ],
)
def test_growth__of_one_a_night_is_a_leak(name: str, leaked: dict[str, int]) -> None:
    after, faults = judge_growth(BEFORE, _looks(replace(BEFORE, **leaked)), NIGHTS, seconds=0)
    assert faults == [("leaks", f"{name}: {BEFORE} became {after}")]


def test_growth__that_goes_again_is_none() -> None:
    closing = replace(BEFORE, files=BEFORE.files + NIGHTS, threads=BEFORE.threads + NIGHTS)
    assert judge_growth(BEFORE, _looks(closing, closing, BEFORE), NIGHTS) == (BEFORE, [])
