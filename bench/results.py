"""All that one run of the benchmark found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.claims import Claim
from bench.comparisons import Race, Stage
from bench.data import Contents, Sizes
from bench.database import Machine
from bench.measuring import Rounds, Sample


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
