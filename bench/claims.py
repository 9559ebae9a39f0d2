"""What the benchmark must show, and whether it did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.comparisons import FIRST_SHAPE, OUR_QUERY
from bench.history import REFRESH, REFRESH_DAYS, WINDOW, Stage
from bench.measuring import Rounds, seconds, time_ratio


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One thing that must hold: a number, and the bound that it must not cross."""

    text: str
    observed: float
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return (self.observed >= self.bound) if self.at_least else (self.observed <= self.bound)


def check_claims(shapes: Rounds, stages: Sequence[Stage]) -> list[Claim]:
    """All that must hold; what a longer history must not change only where there is one."""
    history = _history_claims(stages) if len(stages) > 1 else ()
    return [*_shape_claims(shapes), _refresh_claim(stages[0]), *history]


def _shape_claims(shapes: Rounds) -> Iterator[Claim]:
    ours, first = shapes[OUR_QUERY], shapes[FIRST_SHAPE]
    yield Claim(
        text="the first shape sends at least 7 times as many bytes as the source query",
        observed=first[0].bytes / ours[0].bytes,
        bound=7.0,
        at_least=True,
    )
    yield Claim(
        text="the source query takes no more time than the first shape",
        observed=time_ratio(ours, first).median,
        bound=1.0,
    )


def _refresh_claim(stage: Stage) -> Claim:
    return Claim(
        text=f"a refresh of {REFRESH_DAYS} days takes at most 1/8 of the time of {stage.days} days",
        observed=time_ratio(stage.rounds[REFRESH], stage.rounds[WINDOW]).median,
        bound=1 / 8,
    )


def _history_claims(stages: Sequence[Stage]) -> Iterator[Claim]:
    short, long = stages[0], stages[-1]
    times = f"{long.days / short.days:g}"
    refreshes = [seconds(stage.rounds[REFRESH]).median for stage in stages]
    yield Claim(
        text=f"a refresh of {REFRESH_DAYS} days takes at most 1.25 times as long with a longer "
        f"history, whichever of those up to {times} times the window",
        observed=max(refreshes[1:]) / refreshes[0],
        bound=1.25,
    )
    yield Claim(
        text=f"the reader's peak memory is at most 1.1 times as high with {times} times the rows",
        observed=long.everything.peak_bytes / short.everything.peak_bytes,
        bound=1.1,
    )
    if short.server_peak:
        yield Claim(
            text="PostgreSQL's own peak memory is at most 1.25 times as high with "
            f"{times} times the mentions",
            observed=long.server_peak / short.server_peak,
            bound=1.25,
        )
