"""The sections of docs/benchmarks.md that say what was measured, from the samples alone."""

from bench.commands import BQ_SHOW
from bench.comparisons import (
    COUNT,
    FIRST_SHAPE,
    OUR_QUERY,
    REFRESH,
    REFRESH_DAYS,
    WINDOW,
    WITHOUT_DIMENSIONS,
    Stage,
    race_days,
)
from bench.contestants.registry import CONTESTANTS, OURS
from bench.measuring import Rounds, peak_of, seconds, server_ratio, server_seconds, time_ratio
from bench.results import Results
from bench.tables import as_ratio, as_seconds, megabytes, spread_of_ratios, spread_of_seconds, table

PLOT = "benchmark-history.svg"


def write_sections(results: Results) -> list[str]:
    """One for each measurement, in the order of their numbers."""
    return [
        _first_shape(results),
        _race(results),
        _floor(results),
        _history(results),
        _runs(results),
        start_up(results.start_up),
    ]


def _first_shape(results: Results) -> str:
    ours, first = results.shapes[OUR_QUERY], results.shapes[FIRST_SHAPE]
    rows = [
        [
            title,
            spread_of_seconds(seconds(samples)),
            spread_of_ratios(time_ratio(samples, ours)),
            spread_of_seconds(server_seconds(samples)),
            f"{samples[0].rows:,}",
            megabytes(samples[0].bytes),
            as_ratio(samples[0].bytes / ours[0].bytes),
        ]
        for title, samples in (("source query", ours), ("first shape", first))
    ]
    head = (
        "query",
        "seconds",
        "times as long",
        "PostgreSQL's CPU seconds",
        "rows",
        "MB",
        "times the bytes",
    )
    return (
        "## 1. The source query and the shape it replaced\n\n"
        "The pipeline was first planned to join mentions, entities and events, and to send every "
        "row with its JSON. Both queries go through COPY, as text, to a counter. CPU seconds are "
        "those of all the server's processes, which may be several at a time.\n\n"
        f"{table(head, rows)}"
    )


def _race(results: Results) -> str:
    rounds = results.race.rounds
    rows = [
        _race_row(key, rounds)
        for key in sorted(rounds, key=lambda key: seconds(rounds[key]).median)
    ]
    head = ("with", "extracts", "seconds", "times as long", "peak MB", "times the memory")
    return (
        "## 2. What else one might use\n\n"
        f"The rows of the last {race_days(results.sizes)} days, {len(rounds[OURS])} runs of each: "
        "the same table, with the same rows, in a local DuckDB file, each time by a fresh process. "
        "Every library does it in two ways: it extracts our aggregate, or it extracts the "
        "window's mentions and their events and the aggregate is made where they arrive (by "
        "DuckDB; with Django, in Python). Every file is checked against ours. Time includes "
        "connecting and not importing; memory is the process's peak, all included, and not "
        "PostgreSQL's.\n\n"
        f"{table(head, rows)}\n\n{_race_in_words(results)}{_skipped(results)}"
    )


def _race_row(key: str, rounds: Rounds) -> list[str]:
    title = f"**{CONTESTANTS[key].title}**" if key == OURS else CONTESTANTS[key].title
    peak = peak_of(rounds[key])
    return [
        title,
        _extracted(key),
        spread_of_seconds(seconds(rounds[key])),
        spread_of_ratios(time_ratio(rounds[key], rounds[OURS])),
        megabytes(peak),
        as_ratio(peak / peak_of(rounds[OURS])),
    ]


def _extracted(key: str) -> str:
    return "our aggregate" if CONTESTANTS[key].aggregates_first else "mentions and events"


def _race_in_words(results: Results) -> str:
    rounds = results.race.rounds
    medians = {key: time_ratio(samples, rounds[OURS]).median for key, samples in rounds.items()}
    quicker = [key for key in sorted(medians, key=medians.__getitem__) if medians[key] < 1]
    if not quicker:
        return "Nothing else was quicker."
    names = "; ".join(
        f"{CONTESTANTS[key].title} with {_extracted(key)} ({as_ratio(medians[key])})"
        for key in quicker
    )
    return f"Quicker than ours, as times as long: {names}."


def _skipped(results: Results) -> str:
    if not results.race.skipped:
        return ""
    lines = [
        f"- {CONTESTANTS[key].title} ({key}): {reason}"
        for key, reason in results.race.skipped.items()
    ]
    return "\n\nSkipped:\n\n" + "\n".join(lines)


