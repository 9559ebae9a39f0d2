"""How much of a suite is run."""

import pytest


def chosen(config: pytest.Config, count: int, turn: int = 0) -> list[int]:
    """The numbers below `count`: all with `--reliability`, else one.

    It is that in the middle, or as many after it as `turn`: what alternates from number to number
    is there in both ways for two turns.
    """
    if config.getoption("reliability") is not None:
        return list(range(count))
    return [(count // 2 + turn) % count]
