"""How much of a suite is run."""

import pytest


def chosen(config: pytest.Config, count: int) -> list[int]:
    """The numbers below `count`: all with `--reliability`, else a tenth, spread out."""
    if config.getoption("reliability") is not None:
        return list(range(count))
    tenth = max(count // 10, 1)
    # An odd step, so that what alternates from one number to the next is there in both ways.
    step = count // tenth // 2 * 2 + 1
    return [(step // 2 + step * number) % count for number in range(tenth)]
