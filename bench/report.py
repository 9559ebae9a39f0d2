"""docs/benchmarks.md and its plot, written from what was measured; no number is from memory."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.comparisons import REFRESH, REFRESH_DAYS, WINDOW, Stage
from bench.measuring import seconds
from bench.night_cost import night_cost
from bench.results import Results
from bench.sections import write_sections
from bench.tables import as_ratio, table, wrapped

_BEGIN, _END = "<!-- measured -->\n", "<!-- end of measured -->"
_BLOCK = re.compile(r"(<!-- plan: (\w+) -->\n).*?(<!-- end of plan -->)", re.DOTALL)
_WIDTH, _HEIGHT = 520, 300
_COLOURS = ["#0b6e4f", "#c97b10", "#8a8a8a"]


def write_report(results: Results) -> str:
    """All that docs/benchmarks.md says between its marks."""
    parts = (
        _claims(results),
        _machine(results),
        *write_sections(results),
        night_cost(),
        _how(results),
    )
    return wrapped("\n\n".join(parts))


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
        f"PostgreSQL {machine.postgres} on the same machine, through a unix socket, with the "
        "shared_buffers of Cloud SQL's smallest instance that has a core of its own (a third of "
        "3.75 GB), and otherwise as it comes (but for fsync and autovacuum, which are off), read "
        f"by a role with what `bq_setup_etl --print-role-sql` sets: {settings}. Everything is in "
        "the page cache. "
        f"Python {machine.python}.\n\n"
        f"{contents.mentions:,} mentions of {contents.entities:,} entities by "
        f"{contents.events:,} events in {sizes.days} days (seed {sizes.seed}): "
        f"{contents.mentions_per_entity_day:.1f} mentions for each entity and day that has any, "
        f"{contents.json_bytes:.0f} bytes of JSON for each event. The data is made up; the "
        "primary keys are random uuids, and rows lie in the order in which they came. "
        f"Times are in seconds: the median of {results.repetitions} runs in turns, with the least "
        "and the greatest in brackets. A ratio is the median of the rounds' ratios."
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


def put_measured(document: Path, text: str) -> None:
    """Replaces what a document says between its marks, or makes one of nothing else."""
    present = document.read_text("utf-8") if document.exists() else f"{_BEGIN}{_END}\n"
    head, _, rest = present.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    document.write_text(f"{head}{_BEGIN}\n{text}\n\n{_END}{tail}", "utf-8")


def put_plans(document: Path, plans: Mapping[str, str]) -> None:
    """Replaces the plans between a document's `<!-- plan: NAME -->` marks.

    A name that the document marks and that has no plan keeps the one it has.
    """

    def replaced(match: re.Match[str]) -> str:
        plan = plans.get(match[2])
        return f"{match[1]}```text\n{plan}\n```\n{match[3]}" if plan else match[0]

    document.write_text(_BLOCK.sub(replaced, document.read_text("utf-8")), "utf-8")


def draw_history(stages: Sequence[Stage], path: Path) -> None:
    """Writes an SVG."""
    import altair as alt
    import vl_convert

    points = _points(stages)
    chart = (
        alt.Chart(alt.InlineData(values=points), width=_WIDTH, height=_HEIGHT)
        .mark_line(point=True, strokeWidth=2)
        .encode(**_axes(list(dict.fromkeys(str(point["load"]) for point in points))))
        .properties(title="Cost of a load against the length of the history")
        .configure(background="white")
    )
    path.write_text(vl_convert.vegalite_to_svg(chart.to_dict()), "utf-8")


def _axes(names: list[str]) -> dict[str, Any]:
    import altair as alt

    colours = alt.Scale(domain=names, range=_COLOURS)
    return {
        "x": alt.X("days:Q", title="history in PostgreSQL (days)"),
        "y": alt.Y(
            "seconds:Q",
            title="source query (seconds, logarithmic)",
            scale=alt.Scale(type="log", nice=True),
        ),
        "color": alt.Color("load:N", title="what is loaded", scale=colours, sort=names),
    }


def _points(stages: Sequence[Stage]) -> list[dict[str, object]]:
    series = {
        f"the last {REFRESH_DAYS} days": [seconds(s.rounds[REFRESH]).median for s in stages],
        f"the last {stages[0].days} days": [seconds(s.rounds[WINDOW]).median for s in stages],
        "all of the history": [s.everything.seconds for s in stages],
    }
    return [
        {"days": stage.days, "seconds": taken, "load": name}
        for name, values in series.items()
        for stage, taken in zip(stages, values, strict=True)
    ]
