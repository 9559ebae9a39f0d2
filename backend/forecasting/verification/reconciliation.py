"""The check that compares the training table with the source database: a pure function.

Nothing in PostgreSQL tells when a row was written, so a day that differs is either one that was
changed after the last good run, or one that the run lost. They are told apart by what can be
known. A difference is put down to late changes, and warned about, only where all of this holds:

- a run has succeeded, so there is something to be late after;
- the next run reads the day again, so that a change cures itself, and a loss shows after it;
- the table has no row that PostgreSQL lacks, as far as the counts and the checksum tell.

Any other difference stays until somebody acts, or is nothing that a change could explain: it fails.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from ..loading.day_sums import BothSides, DaySums
from .findings import Finding, count_bytes, failed, passed, skipped, warned
from .snapshot import Snapshot, Unseen, succeeded_runs

CHECK = "source.reconciled"
SHOWN_DAYS = 3


def check_source(snapshot: Snapshot) -> Iterator[Finding]:
    """Nothing where the comparison was not asked for."""
    sides = snapshot.sides
    if isinstance(sides, Unseen):
        yield skipped(CHECK, f"could not compare with PostgreSQL: {sides.reason}")
    elif sides is not None:
        yield _compare(snapshot, sides)
    elif snapshot.reconcile:
        yield skipped(CHECK, snapshot.why_no_data)


def reread_from(snapshot: Snapshot) -> date:
    """The first day that the next run reads again, and after which all days are read."""
    following = snapshot.next_run or snapshot.now + timedelta(days=1)
    return following.date() - timedelta(days=snapshot.config.refresh_days)


def _compare(snapshot: Snapshot, sides: BothSides) -> Finding:
    differing = sides.differing
    if not differing:
        rows = sum(day.rows for day in sides.table.values())
        cost = count_bytes(sides.bytes_processed)
        message = f"{rows:,} rows of {snapshot.window.days} days are the same on both sides{cost}"
        return passed(CHECK, message, str(rows))
    lasting = [day for day in differing if not _may_be_late(snapshot, sides, day)]
    message = f"{len(differing)} of {snapshot.window.days} days differ: {_list(sides, differing)}"
    expected = _show(differing, sides.source)
    observed = _show(differing, sides.table)
    if lasting:
        return failed(CHECK, message, _cure(snapshot, sides, lasting), expected, observed)
    return warned(CHECK, message, _wait(snapshot), expected, observed)


def _may_be_late(snapshot: Snapshot, sides: BothSides, day: date) -> bool:
    source, table = sides.source_of(day), sides.table_of(day)
    foreign = table.rows > source.rows or (table.rows == source.rows and table.keys != source.keys)
    has_run = bool(succeeded_runs(snapshot.runs))
    return has_run and day >= reread_from(snapshot) and not foreign


def _list(sides: BothSides, days: Sequence[date]) -> str:
    """The first of the days, each with what differs."""
    shown = [
        f"{day} has {_difference(sides.source_of(day), sides.table_of(day))}"
        for day in days[:SHOWN_DAYS]
    ]
    more = [f"{len(days) - SHOWN_DAYS} more"] if len(days) > SHOWN_DAYS else []
    return "; ".join([*shown, *more])


def _difference(source: DaySums, table: DaySums) -> str:
    if source.rows != table.rows:
        return f"{source.rows:,} rows in PostgreSQL and {table.rows:,} in BigQuery"
    if source.keys != table.keys:
        return f"{source.rows:,} rows on both sides, of other entities"
    if f"{source.scores:.2f}" != f"{table.scores:.2f}":
        return (
            f"scores that sum up to {source.scores:,.2f} in PostgreSQL and "
            f"{table.scores:,.2f} in BigQuery"
        )
    return "the same rows on both sides, with other scores or dimensions"


def _show(days: Sequence[date], sums: dict[date, DaySums]) -> str:
    return "; ".join(f"{day}: {sums.get(day, 'no rows')}" for day in days[:SHOWN_DAYS])


def _wait(snapshot: Snapshot) -> str:
    return (
        "changed in PostgreSQL since the last good run, which ended "
        f"{snapshot.hours_since_good_run:.1f} hours ago, or lost by it: the next run reads these "
        "days again, and what still differs after it was lost"
    )


MANY_MORE = 1.25
"""BigQuery's rows by PostgreSQL's, above which a load would cost more than it mends."""


def _cure(snapshot: Snapshot, sides: BothSides, lasting: Sequence[date]) -> str:
    """How to load the days again: by a run, or, for older days, by reading further back once.

    Not where the table has many rows that PostgreSQL lacks: a load would remove them.
    """
    source = sum(sides.source_of(day).rows for day in lasting)
    table = sum(sides.table_of(day).rows for day in lasting)
    if table > MANY_MORE * source:
        return (
            f"BigQuery holds {table:,} rows of these days and PostgreSQL {source:,}: find out what "
            "PostgreSQL has lost before anything is loaded, for a load would remove the difference"
        )
    today = snapshot.now.date()
    if lasting[0] >= today - timedelta(days=snapshot.config.refresh_days):
        return "load the days again: run `python manage.py bq_setup_etl --run-now`"
    days = (today - lasting[0]).days
    return (
        "no run reads the older of these days again: load them with "
        f"`python manage.py bq_setup_etl --backfill-days {days}`"
    )
