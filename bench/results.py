"""What one run of the benchmark found, and whether it shows what it must."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.comparisons import FIRST_SHAPE, OUR_QUERY, REFRESH, REFRESH_DAYS, WINDOW, Race, Stage
from bench.data import Contents, Sizes
from bench.database import Machine
from bench.measuring import (
    Rounds,
    Sample,
    Spread,
    seconds,
    server_ratio,
    server_seconds,
    time_ratio,
)


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
    refresh, window = stage.rounds[REFRESH], stage.rounds[WINDOW]
    ratio = server_ratio(refresh, window)
    return Claim(
        text=f"a refresh of {REFRESH_DAYS} days takes at most 1/8 of the {_unit(ratio)} of "
        f"{stage.days} days",
        observed=(ratio or time_ratio(refresh, window)).median,
        bound=1 / 8,
    )


def _unit(ratio: Spread | None) -> str:
    """What a claim is about: processor time, which other work on the machine hardly disturbs."""
    return "processor time" if ratio else "time"


def _history_claims(stages: Sequence[Stage]) -> Iterator[Claim]:
    short, long = stages[0], stages[-1]
    times = f"{long.days / short.days:g}"
    refreshes = [stage.rounds[REFRESH] for stage in stages]
    known = server_ratio(refreshes[0], refreshes[-1])
    medians = [(server_seconds if known else seconds)(each).median for each in refreshes]
    yield Claim(
        text=f"a refresh of {REFRESH_DAYS} days takes at most 1.25 times the {_unit(known)} with a "
        f"longer history, whichever of those up to {times} times the window",
        observed=max(medians[1:]) / medians[0],
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


@dataclass(frozen=True, kw_only=True)
class Results:
    """What docs/benchmarks.md is written from."""

    machine: Machine
    sizes: Sizes
    repetitions: int
    contents: Contents
    shapes: Rounds
    race: Race
    stages: Sequence[Stage]
    runs: Mapping[int, Sequence[Sample]]
    start_up: Rounds
    claims: Sequence[Claim]
    plans: Mapping[str, str]