def _floor(results: Results) -> str:
    ours = results.shapes[OUR_QUERY]
    rows = [
        [
            title,
            spread_of_seconds(seconds(results.shapes[name])),
            spread_of_ratios(time_ratio(results.shapes[name], ours)),
        ]
        for name, title in (
            (COUNT, "`COUNT(*)` of the window's mentions"),
            (WITHOUT_DIMENSIONS, "the source query without dimensions: no JSON is read"),
            (OUR_QUERY, "source query"),
        )
    ]
    return (
        "## 3. The floor\n\n"
        "What reading the window costs at the least, and what the dimensions add.\n\n"
        f"{table(('query', 'seconds', 'times as long'), rows)}"
    )


def _history(results: Results) -> str:
    refresh, window = (f"last {days} days, s" for days in (REFRESH_DAYS, results.sizes.days))
    head = (
        "history",
        *(refresh, window, "ratio"),
        "all of it, s",
        "reader's peak, MB",
        "PostgreSQL's peak, MB",
    )
    return (
        "## 4. Refresh and history\n\n"
        f"A night that refreshes {REFRESH_DAYS} days, one that refreshes the window, and, once "
        "for each length, a load of all the history. The two peaks are those of that last load: "
        "of the process that reads the rows and keeps none, and of the server processes' own "
        "memory, without the shared buffers.\n\n"
        f"{table(head, [_history_row(stage) for stage in results.stages])}\n\n"
        "The same in seconds of PostgreSQL's processor time, of all its processes that take part: "
        "the window is shared by several, a refresh is not.\n\n"
        f"{table(head[:4], [_server_row(stage) for stage in results.stages])}\n\n"
        f"![Seconds of the source query against days of history]({PLOT})"
    )


def _history_row(stage: Stage) -> list[str]:
    refresh, window = stage.rounds[REFRESH], stage.rounds[WINDOW]
    return [
        _length(stage),
        spread_of_seconds(seconds(refresh)),
        spread_of_seconds(seconds(window)),
        spread_of_ratios(time_ratio(refresh, window)),
        as_seconds(stage.everything.seconds),
        megabytes(stage.everything.peak_bytes),
        megabytes(stage.server_peak) if stage.server_peak else "not measured",
    ]


def _server_row(stage: Stage) -> list[str]:
    refresh, window = stage.rounds[REFRESH], stage.rounds[WINDOW]
    ratio = server_ratio(refresh, window)
    return [
        _length(stage),
        *(spread_of_seconds(server_seconds(each)) for each in (refresh, window)),
        spread_of_ratios(ratio) if ratio else "not measured",
    ]


def _length(stage: Stage) -> str:
    return f"{stage.days:,} days, {stage.mentions:,} mentions"


def _runs(results: Results) -> str:
    rows = [
        [
            f"{days} days",
            spread_of_seconds(seconds(samples)),
            f"{samples[0].rows:,}",
        ]
        for days, samples in results.runs.items()
    ]
    return (
        "## 5. From trigger to success\n\n"
        "`bq_setup_etl --run-now` on the stand-in for Google Cloud, by the run's own start and "
        "end. BigQuery is DuckDB there, and both share the machine with PostgreSQL: this is no "
        "forecast of Google's times. Nights after the first, which fills the table; "
        f"{len(next(iter(results.runs.values())))} of each.\n\n"
        f"{table(('refreshes', 'seconds', 'rows in the table'), rows)}"
    )


def start_up(rounds: Rounds) -> str:
    """What the commands cost themselves, beside `bq show` where that was there."""
    base = rounds.get(BQ_SHOW)
    rows = []
    for name, samples in rounds.items():
        ratio = server_ratio(samples, base) if base else None
        rows.append(
            [
                f"`{name}`",
                spread_of_seconds(server_seconds(samples)),
                spread_of_ratios(ratio) if ratio else "not measured",
                spread_of_seconds(seconds(samples)),
            ]
        )
    head = ("command", "its processor seconds", f"times `{BQ_SHOW}`", "seconds")
    return (
        "## 6. A command beside Google's own\n\n"
        "Each command where all is as it should be, as a deploy hook finds it, and one look at the "
        "table with Google's `bq`; all against the same stand-in, whose own work is no part of the "
        f"processor seconds and most of the seconds.\n\n{table(head, rows)}"
    )
