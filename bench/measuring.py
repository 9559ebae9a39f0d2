"""Takes times, bytes and memory, and makes fair comparisons of them.

`python -m bench.measuring` reads a query's rows in a process of its own, for its peak memory.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from backend.localcloud.postgres.server import RunningPostgres
from bench.database import open_cursor
from bench.processes import ServerClock, peak_of_process, run_python


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one run took; bytes are those of the COPY stream, peaks those of memory.

    `server_seconds` is processor time, where that was looked at: of PostgreSQL, or of a command.
    """

    seconds: float
    rows: int = 0
    bytes: int = 0
    peak_bytes: int = 0
    server_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The middle one of several measurements, and the least and the greatest."""

    median: float
    low: float
    high: float


Rounds = Mapping[str, Sequence[Sample]]


class Counter:
    """A file that keeps nothing of what is written to it but the number of rows and bytes."""

    def __init__(self) -> None:
        self.rows = 0
        self.bytes = 0

    def write(self, data: bytes) -> int:
        """Counts one write; libpq hands over a row at a time."""
        self.rows += 1
        self.bytes += len(data)
        return len(data)


def alternate(
    runs: Mapping[str, Callable[[], Sample]], repetitions: int, *, warm: bool = True
) -> Rounds:
    """The samples of each run, taken in turns; `warm` runs each once before, which does not count.

    Each round begins with another one, so that none always follows the same.
    """
    names = list(runs)
    for name in names if warm else []:
        runs[name]()
    rounds: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(repetitions):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            rounds[name].append(runs[name]())
    return rounds


def spread(values: Sequence[float]) -> Spread:
    """Median, least and greatest."""
    return Spread(median=statistics.median(values), low=min(values), high=max(values))


def seconds(samples: Sequence[Sample]) -> Spread:
    """The spread of the samples' times."""
    return spread([sample.seconds for sample in samples])


def server_seconds(samples: Sequence[Sample]) -> Spread:
    """The spread of the processor time that PostgreSQL took for the samples."""
    return spread([sample.server_seconds for sample in samples])


def peak_of(samples: Sequence[Sample]) -> float:
    """The middle one of the samples' peaks of memory, in bytes."""
    return statistics.median(sample.peak_bytes for sample in samples)


def time_ratio(samples: Sequence[Sample], base: Sequence[Sample]) -> Spread:
    """How many times as long as the base, round by round.

    A round's runs follow each other at once, so what else the machine does cancels out.
    """
    return _ratio([sample.seconds for sample in samples], [sample.seconds for sample in base])


def server_ratio(samples: Sequence[Sample], base: Sequence[Sample]) -> Spread | None:
    """How many times the base's processor time of PostgreSQL, round by round; None if unknown."""
    ours, others = ([sample.server_seconds for sample in each] for each in (samples, base))
    return _ratio(ours, others) if all([*ours, *others]) else None


def _ratio(values: Sequence[float], base: Sequence[float]) -> Spread:
    return spread([value / other for value, other in zip(values, base, strict=True)])


def copy_to_counter(uri: str, query: str, server: RunningPostgres | None = None) -> Sample:
    """Runs a query through COPY, as text, and counts what arrives. Logging in takes no part.

    The processor time of `server` is taken too, where one is given.
    """
    counter, clock = Counter(), None
    with open_cursor(uri) as cursor:
        if server:
            clock = ServerClock(server, cursor.connection.get_backend_pid())
        began = time.perf_counter()
        cursor.copy_expert(f"COPY ({query}) TO STDOUT", counter)
        taken = time.perf_counter() - began
    return Sample(
        seconds=taken,
        rows=counter.rows,
        bytes=counter.bytes,
        server_seconds=clock.seconds() if clock else 0.0,
    )


def read_in_fresh_process(uri: str, query: str) -> Sample:
    """What reading took, with the reader's peak memory."""
    return Sample(**run_python("bench.measuring", {"uri": uri, "query": query}))


def main() -> None:
    request = json.load(sys.stdin)
    sample = copy_to_counter(request["uri"], request["query"])
    json.dump(asdict(replace(sample, peak_bytes=peak_of_process())), sys.stdout)


if __name__ == "__main__":
    main()
