"""docs/benchmarks.md, written from what was measured; no number in it is anybody's memory."""

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
)
from bench.contestants.registry import CONTESTANTS, OURS
from bench.measuring import Rounds, peak_of, seconds, server_ratio, server_seconds, time_ratio
from bench.night_cost import ROW, nights_table
from bench.results import Results
from bench.tables import as_ratio, as_seconds, megabytes, spread_of_ratios, spread_of_seconds, table

PLOT = "benchmark-history.svg"


def write_report(results: Results) -> str:
    """All that docs/benchmarks.md says between its marks."""
    sections = (
        _claims,
        _machine,
        _first_shape,
        _race,
        _floor,
        _history,
        _runs,
        _start_up,
        night_cost,
        _how,
    )
    return "\n\n".join(section(results) for section in sections)


def _claims(results: Results) -> str:
    failing = sum(not claim.holds for claim in results.claims)
    verdict = f"{failing} of {len(results.claims)} do not hold." if failing else "All hold."
    rows = [
        [
            claim.text,
            f"{'≥' if claim.at_least else '≤'} {as_ratio(claim.bound)}",
            as_ratio(claim.observed),
            "yes" if claim.holds else "**no**",
        ]
        for claim in results.claims
    ]
    head = ("must hold", "bound", "measured", "holds")
    return f"## What must hold\n\n{verdict}\n\n{table(head, rows)}"


def _machine(results: Results) -> str:
    machine, sizes, contents = results.machine, results.sizes, results.contents
    settings = ", ".join(f"{name} {value}" for name, value in machine.settings.items())
    return (
        "## Machine and data\n\n"
        f"{machine.day:%d %B %Y}; {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB "
        f"of memory, {machine.system}; load before the run {machine.load:.1f}. "
        f"PostgreSQL {machine.postgres} on the same machine, through a unix socket, as it comes "
        "(but for fsync and autovacuum, which are off), read by a role with what "
        f"`bq_setup_etl --print-role-sql` sets: {settings}. Everything is in the page cache. "
        f"Python {machine.python}.\n\n"
        f"{contents.mentions:,} mentions of {contents.entities:,} entities by "
        f"{contents.events:,} events in {sizes.days} days (seed {sizes.seed}): "
        f"{contents.mentions_per_entity_day:.1f} mentions for each entity and day that has any, "
        f"{contents.json_bytes:.0f} bytes of JSON for each event. The data is made up; the "
        "primary keys are random uuids, and rows lie in the order in which they came. "
        f"Times are in seconds: the median of {results.repetitions} runs in turns, with the least "
        "and the greatest in brackets. A ratio is the median of the rounds' ratios."
    )


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
        "The same table, with the same rows, in a local DuckDB file, each time by a fresh process. "
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


def _start_up(results: Results) -> str:
    return start_up(results.start_up)


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


def night_cost(results: Results | None = None) -> str:
    """The arithmetic of a night in BigQuery, which no machine here reaches."""
    head = ("rows in the table", "days refreshed", "queries", "MiB read", "MiB billed", "TiB in 30")
    return (
        "## 7. What a night costs in BigQuery\n\n"
        "Arithmetic, on demand, for a window of 90 days; nothing here was measured in BigQuery. "
        f"A row is {ROW} bytes at most (text 2 and its UTF-8, other columns 8, a NULL none: "
        "bigquery/docs/reference/standard-sql/data-types). A query is billed by the columns that "
        "it reads, at least 10 MiB for each table that it names, in whole MiB; a MERGE that "
        "deletes by what it reads and by all of the partitions that it changes "
        "(cloud.google.com/bigquery/pricing); a federated query by the bytes that PostgreSQL "
        "returns (bigquery/docs/federated-queries-intro). That both the look at the window and the "
        "MERGE read no other partitions than theirs follows from "
        "bigquery/docs/using-dml-with-partitioned-tables, and was not tried.\n\n"
        f"{table(head, nights_table())}\n\n"
        "The last column is what 30 nights are billed. The smallest nights are all minimum: "
        "fewer rows make them no cheaper."
    )


def _how(results: Results) -> str:
    sizes = results.sizes
    return (
        "## Run it\n\n"
        "```\nmake bench\n"
        f"make bench ARGS='--mentions {sizes.mentions} --entities {sizes.entities} "
        f"--days {sizes.days} --repetitions {results.repetitions} "
        f"--history-factor {results.stages[-1].days // sizes.days}'\n```\n\n"
        "It installs what it compares with into `.venv`, starts a PostgreSQL of its own, prints "
        "what holds, and ends with status 1 if something does not. The same options give the same "
        "rows, counted back from today. Leave the machine alone meanwhile."
    )
