"""Each process of the tests reads all files, and begins with its own."""

import pytest

from backend.tests.collecting import beginning_at


@pytest.mark.parametrize(
    ("share", "order"), [(0, "abcde"), (1 / 3, "bcdea"), (2 / 3, "deabc"), (0.99, "eabcd")]
)
def test_files__are_all_read_whoever_begins_where(share: float, order: str) -> None:
    assert "".join(beginning_at(share, "abcde")) == order
