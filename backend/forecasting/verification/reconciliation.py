"""The check that compares the training table with the source database: a pure function.

Nothing in PostgreSQL tells when a row was written. What BigQuery's time travel shows decides who is
behind a day that differs:

- the table has the day as the last good run left it: PostgreSQL has changed, and the next run that
  reads the day again brings it;
- the table has changed since, and no load of ours was in between: somebody else has done it.

Where it cannot be told, a difference is put down to late changes only if the table has no row that
PostgreSQL lacks. Whatever it is, a warning is enough only where a run has succeeded and the next
one reads the day again: any other difference stays until somebody acts, and fails.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from ..counting import agree, count_bytes, count_things
from ..loading.day_sums import NO_ROWS, BothSides, DaySums
from .data_checks import FIND_WRITERS
from .findings import Finding, failed, passed, skipped, warned
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
        same = f"{agree(rows, 'is', 'are')} the same on both sides"
        message = f"{count_things(rows, 'row')} of {_days(snapshot)} {same}{cost}"
        return passed(CHECK, message, str(rows))
    tampered = [day for day in differing if _is_tampered(snapshot, sides, day)]
    lasting = [
        day for day in differing if day in tampered or not _may_be_late(snapshot, sides, day)
    ]
    differ = agree(len(differing), "differs", "differ")
    message = f"{len(differing):,} of {_days(snapshot)} {differ}: {_list(sides, differing)}"
    message += _accuse(snapshot, sides, tampered) + _doubt(snapshot, differing)
    expected = _show(differing, sides.source)
    observed = _show(differing, sides.table)
    if lasting:
        hint = _cure(snapshot, sides, lasting, bool(tampered))
        return failed(CHECK, message, hint, expected, observed)
    hint = _find_out(snapshot, sides, differing) or _wait(snapshot)
    return warned(CHECK, message, hint, expected, observed)


def _days(snapshot: Snapshot) -> str:
    """How many days are compared; all that the table has where no history is kept."""
    days = count_things(snapshot.window.days, "day")
    return f"the window's {days}" if snapshot.config.keep_history else days


def _left(snapshot: Snapshot, day: date) -> DaySums | None:
    """The day as the last good run left it; None where that is not known."""
    return snapshot.past.of(day) if snapshot.past else None


def _is_tampered(snapshot: Snapshot, sides: BothSides, day: date) -> bool:
    left = _left(snapshot, day)
    return left is not None and not left.same_as(sides.table_of(day))


def _may_be_late(snapshot: Snapshot, sides: BothSides, day: date) -> bool:
    source, table = sides.source_of(day), sides.table_of(day)
    foreign = table.rows > source.rows or (table.rows == source.rows and table.keys != source.keys)
    explained = _left(snapshot, day) is not None or not foreign
    is_off = snapshot.scheduled is not None and snapshot.scheduled.disabled
    has_run = bool(succeeded_runs(snapshot.runs)) and not is_off
    return has_run and day >= reread_from(snapshot) and explained


def _accuse(snapshot: Snapshot, sides: BothSides, days: Sequence[date]) -> str:
    """Which days somebody else has changed, and from how many rows to how many."""
    if not days:
        return ""
    left = {day: _left(snapshot, day) or NO_ROWS for day in days[:SHOWN_DAYS]}
    shown = [
        f"{day} was left with {count_things(then.rows, 'row')} and has "
        f"{_now(then, sides.table_of(day))}"
        for day, then in left.items()
    ]
    more = [f"{len(days) - SHOWN_DAYS} more"] if len(days) > SHOWN_DAYS else []
    return (
        f". {count_things(len(days), 'day')} changed in BigQuery since the last good run, by "
        f"somebody else: {'; '.join([*shown, *more])}"
    )


def _now(left: DaySums, table: DaySums) -> str:
    if left.rows != table.rows:
        return f"{table.rows:,}"
    if left.keys != table.keys:
        return f"{table.rows:,}, of other entities"
    return f"{table.rows:,}, with other {', '.join(left.differing_columns(table))}"


def _doubt(snapshot: Snapshot, days: Sequence[date]) -> str:
    """Why it is not known of some days who has changed them; empty where it is."""
    past = snapshot.past
    if past is None or all(past.of(day) for day in days):
        return ""
    why = past.unknown or "a backfill has loaded such days since the last good run"
    return f". Whether somebody else has changed the table is not known: {why}"


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
        return f"{count_things(source.rows, 'row')} in PostgreSQL and {table.rows:,} in BigQuery"
    if source.keys != table.keys:
        return f"{count_things(source.rows, 'row')} on both sides, of other entities"
    if f"{source.scores:.2f}" != f"{table.scores:.2f}":
        return (
            f"scores that sum up to {source.scores:,.2f} in PostgreSQL and "
            f"{table.scores:,.2f} in BigQuery"
        )
    names = source.differing_columns(table)
    counted = [name for name in names if source.of(name).count != table.of(name).count]
    if counted:
        return "the same rows on both sides, with " + ", ".join(
            f"{count_things(source.of(name).count, 'value')} of {name} in PostgreSQL and "
            f"{table.of(name).count:,} in BigQuery"
            for name in counted
        )
    return f"the same rows on both sides, with other {', '.join(names)}"


def _show(days: Sequence[date], sums: dict[date, DaySums]) -> str:
    return "; ".join(f"{day}: {sums.get(day, 'no rows')}" for day in days[:SHOWN_DAYS])


def _wait(snapshot: Snapshot) -> str:
    since = f"since the last good run, which ended {snapshot.hours_since_good_run:.1f} hours ago"
    if snapshot.past and snapshot.past.days is not None and not snapshot.past.backfill:
        return (
            f"changed in PostgreSQL {since} and left these days in the table as they are: the next "
            "run reads them again"
        )
    return (
        f"changed in PostgreSQL {since}, or lost by it: the next run reads these days again, and "
        "what still differs after it was lost"
    )


MANY_MORE = 1.25
"""The table's rows by PostgreSQL's, above which a load would cost more than it mends."""


def _find_out(snapshot: Snapshot, sides: BothSides, days: Sequence[date]) -> str:
    """The advice where PostgreSQL has lost many rows that a load would remove; else empty.

    Not what somebody else has added to the table: it counts as the last good run left it.
    """
    source = sum(sides.source_of(day).rows for day in days)
    table = sum((_left(snapshot, day) or sides.table_of(day)).rows for day in days)
    if table <= MANY_MORE * source:
        return ""
    return (
        f"BigQuery holds {count_things(table, 'row')} of these days and PostgreSQL {source:,}: "
        "find out what PostgreSQL has lost before anything is loaded, for a load would remove the "
        "difference"
    )


def _cure(snapshot: Snapshot, sides: BothSides, lasting: Sequence[date], tampered: bool) -> str:
    """How to load the days again: by a run, or, for older days, by reading further back once."""
    if lost := _find_out(snapshot, sides, lasting):
        return lost
    today = snapshot.now.date()
    who = f"{FIND_WRITERS}, then " if tampered else ""
    if lasting[0] >= today - timedelta(days=snapshot.config.refresh_days):
        return f"{who}load the days again: run `python manage.py bq_setup_etl --run-now`"
    days = (today - lasting[0]).days
    return (
        f"no run reads the older of these days again: {who}load them with "
        f"`python manage.py bq_setup_etl --backfill-days {days}`"
    )
