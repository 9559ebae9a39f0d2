"""docs/reliability.md, written from what was counted; no number in it is anybody's memory."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backend.forecasting.tests.reliability.tally import FAULTS, Tally, markdown_table
from bench.tables import table, wrapped


@dataclass(frozen=True, kw_only=True)
class Ran:
    """The tests of one file: how many there were, which did not pass, and how long they took."""

    file: str
    tests: int
    failed: tuple[str, ...]
    seconds: float


def write_document(tally: Tally, ran: Sequence[Ran]) -> str:
    """The whole document."""
    sections = (_introduction(), _verdict(tally, ran), _machine(ran), *_suites(tally), _how())
    return wrapped("\n\n".join(sections)) + "\n"


def _introduction() -> str:
    return (
        "# Reliability\n\n"
        "What the three commands and the nightly load do when something goes wrong, counted. "
        "`make reliability` wrote this page and every number in it; run it again and it writes "
        "the page again. `make test` runs a sample of the same and prints its counts.\n\n"
        "A **hang** is something that did not end in its time; a **duplicate** a second dataset, "
        "table, connection, scheduled query, or row of an entity and day; a **loss** a row that "
        "should be there and is not, a wrong value, or a resource that is missing or differs; a "
        "**leak** a lock, session, thread or process that stays behind, or a credential that "
        "shows; a **traceback** one that somebody would see. The commands ask BigQuery over REST "
        "and the other three services over gRPC, as in production. Each suite says how it looks "
        "for them."
    )


def _verdict(tally: Tally, ran: Sequence[Ran]) -> str:
    found = [
        f"- {name}: {suite.total[fault]:,} {fault}"
        for name, suite in tally.suites.items()
        for fault in FAULTS
        if suite.total.get(fault)
    ]
    found += [f"- failed: `{test}`" for part in ran for test in part.failed]
    counted = ", ".join(f"{_sum(tally, fault):,} {fault}" for fault in FAULTS)
    if not found:
        return f"## Result\n\nAll tests passed: {counted}."
    return f"## Result\n\n**Not all is well**: {counted}.\n\n" + "\n".join(found)


def _sum(tally: Tally, outcome: str) -> int:
    return sum(suite.total.get(outcome, 0) for suite in tally.suites.values())


def _machine(ran: Sequence[Ran]) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    rows = [
        [part.file, f"{part.tests:,}", f"{len(part.failed):,}", f"{part.seconds:,.0f}"]
        for part in ran
    ]
    return (
        "## Machine and time\n\n"
        f"{datetime.now(UTC):%d %B %Y}; {os.cpu_count() or 1} cores, {memory:.0f} GiB of memory, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}. "
        "PostgreSQL and the stand-in for Google Cloud run on the same machine; what BigQuery "
        "does is DuckDB's work there. "
        f"{sum(part.seconds for part in ran) / 60:.1f} minutes in all.\n\n"
        + table(["tests in", "tests", "failed", "seconds"], rows)
    )


def _suites(tally: Tally) -> list[str]:
    return [
        "\n\n".join([f"## {name}", *suite.notes, markdown_table(suite)])
        for name, suite in tally.suites.items()
    ]


def _how() -> str:
    return (
        "## Run it\n\n```\nmake reliability\nmake reliability ARGS='-k kill'\n```\n\n"
        "It starts a PostgreSQL and a stand-in of its own. Random choices are seeded: the same "
        "places are hit each time, as far as the machine's own timing lets them."
    )
